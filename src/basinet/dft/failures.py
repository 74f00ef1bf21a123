"""Why a calculation gave nothing: kinds of failure, told apart by how CP2K ended and what it wrote."""

from __future__ import annotations

import re
import signal
from enum import StrEnum
from pathlib import Path

from basinet.dft import guard
from basinet.dft.cp2k_output import read_cp2k_output
from basinet.dft.cp2k_writer import PROJECT
from basinet.errors import InputError

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
