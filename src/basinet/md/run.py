"""The files of a run: trajectory and log, appended, and the restart point that says how much of them counts."""

import hashlib
import os
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, Self

import numpy as np
import pandas as pd
from ase import Atoms
from pydantic import Field

from basinet.config.loading import Section, validated
from basinet.errors import InputError
from basinet.files import FULL_DISK, explained, read_bytes
from basinet.frames.reading import format_frame, read_frames, write_frames
from basinet.jobs.arrays import load_arrays, refuse_other_arrays, save_arrays
from basinet.md.dynamics_settings import DynamicsConfig
from basinet.md.lammps_motion import _lammps_motion
from basinet.md.motion import (
    CHAIN,
    COLUMNS,
    State,
    _AseMotion,
    _drive,
    _Guard,
    _Motion,
    _RunFailedError,
    set_velocities,
)
from basinet.md.structure import _refuse_other_system
from basinet.potentials.calculator import ExtrapolationWarning

TRAJECTORY = "trajectory.extxyz"
LOG = "log.csv"
RESTART = "restart.checkpoint"

PER_ATOM = ("forces", "energies", "spread", "extrapolating")  # results of the calculator that a frame may carry


class _RestartHeader(Section):
    """Where a run can be taken up, beside the state of atoms and thermostat; it names no files.

    `trajectory` and `log` are the bytes of these files that were written until then.
    """

    kind: Literal["basinet-dynamics"] = "basinet-dynamics"
    step: int = Field(ge=0)
    trajectory: int = Field(ge=0)
    log: int = Field(gt=0)
    inputs: dict[str, str]
    closest: float
    hottest: float


def _read_restart(folder: Path, n_atoms: int, config: DynamicsConfig) -> tuple[_RestartHeader, State] | None:
    """Read the restart point of a run, None where there is none yet; InputError where its files are altered or cut."""
    path, remedy = folder / RESTART, "start anew with --overwrite"
    if not path.exists():
        return None
    try:
        values, arrays = load_arrays(path)
    except InputError as error:
        raise InputError(f"{path}: the restart point is cut short or altered; {remedy}") from error
    header = validated(_RestartHeader, values, str(path), remedy)
    shapes = {"positions": (n_atoms, 3), "momenta": (n_atoms, 3)}
    if config.engine == "lammps":
        shapes["offset"] = (n_atoms, 3)
        if "lammps" not in arrays or arrays["lammps"].dtype != np.uint8:
            raise InputError(f"{path}: holds no restart file of LAMMPS; {remedy}")
    elif config.ensemble == "nvt":
        shapes["thermostat"] = (2, CHAIN)
    refuse_other_arrays(path, arrays, shapes, remedy)
    for name, size in ((TRAJECTORY, header.trajectory), (LOG, header.log)):
        there = (folder / name).stat().st_size if (folder / name).exists() else 0
        if there < size:
            raise InputError(
                f"{folder / name}: has {there} bytes, and had {size} at the restart point; "
                f"put the file back, or {remedy}"
            )
    return header, arrays


Report = Callable[[int, Mapping[str, Any]], None]  # called with the step and the latest line of the log
PAUSE = 1.0  # seconds between two restart points at least: writing one takes some ms


class _RunFiles:
    """Trajectory, log and restart point of a run, which grow as it goes on; what was written after `since` is cut off.

    A restart point keeps `inputs` besides; `report` is called at every line of the log.
    """

    def __init__(
        self,
        folder: Path,
        config: DynamicsConfig,
        inputs: dict[str, str],
        report: Report | None = None,
        since: _RestartHeader | None = None,
    ) -> None:
        self.folder, self.config, self.inputs, self.report = folder, config, inputs, report
        self._marked, self._marked_at = -1, -PAUSE
        self._streams: dict[str, IO[bytes]] = {}
        for name, size in ((TRAJECTORY, since.trajectory if since else 0), (LOG, since.log if since else 0)):
            with explained(folder / name):
                stream = (folder / name).open("ab")
                stream.truncate(size)
                self._streams[name] = stream
        if since is None:
            self._append(LOG, ",".join(COLUMNS) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        for stream in self._streams.values():
            with suppress(OSError):
                stream.close()

    def note(self, motion: _Motion) -> None:
        row = motion.row()
        cells = ("" if pd.isna(row[column]) else str(row[column]) for column in COLUMNS)
        self._append(LOG, ",".join(cells) + "\n")
        if motion.step % self.config.every == 0:
            self.write_frame(motion.atoms, row)
        if self.report is not None:
            self.report(motion.step, row)
        due = motion.step > 0 and motion.step % self.config.restart_interval == 0
        if due and time.monotonic() - self._marked_at >= PAUSE:
            self.mark(motion)

    def write_frame(self, atoms: Atoms, row: Mapping[str, Any]) -> None:
        self._append(TRAJECTORY, format_frame(_frame_of(atoms, row, results=self.config.results)))

    def mark(self, motion: _Motion) -> None:
        if self._marked == motion.step:
            return
        sizes = {}
        for name, stream in self._streams.items():
            with explained(self.folder / name):
                stream.flush()
                os.fsync(stream.fileno())
                sizes[name] = stream.seek(0, os.SEEK_END)
        header = _RestartHeader(
            step=motion.step, trajectory=sizes[TRAJECTORY], log=sizes[LOG], inputs=self.inputs, **vars(motion.guard)
        )
        save_arrays(self.folder / RESTART, header.model_dump(), motion.state)
        self._marked, self._marked_at = motion.step, time.monotonic()

    def _append(self, name: str, text: str) -> None:
        with explained(self.folder / name, only=FULL_DISK):
            self._streams[name].write(text.encode())
            self._streams[name].flush()


def _frame_of(atoms: Atoms, row: Mapping[str, Any], *, results: bool = False) -> Atoms:
    """Copy the state for the trajectory: positions unwrapped, momenta; of the line of the log step, time and energy.

    With `results`, what the calculator gives for each atom, too.
    """
    frame = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    if not np.array_equal(atoms.get_masses(), frame.get_masses()):
        frame.set_masses(atoms.get_masses())  # momenta mean nothing without
    frame.set_momenta(atoms.get_momenta())
    frame.info["step"], frame.info["time_ps"] = row["step"], row["time_ps"]
    if "potential_ev" in row:
        frame.info["energy"] = row["potential_ev"]
    for name in PER_ATOM if results else ():
        value = np.asarray(getattr(atoms.calc, "results", {}).get(name, ()))
        if value.ndim and len(value) == len(atoms):
            frame.arrays[name] = value
    return frame


@dataclass(frozen=True)
class Start:
    """Where a run begins: atoms with calculator and velocities, and frames to compare with.

    `checksums` are the SHA-256 of the files that the motion depends on.
    """

    atoms: Atoms
    reference: list[Atoms]
    checksums: dict[str, str]


def load_start(config: DynamicsConfig, calculator: Callable[[], Any]) -> Start:
    """Read the start, give it its calculator and its velocities, and evaluate it once.

    InputError where a file is bad, the frame cannot move, or the calculator refuses it.
    """
    atoms = _moving(config)
    reference = read_frames(config.reference) if config.reference else []
    if reference:
        _refuse_other_system(reference, atoms, ", ".join(config.reference))
        if not atoms.pbc.all():
            raise InputError(f"{config.start}: is not periodic, so that it has no g(r); leave out --reference")
    atoms.calc = calculator()
    _refuse_senseless(atoms, config.start)
    paths = [*config.models, config.start]
    return Start(atoms, reference, {path: hashlib.sha256(read_bytes(path)).hexdigest() for path in paths})


def _moving(config: DynamicsConfig) -> Atoms:
    frames = read_frames(config.start)
    if not -len(frames) <= config.frame < len(frames):
        msg = f"{config.start}: has no frame {config.frame}, there are {len(frames)}; choose another --frame"
        raise InputError(msg)
    frame = frames[config.frame]
    if len(frame) < 2:
        raise InputError(f"{config.start}: one atom alone does not move; give two at least")
    if frame.constraints:
        raise InputError(f"{config.start}: holds atoms fast (move_mask), and every atom moves here; remove that column")
    atoms = Atoms(frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.pbc, masses=frame.get_masses())
    if frame.has("momenta"):
        atoms.set_momenta(frame.get_momenta())
    set_velocities(atoms, config)
    return atoms


def _refuse_senseless(atoms: Atoms, source: str) -> None:
    name = type(atoms.calc).__name__
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExtrapolationWarning)
            energy, forces = atoms.get_potential_energy(), atoms.get_forces()
            finite = np.isfinite(energy) and forces.shape == (len(atoms), 3) and np.isfinite(forces).all()
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        # Whatever the calculator raises; it is its author's to mend.
        raise InputError(f"{source}: {name} fails on the start ({type(error).__name__}: {error})") from error
    if not finite:
        raise InputError(f"{source}: {name} gives no finite energy and forces; look for atoms that overlap")


FAILURE = "failure.extxyz"


@dataclass(frozen=True)
class Ending:
    """How a run ended: steps done, why it could not go on (or None), and its bounds.

    `seconds` is the wall time of a step, of those done now; None where there was none.
    """

    step: int
    failure: str | None
    guard: _Guard
    seconds: float | None


def simulate(
    folder: Path,
    atoms: Atoms,
    config: DynamicsConfig,
    *,
    inputs: Mapping[str, str] | None = None,
    begin: Callable[[int], None] | None = None,
    report: Report | None = None,
) -> Ending:
    """Run, or go on with the run in a folder, up to the steps asked for; the atoms are changed in place.

    They come with calculator and velocities; trajectory, log and restart point are written to the folder, which exists.
    A run goes on only with the same checksums of the files that it depends on (`inputs`). `begin` is called with the
    step that is gone on from, `report` at every line of the log. InputError where the run in the folder was begun with
    other inputs, or its files are altered.
    """
    with warnings.catch_warnings():
        # The log counts what the warning of the first such step would say.
        warnings.simplefilter("ignore", ExtrapolationWarning)
        point, state = _read_restart(folder, len(atoms), config) or (None, None)
        inputs = dict(inputs or {})
        if point is None:
            guard = _Guard.for_start(atoms, config.temperature, config.closest, config.hottest)
        else:
            for name, checksum in inputs.items():
                if point.inputs.get(name) != checksum:
                    msg = f"{name}: changed since the run in {folder} was begun; use --overwrite or another --out"
                    raise InputError(msg)
            if point.step > config.steps:
                raise InputError(f"{folder}: has {point.step} steps already; resume with --steps of at least that")
            guard = _Guard(point.closest, point.hottest)
        (folder / FAILURE).unlink(missing_ok=True)
        failure = None
        step = 0 if point is None else point.step
        begun: AbstractContextManager[_Motion]
        if config.engine == "lammps":
            begun = _lammps_motion(folder, atoms, config, guard, step, state)
        else:
            begun = nullcontext(_AseMotion.of_config(atoms, config, guard, step, state))
        with begun as motion, _RunFiles(folder, config, inputs, report, point) as files:
            first, started = motion.step, time.monotonic()
            if begin is not None:
                begin(first)
            try:
                if motion.step == 0:
                    files.note(motion)
                _drive(motion, config.steps - motion.step, config.log_interval, lambda: files.note(motion))
                files.mark(motion)
            except _RunFailedError as error:
                failure = str(error)
                if np.isfinite(motion.atoms.positions).all():
                    row = {"step": motion.step, "time_ps": config.time(motion.step)}
                    write_frames(folder / FAILURE, [_frame_of(motion.atoms, row)])
    done = motion.step - first
    return Ending(motion.step, failure, guard, (time.monotonic() - started) / done if done else None)
