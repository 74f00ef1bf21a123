"""The CP2K that is installed: found, and recent enough."""

from __future__ import annotations

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
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from basinet.cp2k import guard
from basinet.cp2k.output import read_cp2k_output
from basinet.cp2k.writer import PROJECT
from basinet.errors import InputError

NAMES = ("cp2k", "cp2k.psmp", "cp2k.ssmp", "cp2k.popt")
OLDEST = (2023, 1)
"""The oldest version whose input and output basinet is tested with."""
INSTALL = "install it (Debian: apt-get install cp2k; conda: conda install -c conda-forge cp2k)"


class MissingProgramError(InputError):
    """There is no CP2K, or it is too old."""


def find_program(command: str) -> tuple[str, ...]:
    """The words of CP2K's command line; the first of its names on the PATH if none is given.

    Raises
    ------
    MissingProgramError
        There is none.
    """
    try:
        words = tuple(shlex.split(command)) if command else tuple(filter(None, (first_on_path(NAMES),)))
    except ValueError as error:
        raise MissingProgramError(f"run.command: {command}: {error}; spell it as in a shell") from error
    if not words:
        raise MissingProgramError(f"cp2k: not found on the PATH; {INSTALL}, or name it with run.command")
    if shutil.which(words[0]) is None:
        raise MissingProgramError(f"{words[0]}: not found; {INSTALL}, or correct run.command")
    # It runs in a directory of its own, where paths relative to this one lead nowhere.
    return tuple(str(Path(word).absolute()) if "/" in word and Path(word).exists() else word for word in words)


def first_on_path(names: tuple[str, ...]) -> str | None:
    """The first of some programs that is on the PATH."""
    return next((name for name in names if shutil.which(name)), None)


@lru_cache(maxsize=8)
def program_version(words: tuple[str, ...]) -> str:
    """Version of CP2K, such as ``2023.1``.

    Raises
    ------
    MissingProgramError
        It is older than `OLDEST`, or is not CP2K.
    """
    try:
        done = subprocess.run([*words, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingProgramError(f"{words[0]}: cannot be run ({error}); {INSTALL}") from error
    found = re.search(r"CP2K version (\d+)\.(\d+)", done.stdout)
    if found is None:
        reason = " ".join((done.stderr or done.stdout).split())[:200]
        raise MissingProgramError(
            f"{' '.join(words)} --version: not CP2K ({reason}); {INSTALL}, or correct run.command"
        )
    version = f"{found[1]}.{found[2]}"
    if (int(found[1]), int(found[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise MissingProgramError(f"{words[0]}: CP2K {version} is too old, basinet needs {oldest} or newer; {INSTALL}")
    return version


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


INPUT = f"{PROJECT}.inp"
OUTPUT = f"{PROJECT}.out"
ERRORS = f"{PROJECT}.err"

FULL = re.compile(rb"no space left on device|disk quota exceeded", re.IGNORECASE)
TAIL = 1 << 16
"""Bytes at the end of outputs in which failures are looked for."""


class FailureKind(StrEnum):
    """Why a calculation gave nothing."""

    scf_not_converged = "scf_not_converged"
    crash = "crash"
    killed = "killed"
    time_limit = "time_limit"
    damaged_density = "damaged_density"
    out_of_disk = "out_of_disk"
    unusable = "unusable"


class CalculationFailed(Exception):  # noqa: N818  (as subprocess has it)
    """A calculation that gave nothing; one line for the user."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message


def check_end(code: int, directory: Path) -> None:
    """Tell failures of a run that has ended apart, by its exit code and what it wrote.

    Raises
    ------
    CalculationFailed
        With the reason that is most to the point: a full disk before an error, no convergence before that.
    """
    said = tail(directory / OUTPUT) + tail(directory / ERRORS)
    if FULL.search(said):
        raise CalculationFailed(FailureKind.out_of_disk, "no space left on the disk of the scratch directory")
    if code != 0 and b"SCF run NOT converged" in said:  # 2023.1 goes on, and an outer cycle may still converge
        raise CalculationFailed(
            FailureKind.scf_not_converged, "the SCF run did NOT converge; raise max_scf or change the minimiser"
        )
    number = -code if code < 0 else code - SIGNALLED
    if number in set(signal.Signals):
        kind = FailureKind.killed if number in KILLS else FailureKind.crash
        raise CalculationFailed(kind, f"CP2K ended by {signal.Signals(number).name}")
    if code == guard.NOT_FOUND:
        raise CalculationFailed(FailureKind.crash, last_words(directory / ERRORS) or "CP2K cannot be run")
    if code != 0 or b"PROGRAM ENDED AT" not in tail(directory / OUTPUT):
        reason = abort_message(directory / OUTPUT) or last_words(directory / ERRORS) or "it says nothing"
        raise CalculationFailed(FailureKind.crash, f"CP2K ended with code {code}: {reason}")


SIGNALLED = 128
"""Shells and launchers end with this and the number of the signal that ended what they ran."""
KILLS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU)
"""Signals that others send; the rest are CP2K's own faults."""


def check_convergence(directory: Path) -> str:
    """Read the output of a run; give back CP2K's version.

    Raises
    ------
    CalculationFailed
        Some SCF cycle did not converge.
    InputError
        The output cannot be read.
    """
    output = read_cp2k_output(directory / OUTPUT)
    if output.scf_converged is False:
        raise CalculationFailed(
            FailureKind.scf_not_converged, "the SCF run did NOT converge; raise max_scf or change the minimiser"
        )
    return output.version


def tail(path: Path) -> bytes:
    """The end of a file; nothing if it is not there."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - TAIL))
            return stream.read()
    except OSError:
        return b""


def abort_message(output: Path) -> str:
    """What CP2K says in its box of failure, one line; empty if there is none."""
    text = tail(output).decode("utf-8", errors="replace")
    _, found, box = text.partition("[ABORT]")
    if not found:
        return ""
    rows = [row.strip(" *") for row in box.split("\n")[1:8]]
    words = [re.sub(r"^(\\___/|\|?\s*O/\||\|\s|/\|\s\||/ \\|\|$)\s*", "", row).strip() for row in rows]
    kept = [word for word in words if word and not set(word) <= set("*/\\| ")]
    return " ".join(" ".join(kept).split())[:300]


def last_words(path: Path) -> str:
    """The last line that a file has, shortened."""
    rows = [row for row in tail(path).decode("utf-8", errors="replace").split("\n") if row.strip()]
    return " ".join(rows[-1].split())[:200] if rows else ""


def explain(error: InputError) -> CalculationFailed:
    """The failure that an error of a reader amounts to."""
    message = str(error)
    if "disk full" in message:
        return CalculationFailed(FailureKind.out_of_disk, message)
    if "NOT converge" in message:
        return CalculationFailed(FailureKind.scf_not_converged, message)
    damaged = ".cube" in message or "no cube of" in message or "electrons" in message
    return CalculationFailed(FailureKind.damaged_density if damaged else FailureKind.unusable, message)
