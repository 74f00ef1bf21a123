"""Compiled grouping of pairs by their atoms; apart from `neighbours`, for importing that loads no compiler."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from basinet.compiled import jit


@jit()
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
        From ``one`` to ``other``, A.

    Returns
    -------
    first : (n_atoms + 1,) int64 array
        The neighbours of atom i are the entries ``first[i]`` to ``first[i + 1]`` of the next two.
    atom : (2 n_pairs,) int64 array
        The neighbour.
    vectors : (2 n_pairs, 3) float64 array
        From the central atom to the neighbour, A.
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
    atom, vectors = np.empty(2 * n_pairs, np.int64), np.empty((2 * n_pairs, 3))
    for pair in range(n_pairs):
        for center, neighbour, sign in ((one[pair], other[pair], 1.0), (other[pair], one[pair], -1.0)):
            slot = free[center]
            free[center] += 1
            atom[slot] = neighbour
            for axis in range(3):
                vectors[slot, axis] = sign * vector[pair, axis]
    return first, atom, vectors, closest
