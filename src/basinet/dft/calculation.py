"""One run of CP2K in a directory of its own, started, watched and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from basinet.dft import guard
from basinet.dft.failures import ERRORS, INPUT, OUTPUT, CalculationFailed, FailureKind, check_end

OWNER = "BASINET_OWNER"
"""Environment variable of a running CP2K: host and number of the process that waits for it."""


def run_program(command: Sequence[str], directory: Path, *, threads: int, time_limit: float, owner: str = "") -> float:
    """Run CP2K on the input in a directory, to its end.

    The process that calls does not change its own directory. However it ends, CP2K ends with it.

    Parameters
    ----------
    command
        CP2K's command line, without options.
    directory
        Holds ``basinet.inp`` and the files that it names; CP2K's files appear there.
    threads
        Of OpenMP.
    time_limit
        Seconds.
    owner
        Goes into the environment of CP2K, by which leftover processes are known.

    Returns
    -------
    float
        Seconds that it took.

    Raises
    ------
    CalculationFailed
        It took too long, was killed, or ended with an error.
    """
    scratch = directory / "tmp"
    scratch.mkdir(exist_ok=True)
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "TMPDIR": str(scratch), OWNER: owner}
    guarded = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), *command, "-i", INPUT, "-o", OUTPUT]
    begun = time.monotonic()
    with (directory / ERRORS).open("wb") as errors:
        process = subprocess.Popen(
            guarded, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
            start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(time_limit)
        except subprocess.TimeoutExpired:
            raise CalculationFailed(
                FailureKind.time_limit, f"CP2K took longer than {time_limit:g} s; raise run.time_limit"
            ) from None
        finally:
            end(process)
    check_end(code, directory)
    return time.monotonic() - begun


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group, whatever is left of it: of a guard that was killed, what a wrapper started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
