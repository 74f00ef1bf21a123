"""Run a program that never outlives the process that wanted it: ``python guard.py PARENT COMMAND...``.

Started in a session of its own, beside the program and not in it, so that an unasked end of the parent (``kill -9``,
out of memory) ends the program and all that it started within a fraction of a second; and the program ends with the
guard, should that be killed. Imports nothing of basinet: it must start at once.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
import time

_EVERY = 0.1  # seconds between looks at the parent and the program
_PR_SET_PDEATHSIG = 1  # of ``prctl(2)``, Linux
NOT_FOUND = 127  # exit code of shells for a command that cannot be run


def _main(parent: int, command: list[str]) -> int:
    program = os.fork()
    if program == 0:
        _become(command)
    while True:
        ended, status = os.waitpid(program, os.WNOHANG)
        if ended:
            break
        if os.getppid() != parent:
            os.killpg(os.getpgrp(), signal.SIGKILL)  # the guard's own end, too
        time.sleep(_EVERY)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -code)
    return code


def _become(command: list[str]) -> None:
    """Turn this process into the program, which ends when its parent does."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        os.execvp(command[0], command)  # noqa: S606 - there is no shell to want
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        os._exit(NOT_FOUND)


if __name__ == "__main__":
    sys.exit(_main(int(sys.argv[1]), sys.argv[2:]))
