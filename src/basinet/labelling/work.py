"""Directories that calculations run in, and what is left of those that were killed."""

import json
import math
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
from ase import Atoms

from basinet.cp2k import program, run_directory
from basinet.cp2k.output import Cp2kEvaluation, Cp2kOutput, read_cp2k_output
from basinet.cp2k.writer import PREVIOUS, PROJECT
from basinet.errors import DensityError, DiskFullError, InputError
from basinet.files import FULL_DISK, atomic_write, holding
from basinet.frames.reading import LABEL_PREFIXES, system_of
from basinet.labelling.campaign import Campaign, FailedTry, Unit, UnitResult, _request_for, _unit_input, open_campaign
from basinet.labelling.partition import partition_input
from basinet.labelling.partition_settings import PartitionInput, PartitionSettings
from basinet.labelling.settings import CampaignConfig
from basinet.labelling.sources import expanded
from basinet.units import Bohr

_BYTES_PER_VALUE = 13.5  # of a cube's text
_MARGIN = 32 << 20  # bytes for everything else that CP2K writes, and for results
_LOST = "its worker died (killed, out of memory, or its job ended)"


def _owner() -> str:
    """Name of this process, which CP2K bears in its environment and its directory in its name."""
    return f"{socket.gethostname().replace('.', '_')}.{os.getpid()}"


@contextmanager
def _running(root: Path, unit: str, token: str) -> Iterator[str | None]:
    """Hold the lock of a unit: a second process that wants it waits, and finds it done.

    Yields the owner of the process that died over the same try, known by its token, or None: Dask hands what a dead
    worker had to the next one, and does not tell.
    """
    path = root / "running" / f"{unit}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with holding(path, wait=True) as stream:
        left = stream.read()
        stream.truncate(0)
        stream.write(json.dumps({"owner": _owner(), "since": time.time(), "token": token}))
        stream.flush()
        dead = None
        with suppress(ValueError, TypeError, KeyError):
            values = json.loads(left)
            dead = str(values["owner"]) if values["token"] == token else None
        yield dead


@contextmanager
def _scratch_directory(scratch: Path, unit: str) -> Iterator[Path]:
    scratch.mkdir(parents=True, exist_ok=True)
    sweep(scratch)
    directory = scratch / f"{unit}.{_owner()}.{secrets.token_hex(3)}"
    directory.mkdir()
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def sweep(scratch: Path) -> None:
    """Remove directories of processes of this machine that are no more."""
    host = _owner().partition(".")[0]
    for directory in scratch.glob(f"*.{host}.*.*"):
        number = directory.name.split(".")[-2]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            shutil.rmtree(directory, ignore_errors=True)


def end_orphans() -> int:
    """End CP2Ks of this user and machine whose worker is no more; give back how many there were.

    There are none where the guard can do its work (`basinet.cp2k.guard`).
    """
    host = _owner().partition(".")[0]
    count = 0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            whose, _, number = process.environ().get(program.OWNER, "").rpartition(".")
            if whose == host and number.isdecimal() and not psutil.pid_exists(int(number)):
                process.kill()
                count += 1
    return count


def _check_space(directory: Path, atoms: Atoms, cutoff: float | None, cubes: int) -> None:
    r"""Refuse to begin a calculation whose densities will not fit the disk (`DiskFullError`).

    A grid for plane waves up to the cutoff E (Ry) has about :math:`V (2 E / \pi^2)^{3/2} / 2^{3/2}` points, V in
    bohr^3: each direction has :math:`L \sqrt{E} / \pi`.
    """
    points = atoms.get_volume() / Bohr**3 * (math.sqrt(cutoff or 0.0) / math.pi) ** 3
    needed = _MARGIN + cubes * _BYTES_PER_VALUE * points
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise DiskFullError(
            f"{directory}: {free / 1e6:.0f} MB free, about {needed / 1e6:.0f} MB needed; free some, or set run.scratch"
        )


_OURS = (
    *LABEL_PREFIXES, "local_hartree_energy", "cp2k_version", "input_checksum", "source", "step", "trajectory",
)  # fmt: skip
"""How names of labels and of origins begin, which a frame that is calculated again gets anew."""
_LASTING = ("system", "config_type")  # entries of a configuration's ``info`` that hold of later steps too
_PARTITIONING = threading.Lock()  # one at a time in a process: the kernels' threads are their own
_KEPT = ("renormalisation", "hartree_energy", "residuals", "notes", "grid", "seconds")  # of the partition's report


def _labelled_frames(
    directory: Path, unit: Unit, config: CampaignConfig, start: Atoms
) -> tuple[list[Atoms], list[dict[str, Any]]]:
    steps = _labelled_steps(unit, config.aimd.density_every)
    if not config.partition:
        frames = _unpartitioned(directory, start, steps)
        return frames, [{} for _ in frames]
    for cube in directory.glob(f"*{run_directory.DENSITY}*.cube"):
        if unit.steps and unit.previous and run_directory.step_of(cube) == unit.start:
            cube.unlink()  # the last step of the segment before, which CP2K does again
    settings = PartitionSettings(error_bars=config.error_bars, threads=config.run.threads)
    frames, reports = [], []
    for step in expanded([PartitionInput(directory)]):
        with _PARTITIONING:
            done = partition_input(step, settings)
        done.atoms.info.pop("source", None)
        frames.append(done.atoms)
        reports.append({key: done.report[key] for key in _KEPT if key in done.report})
    lost = sorted(set(steps) - {atoms.info.get("step") for atoms in frames})
    if lost:
        raise DensityError(f"no density of step {lost[0]}, of {len(lost)} in all")
    return frames, reports


def _labelled_steps(unit: Unit, every: int) -> list[int]:
    """Steps of a stretch of molecular dynamics that become frames; none of a single point.

    The first of a stretch that goes on is the last of the one before.

    >>> _labelled_steps(Unit("00000-0001", 0, start=20, steps=20, previous="00000-0000"), 10)
    [30, 40]
    """
    if not unit.steps:
        return []
    first = unit.start if unit.previous is None else unit.start + every
    return list(range(first, unit.start + unit.steps + 1, every))


def _said_of(start: Atoms, unit: Unit) -> dict[str, Any]:
    """Entries of a configuration's file, such as its system, that hold of a unit's frames; no old labels."""
    said = {key: value for key, value in start.info.items() if not str(key).startswith(_OURS)}
    if unit.steps:
        return {key: value for key, value in said.items() if key in _LASTING} | {"trajectory": unit.frame}
    return said


def _unpartitioned(directory: Path, start: Atoms, steps: Sequence[int]) -> list[Atoms]:
    """Total energies and forces of a single point, or of steps of a trajectory, of any method that CP2K has."""
    output = read_cp2k_output(directory / program.OUTPUT)
    run_directory.check_ending(output)
    if not steps:
        (evaluation,) = output.evaluations[-1:]
        return [_whole_energy(start, evaluation, output)]
    evaluations = run_directory.evaluations_by_step(output)
    path = directory / f"{PROJECT}-pos-1.xyz"
    trajectory = run_directory.read_trajectory(path, tuple(start.get_chemical_symbols()))
    frames = []
    for step in steps:
        if step not in evaluations or step not in trajectory:
            raise InputError(f"{path if step in evaluations else output.path}: step {step} is not in it")
        frames.append(_whole_energy(start, evaluations[step], output))
        frames[-1].positions = trajectory[step].positions
        frames[-1].info["step"] = step
    return frames


def _whole_energy(start: Atoms, evaluation: Cp2kEvaluation, output: Cp2kOutput) -> Atoms:
    """A configuration with total energy and forces, and no labels of its atoms' parts."""
    run_directory.check_evaluation(evaluation, len(start), output)
    atoms: Atoms = start.copy()
    atoms.info = {"system": system_of(atoms), "REF_energy": evaluation.energies["REF_energy"]}
    for name in [name for name in atoms.arrays if name.startswith(_OURS)]:
        del atoms.arrays[name]
    if evaluation.forces is not None:
        atoms.arrays["REF_forces"] = evaluation.forces
    return atoms


@dataclass(frozen=True)
class Outcome:
    """A try of a unit that has ended: kind and message of a failure, seconds, the partition's notes on frames."""

    unit: str
    seconds: float
    kind: str | None = None
    message: str = ""
    log: str | None = None
    notes: tuple[str, ...] = ()


def run_unit(root: str, name: str, attempt: int, session: str = "") -> Outcome:
    """Do one unit, unless its result is there; its result or failure is on the disk before this returns.

    The session is that of the driver that wants it. InputError: there is no CP2K, or it is too old.
    """
    campaign = open_campaign(root)
    unit = campaign.units[name]
    with _running(campaign.root, name, f"{session}-{attempt}") as dead:
        kept = campaign.result(name)
        if kept is not None:
            return Outcome(name, kept.seconds)
        if dead is not None:
            lost = program.KilledError(f"{_LOST}: {dead}")
            return _failed(campaign, unit, attempt, campaign.scratch, lost, 0.0)
        words = program.find_program(campaign.config.run.command)
        version = program.program_version(words)
        begun = time.monotonic()
        try:
            with _scratch_directory(campaign.scratch, name) as directory:
                try:
                    result = _calculate(campaign, unit, attempt, directory, words, version)
                    campaign.keep(name, result)
                except Exception as error:  # noqa: BLE001  (one frame's trouble is not the campaign's)
                    return _failed(campaign, unit, attempt, directory, error, time.monotonic() - begun)
        except OSError as error:
            return _failed(campaign, unit, attempt, campaign.scratch, error, time.monotonic() - begun)
    if unit.previous is not None:  # nothing starts from its wave functions any more
        campaign.wavefunction(unit.previous).unlink(missing_ok=True)
    notes = dict.fromkeys(note for frame in result.report["frames"] for note in frame.get("notes", []))
    return Outcome(name, result.seconds, notes=tuple(notes))


def _calculate(
    campaign: Campaign, unit: Unit, attempt: int, directory: Path, words: tuple[str, ...], version: str
) -> UnitResult:
    config, atoms = campaign.config, campaign.frames[unit.frame]
    begun = time.monotonic()
    cubes = (unit.steps // config.aimd.density_every + 1) * (2 if config.cp2k.energy_density else 1)
    cutoff = None if campaign.template is not None else config.cp2k.cutoff
    _check_space(directory, atoms, cutoff, cubes if config.partition else 0)
    wavefunction = _bring_state(campaign, unit, directory)
    request = _request_for(unit, config, wavefunction=wavefunction)
    rescue = campaign.template is None and "scf_not_converged" in [item.kind for item in campaign.failures(unit.name)]
    text = _unit_input(config, campaign.template, atoms, request, rescue=rescue)
    checksum = sha256(text.encode()).hexdigest()
    (directory / program.INPUT).write_text(text, encoding="utf-8")
    spent = program.run_program(
        words, directory, threads=config.run.threads, time_limit=config.run.time_limit, owner=_owner()
    )
    output = read_cp2k_output(directory / program.OUTPUT)
    for evaluation in output.evaluations:
        run_directory.check_convergence(evaluation, output)
    frames, reports = _labelled_frames(directory, unit, config, atoms)
    for frame in frames:
        # Words, not bare digits: extended XYZ would give 2023.1 or 12e45678... back as numbers.
        frame.info["cp2k_version"] = f"CP2K {version}"
        frame.info["input_checksum"] = f"sha256:{checksum[:16]}"
    _keep_cubes(campaign, unit, directory)
    return UnitResult(
        frames=frames,
        seconds=time.monotonic() - begun,
        cp2k_version=version,
        input_sha256=checksum,
        attempt=attempt,
        host=_owner().partition(".")[0],
        finished=_now(),
        report={"cp2k_seconds": spent, "rescued": rescue, "frames": reports, **_dynamics(directory, unit)},
        restart=_hand_on_state(campaign, unit, directory),
    )


def _bring_state(campaign: Campaign, unit: Unit, directory: Path) -> bool:
    """Put the last state of the unit before into the directory; tell whether its wave functions are there."""
    if unit.previous is None:
        return False
    if unit.steps:
        before = campaign.result(unit.previous)
        if before is None or before.restart is None:
            raise InputError(f"{unit.previous}: has left no state to go on from")
        (directory / f"{PREVIOUS}.restart").write_text(before.restart, encoding="utf-8")
    file = campaign.wavefunction(unit.previous)
    if not (campaign.config.wavefunction_chain > 1 and file.is_file()):
        return False
    shutil.copyfile(file, directory / f"{PREVIOUS}.wfn")
    return True


def _hand_on_state(campaign: Campaign, unit: Unit, directory: Path) -> str | None:
    """Keep wave functions for the next unit, and give back the state of the dynamics."""
    wavefunction = directory / f"{PROJECT}-RESTART.wfn"
    wanted = any(other.previous == unit.name for other in campaign.units.values())
    if wanted and campaign.config.wavefunction_chain > 1 and wavefunction.is_file():
        with atomic_write(campaign.wavefunction(unit.name), "wb") as stream, wavefunction.open("rb") as source:
            shutil.copyfileobj(source, stream)
    if not unit.steps:
        return None
    return (directory / f"{PROJECT}-1.restart").read_text(encoding="utf-8")


def _keep_cubes(campaign: Campaign, unit: Unit, directory: Path) -> None:
    if campaign.config.run.keep_cubes:
        target = campaign.root / "cubes" / unit.name
        target.mkdir(parents=True, exist_ok=True)
        beside = [directory / name for name in (program.INPUT, program.OUTPUT, f"{PROJECT}-pos-1.xyz")]
        for file in [*directory.glob("*.cube"), *(file for file in beside if file.is_file())]:
            shutil.move(file, target / file.name)


def _dynamics(directory: Path, unit: Unit) -> dict[str, Any]:
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


_KINDS: dict[type[Exception], str] = {  # settings of `RetrySettings`: how often each failure is tried again
    program.NotConvergedError: "scf_not_converged",
    program.CrashError: "crash",
    program.KilledError: "killed",
    program.TimeLimitError: "time_limit",
    DensityError: "damaged_density",
    DiskFullError: "out_of_disk",
}


def _failure_kind(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in FULL_DISK:
        return "out_of_disk"
    return next((kind for failure, kind in _KINDS.items() if isinstance(error, failure)), "unusable")


def _failed(campaign: Campaign, unit: Unit, attempt: int, directory: Path, error: Exception, seconds: float) -> Outcome:
    message = str(error) if isinstance(error, (InputError, OSError)) else f"{type(error).__name__}: {error}"
    message = message.replace(f"{directory}/", "").replace(f"{directory}: ", "")
    kind = _failure_kind(error)
    log = None
    with suppress(InputError, OSError):
        log = campaign.keep_log(unit.name, attempt, directory / program.OUTPUT, directory / program.ERRORS)
        _record(campaign, unit.name, attempt, kind, message, log, seconds)
    return Outcome(unit.name, seconds, kind, message, log)


def _record(
    campaign: Campaign, name: str, attempt: int, kind: str, message: str, log: str | None = None, seconds: float = 0.0
) -> None:
    failure = FailedTry(attempt, kind, message, log, seconds, _owner().partition(".")[0], _now())
    campaign.keep_failures(name, [*campaign.failures(name), failure])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
