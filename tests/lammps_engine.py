"""LAMMPS' ``compute sna/atom`` as the tests' reference; tests that use it carry the marker ``lammps``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from basinet.lammps.engine import in_order, lammps_session, load_atoms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ase import Atoms
    from numpy.typing import NDArray


def load_without_forces(engine: Any, atoms: Atoms, elements: list[str], cutoff: float) -> None:
    """Put a frame into a session, with neighbours up to a cutoff and no forces."""
    load_atoms(engine, atoms, elements)
    engine.commands_list([f"pair_style zero {cutoff:.17g} nocoeff", "pair_coeff * *"])


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
        load_without_forces(engine, atoms, elements, 2 * rcut * max(size.values()))
        define_sna(engine, rcut, twojmax, [weights[e] for e in elements], [size[e] for e in elements])
        engine.command("run 0 post no")
        return in_order(engine, engine.numpy.extract_compute("b", 1, 2))
