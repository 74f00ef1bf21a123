r"""Yu & Trinkle's weights: what a grid point holds flows uphill, through the facets of its Wigner-Seitz cell.

A point of density :math:`\rho` passes what it holds on to its higher neighbours, to the one behind facet f the share

.. math::

    w_f = \frac{c_f (\rho_f - \rho)}{\sum_g c_g (\rho_g - \rho)}, \qquad c_f = A_f / l_f

(J. Chem. Phys. 134, 064111 (2011), eq. 6), as soon as it has received all that its lower neighbours pass on to it. No
order is sorted: a point that awaits nothing any more goes on a stack, and the last one in is the first to go on, so
that the walk needs next what it has just touched. It ends at the maxima. Volume, density and fields of a point lie side
by side and move together.

Bytes for each grid point beside the arrays that are passed in: 8 for each of volume, density and fields, and 1.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from basinet.arrays import FloatArray, IntArray
from basinet.compiled import jit
from basinet.density.facets import Facets
from basinet.errors import InputError

_TOP = 128  # added to the number of neighbours that a point awaits if none is higher than the point
_DONE = 255  # in place of that number, once the point has passed on what it held
_SLOPE, _UNKNOWN = 0, -1
"""In place of the steps to where flux leaves a plateau: a higher neighbour is known, and not reached yet."""
_PIECE = 8192  # points whose fields are laid side by side at a time, so that they stay in the cache


class _GridRows(NamedTuple):
    """The grid as rows along its last index, and how to get to neighbours (a tuple, so that numba accepts it).

    Behind a facet lies the row ``neighbour_row`` (n_rows, n_facets), and in it the point ``shift`` steps along, from 0
    to ``length - 1``. ``conductance`` is the facet's area over distance, in units of the smallest: no flux is rounded
    to zero.
    """

    length: int
    neighbour_row: NDArray[np.uint32]
    shift: IntArray
    conductance: FloatArray


@dataclass(frozen=True)
class Ascent:
    """Ways up from every grid point.

    ``awaited`` (n_points,) is the number of neighbours that pass something on to a point; ``level`` has a bit for each
    facet through which a point of a plateau passes to an equal one, and is empty without plateaus; ``maxima`` are flat
    indices, as the density is flat. Points at or below the threshold (e/A^3) are vacuum.
    """

    grid: _GridRows
    density: FloatArray
    threshold: float
    awaited: NDArray[np.uint8]
    level: NDArray[np.uint16]
    maxima: IntArray


@dataclass(frozen=True)
class Arrived:
    """Sums over points, as they arrive; columns: volume in voxels, density, fields.

    At each maximum, (m, n_columns), and in the vacuum; and plain sums over the grid, of values and of absolute values.
    """

    maxima: FloatArray
    vacuum: FloatArray
    total: FloatArray
    magnitude: FloatArray


def ascend(density: FloatArray, facets: Facets, threshold: float, threads: int) -> Ascent:
    """Find the maxima, and for every point the number of neighbours that pass something on to it.

    A point is vacuum where the density is at or below the threshold, minus infinity for none. InputError where the
    density is constant, or vacuum everywhere.
    """
    grid, rho = _lay_out(density.shape, facets), density.reshape(-1)
    awaited = np.empty(rho.size, dtype=np.uint8)
    bounds = np.linspace(0, len(grid.neighbour_row), threads + 1).astype(int)
    with ThreadPoolExecutor(threads) as pool:
        parts = repeat(grid), repeat(rho), repeat(threshold), bounds[:-1], bounds[1:], repeat(awaited)
        list(pool.map(_count_lower, *parts))
    tops = np.flatnonzero(awaited >= _TOP)
    awaited[tops] -= _TOP
    is_flat = np.zeros(len(tops), dtype=np.bool_)
    _find_flat(grid, rho, tops, is_flat)
    flat, level = tops[is_flat], np.zeros(0, dtype=np.uint16)
    if rho.size in (len(flat), 1):
        raise InputError(f"the density is {rho[0]} everywhere; it has no maximum to integrate up to")
    if not len(tops):
        raise InputError(f"no density is above the vacuum threshold of {threshold} e/A^3; lower it")
    if len(flat):
        level = np.zeros(rho.size, dtype=np.uint16)
        _drain(grid, rho, flat, np.zeros(rho.size, dtype=np.int32), level, awaited)
        tops = tops[level[tops] == 0]
    return Ascent(grid, rho, threshold, awaited, level, tops)


def flow_uphill(ascent: Ascent, fields: Sequence[FloatArray]) -> Arrived:
    """Carry volume and fields (C-ordered float64 on the grid) uphill, by an ascent of `ascend`, which serves once."""
    rho, columns = ascent.density, [field.reshape(-1) for field in fields]
    held = np.empty((rho.size, 1 + len(fields)))
    vacuum, total, magnitude = np.zeros((3, held.shape[1]))
    total[0] = magnitude[0] = rho.size
    for first in range(0, rho.size, _PIECE):
        piece = held[first : first + _PIECE]
        piece[:, 0] = 1.0
        for column, field in enumerate(columns, start=1):
            plain, absolute = _lay(field[first : first + _PIECE], piece, column)
            total[column] += plain
            magnitude[column] += absolute
        if ascent.threshold > -np.inf:
            vacuum += piece[rho[first : first + _PIECE] <= ascent.threshold].sum(axis=0)
    n_done = _climb(ascent.grid, rho, ascent.threshold, ascent.awaited, ascent.level, held)
    if n_done < rho.size:
        raise RuntimeError(f"{rho.size - n_done} points of the grid await flux that never comes")
    return Arrived(held[ascent.maxima], vacuum, total, magnitude)


def _lay_out(shape: tuple[int, ...], facets: Facets) -> _GridRows:
    n1, n2, n3 = shape
    i, j = np.divmod(np.arange(n1 * n2)[:, None], n2)
    di, dj, dk = facets.steps.T
    rows = (i + di) % n1 * n2 + (j + dj) % n2
    conductance = facets.conductance / facets.conductance.min()
    return _GridRows(n3, np.ascontiguousarray(rows, dtype=np.uint32), dk % n3, conductance)


@jit()
def _neighbour(grid: _GridRows, row: np.int64, k: np.int64, facet: int) -> np.int64:
    k += grid.shift[facet]
    if k >= grid.length:
        k -= grid.length
    return np.int64(grid.neighbour_row[row, facet]) * grid.length + k


@jit()
def _count_lower(
    grid: _GridRows, density: FloatArray, threshold: float, first_row: int, last_row: int, awaited: NDArray[np.uint8]
) -> None:
    """Count for each point of some rows the neighbours that pass to it, and mark points without a higher one."""
    length = grid.length
    higher = np.empty(length, np.uint8)
    for row in range(first_row, last_row):
        own, lower = density[row * length : (row + 1) * length], awaited[row * length : (row + 1) * length]
        lower[:] = 0
        higher[:] = 0
        for facet in range(len(grid.shift)):
            start, shift = np.int64(grid.neighbour_row[row, facet]) * length, grid.shift[facet]
            left = length - shift  # of the row behind the facet, the end comes before its beginning
            _compare(own[:left], density[start + shift : start + length], threshold, lower[:left], higher[:left])
            _compare(own[left:], density[start : start + shift], threshold, lower[left:], higher[left:])
        for k in range(length):
            if own[k] > threshold and higher[k] == 0:
                lower[k] |= _TOP


@jit()
def _compare(
    own: FloatArray, other: FloatArray, threshold: float, lower: NDArray[np.uint8], higher: NDArray[np.uint8]
) -> None:
    for k in range(len(own)):
        lower[k] += (other[k] < own[k]) & (other[k] > threshold)
        higher[k] |= other[k] > own[k]


@jit()
def _find_flat(grid: _GridRows, density: FloatArray, points: IntArray, is_flat: NDArray[np.bool_]) -> None:
    """Tell which points have a neighbour, other than themselves, of the same density."""
    for i in range(len(points)):
        row, k = points[i] // grid.length, points[i] % grid.length
        for facet in range(len(grid.shift)):
            other = _neighbour(grid, row, k, facet)
            if other != points[i] and density[other] == density[points[i]]:
                is_flat[i] = True


@jit()
def _drain(
    grid: _GridRows,
    density: FloatArray,
    flat: IntArray,
    distance: NDArray[np.int32],
    level: NDArray[np.uint16],
    awaited: NDArray[np.uint8],
) -> None:
    """Give every flat point a way to where flux leaves its plateau, and add it to ``level`` and ``awaited``.

    Breadth first from the points of the plateau that have higher neighbours: a point one step further away passes
    to all equal neighbours one step nearer. A plateau that flux leaves nowhere is one maximum, at its point of
    highest index, and all its other points pass to that one in the same manner. Every way leads to fewer steps,
    so there are no cycles; and on a plateau with a way out, nothing depends on where the grid begins.

    ``flat`` are the indices, ascending, of the points without a higher neighbour, but with an equal one. ``distance``
    comes in as zeros; only flat points' are written, so that pages that hold none cost nothing.
    """
    queue = np.empty(2 * len(flat), dtype=np.int64)
    distance[flat] = _UNKNOWN
    tail = 0
    for point in flat:
        row, k = point // grid.length, point % grid.length
        for facet in range(len(grid.shift)):
            other = _neighbour(grid, row, k, facet)
            if density[other] == density[point] and distance[other] == _SLOPE:
                level[point] |= 1 << facet
                awaited[other] += 1
                if distance[point] == _UNKNOWN:
                    distance[point] = 1
                    queue[tail] = point
                    tail += 1
    head = _spread(grid, density, queue, 0, tail, distance, level, awaited)
    for candidate in range(len(flat) - 1, -1, -1):
        if distance[flat[candidate]] == _UNKNOWN:
            distance[flat[candidate]] = 1
            queue[head] = flat[candidate]
            head = _spread(grid, density, queue, head, head + 1, distance, level, awaited)


@jit()
def _spread(
    grid: _GridRows,
    density: FloatArray,
    queue: IntArray,
    head: int,
    tail: int,
    distance: NDArray[np.int32],
    level: NDArray[np.uint16],
    awaited: NDArray[np.uint8],
) -> int:
    """Lead the plateaus of the points queue[head:tail] to them, breadth first; return the end of the queue."""
    while head < tail:
        point = queue[head]
        head += 1
        row, k = point // grid.length, point % grid.length
        for facet in range(len(grid.shift)):
            other = _neighbour(grid, row, k, facet)
            if density[other] != density[point]:
                continue
            if distance[other] == _UNKNOWN:
                distance[other] = distance[point] + 1
                queue[tail] = other
                tail += 1
            if distance[other] == distance[point] + 1:
                level[other] |= 1 << (facet ^ 1)
                awaited[point] += 1
    return tail


@jit(fastmath={"reassoc", "contract"})
def _lay(values: FloatArray, held: FloatArray, column: int) -> tuple[float, float]:
    """Write values into a column; return their sum and that of their absolute values."""
    plain, absolute = 0.0, 0.0
    for i in range(len(values)):
        held[i, column] = values[i]
        plain += values[i]
        absolute += abs(values[i])
    return plain, absolute


@jit()
def _climb(  # noqa: C901 - split in two functions, it takes twice as long
    grid: _GridRows,
    density: FloatArray,
    threshold: float,
    awaited: NDArray[np.uint8],
    level: NDArray[np.uint16],
    held: FloatArray,
) -> int:
    """Carry what all points hold to the maxima; return the number of points visited, which is that of all points."""
    # Unsigned, because numba asks of signed indices whether they count from the end.
    length, shift = np.uint64(grid.length), grid.shift.astype(np.uint64)
    neighbour_row, conductance = grid.neighbour_row, grid.conductance
    stack, goal, flux = np.empty(len(density), np.uint64), np.empty(16, np.uint64), np.empty(16)
    visited = 0
    for start in range(len(density)):
        if awaited[start] > 0:
            continue
        stack[0], depth = start, 1
        while depth > 0:
            depth -= 1
            point = stack[depth]
            awaited[point] = _DONE
            visited += 1
            here, total, n_ways = density[point], 0.0, 0
            if here <= threshold:
                continue
            row, k = point // length, point % length
            for facet in range(len(shift)):
                along = k + shift[facet]
                if along >= length:
                    along -= length
                other = np.uint64(neighbour_row[row, facet]) * length + along
                rise = density[other] - here
                flux[n_ways], goal[n_ways] = conductance[facet] * rise, other
                if rise > 0.0:
                    total += flux[n_ways]
                    n_ways += 1
            if n_ways == 0 and len(level) > 0:
                n_ways, total = _level_ways(grid, level[point], np.int64(point), flux, goal)
            for way in range(n_ways):
                share, other = flux[way] / total, goal[way]
                held[other, 0] += share * held[point, 0]  # of the first two in one loop with the others, a tenth slower
                held[other, 1] += share * held[point, 1]
                for column in range(2, held.shape[1]):
                    held[other, column] += share * held[point, column]
                awaited[other] -= 1
                stack[depth] = other
                depth += awaited[other] == 0
    return visited


@jit()
def _level_ways(
    grid: _GridRows, facets: int, point: np.int64, flux: FloatArray, goal: NDArray[np.uint64]
) -> tuple[int, float]:
    """Ways of a point to equal neighbours; return their number and the sum of their fluxes."""
    row, k = point // grid.length, point % grid.length
    n_ways, total = 0, 0.0
    for facet in range(len(grid.shift)):
        if (facets >> facet) & 1:
            flux[n_ways], goal[n_ways] = grid.conductance[facet], _neighbour(grid, row, k, facet)
            total += flux[n_ways]
            n_ways += 1
    return n_ways, total
