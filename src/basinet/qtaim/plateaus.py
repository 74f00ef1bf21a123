"""Ways out of plateaus, for points that have no higher neighbour but an equal one."""

# numba stamps its cache by this file alone: after changing slopes.py or bits.py, clear __pycache__.
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from basinet.qtaim.bits import ONE, WORD, ZERO, lowest, row_end
from basinet.qtaim.slopes import is_flat, step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from basinet.qtaim.slopes import Grid


@njit(cache=True, nogil=True)
def list_flat(grid: Grid, density: NDArray[np.float64], up: NDArray[np.uint64], flat: NDArray[np.int64]) -> None:
    """Write the indices of the points without a higher neighbour, but with an equal one, in ascending order."""
    found = 0
    for row in range(len(density) // grid.length):
        for word in range(grid.n_words):
            group = (row * grid.n_words + word) * grid.width
            higher = ZERO
            for way in range(grid.width):
                higher |= up[group + way]
            tops = row_end(word, grid.length) & ~higher
            while tops:
                k = WORD * word + lowest(tops)
                tops &= tops - ONE
                if is_flat(grid, density, row, k):
                    flat[found] = row * grid.length + k
                    found += 1


@njit(cache=True, nogil=True)
def drain(
    grid: Grid,
    density: NDArray[np.float64],
    flat: NDArray[np.int64],
    distance: NDArray[np.int32],
    up: NDArray[np.uint64],
) -> None:
    """Give every flat point a way to where flux leaves its plateau.

    Breadth first from the points of the plateau that have higher neighbours: a point one step further away passes
    to all equal neighbours one step nearer. A plateau that flux leaves nowhere is one maximum, at its point of
    highest index, and all its other points pass to that one in the same manner. Every way leads to fewer steps,
    so there are no cycles; and on a plateau with a way out, nothing depends on where the grid begins.

    Parameters
    ----------
    grid
        Of :func:`basinet.qtaim.slopes.lay_out`.
    density : (n_points,) array
        Flat.
    flat
        Of :func:`list_flat`.
    distance : (n_points,) array
        Zeros; only flat points' are written, so that pages that hold none cost nothing.
    up : array
        Of :func:`basinet.qtaim.slopes.find_slopes`; ways to equal neighbours are added.
    """
    length = grid.length
    queue = np.empty(len(flat), dtype=np.int64)
    tail = 0
    for point in flat:
        distance[point] = -1  # how many steps to the way out is not known yet; 0 stands for points with a slope
    for point in flat:
        row, k = point // length, point % length
        for facet in range(grid.n_facets):
            next_row, next_k = step(grid, row, k, facet)
            other = next_row * length + next_k
            if density[other] == density[point] and distance[other] == 0:
                up[way(grid, row, k, facet)] |= ONE << np.uint64(k & 63)
                if distance[point] < 0:
                    distance[point] = 1
                    queue[tail] = point
                    tail += 1
    candidate, head = len(flat), 0
    while True:
        while head < tail:
            point = queue[head]
            head += 1
            row, k = point // length, point % length
            for facet in range(grid.n_facets):
                next_row, next_k = step(grid, row, k, facet)
                other = next_row * length + next_k
                if density[other] != density[point]:
                    continue
                if distance[other] == -1:
                    distance[other] = distance[point] + 1
                    queue[tail] = other
                    tail += 1
                if distance[other] == distance[point] + 1:
                    up[way(grid, next_row, next_k, facet ^ 1)] |= ONE << np.uint64(next_k & 63)
        candidate -= 1
        while candidate >= 0 and distance[flat[candidate]] > 0:
            candidate -= 1
        if candidate < 0:
            return
        distance[flat[candidate]] = 1
        queue[tail] = flat[candidate]
        tail += 1


@njit(cache=True, nogil=True)
def way(grid: Grid, row: int, k: int, facet: int) -> int:
    """Index of the word that says whether a point passes something through a facet."""
    return (row * grid.n_words + (k >> 6)) * grid.width + facet
