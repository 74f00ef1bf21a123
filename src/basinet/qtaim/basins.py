r"""Integrals over Bader basins by Yu & Trinkle's weight method, for any cell and any number of fields.

A grid point X passes the share

.. math:: w(X \to X') = \frac{J(X, X')}{\sum_{X''} J(X, X'')}, \qquad
   J(X, X') = \max(0, \rho(X') - \rho(X)) \frac{A}{l}

of what it holds to the neighbour X' behind the facet of area A at distance l of its Wigner-Seitz cell (J. Chem.
Phys. 134, 064111 (2011), eqs 6 and 7). The paper walks from the highest density to the lowest and finds, for each
basin in turn, the weight of every point. Here the same sums run the other way: integrands are carried from the
lowest density to the highest, and what arrives at a maximum is the integral over its basin. No weight is ever
stored, and all fields and all basins take one walk.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from basinet.errors import InputError
from basinet.qtaim.checks import checked_fields, checked_grid, checked_nuclei, checked_radius, checked_threshold
from basinet.qtaim.facets import grid_facets
from basinet.qtaim.nearest import nearest_sites
from basinet.qtaim.results import Basins, Maxima, NonNuclear, Vacuum

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from basinet.qtaim.flow import Carried


def integrate_basins(
    density: ArrayLike,
    cell: ArrayLike,
    positions: ArrayLike,
    fields: Mapping[str, ArrayLike] | None = None,
    *,
    nuclear_radius: float = 1.0,
    vacuum: float | None = None,
    threads: int | None = None,
) -> Basins:
    """Integrate density, volume and any fields over the Bader basins of a density.

    Parameters
    ----------
    density : (n1, n2, n3) array_like
        Electrons positive, e/A^3; grid point (i, j, k) sits at the fractional coordinates (i/n1, j/n2, k/n3).
    cell : (3, 3) array_like
        Cell vectors as rows, Angstrom; any shape.
    positions : (n_atoms, 3) array_like
        Nuclei, Angstrom; they may lie outside the cell.
    fields
        More arrays (n1, n2, n3) to integrate, by name.
    nuclear_radius
        A maximum belongs to its nearest nucleus if that is within this distance (Angstrom); otherwise it is
        non-nuclear, and reported. With 0 every maximum that sits on no nucleus is reported by itself.
    vacuum
        Points whose density (e/A^3) is at or below this belong to no basin.
    threads
        All cores that the process may use unless given. The result does not depend on it.

    Returns
    -------
    Basins
        Per atom: population, volume, integrals; maxima, non-nuclear basins, vacuum and residuals.

    Raises
    ------
    InputError
        An array of the wrong shape, NaN or infinite values, a constant density, a cell without volume, no atoms
        or two in one place, a radius or a threshold out of range.

    Notes
    -----
    Flux goes to strictly higher neighbours. On a plateau, a point without one passes what it holds to equal
    neighbours one step nearer to the plateau's edge where flux leaves it, by A / l; a plateau that nothing
    leaves is one maximum at its point of highest index.

    Examples
    --------
    Two equal atoms share the cell equally:

    >>> import numpy as np
    >>> x = np.arange(12) / 12
    >>> wave = 2 - np.cos(4 * np.pi * x)[:, None, None] - 0.1 * np.cos(2 * np.pi * x)[None, :, None]
    >>> density = wave - 0.1 * np.cos(2 * np.pi * x)
    >>> basins = integrate_basins(density, 3 * np.eye(3), [[0.75, 1.5, 1.5], [2.25, 1.5, 1.5]])
    >>> basins.volume.round(9).tolist(), basins.population.round(9).tolist()
    ([13.5, 13.5], [27.0, 27.0])
    """
    from basinet.qtaim.flow import ascend, integrate, not_finite  # here: numba takes a moment to import

    rho = checked_grid(density, "the density")
    named = checked_fields(fields, rho.shape)
    points, box = checked_nuclei(positions, cell)
    radius = checked_radius(nuclear_radius)
    threshold = checked_threshold(vacuum)
    workers = _checked_threads(threads)

    facets = grid_facets(box, rho.shape)
    ascent = ascend(rho, facets, threshold, workers)
    maxima = _maxima(rho, ascent.maxima, points, box, radius)
    is_alone = maxima.atom < 0
    n_atoms, n_groups = len(points), len(points) + int(is_alone.sum())
    group = maxima.atom.copy()
    group[is_alone] = np.arange(n_atoms, n_groups)
    carried = integrate(ascent, group, n_groups, [rho, *named.values()], workers)
    for (name, values), magnitude in zip(named.items(), carried.magnitude[2:], strict=True):
        if not np.isfinite(magnitude):
            raise InputError(not_finite(values, f"field {name!r}"))
    return _results(carried, list(named), maxima, n_atoms, abs(float(np.linalg.det(box))) / rho.size, vacuum)


def _checked_threads(threads: int | None) -> int:
    """Number of threads: at least one, and by default the cores that this process may use."""
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if threads < 1:
        raise InputError(f"threads is {threads}; give 1 or more")
    return int(threads)


def _maxima(
    rho: NDArray[np.float64],
    where: NDArray[np.int64],
    nuclei: NDArray[np.float64],
    box: NDArray[np.float64],
    radius: float,
) -> Maxima:
    """Maxima with their nearest nuclei."""
    fractional = np.stack(np.unravel_index(where, rho.shape), axis=1) / rho.shape
    positions = fractional @ box
    distance, atom = nearest_sites(positions, nuclei, box)
    return Maxima(positions, rho.reshape(-1)[where], np.where(distance <= radius, atom, -1), distance)


def _results(
    carried: Carried, names: list[str], maxima: Maxima, n_atoms: int, voxel: float, vacuum: float | None
) -> Basins:
    """Sort what has arrived at each group into atoms, non-nuclear maxima and vacuum."""
    arrived = carried.arrived * voxel  # rows: atoms, non-nuclear maxima, vacuum; columns: volume, density, fields
    atoms, alone, outside = arrived[:n_atoms], arrived[n_atoms:-1], arrived[-1]
    is_alone = maxima.atom < 0
    farthest = np.full(n_atoms, -np.inf)
    np.maximum.at(farthest, maxima.atom[~is_alone], maxima.distance[~is_alone])
    excess = carried.arrived.sum(axis=0) - carried.total
    residuals = np.divide(excess, carried.magnitude, out=np.zeros_like(excess), where=carried.magnitude > 0.0)
    return Basins(
        population=atoms[:, 1].copy(),
        volume=atoms[:, 0].copy(),
        integrals={name: atoms[:, 2 + i].copy() for i, name in enumerate(names)},
        maxima=maxima,
        non_nuclear=NonNuclear(
            positions=maxima.positions[is_alone],
            density=maxima.density[is_alone],
            distance=maxima.distance[is_alone],
            population=alone[:, 1].copy(),
            volume=alone[:, 0].copy(),
            integrals={name: alone[:, 2 + i].copy() for i, name in enumerate(names)},
        ),
        vacuum=None
        if vacuum is None
        else Vacuum(
            threshold=float(vacuum),
            population=float(outside[1]),
            volume=float(outside[0]),
            integrals={name: float(outside[2 + i]) for i, name in enumerate(names)},
        ),
        maximum_distance=np.where(np.isneginf(farthest), np.nan, farthest),
        empty_atoms=np.flatnonzero(np.isneginf(farthest)),
        residuals=dict(zip(["volume", "population", *names], residuals.tolist(), strict=True)),
    )
