"""Cells and positions of frames in the frame of reference that LAMMPS works in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase.calculators.lammps import Prism

from basinet.descriptors.neighbours import checked_cell, checked_positions
from basinet.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray

MARGIN = 1.0
"""Angstrom between the atoms and the faces of the box in directions without periodic images."""


@dataclass(frozen=True)
class Box:
    """A frame as LAMMPS takes it: the first cell vector along x, the second in the plane of x and y.

    Attributes
    ----------
    lengths
        (3,) Angstrom: ``xhi yhi zhi``, where ``xlo ylo zlo`` are 0.
    tilts
        (3,) Angstrom: ``xy xz yz``.
    periodic
        Which axes repeat.
    positions
        (n_atoms, 3) Angstrom, inside the box.
    prism
        The rotation between the two frames of reference.
    """

    lengths: NDArray[np.float64]
    tilts: NDArray[np.float64]
    periodic: tuple[bool, bool, bool]
    positions: NDArray[np.float64]
    prism: Prism

    @property
    def is_tilted(self) -> bool:
        """Whether the box is triclinic."""
        return bool((self.tilts != 0.0).any())

    def boundary(self, free: str = "f") -> str:
        """Arguments of LAMMPS' ``boundary``; `free` is that of axes that do not repeat.

        >>> from ase import Atoms
        >>> box_of(Atoms("Ar", cell=[4.0, 5.0, 6.0], pbc=[True, True, False])).boundary()
        'p p f'
        """
        return " ".join("p" if repeats else free for repeats in self.periodic)

    def to_frame(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rotate vectors such as forces, ``(n_atoms, 3)``, back to the frame's own axes."""
        return np.asarray(self.prism.vector_to_ase(vectors), dtype=np.float64)


def box_of(atoms: Atoms) -> Box:
    """Describe a frame to LAMMPS.

    Cell vectors of axes that do not repeat are replaced by ones at right angles to the others, long enough to hold all
    atoms; where they point makes no difference to energies.

    Raises
    ------
    InputError
        No atoms, a position that is not finite, a periodic cell without volume.
    """
    positions, axes = checked_positions(atoms.positions), np.array(atoms.pbc, dtype=bool)
    if not len(positions):
        msg = "the frame holds no atoms; give one with atoms"
        raise InputError(msg)
    cell = checked_cell(np.array(atoms.cell), axes)
    if not axes.all():
        along = positions @ np.linalg.inv(cell)  # in units of the vectors, which are unit vectors along free axes
        low, extent = along.min(axis=0), np.ptp(along, axis=0)
        free = np.flatnonzero(~axes)
        positions = positions - ((low[free] - MARGIN) @ cell[free])
        cell[free] *= (extent[free] + 2.0 * MARGIN)[:, None]
    prism = Prism(cell, pbc=axes)
    lengths, tilts = np.split(np.asarray(prism.get_lammps_prism(), dtype=np.float64), 2)
    tilts = np.where(np.abs(tilts) < 1e-12 * lengths.max(), 0.0, tilts)
    inside = np.asarray(prism.vector_to_lammps(positions, wrap=True), dtype=np.float64)
    return Box(lengths, tilts, (bool(axes[0]), bool(axes[1]), bool(axes[2])), inside, prism)
