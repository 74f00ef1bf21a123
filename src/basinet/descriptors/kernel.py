r"""Compiled loop over atoms: neighbours to Wigner matrices to bispectrum, eight atoms side by side.

Memory is bounded: a group of eight atoms needs two arrays of one Wigner matrix set each (36 kB together at
twojmax 8), used again for the next group.

For derivatives: with :math:`\beta = \partial E / \partial B`, the same tables yield
:math:`Y = \partial E / \partial U` when the product of two matrices is added to the element of the third
instead of being summed over it; the three row indices of each term stand apart in the tables for that reason.
"""

# numba stamps its cache by this file alone: after changing hyperspherical.py or lanes.py, clear __pycache__.

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from basinet.descriptors.hyperspherical import add_neighbour, complete_matrices, gather_neighbours, rotations
from basinet.descriptors.lanes import LANES, fma, fnma, load, mul, splat, store

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
def bispectrum_of_groups(
    order: NDArray[np.int64],
    neighbours: Neighbours,
    weight: NDArray[np.float64],
    reach: NDArray[np.float64],
    factors: NDArray[np.float64],
    tables: CouplingTables,
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
    out : (n_atoms, n_components) array
        The rows of the atoms in ``order`` are written.
    """
    first, offsets, twojmax = neighbours.first, tables.offsets, len(tables.offsets) - 2
    real, imag = np.empty((offsets[-1], LANES)), np.empty((offsets[-1], LANES))
    gathered, row = np.empty((5, LANES)), np.empty((4 * (twojmax + 1), LANES))
    components = np.empty((len(tables.couplings), LANES))
    for start in range(0, len(order), LANES):
        atoms = order[start : start + LANES]
        real[:] = 0.0
        imag[:] = 0.0
        most = 0
        for atom in atoms:
            most = max(most, first[atom + 1] - first[atom])
        for rank in range(most):
            gather_neighbours(rank, atoms, neighbours, weight, reach, gathered)
            add_neighbour(twojmax, offsets, rotations(gathered), row, real, imag)
        complete_matrices(twojmax, offsets, factors, real, imag)
        contract(tables, real, imag, components)
        for lane, atom in enumerate(atoms):
            out[atom, :] = components[:, lane]
