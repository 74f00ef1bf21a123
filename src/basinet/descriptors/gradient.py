r"""Forces and virial of an energy that is a sum over atoms of functions of their bispectrum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from basinet.descriptors.clebsch_gordan import component_labels
from basinet.descriptors.environments import find_environments, for_each, useful_threads

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

BLOCK = 256
"""Atoms at a time: their matrices stay in the cache, and products with a network's weights run at full speed."""

Slopes: TypeAlias = "Callable[[NDArray[np.int64], NDArray[np.float64]], NDArray[np.float64]]"
"""From indices of atoms (n,) and their components (n, n_components) to the slopes dE_i/dB_i (n, n_components)."""


@dataclass(frozen=True)
class Gradient:
    """Derivatives of a sum of atomic energies.

    Attributes
    ----------
    forces : (n_atoms, 3) array
        Minus the derivative of the energy in the positions: its unit per Angstrom.
    virial : (3, 3) array
        Minus the derivative of the energy in the strain, its unit.
    descriptors : (n_atoms, n_components) array
        The bispectrum.
    """

    forces: NDArray[np.float64]
    virial: NDArray[np.float64]
    descriptors: NDArray[np.float64]


def energy_gradient(
    positions: ArrayLike,
    cell: ArrayLike,
    pbc: ArrayLike,
    weights_per_atom: ArrayLike,
    rcut: float,
    twojmax: int,
    slopes: Slopes,
    *,
    radii_per_atom: ArrayLike | None = None,
    threads: int = 1,
) -> Gradient:
    r"""Forces and virial of :math:`E = \sum_i e_i(B_i)` by the chain rule, exact to rounding.

    .. math:: \mathbf F_k = -\sum_i \sum_c \frac{\partial e_i}{\partial B_{ic}}
       \frac{\partial B_{ic}}{\partial \mathbf r_k}, \qquad
       \mathbf W = -\sum_i \sum_{j} \mathbf r_{ij} \otimes \frac{\partial e_i}{\partial \mathbf r_{ij}}

    The derivatives of the components are never formed: the slopes are carried back to the neighbour density
    (:mod:`basinet.descriptors.adjoint`) and from there to each neighbour (:mod:`basinet.descriptors.slopes`).

    Parameters
    ----------
    positions, cell, pbc, weights_per_atom, rcut, twojmax, radii_per_atom
        As for :func:`basinet.descriptors.bispectrum.bispectrum`.
    slopes
        Called with some atoms' indices and components; returns :math:`\partial e_i / \partial B_i`. With several
        threads it is called from all of them.
    threads
        Blocks of atoms are shared out among so many threads; memory grows with their number, not with the atoms'.

    Raises
    ------
    InputError
        A geometry or setting that :func:`basinet.descriptors.bispectrum.bispectrum` refuses.

    Examples
    --------
    The slope 1 in every component of two atoms: equal and opposite forces along the bond.

    >>> import numpy as np
    >>> pair = energy_gradient(
    ...     [[0, 0, 0], [0, 0, 3.0]], np.eye(3), False, [1, 1], 5.0, 2, lambda atoms, rows: np.ones_like(rows)
    ... )
    >>> bool(np.allclose(pair.forces.sum(axis=0), 0)), bool(np.abs(pair.forces[:, :2]).max() < 1e-12)
    (True, True)
    """
    from basinet.descriptors.adjoint import adjoint_tables  # here: numba takes a moment to import
    from basinet.descriptors.kernel import add_forces, gradients_of_groups

    around = find_environments(positions, cell, pbc, weights_per_atom, rcut, twojmax, radii_per_atom, threads)
    n_atoms, tables = len(around.order), adjoint_tables(around.twojmax)
    descriptors = np.empty((n_atoms, len(component_labels(around.twojmax))))
    gradient = np.empty((len(around.neighbours.atom), 3))

    def compute(atoms: NDArray[np.int64]) -> None:
        matrices = around.matrices(len(atoms))
        rows = around.components(atoms, matrices, descriptors)
        gradients_of_groups(
            atoms, around.neighbours, around.weight, around.reach, around.factors, around.tables.offsets, tables,
            matrices, np.ascontiguousarray(slopes(atoms, rows), dtype=np.float64), gradient,
        )  # fmt: skip

    threads = useful_threads(threads, n_atoms)
    n_blocks = max(threads, -(-n_atoms // BLOCK))
    for_each(compute, np.array_split(around.order, n_blocks), threads)
    forces, virial = np.zeros((n_atoms, 3)), np.zeros((3, 3))
    add_forces(around.neighbours, gradient, forces, virial)
    return Gradient(forces, virial, descriptors)
