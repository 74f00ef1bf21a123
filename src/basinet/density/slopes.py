"""Which neighbours of each grid point are higher: one bit for each facet and point."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from basinet.compiled import jit
from basinet.density.bits import ONE, WORD, ZERO, greater, lowest, row_end, test_eight

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from basinet.density.facets import Facets


class Grid(NamedTuple):
    """The grid as rows along its last index, and how to get to neighbours (a tuple, so that numba accepts it).

    Attributes
    ----------
    length
        Points in a row.
    n_words
        Words of 64 points in a row.
    width
        Words for each group of 64 points: 8 for up to 6 facets, 16 for more. The last one holds the vacuum.
    n_facets
        6 to 14.
    plus, minus
        The facets one point on and one point back in the row; -1 if the grid has none there.
    neighbour_row : (n_rows, n_facets) int32
        The row behind each facet.
    shift : (n_facets,) int64
        Steps along that row, from 0 to length - 1.
    conductance : (n_facets,) float64
        Facet area over distance, Angstrom.
    """

    length: int
    n_words: int
    width: int
    n_facets: int
    plus: int
    minus: int
    neighbour_row: NDArray[np.int32]
    shift: NDArray[np.int64]
    conductance: NDArray[np.float64]


def lay_out(shape: tuple[int, int, int], facets: Facets) -> Grid:
    """Describe a grid for the kernels."""
    n1, n2, n3 = shape
    i, j = np.divmod(np.arange(n1 * n2)[:, None], n2)
    di, dj, dk = facets.steps.T
    rows = (i + di) % n1 * n2 + (j + dj) % n2
    along = {tuple(step): index for index, step in enumerate(facets.steps.tolist())}
    return Grid(
        length=n3,
        n_words=-(-n3 // WORD),
        width=8 if len(facets.steps) <= 6 else 16,
        n_facets=len(facets.steps),
        plus=along.get((0, 0, 1), -1),
        minus=along.get((0, 0, -1), -1),
        neighbour_row=np.ascontiguousarray(rows, dtype=np.int32),
        shift=dk % n3,
        conductance=facets.conductance,
    )


@jit()
def up_facets(grid: Grid, up: NDArray[np.uint64], row: int, k: int) -> np.uint64:
    """Facets to higher neighbours of one point, as bits."""
    group = (row * grid.n_words + (k >> 6)) * grid.width
    found = test_eight(up, group, k & 63)
    if grid.width > 8:
        found |= test_eight(up, group + 8, k & 63) << np.uint64(8)
    return found & ((ONE << np.uint64(grid.n_facets)) - ONE)


@jit()
def step(grid: Grid, row: int, k: int, facet: int) -> tuple[int, int]:
    """Row and position of the point behind a facet."""
    k += grid.shift[facet]
    return grid.neighbour_row[row, facet], k - grid.length if k >= grid.length else k


@jit(fastmath={"reassoc", "contract"})
def row_sum(values: NDArray[np.float64], start: int, length: int) -> float:
    """Sum of part of an array; NaN and infinity stay what they are."""
    total = 0.0
    for i in range(start, start + length):
        total += values[i]
    return total


@jit()
def find_slopes(
    grid: Grid, density: NDArray[np.float64], threshold: float, first_row: int, last_row: int, up: NDArray[np.uint64]
) -> tuple[int, float]:
    """Compare every point of some rows with its neighbours.

    Parameters
    ----------
    grid
        Of :func:`lay_out`.
    density : (n_points,) array
        Flat.
    threshold
        Points at or below are vacuum and pass nothing on.
    first_row, last_row
        The rows to work on, the last one not included.
    up : (n_rows * n_words * width,) array
        Written: for each 64 points one word for each facet, with the points whose neighbour there is higher.

    Returns
    -------
    n_flat
        Points without a higher neighbour, but with an equal one.
    total
        Sum of the density, which is finite only if every value is.
    """
    length, n_words, width = grid.length, grid.n_words, grid.width
    own, other = np.full(WORD * n_words, np.inf), np.empty(WORD * n_words)
    floor = np.full(WORD * n_words, threshold)
    n_flat, total = 0, 0.0
    overrun = len(density) - WORD * n_words
    for row in range(first_row, last_row):
        here = row * length
        own[:length] = density[here : here + length]
        total += row_sum(own, 0, length)
        group = row * n_words * width
        for facet in range(grid.n_facets):
            start, shift = np.int64(grid.neighbour_row[row, facet]) * length, grid.shift[facet]
            if shift == 0 and start <= overrun:
                for word in range(n_words):
                    up[group + word * width + facet] = greater(density, start + WORD * word, own, WORD * word)
            else:
                other[: length - shift] = density[start + shift : start + length]
                other[length - shift : length] = density[start : start + shift]
                for word in range(n_words):
                    up[group + word * width + facet] = greater(other, WORD * word, own, WORD * word)
        for word in range(n_words):
            first = group + word * width
            up[first + grid.n_facets : first + width] = ZERO
            inside = greater(own, WORD * word, floor, WORD * word)
            beyond = row_end(word, length) & ~inside
            higher = beyond
            for facet in range(grid.n_facets):
                if beyond:
                    up[first + facet] &= inside
                higher |= up[first + facet]
            up[first + width - 1] = beyond
            top = row_end(word, length) & ~higher
            while top:
                k = WORD * word + lowest(top)
                top &= top - ONE
                n_flat += is_flat(grid, density, row, k)
    return n_flat, total


@jit()
def is_flat(grid: Grid, density: NDArray[np.float64], row: int, k: int) -> bool:
    """Whether a point has a neighbour, other than itself, of the same density."""
    for facet in range(grid.n_facets):
        next_row, next_k = step(grid, row, k, facet)
        if (next_row != row or next_k != k) and density[next_row * grid.length + next_k] == density[
            row * grid.length + k
        ]:
            return True
    return False
