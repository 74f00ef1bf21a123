"""The walk uphill: each shared point passes on what it holds once it has received all that will come.

No order is sorted. A point that awaits nothing any more goes on a stack, and the last one in is the first to go on:
the walk follows one path up, where what it needs next is what it has just touched. The grid is walked in parts.
What leaves a part waits in its outbox until no part can go on; then each part takes what the others have for it, in
their order, and goes on. So the sums are formed in the same order whether the parts are walked one by one or at
the same time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from basinet.compiled import jit
from basinet.density.bits import ONE, WORD, count, lowest
from basinet.density.runs import run_of
from basinet.density.slopes import up_facets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from basinet.density.holdings import Slots
    from basinet.density.runs import Runs
    from basinet.density.slopes import Grid


DONE = 255
"""What a point awaits that has passed on what it held."""

LOW = 0xFFFFFFFF
"""Bits of the position in the row, in a point's row times 2^32 plus position."""


class Part(NamedTuple):
    """Some rows of the grid, and what the walk through them needs (a tuple, so that numba accepts it).

    Attributes
    ----------
    first, last
        The rows, the last one not included.
    stack : (n_slots,) int64
        Points that await nothing: row times 2^32 plus position in the row.
    depth : (1,) int64
        Their number.
    """

    first: int
    last: int
    stack: NDArray[np.int64]
    depth: NDArray[np.int64]


class Outboxes(NamedTuple):
    """What the parts pass to each other (a tuple, so that numba accepts it).

    Attributes
    ----------
    point : (n_letters,) int64
        Where to: row times 2^32 plus position in the row. Each part has its own stretch.
    values : (n_letters, n_columns) float64
        What.
    ready, filled : (n_parts,) int64
        For each part, from where to where letters wait to be taken, ...
    written : (n_parts,) int64
        ... and the end of those that it has written since.
    """

    point: NDArray[np.int64]
    values: NDArray[np.float64]
    ready: NDArray[np.int64]
    filled: NDArray[np.int64]
    written: NDArray[np.int64]


@jit()
def slot_of(grid: Grid, slots: Slots, row: int, k: int) -> int:
    """Slot of a point; -1 if it is not shared."""
    at = row * grid.n_words + (k >> 6)
    bit = ONE << np.uint64(k & 63)
    points = slots.sites[at, 0]
    if not points & bit:
        return -1
    return np.int64(slots.sites[at, 1]) + count(points & (bit - ONE))


@jit()
def climb(  # noqa: C901, PLR0915 - split in two functions, it takes 1.3 to 1.6 times as long
    grid: Grid,
    density: NDArray[np.float64],
    up: NDArray[np.uint64],
    runs: Runs,
    slots: Slots,
    part: Part,
    number: int,
    outboxes: Outboxes,
    arrived: NDArray[np.float64],
) -> None:
    """Walk uphill from all points on the stack of a part, until it is empty."""
    sites, pending, held, stack = slots.sites, slots.pending, slots.held, part.stack
    length, n_words, neighbour_row, shift = grid.length, grid.n_words, grid.neighbour_row, grid.shift
    conductance, first_row, last_row = grid.conductance, part.first, part.last
    n_columns = held.shape[1]
    flux, point = np.empty(16), np.empty(16, dtype=np.int64)
    depth, written = part.depth[0], outboxes.written[number]
    while depth:
        depth -= 1
        row, k = stack[depth] >> 32, stack[depth] & LOW
        at, below = row * n_words + (k >> 6), (ONE << np.uint64(k & 63)) - ONE
        slot = np.int64(sites[at, 1]) + count(sites[at, 0] & below)
        pending[slot] = DONE
        facets = up_facets(grid, up, row, k)
        here, total, n_ways = density[row * length + k], 0.0, 0
        while facets:
            facet = lowest(facets)
            facets &= facets - ONE
            next_row, next_k = np.int64(neighbour_row[row, facet]), k + shift[facet]
            if next_k >= length:
                next_k -= length
            rise = density[next_row * length + next_k] - here
            flux[n_ways] = conductance[facet] * (rise if rise > 0.0 else 1.0)  # on a plateau nothing rises
            point[n_ways] = (next_row << 32) | next_k
            total += flux[n_ways]
            n_ways += 1
        scale = 1.0 / total
        for one in range(n_ways):
            share = flux[one] * scale
            next_row, next_k = point[one] >> 32, point[one] & LOW
            at, bit = next_row * n_words + (next_k >> 6), ONE << np.uint64(next_k & 63)
            points = sites[at, 0]
            if points & bit:
                if first_row <= next_row < last_row:
                    goal = np.int64(sites[at, 1]) + count(points & (bit - ONE))
                    for column in range(n_columns):
                        held[goal, column] += share * held[slot, column]
                    pending[goal] -= 1
                    if pending[goal] == 0:
                        stack[depth] = point[one]
                        depth += 1
                else:
                    outboxes.point[written] = point[one]
                    for column in range(n_columns):
                        outboxes.values[written, column] = share * held[slot, column]
                    written += 1
            else:
                group = runs.label[run_of(runs, next_row, next_k)]
                for column in range(n_columns):
                    arrived[group, column] += share * held[slot, column]
    part.depth[0], outboxes.written[number] = 0, written


@jit()
def set_out(
    grid: Grid,
    density: NDArray[np.float64],
    up: NDArray[np.uint64],
    runs: Runs,
    slots: Slots,
    part: Part,
    number: int,
    outboxes: Outboxes,
    arrived: NDArray[np.float64],
) -> None:
    """Walk uphill from every point of a part that awaits nothing from the beginning."""
    for row in range(part.first, part.last):
        for word in range(grid.n_words):
            at = row * grid.n_words + word
            points, slot = slots.sites[at, 0], slots.sites[at, 1]
            while points:
                if slots.pending[slot] == 0:
                    part.stack[0] = (row << 32) | (WORD * word + lowest(points))
                    part.depth[0] = 1
                    climb(grid, density, up, runs, slots, part, number, outboxes, arrived)
                points &= points - ONE
                slot += ONE


@jit()
def go_on(
    grid: Grid,
    density: NDArray[np.float64],
    up: NDArray[np.uint64],
    runs: Runs,
    slots: Slots,
    part: Part,
    number: int,
    outboxes: Outboxes,
    arrived: NDArray[np.float64],
) -> None:
    """Take what other parts have for this one, and walk on from the points that await nothing any more."""
    depth = part.depth[0]
    for sender in range(len(outboxes.ready)):
        for letter in range(outboxes.ready[sender], outboxes.filled[sender]):
            point = outboxes.point[letter]
            if not part.first <= point >> 32 < part.last:
                continue
            goal = slot_of(grid, slots, point >> 32, point & LOW)
            for column in range(slots.held.shape[1]):
                slots.held[goal, column] += outboxes.values[letter, column]
            slots.pending[goal] -= 1
            if slots.pending[goal] == 0:
                part.stack[depth] = point
                depth += 1
    part.depth[0] = depth
    climb(grid, density, up, runs, slots, part, number, outboxes, arrived)
