"""From a density to what arrives at each group of maxima: the stages of the integration, and their threads.

1. `slopes`, `plateaus`: one bit for each facet of each point says whether the neighbour behind it is higher.
2. `runs`: where each point's ascent ends, for whole runs of points at a time.
3. `shared`: the points whose ways up end in different groups (a third to two thirds of a grid).
4. `holdings`, `carry`: the others are summed up where they are; through the shared points flux is carried uphill.

Bytes for each grid point beside the arrays that are passed in: 1.4 for stages 1 to 3 (2.5 with more than 6 facets), and
in stage 4 for each slot, of which there are 0.4 to 0.7 a point, 13 + 8 n, n being the number of columns (volume,
density, fields), and 12 for each of its 2.8 edges (4 to 5 with more than 6 facets).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from basinet.density import carry, holdings, plateaus, runs, shared, slopes
from basinet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from basinet.density.facets import Facets

MOST_PARTS = 16
"""Parts that a grid is divided into, for threads to share; the same for any number of threads."""

MOST_PARTS_OF_A_WALK = 4
"""The same for the walk uphill, which goes back and forth between its parts."""

ROWS_OF_A_PART = 1024
"""Fewer rows than that are not worth a part."""


@dataclass(frozen=True)
class Ascent:
    """Which way is up from every grid point.

    Attributes
    ----------
    grid
        Rows and neighbours.
    density : (n_points,) float64
        Flat.
    up : uint64 array
        Bits of the facets to higher neighbours.
    runs
        Linked, but not labelled yet.
    maxima : (m,) int64
        Flat indices.
    """

    grid: slopes.Grid
    density: NDArray[np.float64]
    up: NDArray[np.uint64]
    runs: runs.Runs
    maxima: NDArray[np.int64]


@dataclass(frozen=True)
class Carried:
    """What arrived, in voxels and in sums over points; columns: volume, density, fields.

    Attributes
    ----------
    arrived : (n_groups + 1, n_columns) float64
        At each group, and last in the vacuum.
    total : (n_columns,) float64
        Plain sums over all points.
    magnitude : (n_columns,) float64
        Plain sums of absolute values.
    """

    arrived: NDArray[np.float64]
    total: NDArray[np.float64]
    magnitude: NDArray[np.float64]


class Workers:
    """Threads that work on the parts of a grid."""

    def __init__(self, n_rows: int, threads: int, most_parts: int = MOST_PARTS) -> None:
        self.threads = threads
        n_parts = min(most_parts, max(1, n_rows // ROWS_OF_A_PART))
        bounds = [n_rows * part // n_parts for part in range(n_parts + 1)]
        self.parts = list(pairwise(bounds))

    def each(self, work: Callable[..., Any], *arguments: Sequence[Any]) -> list[Any]:
        """Call a function with one argument of each sequence in turn, on all threads; results in order."""
        if self.threads == 1:
            return [work(*each) for each in zip(*arguments, strict=True)]
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(work, *arguments))

    def rows(self, work: Callable[..., Any]) -> list[Any]:
        """Call a function with first and last row of each part."""
        return self.each(work, *zip(*self.parts, strict=True))


def ascend(density: NDArray[np.float64], facets: Facets, threshold: float, threads: int) -> Ascent:
    """Find which way is up from every point, and the maxima.

    Parameters
    ----------
    density : (n1, n2, n3) float64
        C-ordered.
    facets
        Of the grid's lattice.
    threshold
        Density at or below which a point is vacuum; minus infinity for none.
    threads
        Number of threads.

    Raises
    ------
    InputError
        The density holds values that are not finite, is constant, or is vacuum everywhere.
    """
    grid, rho = slopes.lay_out(density.shape, facets), density.reshape(-1)
    n_rows = len(grid.neighbour_row)
    workers = Workers(n_rows, threads)
    up = np.empty(n_rows * grid.n_words * grid.width, dtype=np.uint64)
    found = workers.rows(lambda first, last: slopes.find_slopes(grid, rho, threshold, first, last, up))
    if not np.isfinite(sum(total for _, total in found)):
        raise InputError(not_finite(density, "the density"))
    n_flat = sum(flat for flat, _ in found)
    if rho.size in (n_flat, 1):
        raise InputError(f"the density is {rho[0]} everywhere; it has no maximum to integrate up to")
    if n_flat:
        flat = np.empty(n_flat, dtype=np.int64)
        plateaus.list_flat(grid, rho, up, flat)
        plateaus.drain(grid, rho, flat, np.zeros(rho.size, dtype=np.int32), up)
    number = np.zeros(n_rows + 1, dtype=np.int64)
    workers.rows(lambda first, last: runs.count_runs(grid, up, first, last, number[1:]))
    first_run = np.cumsum(number)
    linked = runs.Runs(first_run, *(np.empty(first_run[-1], dtype=np.int32) for _ in range(3)))
    workers.rows(lambda first, last: runs.cut_rows(grid, up, first, last, linked))
    workers.rows(lambda first, last: runs.link_runs(grid, up, first, last, linked))
    maxima = np.empty(np.count_nonzero(linked.label == runs.MAXIMUM), dtype=np.int64)
    if not len(maxima):
        raise InputError(f"no density is above the vacuum threshold of {threshold} e/A^3; lower it")
    runs.find_maxima(linked, grid.length, maxima)
    return Ascent(grid, rho, up, linked, maxima)


def integrate(
    ascent: Ascent, group: NDArray[np.int64], n_groups: int, fields: Sequence[NDArray[np.float64]], threads: int
) -> Carried:
    """Integrate volume and fields over the basins of groups of maxima.

    Parameters
    ----------
    ascent
        Of :func:`ascend`; its runs get the labels of their groups, so that it serves once.
    group : (m,) int64
        Group of each maximum.
    n_groups
        Number of groups.
    fields
        C-ordered float64 arrays on the grid.
    threads
        Number of threads.
    """
    grid, up, labelled = ascent.grid, ascent.up, ascent.runs
    workers = Workers(len(grid.neighbour_row), threads)
    runs.label_runs(labelled, group, n_groups)
    divided = find_shared(grid, up, labelled, workers)
    slots = holdings.Slots(
        sites=(sites := np.empty((len(divided), 2), dtype=np.uint64)),
        pending=np.empty(n_slots := holdings.number_slots(divided, sites), dtype=np.uint8),
        held=np.empty((n_slots, 1 + len(fields))),
    )
    arrived = np.zeros((len(workers.parts), n_groups + 1, 1 + len(fields)))
    totals = np.zeros((len(workers.parts), 2, 1 + len(fields)))
    addresses = np.array([field.ctypes.data for field in fields], dtype=np.int64)

    def gather(first: int, last: int, own: NDArray[np.float64], sums: NDArray[np.float64]) -> None:
        holdings.gather(grid, labelled, addresses, first, last, slots, own, sums)

    workers.each(gather, *zip(*workers.parts, strict=True), list(arrived), list(totals))
    arrived_later = walk(ascent, slots, n_groups, threads)
    total, magnitude = totals.sum(axis=0)
    return Carried(arrived.sum(axis=0) + arrived_later, total, magnitude)


def find_shared(grid: slopes.Grid, up: NDArray[np.uint64], labelled: runs.Runs, workers: Workers) -> NDArray[np.uint64]:
    """Bits of the points whose ways up end in different groups."""
    found = np.empty(len(up) // grid.width, dtype=np.uint64)
    workers.rows(lambda first, last: shared.seed_shared(grid, up, labelled, first, last, found))
    waiting = np.ones(len(grid.neighbour_row), dtype=np.uint8)
    part = np.repeat(np.arange(len(workers.parts)), [last - first for first, last in workers.parts])
    border = (part[grid.neighbour_row] != part[:, None]).any(axis=1)
    while any(workers.rows(lambda first, last: shared.close_shared(grid, up, first, last, found, waiting))):
        waiting[border] = 1
    return found


def walk(ascent: Ascent, slots: holdings.Slots, n_groups: int, threads: int) -> NDArray[np.float64]:
    """Carry all that the slots hold uphill; return what arrives at each group."""
    grid, up = ascent.grid, ascent.up
    workers = Workers(len(grid.neighbour_row), threads, MOST_PARTS_OF_A_WALK)
    leaving = np.zeros((len(workers.parts), 1), dtype=np.int64)

    def count_pending(first: int, last: int, n_leaving: NDArray[np.int64]) -> None:
        holdings.count_pending(grid, up, first, last, slots, n_leaving)

    workers.each(count_pending, *zip(*workers.parts, strict=True), list(leaving))
    begin = np.concatenate([[0], np.cumsum(leaving)])
    outboxes = carry.Outboxes(
        point=np.empty(begin[-1], dtype=np.int64),
        values=np.empty((begin[-1], slots.held.shape[1])),
        ready=begin[:-1].copy(),
        filled=begin[:-1].copy(),
        written=begin[:-1].copy(),
    )
    parts = []
    for first, last in workers.parts:
        ends = [
            slots.sites[row * grid.n_words, 1] if row < len(grid.neighbour_row) else len(slots.held)
            for row in (first, last)
        ]
        stack = np.empty(int(ends[1]) - int(ends[0]), dtype=np.int64)
        parts.append(carry.Part(first, last, stack, np.zeros(1, dtype=np.int64)))
    arrived = [np.zeros((n_groups + 1, slots.held.shape[1])) for _ in parts]

    def visit(work: Callable[..., None]) -> None:
        def visit_part(number: int) -> None:
            work(grid, ascent.density, up, ascent.runs, slots, parts[number], number, outboxes, arrived[number])

        workers.each(visit_part, range(len(parts)))
        outboxes.ready[:], outboxes.filled[:] = outboxes.filled, outboxes.written

    visit(carry.set_out)
    while (outboxes.filled > outboxes.ready).any():
        visit(carry.go_on)
    if not (slots.pending == carry.DONE).all():
        raise RuntimeError("some points of the grid await flux that never comes")
    total: NDArray[np.float64] = np.sum(arrived, axis=0)
    return total


def not_finite(values: NDArray[np.float64], name: str) -> str:
    """Message for the first value that is NaN or infinite, or for values too large to add up."""
    bad = np.argwhere(~np.isfinite(values))
    if not len(bad):
        return f"{name} holds values up to {np.abs(values).max():.1e}, too large to add up; check its unit"
    i, j, k = bad[0]
    return f"{name} is {values[i, j, k]} at grid point ({i}, {j}, {k}); every value must be a finite number"
