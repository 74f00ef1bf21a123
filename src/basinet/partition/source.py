"""What an input gives to its partition, whichever program wrote it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.geometry import find_mic
from numpy.typing import NDArray

from basinet.electrostatics import Core
from basinet.errors import InputError
from basinet.io.densities import Volume
from basinet.io.densities.volume import HEADER_ROUNDING

FloatArray = NDArray[np.float64]
Stamp = list[int]
"""Size in bytes and time of change in nanoseconds."""

SAME_PLACE = 1e-3
"""Angstrom. Headers give positions with six decimals of a bohr; atoms of another frame are further away."""


@dataclass(frozen=True, eq=False)
class Source:
    """A density with all that is known of it.

    Attributes
    ----------
    kind
        ``cp2k``, ``cube`` or ``vasp``.
    atoms
        Cell and positions at the best precision to be had; labels of the calculation in ``info`` and ``arrays``.
    volume
        The density, e/A^3, and what its header says.
    files
        All that was read, or would have been: a change of one makes a result out of date.
    cores
        One per atom, where the density is one of valence electrons around Gaussian cores.
    cores_from
        Where the cores come from, in words.
    electrons
        Of the calculation, if known.
    potential
        Hartree potential (eV) by other means than the cores.
    total_density, hartree_potential
        CP2K's own cubes, where they are.
    notes
        What the user should know.
    """

    kind: str
    atoms: Atoms
    volume: Volume
    files: tuple[Path, ...]
    cores: tuple[Core, ...] | None = None
    cores_from: str = ""
    electrons: float | None = None
    potential: FloatArray | None = None
    total_density: Path | None = None
    hartree_potential: Path | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def cell(self) -> FloatArray:
        """(3, 3), vectors as rows, Angstrom."""
        return np.asarray(self.atoms.cell.array, dtype=np.float64)


def check_same_structure(volume: Volume, atoms: Atoms, other: Path) -> None:
    """Refuse a density whose header has another cell or other atoms than its calculation or structure.

    Atoms that differ by cell vectors are the same.

    Raises
    ------
    InputError
        Names both files, and what differs.
    """
    pair = f"{volume.path} and {other}"
    remedy = "give files of one calculation"
    if len(volume.atoms) != len(atoms):
        raise InputError(f"{pair}: {len(volume.atoms)} and {len(atoms)} atoms; {remedy}")
    rounding = HEADER_ROUNDING * np.array(volume.values.shape)[:, None]
    difference = np.abs(volume.cell - atoms.cell.array)
    if np.any(difference > rounding):
        raise InputError(f"{pair}: the cells differ (by {difference.max():.2g} Angstrom); {remedy}")
    known = volume.atoms.numbers > 0
    others = np.flatnonzero(known & (volume.atoms.numbers != atoms.numbers))
    if others.size:
        first = int(others[0])
        found = volume.atoms.symbols[first], atoms.symbols[first]
        raise InputError(f"{pair}: atom {first} is {found[0]} and {found[1]}; {remedy}, atoms in the same order")
    _, apart = find_mic(volume.atoms.positions - atoms.positions, atoms.cell.array, pbc=True)
    if apart.max(initial=0.0) > SAME_PLACE:
        first = int(np.argmax(apart))
        raise InputError(f"{pair}: atom {first} is {apart[first]:.2g} Angstrom apart; {remedy}")


def stamp(path: str | Path) -> Stamp | None:
    """Size and time of change of a file; None if there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]
