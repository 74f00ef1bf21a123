"""The files of a run: trajectory and log, appended, and the restart point that says how much of them counts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from basinet.dynamics.motion import COLUMNS
from basinet.errors import InputError
from basinet.io.checkpoint import load_arrays, save_arrays
from basinet.io.files import FULL_DISK, explained
from basinet.io.frames import format_frame
from basinet.io.tables import formatted, line

TRAJECTORY = "trajectory.extxyz"
LOG = "log.csv"
RESTART = "restart.checkpoint"
KIND = "basinet-dynamics"

PER_ATOM = ("forces", "energies", "spread", "extrapolating")
"""Results of the calculator that a frame may carry."""


@dataclass(frozen=True)
class RestartPoint:
    """Where a run can be taken up.

    Attributes
    ----------
    step
        Steps done.
    arrays
        State of the atoms and of the thermostat, and what they are.
    sizes
        Bytes of trajectory and log that were written until then.
    header
        What else was kept: bounds of the guard, checksums of the inputs.
    """

    step: int
    arrays: Mapping[str, NDArray[Any]]
    sizes: Mapping[str, int]
    header: Mapping[str, Any]


def read_restart(folder: Path) -> RestartPoint | None:
    """Read the restart point of a run, or None where it has none yet.

    Raises
    ------
    InputError
        The file is altered, or trajectory or log are shorter than they were.
    """
    path = folder / RESTART
    if not path.exists():
        return None
    try:
        header, arrays = load_arrays(path)
    except InputError as error:
        raise InputError(f"{path}: the restart point is cut short or altered; start anew with --overwrite") from error
    if header.get("kind") != KIND:
        raise InputError(f"{path}: is no restart point of a run; start anew with --overwrite")
    for name, size in header["sizes"].items():
        there = (folder / name).stat().st_size if (folder / name).exists() else 0
        if there < size:
            raise InputError(
                f"{folder / name}: has {there} bytes, and had {size} at the restart point; "
                "put the file back, or start anew with --overwrite"
            )
    return RestartPoint(header["step"], arrays, header["sizes"], header["kept"])


class RunFiles:
    """Trajectory and log of a run, open to be appended to.

    Parameters
    ----------
    folder
        Where they lie.
    since
        Restart point to go on from: what was written after it is cut off. Everything is, unless given.
    """

    def __init__(self, folder: Path, since: RestartPoint | None = None) -> None:
        self.folder = folder
        sizes = since.sizes if since is not None else {TRAJECTORY: 0, LOG: 0}
        self._streams: dict[str, IO[bytes]] = {}
        for name, size in sizes.items():
            with explained(folder / name):
                stream = (folder / name).open("ab")
                stream.truncate(size)
                self._streams[name] = stream
        if not sizes[LOG]:
            self._append(LOG, line(COLUMNS))

    def __enter__(self) -> RunFiles:
        """Nothing to do: the files are open."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Close the files."""
        for stream in self._streams.values():
            stream.close()

    def write_row(self, row: Mapping[str, Any]) -> None:
        """Append a line to the log."""
        self._append(LOG, line([formatted(row[column]) for column in COLUMNS]))

    def write_frame(self, atoms: Atoms, row: Mapping[str, Any], *, results: bool = False) -> None:
        """Append a frame to the trajectory."""
        self._append(TRAJECTORY, format_frame(frame_of(atoms, row, results=results)))

    def mark(self, step: int, arrays: Mapping[str, NDArray[Any]], kept: Mapping[str, Any]) -> None:
        """Make all that was written durable, and the present state the restart point."""
        sizes = {}
        for name, stream in self._streams.items():
            with explained(self.folder / name):
                stream.flush()
                os.fsync(stream.fileno())
                sizes[name] = stream.seek(0, os.SEEK_END)
        header = {"kind": KIND, "step": step, "sizes": sizes, "kept": dict(kept)}
        save_arrays(self.folder / RESTART, header, arrays)

    def _append(self, name: str, text: str) -> None:
        with explained(self.folder / name, only=FULL_DISK):
            self._streams[name].write(text.encode())
            self._streams[name].flush()


def frame_of(atoms: Atoms, row: Mapping[str, Any], *, results: bool = False) -> Atoms:
    """Copy the state for the trajectory: positions as they are, unwrapped, and momenta.

    Parameters
    ----------
    atoms
        The atoms.
    row
        Line of the log: step, time and energies go along.
    results
        Whether what the calculator gives for each atom goes along.
    """
    frame = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    if not np.array_equal(atoms.get_masses(), frame.get_masses()):
        frame.set_masses(atoms.get_masses())  # momenta mean nothing without
    frame.set_momenta(atoms.get_momenta())
    frame.info["step"], frame.info["time_ps"] = row["step"], row["time_ps"]
    frame.info["energy"] = row["potential_ev"]
    for name in PER_ATOM if results else ():
        value = np.asarray(getattr(atoms.calc, "results", {}).get(name, ()))
        if value.ndim and len(value) == len(atoms):
            frame.arrays[name] = value
    return frame
