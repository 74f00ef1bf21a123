"""Where each point's ascent ends: rows cut into runs that climb to one top, tops linked to runs beside them.

Every point of a run reaches the run's top along the row, so a whole run ascends to one maximum and needs one label
instead of one for each of its points. A grid of N points has of the order of N^(2/3) runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from basinet.compiled import jit
from basinet.density.bits import ONE, WORD, ZERO, count, lowest, row_end
from basinet.density.slopes import step, up_facets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from basinet.density.slopes import Grid


MAXIMUM, VACUUM = -1, -2
"""What stands in place of the next run, for a run that ends in a maximum and one in the vacuum."""


class Runs(NamedTuple):
    """Runs of all rows, one row after the other (a tuple, so that numba accepts it).

    Attributes
    ----------
    first : (n_rows + 1,) int64
        The runs of row i are ``first[i]`` to ``first[i + 1]``.
    start : (n_runs,) int32
        Position in the row where the run begins.
    top : (n_runs,) int32
        Position of its highest point.
    label : (n_runs,) int32
        The next run uphill at first, then the group that the run ascends to.
    """

    first: NDArray[np.int64]
    start: NDArray[np.int32]
    top: NDArray[np.int32]
    label: NDArray[np.int32]


@jit(inline="always")
def ways_in_row(grid: Grid, up: NDArray[np.uint64], row: int, word: int) -> tuple[np.uint64, np.uint64]:
    """Points of a word whose next and whose previous point in the row, not across its end, is higher."""
    group = (row * grid.n_words + word) * grid.width
    on = up[group + grid.plus] if grid.plus >= 0 else ZERO
    back = up[group + grid.minus] if grid.minus >= 0 else ZERO
    if word == 0:
        back &= ~ONE
    last = grid.length - 1 - WORD * word
    if last < WORD:
        on &= ~(ONE << np.uint64(last))
    return on, back


@jit()
def cut_word(
    grid: Grid, up: NDArray[np.uint64], row: int, word: int, carry: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Starts and tops of runs in one word of a row.

    A point that can go back goes back, any other goes on if it can; a top goes nowhere in the row. A run begins
    where neither of two neighbours goes to the other. Vacuum points side by side form one run.

    Parameters
    ----------
    grid, up
        Of :mod:`basinet.density.slopes`.
    row, word
        Which 64 points.
    carry
        What the previous word returned; 0 for the first one.

    Returns
    -------
    starts, tops, carry
    """
    on, back = ways_in_row(grid, up, row, word)
    vacuum = up[(row * grid.n_words + word) * grid.width + grid.width - 1]
    forth = on & ~back
    previous_forth = (forth << ONE) | (carry & ONE)
    previous_vacuum = (vacuum << ONE) | (carry >> ONE)
    joined = back | previous_forth | (vacuum & previous_vacuum)
    starts = row_end(word, grid.length) & ~joined
    tops = row_end(word, grid.length) & ~(on | back) & (~vacuum | starts)
    last = np.uint64(WORD - 1)
    return starts, tops, (forth >> last) | ((vacuum >> last) << ONE)


@jit()
def count_runs(grid: Grid, up: NDArray[np.uint64], first_row: int, last_row: int, number: NDArray[np.int64]) -> None:
    """Count the runs of some rows into ``number[row]``."""
    for row in range(first_row, last_row):
        carry, found = ZERO, 0
        for word in range(grid.n_words):
            starts, _, carry = cut_word(grid, up, row, word, carry)
            found += count(starts)
        number[row] = found


@jit()
def cut_rows(grid: Grid, up: NDArray[np.uint64], first_row: int, last_row: int, runs: Runs) -> None:
    """Write start and top of the runs of some rows."""
    for row in range(first_row, last_row):
        carry = ZERO
        start = top = runs.first[row]
        for word in range(grid.n_words):
            starts, tops, carry = cut_word(grid, up, row, word, carry)
            while starts:
                runs.start[start] = WORD * word + lowest(starts)
                starts &= starts - ONE
                start += 1
            while tops:
                runs.top[top] = WORD * word + lowest(tops)
                tops &= tops - ONE
                top += 1


@jit()
def run_of(runs: Runs, row: int, k: int) -> int:
    """The run that a point belongs to."""
    low, high = runs.first[row], runs.first[row + 1]
    while high - low > 8:
        middle = (low + high) >> 1
        if runs.start[middle] <= k:
            low = middle
        else:
            high = middle
    while low + 1 < high and runs.start[low + 1] <= k:
        low += 1
    return low


@jit()
def link_runs(grid: Grid, up: NDArray[np.uint64], first_row: int, last_row: int, runs: Runs) -> None:
    """Write to each run's label the run that its top passes to; any way up will do."""
    for row in range(first_row, last_row):
        for run in range(runs.first[row], runs.first[row + 1]):
            k = np.int64(runs.top[run])
            facets = up_facets(grid, up, row, k)
            if facets:
                next_row, next_k = step(grid, row, k, lowest(facets))
                runs.label[run] = run_of(runs, next_row, next_k)
            else:
                group = (row * grid.n_words + (k >> 6)) * grid.width
                is_vacuum = (up[group + grid.width - 1] >> np.uint64(k & 63)) & ONE
                runs.label[run] = VACUUM if is_vacuum else MAXIMUM


@jit()
def find_maxima(runs: Runs, length: int, maxima: NDArray[np.int64]) -> int:
    """Write the flat indices of the maxima, in ascending order, as far as there is room; return their number."""
    found = 0
    for row in range(len(runs.first) - 1):
        for run in range(runs.first[row], runs.first[row + 1]):
            if runs.label[run] == MAXIMUM:
                if found < len(maxima):
                    maxima[found] = row * length + runs.top[run]
                found += 1
    return found


@jit()
def label_runs(runs: Runs, group: NDArray[np.int64], n_groups: int) -> None:
    """Follow the links and write to every run the group that it ascends to; the vacuum is group `n_groups`."""
    found = 0
    # A label that is final is kept as its bitwise complement less 2, so that it is told from a link.
    for run in range(len(runs.label)):
        if runs.label[run] == MAXIMUM:
            runs.label[run] = -3 - group[found]
            found += 1
        elif runs.label[run] == VACUUM:
            runs.label[run] = -3 - n_groups
    for run in range(len(runs.label)):
        end = run
        while runs.label[end] >= 0:
            end = runs.label[end]
        label = runs.label[end]
        at = run
        while runs.label[at] >= 0:
            following = runs.label[at]
            runs.label[at] = label
            at = following
    for run in range(len(runs.label)):
        runs.label[run] = -3 - runs.label[run]
