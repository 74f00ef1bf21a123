"""What a worker does: one unit, from its input to its result on the disk, or to a failure that has a name."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from basinet.campaign.campaign import Campaign, open_campaign
from basinet.campaign.frames import labelled_frames
from basinet.campaign.inputs import checksum, input_text, keeps_wavefunction, request_for
from basinet.campaign.scratch import check_space, owner, running, scratch_directory
from basinet.campaign.store import Failure, Result
from basinet.campaign.units import Unit
from basinet.dft.calculation import run_program
from basinet.dft.cp2k_writer import PREVIOUS, PROJECT
from basinet.dft.failures import (
    ERRORS,
    INPUT,
    OUTPUT,
    CalculationFailed,
    FailureKind,
    check_convergence,
    explain,
)
from basinet.dft.program import find_program, program_version
from basinet.errors import InputError
from basinet.io.files import FULL_DISK, atomic_write
from basinet.io.frames import format_frame

LOG_LIMIT = 1 << 20
"""Bytes of CP2K's output that are kept of a failure."""


@dataclass(frozen=True)
class Outcome:
    """What became of a unit: ``kind`` and ``message`` of a failure, or None and nothing; seconds it took."""

    unit: str
    seconds: float
    kind: str | None = None
    message: str = ""
    log: str | None = None


LOST = "its worker died (killed, out of memory, or its job ended)"


def run_unit(root: str, name: str, attempt: int, session: str = "") -> Outcome:
    """Do one unit, unless its result is there; its result or failure is on the disk before this returns.

    Parameters
    ----------
    root, name
        The campaign's directory, and the unit.
    attempt, session
        Number of the try, and the driver that wants it.

    Raises
    ------
    InputError
        There is no CP2K, or it is too old.
    """
    campaign = open_campaign(root)
    unit = campaign.units[name]
    with running(campaign.root, name, f"{session}-{attempt}") as dead:
        kept = campaign.store.read(name)
        if kept is not None and kept.key == campaign.keys[name]:
            return Outcome(name, kept.seconds)
        if dead is not None:
            lost = CalculationFailed(FailureKind.killed, f"{LOST}: {dead}")
            return failed(campaign, unit, attempt, campaign.scratch, lost, 0.0)
        words = find_program(campaign.config.run.command)
        version = program_version(words)
        begun = time.monotonic()
        try:
            with scratch_directory(campaign.scratch, name) as directory:
                try:
                    result = calculate(campaign, unit, attempt, directory, words, version)
                    campaign.store.write(name, result)
                except Exception as error:  # noqa: BLE001  (one frame's trouble is not the campaign's)
                    return failed(campaign, unit, attempt, directory, as_failure(error), time.monotonic() - begun)
        except OSError as error:
            return failed(campaign, unit, attempt, campaign.scratch, as_failure(error), time.monotonic() - begun)
    clear_predecessor(campaign, unit)
    return Outcome(name, result.seconds)


def calculate(
    campaign: Campaign, unit: Unit, attempt: int, directory: Path, words: tuple[str, ...], version: str
) -> Result:
    """Run CP2K and partition its densities."""
    config, atoms, key = campaign.config, campaign.frames[unit.frame], campaign.keys[unit.name]
    begun = time.monotonic()
    cubes = (unit.steps // config.aimd.density_every + 1) if unit.steps else 1
    cutoff = None if campaign.template is not None else config.cp2k.cutoff
    check_space(directory, atoms, cutoff, cubes if config.partition else 0)
    wavefunction = bring_state(campaign, unit, directory)
    request = request_for(unit, config, wavefunction=wavefunction)
    rescue = campaign.template is None and FailureKind.scf_not_converged in [
        item.kind for item in campaign.store.failures(unit.name)
    ]
    text = input_text(config, campaign.template, atoms, request, rescue=rescue)
    (directory / INPUT).write_text(text, encoding="utf-8")
    spent = run_program(words, directory, threads=config.run.threads, time_limit=config.run.time_limit, owner=owner())
    check_convergence(directory)
    frames, reports = labelled_frames(directory, unit, config, atoms)
    for frame in frames:
        # Words, not bare digits: extended XYZ would give 2023.1 or 12e45678... back as numbers.
        frame.info["cp2k_version"] = f"CP2K {version}"
        frame.info["input_checksum"] = f"sha256:{checksum(text)[:16]}"
    keep_cubes(campaign, unit, directory)
    return Result(
        key=key,
        frames=[format_frame(frame) for frame in frames],
        seconds=time.monotonic() - begun,
        cp2k_version=version,
        input_sha256=checksum(text),
        attempt=attempt,
        host=owner().partition(".")[0],
        finished=now(),
        report={"cp2k_seconds": spent, "rescued": rescue, "frames": reports, **dynamics(directory, unit)},
        restart=hand_on_state(campaign, unit, directory),
    )


def bring_state(campaign: Campaign, unit: Unit, directory: Path) -> bool:
    """Put the last state of the unit before into the directory; tell whether its wave functions are there."""
    if unit.previous is None:
        return False
    if unit.steps:
        before = campaign.store.read(unit.previous)
        if before is None or before.restart is None:
            raise CalculationFailed(FailureKind.unusable, f"{unit.previous}: has left no state to go on from")
        (directory / f"{PREVIOUS}.restart").write_text(before.restart, encoding="utf-8")
    file = campaign.store.wavefunction(unit.previous)
    if not (keeps_wavefunction(campaign.config) and file.is_file()):
        return False
    shutil.copyfile(file, directory / f"{PREVIOUS}.wfn")
    return True


def hand_on_state(campaign: Campaign, unit: Unit, directory: Path) -> str | None:
    """Keep wave functions for the next unit, and give back the state of the dynamics."""
    wavefunction = directory / f"{PROJECT}-RESTART.wfn"
    wanted = any(other.previous == unit.name for other in campaign.units.values())
    if wanted and keeps_wavefunction(campaign.config) and wavefunction.is_file():
        with atomic_write(campaign.store.wavefunction(unit.name), "wb") as stream, wavefunction.open("rb") as source:
            shutil.copyfileobj(source, stream)
    if not unit.steps:
        return None
    return (directory / f"{PROJECT}-1.restart").read_text(encoding="utf-8")


def clear_predecessor(campaign: Campaign, unit: Unit) -> None:
    """Remove wave functions that nothing starts from any more."""
    if unit.previous is not None:
        campaign.store.wavefunction(unit.previous).unlink(missing_ok=True)


def keep_cubes(campaign: Campaign, unit: Unit, directory: Path) -> None:
    """Move densities to the campaign's directory where the user keeps them."""
    if campaign.config.run.keep_cubes:
        for cube in sorted(directory.glob("*.cube")):
            target = campaign.root / "cubes" / unit.name
            target.mkdir(parents=True, exist_ok=True)
            shutil.move(cube, target / cube.name)


def dynamics(directory: Path, unit: Unit) -> dict[str, Any]:
    """Step, temperature (K) and conserved quantity (hartree) of each step."""
    path = directory / f"{PROJECT}-1.ener"
    if not unit.steps or not path.is_file():
        return {}
    rows = [line.split() for line in path.read_text(encoding="utf-8").split("\n") if line and not line.startswith("#")]
    try:
        columns = {"step": [int(row[0]) for row in rows], "temperature": [float(row[3]) for row in rows]}
        return columns | {"conserved": [float(row[5]) for row in rows]}
    except (ValueError, IndexError):
        raise InputError(f"{path}: has a line that is none of step, time, energies and temperature") from None


def as_failure(error: Exception) -> CalculationFailed:
    """Give an error of any part the name of a failure."""
    if isinstance(error, CalculationFailed):
        return error
    if isinstance(error, InputError):
        return explain(error)
    if isinstance(error, OSError):
        full = error.errno in FULL_DISK
        return CalculationFailed(FailureKind.out_of_disk if full else FailureKind.unusable, str(error))
    return CalculationFailed(FailureKind.unusable, f"{type(error).__name__}: {error}")


def failed(
    campaign: Campaign, unit: Unit, attempt: int, directory: Path, failure: CalculationFailed, seconds: float
) -> Outcome:
    """Keep a failure and CP2K's output; where even that does not fit the disk, the outcome alone tells."""
    message = failure.message.replace(f"{directory}/", "").replace(f"{directory}: ", "")
    log = None
    try:
        log = campaign.store.keep_log(unit.name, attempt, directory / OUTPUT, directory / ERRORS, LOG_LIMIT)
        campaign.store.record(
            Failure(
                unit=unit.name, key=campaign.keys[unit.name], attempt=attempt, kind=failure.kind, message=message,
                log=log, seconds=seconds, host=owner().partition(".")[0], time=now(),
            )
        )  # fmt: skip
    except (InputError, OSError):
        pass
    return Outcome(unit.name, seconds, failure.kind, message, log)


def now() -> str:
    """The time, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
