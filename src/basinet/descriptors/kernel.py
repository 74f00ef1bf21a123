r"""Compiled loop over atoms: neighbours to Wigner matrices to bispectrum, eight atoms side by side.

Memory is bounded: a group of eight atoms needs two arrays of one Wigner matrix set each (36 kB together at
twojmax 8), used again for the next group, unless they are kept for the way back, from an energy's slope in the
bispectrum to its slope in the neighbours' places.
"""

# numba stamps its cache by this file alone: after changing another file of this room, clear __pycache__.

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from basinet.descriptors.adjoint import density_slopes
from basinet.descriptors.hyperspherical import add_neighbour, complete_matrices, gather_neighbours, rotations
from basinet.descriptors.lanes import LANES, fma, fnma, load, mul, splat, store
from basinet.descriptors.slopes import TABLES, gradient_coefficients, neighbour_slope

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from basinet.descriptors.adjoint import AdjointTables
    from basinet.descriptors.clebsch_gordan import CouplingTables
    from basinet.descriptors.neighbours import Neighbours


@njit(cache=True, nogil=True)
def contract(
    tables: CouplingTables,
    real: NDArray[np.float64],
    imag: NDArray[np.float64],
    components: NDArray[np.float64],
) -> None:
    """Couple the matrices of eight atoms to their (n_components, 8) bispectrum."""
    zero = splat(0.0)
    rows, column_coefficient = tables.rows, tables.column_coefficient
    for component in range(len(tables.couplings)):
        j1, j2, j = tables.couplings[component]
        shift = (j1 + j2 - j) // 2
        total = zero
        for pair in range(tables.row_start[component], tables.row_start[component + 1]):
            k1, k2, k = rows[pair, 0], rows[pair, 1], rows[pair, 2]
            term = tables.column_start[component]
            row_total = zero
            for a in range(j + 1):
                z_real, z_imag = zero, zero
                middle = a + shift
                for a1 in range(max(0, middle - j2), min(j1, middle) + 1):
                    coefficient = splat(column_coefficient[term])
                    term += 1
                    u1_real = mul(coefficient, load(real, k1 + a1))
                    u1_imag = mul(coefficient, load(imag, k1 + a1))
                    u2_real, u2_imag = load(real, k2 + middle - a1), load(imag, k2 + middle - a1)
                    z_real = fnma(u1_imag, u2_imag, fma(u1_real, u2_real, z_real))
                    z_imag = fma(u1_imag, u2_real, fma(u1_real, u2_imag, z_imag))
                row_total = fma(load(real, k + a), z_real, fma(load(imag, k + a), z_imag, row_total))
            total = fma(splat(tables.row_coefficient[pair]), row_total, total)
        store(components, component, total)


@njit(cache=True, nogil=True)
def most_neighbours(first: NDArray[np.int64], atoms: NDArray[np.int64]) -> int:
    """Largest number of neighbours among some atoms."""
    most = 0
    for atom in atoms:
        most = max(most, first[atom + 1] - first[atom])
    return most


@njit(cache=True, nogil=True)
def bispectrum_of_groups(
    order: NDArray[np.int64],
    neighbours: Neighbours,
    weight: NDArray[np.float64],
    reach: NDArray[np.float64],
    factors: NDArray[np.float64],
    tables: CouplingTables,
    matrices: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Bispectrum of the atoms in ``order``, before the isolated atom's is subtracted.

    Parameters
    ----------
    order : (n,) array
        Atoms to compute. Eight in a row share a group; a group takes as long as its atom with the most
        neighbours.
    neighbours
        Of all atoms.
    weight : (n_atoms,) array
        Of each atom as a neighbour.
    reach : (n_atoms,) array
        Share of each atom in the cutoffs of its pairs, Angstrom: two atoms see each other within the sum of theirs.
    factors
        Of :func:`basinet.descriptors.hyperspherical.normalisation`.
    tables
        Of :func:`basinet.descriptors.clebsch_gordan.coupling_tables`.
    matrices : (n_groups, 2, n_elements, 8) array
        Real and imaginary parts of each group's matrices U, kept for :func:`gradients_of_groups`; with one group's
        room all groups use it in turn.
    out : (n_atoms, n_components) array
        The rows of the atoms in ``order`` are written.
    """
    first, offsets, twojmax = neighbours.first, tables.offsets, len(tables.offsets) - 2
    gathered, row = np.empty((5, LANES)), np.empty((4 * (twojmax + 1), LANES))
    components = np.empty((len(tables.couplings), LANES))
    for start in range(0, len(order), LANES):
        atoms = order[start : start + LANES]
        group = min(start // LANES, len(matrices) - 1)
        real, imag = matrices[group, 0], matrices[group, 1]
        real[:] = 0.0
        imag[:] = 0.0
        for rank in range(most_neighbours(first, atoms)):
            gather_neighbours(rank, atoms, neighbours, weight, reach, gathered)
            add_neighbour(twojmax, offsets, rotations(gathered), row, real, imag)
        complete_matrices(twojmax, offsets, factors, real, imag)
        contract(tables, real, imag, components)
        for lane, atom in enumerate(atoms):
            out[atom, :] = components[:, lane]


@njit(cache=True, nogil=True)
def gradients_of_groups(
    order: NDArray[np.int64],
    neighbours: Neighbours,
    weight: NDArray[np.float64],
    reach: NDArray[np.float64],
    factors: NDArray[np.float64],
    offsets: NDArray[np.int64],
    tables: AdjointTables,
    matrices: NDArray[np.float64],
    slopes: NDArray[np.float64],
    gradient: NDArray[np.float64],
) -> None:
    """Derivative of the energy of each atom in ``order`` in the places of its neighbours.

    Parameters
    ----------
    order, neighbours, weight, reach, factors
        As for :func:`bispectrum_of_groups`.
    offsets
        Of :func:`basinet.descriptors.clebsch_gordan.matrix_offsets`.
    tables
        Of :func:`basinet.descriptors.adjoint.adjoint_tables`.
    matrices
        As :func:`bispectrum_of_groups` left them, a group's room for each group.
    slopes : (n, n_components) array
        Derivative of the energy of the atoms in ``order``, in this order, in their components.
    gradient : (n_pairs, 3) array
        The rows of the neighbours of the atoms in ``order`` are written.
    """
    twojmax = len(offsets) - 2
    y_real, y_imag = np.empty((offsets[-1], LANES)), np.empty((offsets[-1], LANES))
    coefficients = np.empty((TABLES * offsets[-1], LANES))
    gathered, row, slope = np.empty((5, LANES)), np.empty((4 * (twojmax + 1), LANES)), np.empty((3, LANES))
    own = np.zeros((slopes.shape[1], LANES))
    for start in range(0, len(order), LANES):
        atoms = order[start : start + LANES]
        group = start // LANES
        for lane in range(len(atoms)):
            own[:, lane] = slopes[start + lane]
        density_slopes(tables, offsets, matrices[group, 0], matrices[group, 1], own, y_real, y_imag)
        gradient_coefficients(twojmax, offsets, factors, y_real, y_imag, coefficients)
        constant = load(y_real, 0)
        for rank in range(most_neighbours(neighbours.first, atoms)):
            gather_neighbours(rank, atoms, neighbours, weight, reach, gathered)
            neighbour_slope(twojmax, offsets, gathered, constant, coefficients, row, slope)
            for lane, atom in enumerate(atoms):
                pair = neighbours.first[atom] + rank
                if pair < neighbours.first[atom + 1]:
                    gradient[pair, :] = slope[:, lane]


@njit(cache=True, nogil=True)
def add_forces(
    neighbours: Neighbours, gradient: NDArray[np.float64], forces: NDArray[np.float64], virial: NDArray[np.float64]
) -> None:
    """Sum the derivatives of all pairs to forces (n_atoms, 3) and the virial (3, 3), which come in as zeros."""
    for atom in range(len(forces)):
        for pair in range(neighbours.first[atom], neighbours.first[atom + 1]):
            other = neighbours.atom[pair]
            for axis in range(3):
                slope = gradient[pair, axis]
                forces[atom, axis] += slope
                forces[other, axis] -= slope
                for direction in range(3):
                    virial[direction, axis] -= neighbours.vector[pair, direction] * slope
