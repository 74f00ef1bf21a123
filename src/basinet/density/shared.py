"""Points that more than one basin shares: those from which different ways up end in different groups.

All ways up from any other point end in one group, which then receives all that the point holds: no flux needs to
be computed there. A point is shared if two of its higher neighbours have different labels, or if one of them is
shared. The second rule is applied to 64 points at once, row by row, until nothing changes; what it leads to does
not depend on the order of the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from basinet.compiled import jit
from basinet.density.bits import ONE, WORD, ZERO, rotated, span
from basinet.density.runs import ways_in_row

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from basinet.density.runs import Runs
    from basinet.density.slopes import Grid


@jit()
def mark(
    shared: NDArray[np.uint64], up: NDArray[np.uint64], grid: Grid, row: int, facet: int, k: int, end: int
) -> None:
    """Add the points of a row from `k` to `end` whose neighbour behind a facet is higher."""
    for word in range(k >> 6, ((end - 1) >> 6) + 1):
        points = span(max(k - WORD * word, 0), min(end - WORD * word, WORD))
        group = row * grid.n_words + word
        shared[group] |= up[group * grid.width + facet] & points


@jit()
def seed_shared(
    grid: Grid, up: NDArray[np.uint64], runs: Runs, first_row: int, last_row: int, shared: NDArray[np.uint64]
) -> None:
    """Write to some rows of `shared` the points with a higher neighbour of another label than their own."""
    length = grid.length
    for row in range(first_row, last_row):
        shared[row * grid.n_words : (row + 1) * grid.n_words] = ZERO
        for facet in range(grid.n_facets):
            other_row, other_k = grid.neighbour_row[row, facet], grid.shift[facet]
            own, own_last = runs.first[row], runs.first[row + 1]
            first, last = runs.first[other_row], runs.first[other_row + 1]
            other = first
            while other + 1 < last and runs.start[other + 1] <= other_k:
                other += 1
            k = 0
            while k < length:
                own_end = np.int64(runs.start[own + 1]) if own + 1 < own_last else length
                other_end = np.int64(runs.start[other + 1]) if other + 1 < last else length
                stretch = min(own_end - k, other_end - other_k)
                if runs.label[own] != runs.label[other]:
                    mark(shared, up, grid, row, facet, k, k + stretch)
                k += stretch
                other_k += stretch
                if k == own_end:
                    own += 1
                if other_k == length:
                    other, other_k = first, 0
                elif other_k == other_end:
                    other += 1


@jit()
def spread_down(found: np.uint64, ways: np.uint64) -> np.uint64:
    """Add to a word all points that lead to it through ways to the next point (Kogge & Stone)."""
    for power in range(6):
        shift = ONE << np.uint64(power)
        found |= ways & (found >> shift)
        ways &= ways >> shift
    return found


@jit()
def spread_up(found: np.uint64, ways: np.uint64) -> np.uint64:
    """Add to a word all points that lead to it through ways to the previous point."""
    for power in range(6):
        shift = ONE << np.uint64(power)
        found |= ways & (found << shift)
        ways &= ways << shift
    return found


@jit()
def spread_in_row(grid: Grid, up: NDArray[np.uint64], row: int, shared: NDArray[np.uint64]) -> None:
    """Add the points of a row that lead to shared points along the row, its end not crossed."""
    base = row * grid.n_words
    carry = ZERO
    for word in range(grid.n_words - 1, -1, -1):
        on, _ = ways_in_row(grid, up, row, word)
        found = shared[base + word] | (on & (carry << np.uint64(WORD - 1)))
        if on & (found >> ONE) & ~found:
            found = spread_down(found, on)
        shared[base + word] = found
        carry = found & ONE
    carry = ZERO
    for word in range(grid.n_words):
        _, back = ways_in_row(grid, up, row, word)
        found = shared[base + word] | (back & carry)
        if back & (found << ONE) & ~found:
            found = spread_up(found, back)
        shared[base + word] = found
        carry = found >> np.uint64(WORD - 1)


@jit()
def update_row(grid: Grid, up: NDArray[np.uint64], row: int, shared: NDArray[np.uint64]) -> bool:
    """Add to one row the points with a shared higher neighbour, and tell whether there were any new."""
    base = row * grid.n_words
    changed = False
    for word in range(grid.n_words):
        found = shared[base + word]
        for facet in range(grid.n_facets):
            ways = up[(base + word) * grid.width + facet] & ~found
            if ways:
                other = np.int64(grid.neighbour_row[row, facet]) * grid.n_words
                found |= ways & rotated(shared, other, 1, word, grid.shift[facet], grid.length)
        if found != shared[base + word]:
            shared[base + word] = found
            changed = True
    if changed:
        spread_in_row(grid, up, row, shared)
    return changed


@jit()
def close_shared(
    grid: Grid,
    up: NDArray[np.uint64],
    first_row: int,
    last_row: int,
    shared: NDArray[np.uint64],
    waiting: NDArray[np.uint8],
) -> bool:
    """Add the points that lead to shared points, in some rows, as far as the other rows are known.

    Parameters
    ----------
    grid, up
        Of :mod:`basinet.density.slopes`.
    first_row, last_row
        The rows to work on.
    shared : (n_rows * n_words,) array
        Extended in these rows.
    waiting : (n_rows,) array
        Rows to look at; in these rows zero afterwards.

    Returns
    -------
    changed
        Whether a point was added. When no call for any part of the grid adds one, all are found.
    """
    changed, again, forward = False, True, True
    while again:
        again = False
        for i in range(last_row - first_row):
            row = first_row + i if forward else last_row - 1 - i
            if not waiting[row]:
                continue
            waiting[row] = 0
            if update_row(grid, up, row, shared):
                changed = again = True
                for facet in range(grid.n_facets):
                    other = grid.neighbour_row[row, facet]
                    if first_row <= other < last_row:
                        waiting[other] = 1
        forward = not forward
    return changed
