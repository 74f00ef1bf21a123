"""Fields on a grid of half as many points along each axis, every point the mean over a block."""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class Blocks(NamedTuple):
    """How the points of one axis are shared out among blocks (a tuple, so that numba accepts it).

    Attributes
    ----------
    number
        Blocks, half as many as points; a whole number.
    first : (n,) int64
        The block that each point lies in, or begins in.
    share : (n,) float64
        How much of it lies there; the rest lies in the next block.
    """

    number: int
    first: NDArray[np.int64]
    share: FloatArray


def blocks(points: int) -> Blocks:
    """Blocks of equal width: two points each, or with an odd number of points slightly more than two.

    Examples
    --------
    >>> blocks(5).first.tolist(), blocks(5).share.tolist()
    ([0, 0, 0, 1, 1], [1.0, 1.0, 0.5, 1.0, 1.0])
    """
    number = points // 2
    point = np.arange(points)
    first = point * number // points
    share = np.minimum(1.0, (first + 1) * points / number - point)
    return Blocks(number, first, share)


def block_means(field: FloatArray) -> FloatArray:
    """Mean over each block, (n1 // 2, n2 // 2, n3 // 2); the integral over the cell stays what it is.

    Every axis needs at least two points.
    """
    one, two, three = (blocks(points) for points in field.shape)
    means = np.zeros((one.number, two.number, three.number))
    add_to_blocks(field, one, two, three, means)
    means *= means.size / field.size
    return means


@njit(cache=True, nogil=True)
def add_to_blocks(field: FloatArray, one: Blocks, two: Blocks, three: Blocks, sums: FloatArray) -> None:
    """Add every point of a field to its blocks."""
    row = np.empty(three.number + 1)  # the last point has nothing left for the block after the last
    for i in range(field.shape[0]):
        for j in range(field.shape[1]):
            row[:] = 0.0
            for k in range(field.shape[2]):
                value = three.share[k] * field[i, j, k]
                row[three.first[k]] += value
                row[three.first[k] + 1] += field[i, j, k] - value
            for a in range(2):
                part_1 = one.share[i] if a == 0 else 1.0 - one.share[i]
                for b in range(2):
                    part = part_1 * (two.share[j] if b == 0 else 1.0 - two.share[j])
                    if part > 0.0:
                        sums[one.first[i] + a, two.first[j] + b] += part * row[:-1]
