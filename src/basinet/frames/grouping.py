"""Compiled grouping of pairs by their atoms; apart from `neighbours`, for importing that loads no compiler."""

import numpy as np
from numpy.typing import NDArray

from basinet.arrays import FloatArray, IntArray
from basinet.compiled import jit


@jit()
def group_by_atom(
    n_atoms: int, one: NDArray[np.uint64], other: NDArray[np.uint64], vector: FloatArray
) -> tuple[IntArray, IntArray, FloatArray, int]:
    """Turn pairs listed once, in any order, into the neighbours of each atom: a counting sort over both ends.

    The first three results are the fields of `Neighbours`; the last is the pair of the shortest vector, -1 without
    pairs.
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
