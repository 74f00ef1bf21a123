"""Flux uphill (first version: one walk over the whole grid)."""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from basinet.qtaim.facets import Facets


@dataclass(frozen=True)
class Ascent:
    """Which way is up from every grid point."""

    density: NDArray[np.float64]
    facets: Facets
    threshold: float
    up: NDArray[np.uint16]
    maxima: NDArray[np.int64]


@dataclass(frozen=True)
class Carried:
    """What arrived at each group, and plain sums over the grid; columns: volume, then each field."""

    arrived: NDArray[np.float64]
    total: NDArray[np.float64]
    magnitude: NDArray[np.float64]


@njit(cache=True, nogil=True)
def _neighbour(p, step, n1, n2, n3):  # type: ignore[no-untyped-def]
    k = p % n3
    j = (p // n3) % n2
    i = p // (n3 * n2)
    return ((i + step[0]) % n1 * n2 + (j + step[1]) % n2) * n3 + (k + step[2]) % n3


@njit(cache=True, nogil=True)
def _up(rho, shape, steps, threshold, up):  # type: ignore[no-untyped-def]
    n1, n2, n3 = shape
    flat = 0
    for p in range(rho.size):
        if rho[p] <= threshold:
            continue
        for f in range(len(steps)):
            if rho[_neighbour(p, steps[f], n1, n2, n3)] > rho[p]:
                up[p] |= np.uint16(1 << f)
    # Plateaus: breadth first from where flux leaves them.
    level = np.zeros(1, dtype=np.int64)
    has_flat = False
    for p in range(rho.size):
        if up[p] == 0 and rho[p] > threshold:
            for f in range(len(steps)):
                q = _neighbour(p, steps[f], n1, n2, n3)
                if q != p and rho[q] == rho[p]:
                    has_flat = True
    if not has_flat:
        return
    level = np.full(rho.size, -1, dtype=np.int64)
    queue = np.empty(rho.size, dtype=np.int64)
    head, tail = 0, 0
    for p in range(rho.size):
        if up[p] != 0:
            level[p] = 0
            for f in range(len(steps)):
                q = _neighbour(p, steps[f], n1, n2, n3)
                if up[q] == 0 and rho[q] == rho[p] and rho[p] > threshold:
                    queue[tail] = p
                    tail += 1
                    break
    last = rho.size
    while True:
        while head < tail:
            p = queue[head]
            head += 1
            for f in range(len(steps)):
                q = _neighbour(p, steps[f ^ 1], n1, n2, n3)
                if rho[q] == rho[p] and rho[p] > threshold:
                    if level[q] == -1:
                        level[q] = level[p] + 1
                        queue[tail] = q
                        tail += 1
                    if level[q] == level[p] + 1:
                        up[q] |= np.uint16(1 << f)
        last -= 1
        while last >= 0 and (level[last] >= 0 or rho[last] <= threshold):
            last -= 1
        if last < 0:
            return
        level[last] = 0
        queue[tail] = last
        tail += 1


@njit(cache=True, nogil=True)
def _carry(rho, shape, steps, conductance, threshold, up, maxima, group, held, arrived):  # type: ignore[no-untyped-def]
    n1, n2, n3 = shape
    n = rho.size
    pending = np.zeros(n, dtype=np.uint8)
    for p in range(n):
        for f in range(len(steps)):
            if up[p] >> np.uint16(f) & 1:
                pending[_neighbour(p, steps[f], n1, n2, n3)] += 1
    goal = dict()
    for m in range(len(maxima)):
        goal[maxima[m]] = group[m]
    stack = np.empty(n, dtype=np.int64)
    flux = np.empty(len(steps))
    target = np.empty(len(steps), dtype=np.int64)
    for start in range(n):
        if pending[start] != 0:
            continue
        stack[0] = start
        depth = 1
        pending[start] = 255
        while depth:
            depth -= 1
            p = stack[depth]
            if rho[p] <= threshold:
                arrived[-1] += held[p]
                continue
            if up[p] == 0:
                arrived[goal[p]] += held[p]
                continue
            total, edges = 0.0, 0
            for f in range(len(steps)):
                if up[p] >> np.uint16(f) & 1:
                    q = _neighbour(p, steps[f], n1, n2, n3)
                    difference = rho[q] - rho[p]
                    flux[edges] = (difference if difference > 0.0 else 1.0) * conductance[f]
                    target[edges] = q
                    total += flux[edges]
                    edges += 1
            for e in range(edges):
                q = target[e]
                share = flux[e] / total
                for c in range(held.shape[1]):
                    held[q, c] += share * held[p, c]
                pending[q] -= 1
                if pending[q] == 0:
                    pending[q] = 255
                    stack[depth] = q
                    depth += 1


def ascend(density: NDArray[np.float64], facets: Facets, threshold: float, threads: int) -> Ascent:  # noqa: ARG001
    """Find which way is up from every point, and the maxima."""
    rho = density.reshape(-1)
    up = np.zeros(rho.size, dtype=np.uint16)
    _up(rho, density.shape, facets.steps, threshold, up)
    return Ascent(density, facets, threshold, up, np.flatnonzero((up == 0) & (rho > threshold)))


def carry(
    ascent: Ascent,
    group: NDArray[np.int64],
    n_groups: int,
    fields: Sequence[NDArray[np.float64]],
    threads: int,  # noqa: ARG001
) -> Carried:
    """Carry volume and fields uphill to the groups of maxima."""
    held = np.stack([np.ones(ascent.up.size), *(field.reshape(-1) for field in fields)], axis=1)
    total, magnitude = held.sum(axis=0), np.abs(held).sum(axis=0)
    arrived = np.zeros((n_groups + 1, held.shape[1]))
    _carry(
        ascent.density.reshape(-1),
        ascent.density.shape,
        ascent.facets.steps,
        ascent.facets.conductance,
        ascent.threshold,
        ascent.up,
        ascent.maxima,
        group,
        held,
        arrived,
    )
    return Carried(arrived, total, magnitude)
