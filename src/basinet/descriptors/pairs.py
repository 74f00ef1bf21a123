"""Compiled ordering of pairs by their central atom."""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def group_by_atom(
    n_atoms: int, one: NDArray[np.uint64], other: NDArray[np.uint64], vector: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], int]:
    """Turn pairs listed once, in any order, into the neighbours of each atom: a counting sort over both ends.

    Parameters
    ----------
    n_atoms
        Number of atoms.
    one, other : (n_pairs,) arrays
        The two atoms of each pair.
    vector : (n_pairs, 3) array
        From ``one`` to ``other``.

    Returns
    -------
    first : (n_atoms + 1,) int64 array
        The neighbours of atom i are the entries ``first[i]`` to ``first[i + 1]`` of the next two.
    atom : (2 n_pairs,) int64 array
        The neighbour.
    vectors : (2 n_pairs, 3) float64 array
        From the central atom to the neighbour.
    closest : int
        The pair of the shortest vector; -1 without pairs.
    """
    n_pairs = len(one)
    first = np.zeros(n_atoms + 1, np.int64)
    closest, shortest = -1, np.inf
    for pair in range(n_pairs):
        first[one[pair] + 1] += 1
        first[other[pair] + 1] += 1
        square = vector[pair, 0] ** 2 + vector[pair, 1] ** 2 + vector[pair, 2] ** 2
        if square < shortest:
            closest, shortest = pair, square
    for i in range(n_atoms):
        first[i + 1] += first[i]
    free = first[:-1].copy()
    atom = np.empty(2 * n_pairs, np.int64)
    vectors = np.empty((2 * n_pairs, 3))
    for pair in range(n_pairs):
        slot = free[one[pair]]
        free[one[pair]] += 1
        atom[slot] = other[pair]
        for axis in range(3):
            vectors[slot, axis] = vector[pair, axis]
        slot = free[other[pair]]
        free[other[pair]] += 1
        atom[slot] = one[pair]
        for axis in range(3):
            vectors[slot, axis] = -vector[pair, axis]
    return first, atom, vectors, closest
