"""Energies, forces and virial of one frame from the energies of atoms and their slopes in the descriptors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from basinet.descriptors.gradient import energy_gradient
from basinet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ase import Atoms
    from numpy.typing import NDArray

    from basinet.descriptors import Bispectrum


@dataclass(frozen=True)
class Evaluation:
    """What an ensemble says of a frame.

    Attributes
    ----------
    local_energies : (members, n_atoms) array
        eV, E0 included: their sum over atoms compares with ``REF_energy``.
    forces : (n_atoms, 3) array
        Of the members' mean, eV/A.
    virial : (3, 3) array
        Of the members' mean: minus the derivative of the energy in the strain, eV. The stress is minus the virial
        over the volume.
    descriptors : (n_atoms, n_components) array
        What the networks read.
    """

    local_energies: NDArray[np.float64]
    forces: NDArray[np.float64]
    virial: NDArray[np.float64]
    descriptors: NDArray[np.float64]


def chosen_members(n_members: int, chosen: Sequence[int] | None) -> Sequence[int]:
    """Members as they were chosen, all unless any were, or an error where they are none, doubled, or absent."""
    if chosen is None:
        return range(n_members)
    if not len(chosen) or len(set(chosen)) < len(chosen) or not set(chosen) <= set(range(n_members)):
        msg = f"mean_over is {list(chosen)}; name some of the members 0 to {n_members - 1}, each once"
        raise InputError(msg)
    return chosen


def evaluate_frame(
    atoms: Atoms,
    descriptor: Bispectrum,
    energies_and_slopes: Callable[
        [NDArray[np.int64], NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]
    ],
    *,
    members: int,
    threads: int = 1,
) -> Evaluation:
    """Evaluate functions of the descriptors on a frame.

    Parameters
    ----------
    atoms
        The frame.
    descriptor
        What the functions read.
    energies_and_slopes
        From some atoms' indices (n,) and components (n, n_components) to the members' energies (members, n) in eV, and
        the derivatives (n, n_components) of the energy that forces belong to.
    members
        Number of members.
    threads
        Threads to share the atoms.
    """
    weight, radius = descriptor.of_atoms(atoms.get_chemical_symbols())
    energies = np.zeros((members, len(atoms)))

    def slopes(block: NDArray[np.int64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
        energies[:, block], slopes_of_block = energies_and_slopes(block, rows)
        return slopes_of_block

    gradient = energy_gradient(
        atoms.positions, np.array(atoms.cell), atoms.pbc, weight, descriptor.rcut, descriptor.twojmax,
        slopes, radii_per_atom=radius, threads=threads,
    )  # fmt: skip
    return Evaluation(energies, gradient.forces, gradient.virial, gradient.descriptors)
