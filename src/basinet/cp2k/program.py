"""CP2K as a program: found, recent enough, run, and how a run of it can fail."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from basinet.cp2k import guard
from basinet.cp2k.writer import PROJECT
from basinet.errors import DiskFullError, InputError

_NAMES = ("cp2k", "cp2k.psmp", "cp2k.ssmp", "cp2k.popt")
_OLDEST = (2023, 1)  # the oldest version whose input and output basinet is tested with
_INSTALL = "install it (Debian: apt-get install cp2k; conda: conda install -c conda-forge cp2k)"


class MissingProgramError(InputError):
    """There is no CP2K, or it is too old."""


def find_program(command: str | None) -> tuple[str, ...]:
    """The words of CP2K's command line, by default the first of its names on the PATH; else `MissingProgramError`."""
    try:
        words = tuple(shlex.split(command)) if command else tuple(filter(shutil.which, _NAMES))[:1]
    except ValueError as error:
        raise MissingProgramError(f"run.command: {command}: {error}; spell it as in a shell") from error
    if not words:
        raise MissingProgramError(f"cp2k: not found on the PATH; {_INSTALL}, or name it with run.command")
    if shutil.which(words[0]) is None:
        raise MissingProgramError(f"{words[0]}: not found; {_INSTALL}, or correct run.command")
    # It runs in a directory of its own, where paths relative to this one lead nowhere.
    return tuple(str(Path(word).absolute()) if "/" in word and Path(word).exists() else word for word in words)


@lru_cache(maxsize=8)
def program_version(words: tuple[str, ...]) -> str:
    """Version of CP2K, such as ``2023.1``; `MissingProgramError` if it is older than `_OLDEST`, or is not CP2K."""
    try:
        done = subprocess.run([*words, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingProgramError(f"{words[0]}: cannot be run ({error}); {_INSTALL}") from error
    found = re.search(r"CP2K version (\d+)\.(\d+)", done.stdout)
    if found is None:
        reason = " ".join((done.stderr or done.stdout).split())[:200]
        msg = f"{' '.join(words)} --version: not CP2K ({reason}); {_INSTALL}, or correct run.command"
        raise MissingProgramError(msg)
    version = f"{found[1]}.{found[2]}"
    if (int(found[1]), int(found[2])) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise MissingProgramError(f"{words[0]}: CP2K {version} is too old, basinet needs {oldest} or newer; {_INSTALL}")
    return version


OWNER = "BASINET_OWNER"  # environment variable of a running CP2K: host and number of the process that waits for it
_ALONE = {"OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": "self,vader", "OMPI_MCA_ess_singleton_isolated": "1"}
"""Environment of a CP2K that no launcher starts: Open MPI opens no ports for processes that will never come."""


def run_program(command: Sequence[str], directory: Path, *, threads: int, time_limit: float, owner: str = "") -> float:
    """Run CP2K (a command without options) on ``basinet.inp`` in a directory, to its end; return the seconds it took.

    The process that calls does not change its own directory. However it ends, CP2K ends with it. The owner goes into
    CP2K's environment, by which leftover processes are known; the time limit is in seconds. TimeLimitError: it took too
    long. DiskFullError, NotConvergedError, KilledError, CrashError: the reason that is most to the point: a full disk
    before an error, no convergence before that.
    """
    scratch = directory / "tmp"
    scratch.mkdir(exist_ok=True)
    alone = _ALONE if Path(command[0]).name.startswith("cp2k") else {}
    environment = alone | os.environ | {"OMP_NUM_THREADS": str(threads), "TMPDIR": str(scratch), OWNER: owner}
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
            raise TimeLimitError(f"CP2K took longer than {time_limit:g} s; raise run.time_limit") from None
        finally:
            _end(process)
    _check_end(code, directory)
    return time.monotonic() - begun


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group, whatever is left of it: of a guard that was killed, what a wrapper started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


INPUT = f"{PROJECT}.inp"
OUTPUT = f"{PROJECT}.out"
ERRORS = f"{PROJECT}.err"


class CrashError(InputError):
    """CP2K ended with an error."""


class KilledError(InputError):
    """CP2K, or the worker that waited for it, was killed by the system or by hand."""


class TimeLimitError(InputError):
    """CP2K took longer than it may."""


class NotConvergedError(InputError):
    """An SCF cycle did not converge."""


_SIGNALLED = 128  # shells and launchers end with this and the number of the signal that ended what they ran
_KILLS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU)
"""Signals that others send; the rest are CP2K's own faults."""
_FULL = re.compile(rb"no space left on device|disk quota exceeded", re.IGNORECASE)
_TAIL = 1 << 16  # bytes at the end of outputs in which failures are looked for


def _check_end(code: int, directory: Path) -> None:
    """Tell failures of a run that has ended apart, by its exit code and what it wrote; see `run_program`."""
    said, complained = (tail_of(directory / name, _TAIL) for name in (OUTPUT, ERRORS))
    if _FULL.search(said + complained):
        raise DiskFullError("no space left on the disk of the scratch directory")
    if code != 0 and b"SCF run NOT converged" in said + complained:  # 2023.1 goes on, an outer cycle may converge
        raise NotConvergedError("the SCF run did NOT converge; raise max_scf or change the minimiser")
    number = -code if code < 0 else code - _SIGNALLED
    if number in set(signal.Signals):
        kind = KilledError if number in _KILLS else CrashError
        raise kind(f"CP2K ended by {signal.Signals(number).name}")
    complaint = " ".join(complained.decode("utf-8", errors="replace").strip().rpartition("\n")[2].split())[:200]
    if code == guard.NOT_FOUND:
        raise CrashError(complaint or "CP2K cannot be run")
    if code != 0 or b"PROGRAM ENDED AT" not in said:
        reason = _abort_message(said) or complaint or "it says nothing"
        raise CrashError(f"CP2K ended with code {code}: {reason}")


def tail_of(path: Path, most: int) -> bytes:
    """Read so many bytes at most of the end of a file; none where it cannot be read."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - most))
            return stream.read()
    except OSError:
        return b""


def _abort_message(said: bytes) -> str:
    text = said.decode("utf-8", errors="replace")
    _, found, box = text.partition("[ABORT]")
    if not found:
        return ""
    rows = [row.strip(" *") for row in box.split("\n")[1:8]]
    words = [re.sub(r"^(\\___/|\|?\s*O/\||\|\s|/\|\s\||/ \\|\|$)\s*", "", row).strip() for row in rows]
    kept = [word for word in words if word and not set(word) <= set("*/\\| ")]
    return " ".join(" ".join(kept).split())[:300]
