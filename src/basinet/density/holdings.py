"""What the points hold before anything moves: summed up for those of one group, laid out in slots for shared ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import carray

from basinet.compiled import jit
from basinet.density.bits import ONE, ZERO, count, lowest, pointer, rotated, test_eight
from basinet.density.slopes import row_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from basinet.density.runs import Runs
    from basinet.density.slopes import Grid


class Slots(NamedTuple):
    """What shared points hold, in the order of the grid (a tuple, so that numba accepts it).

    Attributes
    ----------
    sites : (n_rows * n_words, 2) uint64
        For each word of the grid, the points that are shared, and the number of slots before theirs.
    pending : (n_slots,) uint8
        Neighbours from which something will still come.
    held : (n_slots, n_columns) float64
        Volume in voxels, then the fields.
    """

    sites: NDArray[np.uint64]
    pending: NDArray[np.uint8]
    held: NDArray[np.float64]


@jit()
def number_slots(shared: NDArray[np.uint64], sites: NDArray[np.uint64]) -> int:
    """Write `Slots.sites`, and return the number of slots."""
    total = ZERO
    for word in range(len(shared)):
        sites[word, 0] = shared[word]
        sites[word, 1] = total
        total += np.uint64(count(shared[word]))
    return np.int64(total)


@jit()
def count_lower(grid: Grid, up: NDArray[np.uint64], row: int, word: int, counts: NDArray[np.uint64]) -> None:
    """Write for 64 points from how many neighbours they are led to: four words, bit by bit of the number."""
    counts[:] = ZERO
    for facet in range(grid.n_facets):
        other = np.int64(grid.neighbour_row[row, facet]) * grid.n_words * grid.width + (facet ^ 1)
        carry = rotated(up, other, grid.width, word, grid.shift[facet], grid.length)
        for digit in range(4):
            both = counts[digit] & carry
            counts[digit] ^= carry
            carry = both


@jit()
def count_pending(
    grid: Grid, up: NDArray[np.uint64], first_row: int, last_row: int, slots: Slots, n_leaving: NDArray[np.int64]
) -> None:
    """Count from how many neighbours each shared point of some rows awaits something.

    Parameters
    ----------
    grid, up
        Of :mod:`basinet.density.slopes`.
    first_row, last_row
        The rows to work on.
    slots
        `pending` is written.
    n_leaving : (1,) int64
        Increased by the number of ways up from these rows into others.
    """
    counts = np.zeros(8, dtype=np.uint64)
    for row in range(first_row, last_row):
        for word in range(grid.n_words):
            at = row * grid.n_words + word
            points = slots.sites[at, 0]
            if not points:
                continue
            for facet in range(grid.n_facets):
                if not first_row <= grid.neighbour_row[row, facet] < last_row:
                    n_leaving[0] += count(points & up[at * grid.width + facet])
            count_lower(grid, up, row, word, counts)
            slot = slots.sites[at, 1]
            while points:
                slots.pending[slot] = test_eight(counts, 0, lowest(points))
                points &= points - ONE
                slot += ONE


@jit()
def next_change(sites: NDArray[np.uint64], base: int, k: int, end: int, flip: np.uint64) -> int:
    """First position from `k` on, but at most `end`, that is shared; with `flip` all ones, that is not."""
    while k < end:
        found = (sites[base + (k >> 6), 0] ^ flip) >> np.uint64(k & 63)
        if found:
            return min(k + lowest(found), end)
        k = ((k >> 6) + 1) << 6
    return end


@jit()
def gather(
    grid: Grid,
    runs: Runs,
    fields: NDArray[np.int64],
    first_row: int,
    last_row: int,
    slots: Slots,
    arrived: NDArray[np.float64],
    totals: NDArray[np.float64],
) -> None:
    """Sum up what the unshared points of some rows hold, and lay out what the shared ones do."""
    length = grid.length
    for row in range(first_row, last_row):
        totals[:, 0] += length
        base = row * grid.n_words
        for column in range(1, slots.held.shape[1]):
            values = carray(pointer(fields[column - 1] + 8 * row * length), (length,), np.float64)
            plain, absolute = sums(values)
            totals[0, column] += plain
            totals[1, column] += absolute
            slot = np.int64(slots.sites[base, 1])
            for run in range(runs.first[row], runs.first[row + 1]):
                end = np.int64(runs.start[run + 1]) if run + 1 < runs.first[row + 1] else length
                label = runs.label[run]
                k = np.int64(runs.start[run])
                while k < end:
                    stop = next_change(slots.sites, base, k, end, ZERO)
                    if stop > k:
                        arrived[label, column] += row_sum(values, k, stop - k)
                        if column == 1:
                            arrived[label, 0] += stop - k
                    k = next_change(slots.sites, base, stop, end, ~ZERO)
                    for i in range(stop, k):
                        slots.held[slot, column] = values[i]
                        if column == 1:
                            slots.held[slot, 0] = 1.0
                        slot += 1


@jit(fastmath={"reassoc", "contract"})
def sums(values: NDArray[np.float64]) -> tuple[float, float]:
    """Sum of values and of absolute values."""
    plain, absolute = 0.0, 0.0
    for i in range(len(values)):
        plain += values[i]
        absolute += abs(values[i])
    return plain, absolute
