"""One run: atoms in motion, written as they go, taken up again where they were stopped."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from basinet.deploy.extrapolation import ExtrapolationWarning
from basinet.dynamics.ase_motion import AseMotion
from basinet.dynamics.files import RestartPoint, RunFiles, frame_of, read_restart
from basinet.dynamics.guard import Guard, RunFailedError
from basinet.dynamics.lammps_motion import lammps_motion
from basinet.dynamics.motion import Motion
from basinet.dynamics.settings import DynamicsConfig
from basinet.errors import InputError
from basinet.io.frames import write_frames

Report = Callable[[int, Mapping[str, Any]], None]
"""Called with the step and the latest line of the log."""

PAUSE = 1.0
"""Seconds between two restart points at least: writing one takes some ms."""

FAILURE = "failure.extxyz"


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes
    ----------
    step
        Steps done.
    failure
        Why it could not go on, or None.
    guard
        Its bounds.
    seconds
        Wall time of a step, of those done now; None where there was none.
    """

    step: int
    failure: str | None
    guard: Guard
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
    """Run, or go on with the run in a folder, up to the steps asked for.

    Parameters
    ----------
    folder
        Exists. Trajectory, log and restart point are written there.
    atoms
        Start, with calculator and velocities; changed in place.
    config
        Settings.
    inputs
        Checksums of the files that the run depends on; a run goes on only with the same.
    begin
        Called with the step that is gone on from.
    report
        Called at every line of the log.

    Raises
    ------
    InputError
        The run in the folder was begun with other inputs, or its files are altered.
    """
    with warnings.catch_warnings():
        # The log counts what the warning of the first such step would say.
        warnings.simplefilter("ignore", ExtrapolationWarning)
        point = read_restart(folder)
        inputs = dict(inputs or {})
        if point is None:
            guard = Guard.for_start(atoms, config.temperature, config.closest, config.hottest)
        else:
            refuse_other_inputs(folder, point.header["inputs"], inputs)
            if point.step > config.steps:
                raise InputError(f"{folder}: has {point.step} steps already; resume with --steps of at least that")
            guard = Guard(**point.header["guard"])
        (folder / FAILURE).unlink(missing_ok=True)
        failure = None
        with begun(folder, atoms, config, guard, point) as motion, RunFiles(folder, point) as files:
            first, started = motion.step, time.monotonic()
            if begin is not None:
                begin(first)
            driver = Driver(motion, files, {"inputs": inputs, "guard": vars(guard)}, report)
            try:
                driver.go()
            except RunFailedError as error:
                failure = str(error)
                write_failure(folder / FAILURE, motion)
    done = motion.step - first
    return Ending(motion.step, failure, guard, (time.monotonic() - started) / done if done else None)


def begun(
    folder: Path, atoms: Atoms, config: DynamicsConfig, guard: Guard, point: RestartPoint | None
) -> AbstractContextManager[Motion]:
    """Set the atoms in motion, from the start or from a restart point."""
    step, state = (0, None) if point is None else (point.step, point.arrays)
    if config.engine == "lammps":
        return lammps_motion(folder, atoms, config, guard, step, state)
    return nullcontext(AseMotion(atoms, config, guard, step, state))


class Driver:
    """Advances a motion and writes what it says."""

    def __init__(self, motion: Motion, files: RunFiles, kept: Mapping[str, Any], report: Report | None) -> None:
        self.motion, self.files, self.kept, self.report = motion, files, kept, report
        self._marked = -1
        self._marked_at = -PAUSE

    def go(self) -> None:
        """Go on to the last step."""
        motion, config = self.motion, self.motion.config
        if motion.step == 0:
            self._note()
        while motion.step < config.steps:
            motion.advance()
            if motion.step % config.log_interval == 0:
                self._note()
            if motion.step % config.restart_interval == 0 and time.monotonic() - self._marked_at >= PAUSE:
                self._mark()
        if self._marked != motion.step:
            self._mark()

    def _note(self) -> None:
        motion = self.motion
        row = motion.row()
        self.files.write_row(row)
        if motion.step % motion.config.every == 0:
            self.files.write_frame(motion.atoms, row, results=motion.config.results)
        if self.report is not None:
            self.report(motion.step, row)

    def _mark(self) -> None:
        self.files.mark(self.motion.step, self.motion.state, self.kept)
        self._marked, self._marked_at = self.motion.step, time.monotonic()


def refuse_other_inputs(folder: Path, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse to go on where a file is not what it was."""
    for name in now:
        if before.get(name) != now[name]:
            raise InputError(f"{name}: changed since the run in {folder} was begun; use --overwrite or another --out")


def write_failure(path: Path, motion: Motion) -> None:
    """Keep the configuration at which a run was given up, if it is one."""
    if not np.isfinite(motion.atoms.positions).all():
        return
    row = {"step": motion.step, "time_ps": motion.config.time(motion.step), "potential_ev": 0.0}
    frame = frame_of(motion.atoms, row)
    del frame.info["energy"]
    write_frames(path, [frame])
