r"""Forces and virial of an energy that is a sum over atoms of functions of their bispectrum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from basinet.descriptors.clebsch_gordan import component_labels
from basinet.descriptors.environments import find_environments, for_each, useful_threads

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import ArrayLike, NDArray

    from basinet.descriptors.bispectrum import Bispectrum
    from basinet.descriptors.kernels import AdjointTables

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
    (:mod:`basinet.descriptors.kernels`) and from there to each neighbour (:mod:`basinet.descriptors.kernels`).

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
    from basinet.descriptors.kernels import add_forces, adjoint_tables, gradients_of_groups

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


class PairDerivatives(NamedTuple):
    r"""Derivatives of a frame's components, pair by pair; every pair of neighbours stands twice, once from either end.

    Attributes
    ----------
    n_atoms : int
        Atoms of the frame.
    atom, neighbour : (n_pairs,) int64 arrays
        Atom i, and its neighbour j. An atom may be its own neighbour's image.
    derivative : (n_pairs, n_components, 3) float64 array
        :math:`\partial B_{ic} / \partial \mathbf r_{ij}`, with :math:`\mathbf r_{ij}` from atom to neighbour, 1/A.
    """

    n_atoms: int
    atom: NDArray[np.int64]
    neighbour: NDArray[np.int64]
    derivative: NDArray[np.float64]

    def forces(self, slopes: NDArray[np.float64]) -> NDArray[np.float64]:
        r"""Forces :math:`-\sum_{ic} s_{ic}\, \partial B_{ic} / \partial \mathbf r_k` (n_atoms, 3) from slopes s."""
        along = np.einsum("pc,pcx->px", slopes[self.atom], self.derivative)
        forces = np.zeros((self.n_atoms, 3))
        np.add.at(forces, self.atom, along)
        np.subtract.at(forces, self.neighbour, along)
        return forces

    def in_places(self) -> NDArray[np.float64]:
        r"""Derivatives :math:`\partial B_{ic} / \partial \mathbf r_k`, (n_atoms, n_components, n_atoms, 3), 1/A.

        A vector to a neighbour moves with the neighbour, and against the atom itself. Needs
        24 n_atoms^2 n_components bytes: 0.7 MB for 32 atoms at ``twojmax`` 6.
        """
        dense = np.zeros((self.n_atoms, self.n_atoms, self.derivative.shape[1], 3))
        np.add.at(dense, (self.atom, self.neighbour), self.derivative)
        np.subtract.at(dense, (self.atom, self.atom), self.derivative)
        return np.ascontiguousarray(dense.swapaxes(1, 2))


@lru_cache(maxsize=16)
def single_component_tables(twojmax: int) -> tuple[AdjointTables, ...]:
    """Return :func:`basinet.descriptors.kernels.adjoint_tables`, cut into the couplings of each component."""
    from basinet.descriptors.kernels import adjoint_tables

    tables = adjoint_tables(twojmax)
    parts = []
    for component in range(len(component_labels(twojmax))):
        own = tables.couplings[:, 3] == component
        parts.append(
            tables._replace(
                couplings=np.ascontiguousarray(tables.couplings[own]),
                factor=np.ascontiguousarray(tables.factor[own]),
                coefficient_start=np.ascontiguousarray(tables.coefficient_start[own]),
            )
        )
    return tuple(parts)


def bispectrum_derivatives(
    positions: ArrayLike,
    cell: ArrayLike,
    pbc: ArrayLike,
    weights_per_atom: ArrayLike,
    rcut: float,
    twojmax: int,
    *,
    radii_per_atom: ArrayLike | None = None,
) -> PairDerivatives:
    r"""Derivatives of the bispectrum of every atom, exact to rounding.

    .. math:: \frac{\partial B_{ic}}{\partial \mathbf r_{ij}}

    is the gradient of the energy :math:`B_{ic}`: the way back from an energy to the neighbours' places, with the slope
    1 in one component at a time. The result takes 24 n_components bytes a pair (8 kB an atom at 11 neighbours and
    ``twojmax`` 6); what it needs besides does not grow with the number of atoms.

    Parameters
    ----------
    positions, cell, pbc, weights_per_atom, rcut, twojmax, radii_per_atom
        As for :func:`basinet.descriptors.bispectrum.bispectrum`.

    Raises
    ------
    InputError
        A geometry or setting that :func:`basinet.descriptors.bispectrum.bispectrum` refuses.

    Examples
    --------
    >>> import numpy as np
    >>> pair = bispectrum_derivatives([[0, 0, 0], [0, 0, 3.0]], np.eye(3), False, [1, 1], 5.0, 2)
    >>> pair.atom.tolist(), pair.neighbour.tolist(), pair.derivative.shape
    ([0, 1], [1, 0], (2, 5, 3))
    """
    from basinet.descriptors.kernels import gradients_of_groups

    around = find_environments(positions, cell, pbc, weights_per_atom, rcut, twojmax, radii_per_atom, 1)
    neighbours, n_atoms = around.neighbours, len(around.order)
    n_pairs, n_components = len(neighbours.atom), len(component_labels(around.twojmax))
    derivative = np.empty((n_pairs, n_components, 3))
    descriptors, gradient = np.empty((n_atoms, n_components)), np.empty((n_pairs, 3))
    for atoms in np.array_split(around.order, max(-(-n_atoms // BLOCK), 1)):
        matrices = around.matrices(len(atoms))
        around.components(atoms, matrices, descriptors)
        pairs = np.isin(np.repeat(np.arange(n_atoms), np.diff(neighbours.first)), atoms)
        for component, tables in enumerate(single_component_tables(around.twojmax)):
            slopes = np.zeros((len(atoms), n_components))
            slopes[:, component] = 1.0
            gradients_of_groups(
                atoms, neighbours, around.weight, around.reach, around.factors, around.tables.offsets, tables,
                matrices, slopes, gradient,
            )  # fmt: skip
            derivative[pairs, component] = gradient[pairs]
    atom = np.repeat(np.arange(n_atoms), np.diff(neighbours.first))
    return PairDerivatives(n_atoms, atom, np.array(neighbours.atom), derivative)


def frame_derivatives(descriptor: Bispectrum, atoms: Atoms) -> PairDerivatives:
    """Derivatives of a descriptor on a frame; see :func:`bispectrum_derivatives`.

    Raises
    ------
    InputError
        An element without a weight, or a geometry that the descriptor refuses.
    """
    weight, radius = descriptor.of_atoms(atoms.get_chemical_symbols())
    return bispectrum_derivatives(
        atoms.positions, np.array(atoms.cell), atoms.pbc, weight, descriptor.rcut, descriptor.twojmax,
        radii_per_atom=radius,
    )  # fmt: skip
