"""Ways out of plateaus, for points that have no higher neighbour but an equal one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from basinet.compiled import jit
from basinet.density.bits import ONE, WORD, ZERO, lowest, row_end
from basinet.density.slopes import is_flat, step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from basinet.density.slopes import Grid


SLOPE, UNKNOWN = 0, -1
"""In place of the number of steps to the way out: of points with a higher neighbour, and of those not reached yet."""


@jit()
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


@jit()
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
        Of :func:`basinet.density.slopes.lay_out`.
    density : (n_points,) array
        Flat.
    flat
        Of :func:`list_flat`.
    distance : (n_points,) array
        Zeros; only flat points' are written, so that pages that hold none cost nothing.
    up : array
        Of :func:`basinet.density.slopes.find_slopes`; ways to equal neighbours are added.
    """
    queue = np.empty(len(flat), dtype=np.int64)
    tail = find_exits(grid, density, flat, distance, up, queue)
    head = spread(grid, density, queue, 0, tail, distance, up)
    for candidate in range(len(flat) - 1, -1, -1):
        if distance[flat[candidate]] == UNKNOWN:
            distance[flat[candidate]] = 1
            queue[head] = flat[candidate]
            head = spread(grid, density, queue, head, head + 1, distance, up)


@jit()
def find_exits(
    grid: Grid,
    density: NDArray[np.float64],
    flat: NDArray[np.int64],
    distance: NDArray[np.int32],
    up: NDArray[np.uint64],
    queue: NDArray[np.int64],
) -> int:
    """Lead flat points to equal neighbours that have a slope, put those points in the queue, return their number."""
    for point in flat:
        distance[point] = UNKNOWN
    tail = 0
    for point in flat:
        row, k = point // grid.length, point % grid.length
        for facet in range(grid.n_facets):
            next_row, next_k = step(grid, row, k, facet)
            other = next_row * grid.length + next_k
            if density[other] == density[point] and distance[other] == SLOPE:
                up[way(grid, row, k, facet)] |= ONE << np.uint64(k & 63)
                if distance[point] == UNKNOWN:
                    distance[point] = 1
                    queue[tail] = point
                    tail += 1
    return tail


@jit()
def spread(
    grid: Grid,
    density: NDArray[np.float64],
    queue: NDArray[np.int64],
    head: int,
    tail: int,
    distance: NDArray[np.int32],
    up: NDArray[np.uint64],
) -> int:
    """Lead the plateaus of the points queue[head:tail] to them, breadth first; return the end of the queue."""
    while head < tail:
        point = queue[head]
        head += 1
        row, k = point // grid.length, point % grid.length
        for facet in range(grid.n_facets):
            next_row, next_k = step(grid, row, k, facet)
            other = next_row * grid.length + next_k
            if density[other] != density[point]:
                continue
            if distance[other] == UNKNOWN:
                distance[other] = distance[point] + 1
                queue[tail] = other
                tail += 1
            if distance[other] == distance[point] + 1:
                up[way(grid, next_row, next_k, facet ^ 1)] |= ONE << np.uint64(next_k & 63)
    return tail


@jit()
def way(grid: Grid, row: int, k: int, facet: int) -> int:
    """Index of the word that says whether a point passes something through a facet."""
    return (row * grid.n_words + (k >> 6)) * grid.width + facet
