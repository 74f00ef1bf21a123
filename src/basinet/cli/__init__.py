"""The command line: each command translates between the shell and a function of another room."""

import signal
import sys


def main() -> None:
    """Run the command line with the process's arguments; Ctrl-C ends it in one line, while it begins too.

    Imports that are interrupted fail with errors of many types, and some are printed from where none can be raised.
    """
    interrupted, hook = False, sys.unraisablehook

    def interrupt(*_: object) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    sys.unraisablehook = lambda problem: None if interrupted else hook(problem)
    try:
        from basinet.cli.app import app

        app(prog_name="basinet")
    except SystemExit:
        raise
    except BaseException:
        if not interrupted:
            raise
        sys.stderr.write("basinet: interrupted\n")
        sys.exit(130)
