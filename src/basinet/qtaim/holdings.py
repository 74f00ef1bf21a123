"""What the points hold before anything moves, and the shares in which shared points pass it on.

The points of one group are summed up at once. Shared points, and those at the rim that receive from them, get a
slot each, in the order of the grid; where their fluxes lead is written down once, as a sparse matrix, so that the
walk itself (see `carry`) touches nothing but slots.
"""

# numba stamps its cache by this file alone: after changing slopes.py, runs.py or bits.py, clear __pycache__.
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import carray, njit

from basinet.qtaim.bits import ONE, WORD, ZERO, count, lowest, pointer, rotated, test_eight
from basinet.qtaim.slopes import row_sum, step, up_facets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from basinet.qtaim.runs import Runs
    from basinet.qtaim.slopes import Grid

RIM = 128
"""Added to what a point at the rim awaits: it never passes anything on."""


class Slots(NamedTuple):
    """The points that hold something of their own (a tuple, so that numba accepts it).

    Attributes
    ----------
    before : (n_rows * n_words,) int64
        Slots before those of each word of the grid.
    edge : (n_slots + 1,) int64
        The shares of slot i are ``edge[i]`` to ``edge[i + 1]``.
    target : (n_edges,) int32
        Slot that receives the share; for a point at the rim, which has one edge, the group that it belongs to.
    share : (n_edges,) float64
        Part of what the point holds.
    pending : (n_slots,) uint8
        Neighbours from which something will come, `RIM` more at the rim.
    held : (n_slots, n_columns) float64
        Volume in voxels, then the fields.
    """

    before: NDArray[np.int64]
    edge: NDArray[np.int64]
    target: NDArray[np.int32]
    share: NDArray[np.float64]
    pending: NDArray[np.uint8]
    held: NDArray[np.float64]


@njit(cache=True, nogil=True)
def outline(
    grid: Grid,
    up: NDArray[np.uint64],
    shared: NDArray[np.uint64],
    first_row: int,
    last_row: int,
    slotted: NDArray[np.uint64],
    n_edges: NDArray[np.int64],
) -> None:
    """Find the points of some rows that need a slot, and how many edges those of each row have."""
    counts = np.zeros(8, dtype=np.uint64)
    buffer = np.empty(grid.n_words, dtype=np.uint64)
    for row in range(first_row, last_row):
        edges = 0
        base = row * grid.n_words
        for word in range(grid.n_words):
            points = shared[base + word]
            if points:
                for facet in range(grid.n_facets):
                    edges += count(points & up[(base + word) * grid.width + facet])
            slotted[base + word] = points
        for facet in range(grid.n_facets):
            other = np.int64(grid.neighbour_row[row, facet]) * grid.n_words
            leading = ZERO
            for word in range(grid.n_words):
                buffer[word] = shared[other + word] & up[(other + word) * grid.width + (facet ^ 1)]
                leading |= buffer[word]
            if leading:
                for word in range(grid.n_words):
                    slotted[base + word] |= rotated(buffer, 0, 1, word, grid.shift[facet], grid.length)
        for word in range(grid.n_words):
            edges += count(slotted[base + word] & ~shared[base + word])
        n_edges[row] = edges


@njit(cache=True, nogil=True)
def number_slots(slotted: NDArray[np.uint64], before: NDArray[np.int64]) -> int:
    """Write to `before` the number of slots before each word, and return their number."""
    total = 0
    for word in range(len(slotted)):
        before[word] = total
        total += count(slotted[word])
    return total


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def slot_of(grid: Grid, slotted: NDArray[np.uint64], before: NDArray[np.int64], row: int, k: int) -> int:
    """Slot of a point that has one."""
    at = row * grid.n_words + (k >> 6)
    return before[at] + count(slotted[at] & ((ONE << np.uint64(k & 63)) - ONE))


@njit(cache=True, nogil=True)
def write_edges(
    grid: Grid,
    density: NDArray[np.float64],
    up: NDArray[np.uint64],
    shared: NDArray[np.uint64],
    slotted: NDArray[np.uint64],
    runs: Runs,
    first_edge: NDArray[np.int64],
    first_row: int,
    last_row: int,
    slots: Slots,
) -> int:
    """Write the shares of the slots of some rows, and what each slot awaits.

    Parameters
    ----------
    grid, up, shared, runs
        Of :mod:`basinet.qtaim.slopes`, :mod:`basinet.qtaim.shared` and :mod:`basinet.qtaim.runs`.
    density : (n_points,) array
        Flat.
    slotted
        Of :func:`outline`.
    first_edge : (n_rows,) int64
        Where the edges of each row begin.
    first_row, last_row
        The rows to work on.
    slots
        `before` is read; `edge`, `target`, `share` and `pending` are written.

    Returns
    -------
    n_crossing
        Edges to slots that lie in other rows than these.
    """
    counts = np.zeros(8, dtype=np.uint64)
    crossing = 0
    for row in range(first_row, last_row):
        edge, run = first_edge[row], runs.first[row]
        for word in range(grid.n_words):
            at = row * grid.n_words + word
            points = slotted[at]
            if points:
                count_lower(grid, up, row, word, counts)
            slot = slots.before[at]
            while points:
                bit = lowest(points)
                points &= points - ONE
                k = WORD * word + bit
                slots.edge[slot] = edge
                slots.pending[slot] = test_eight(counts, 0, bit)
                if (shared[at] >> np.uint64(bit)) & ONE:
                    edge, out = write_shares(grid, density, up, slotted, row, k, edge, first_row, last_row, slots)
                    crossing += out
                else:
                    slots.pending[slot] += RIM
                    while run + 1 < runs.first[row + 1] and runs.start[run + 1] <= k:
                        run += 1
                    slots.target[edge], slots.share[edge] = runs.label[run], 1.0
                    edge += 1
                slot += 1
    return crossing


@njit(cache=True, nogil=True)
def write_shares(
    grid: Grid,
    density: NDArray[np.float64],
    up: NDArray[np.uint64],
    slotted: NDArray[np.uint64],
    row: int,
    k: int,
    edge: int,
    first_row: int,
    last_row: int,
    slots: Slots,
) -> tuple[int, int]:
    """Write the shares of one shared point from `edge` on; return where they end, and how many leave the rows."""
    facets = up_facets(grid, up, row, k)
    here = density[row * grid.length + k]
    first, total, crossing = edge, 0.0, 0
    while facets:
        facet = lowest(facets)
        facets &= facets - ONE
        next_row, next_k = step(grid, row, k, facet)
        crossing += not first_row <= next_row < last_row
        slots.target[edge] = slot_of(grid, slotted, slots.before, next_row, next_k)
        rise = density[next_row * grid.length + next_k] - here
        flux = grid.conductance[facet] * (rise if rise > 0.0 else 1.0)  # on a plateau nothing rises
        slots.share[edge] = flux
        total += flux
        edge += 1
    for one in range(first, edge):
        slots.share[one] /= total
    return edge, crossing


@njit(cache=True, nogil=True)
def next_change(words: NDArray[np.uint64], base: int, k: int, end: int, flip: np.uint64) -> int:
    """First position from `k` on, but at most `end`, where the bits differ from the pattern `flip`."""
    while k < end:
        found = (words[base + (k >> 6)] ^ flip) >> np.uint64(k & 63)
        if found:
            return min(k + lowest(found), end)
        k = ((k >> 6) + 1) << 6
    return end


@njit(cache=True, nogil=True)
def gather(
    grid: Grid,
    slotted: NDArray[np.uint64],
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
            slot = slots.before[base]
            for run in range(runs.first[row], runs.first[row + 1]):
                end = np.int64(runs.start[run + 1]) if run + 1 < runs.first[row + 1] else length
                label = runs.label[run]
                k = np.int64(runs.start[run])
                while k < end:
                    stop = next_change(slotted, base, k, end, ZERO)
                    if stop > k:
                        arrived[label, column] += row_sum(values, k, stop - k)
                        if column == 1:
                            arrived[label, 0] += stop - k
                    k = next_change(slotted, base, stop, end, ~ZERO)
                    for i in range(stop, k):
                        slots.held[slot, column] = values[i]
                        if column == 1:
                            slots.held[slot, 0] = 1.0
                        slot += 1


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def sums(values: NDArray[np.float64]) -> tuple[float, float]:
    """Sum of values and of absolute values."""
    plain, absolute = 0.0, 0.0
    for i in range(len(values)):
        plain += values[i]
        absolute += abs(values[i])
    return plain, absolute
