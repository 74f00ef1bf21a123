"""Integrals over the Bader basins of a density, and their error bars from the spacing of the grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from basinet.arrays import FloatArray, IntArray
from basinet.density.facets import grid_facets, nearest_sites, shared_sites
from basinet.density.grid import checked_field, checked_threads
from basinet.errors import InputError
from basinet.frames.neighbours import COINCIDENT, checked_cell, checked_positions

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from basinet.density.walk import Arrived


@dataclass(frozen=True)
class Maxima:
    """Maxima of the density (e/A^3) on the grid, in the order of their grid points, positions (m, 3) in A, in the cell.

    Valence densities of pseudopotentials have a hole at the nucleus and, on the shell around it, tens to hundreds of
    them for one atom. A plateau without a way up is one maximum. ``atom`` is the nearest nucleus, or -1 if none is
    within the nuclear radius, and ``distance`` that to the nearest, A. Where another atom is as near as the grid can
    tell, a maximum is ``tied``, as in covalent bonds: its basin is shared out in equal parts.
    """

    positions: FloatArray
    density: FloatArray
    atom: IntArray
    distance: FloatArray
    tied: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.density)


@dataclass(frozen=True)
class NonNuclear:
    """Basins of maxima that belong to no nucleus, one each, in the order of their grid points.

    The first three arrays are those of `Maxima`; electrons, volume (A^3) and the integral of each field, (m,), those of
    `Basins`.
    """

    positions: FloatArray
    density: FloatArray
    distance: FloatArray
    population: FloatArray
    volume: FloatArray
    integrals: dict[str, FloatArray]

    def __len__(self) -> int:
        return len(self.density)


@dataclass(frozen=True)
class Vacuum:
    """Electrons, volume (A^3) and integrals of the points whose density is at or below the threshold, e/A^3."""

    threshold: float
    population: float
    volume: float
    integrals: dict[str, float]


@dataclass(frozen=True)
class Basins:
    """Integrals over the Bader basins of a density.

    Population (e), volume (A^3) and the integral of each field (its unit times A^3), (n_atoms,) float64, are those of
    the atoms. Part of none are what the basins hold of maxima further than the nuclear radius from every nucleus
    (`non_nuclear`), and what lies at or below the vacuum threshold, where one was given (`vacuum`). All three add up to
    the cell but for the `residuals` of ``population``, ``volume`` and each field, relative to the sum of absolute
    values over the grid. `maximum_distance` (n_atoms,), A, is from the nucleus to the farthest of its maxima, NaN
    without one; `empty_atoms` (k,) are those: their basin is empty, all their integrals are zero.
    """

    population: FloatArray
    volume: FloatArray
    integrals: dict[str, FloatArray]
    maxima: Maxima
    non_nuclear: NonNuclear
    vacuum: Vacuum | None
    maximum_distance: FloatArray
    empty_atoms: IntArray
    residuals: dict[str, float]


_RESERVED = ("population", "volume")  # names of what is always integrated; a field cannot have them


def checked_fields(fields: Mapping[str, ArrayLike] | None, shape: tuple[int, ...]) -> dict[str, FloatArray]:
    """Fields on the density's grid, or an error that names the field."""
    if fields is None:
        return {}
    if not isinstance(fields, Mapping):
        raise InputError(f"fields is a {type(fields).__name__}; pass a dict of names and arrays")
    checked = {}
    for name, values in fields.items():
        if name in _RESERVED:
            raise InputError(f"a field is named {name!r}, which is always integrated; give it another name")
        array = checked_field(values, f"field {name!r}")
        if array.shape != shape:
            raise InputError(f"field {name!r} has the shape {array.shape} and the density {shape}; use one grid")
        checked[name] = array
    return checked


def _checked_nuclei(positions: ArrayLike, cell: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Positions and cell of at least one atom, no two in one place, or an error that names the atom."""
    points, box = checked_positions(positions), checked_cell(cell)
    if not len(points):
        raise InputError("there are no atoms; a partition needs at least one nucleus")
    distance, _ = nearest_sites(points, points, box, rank=2)
    one = int(np.argmin(distance))
    if distance[one] < COINCIDENT:
        other = int(nearest_sites(points[[one]], np.delete(points, one, axis=0), box)[1][0])
        other += other >= one
        raise InputError(f"atoms {one} and {other} are in one place ({distance[one]:.1e} A apart); remove one")
    return points, box


def integrate_basins(
    density: ArrayLike,
    cell: ArrayLike,
    positions: ArrayLike,
    fields: Mapping[str, ArrayLike] | None = None,
    *,
    nuclear_radius: float = 1.0,
    reference: ArrayLike | None = None,
    vacuum: float | None = None,
    threads: int | None = None,
) -> Basins:
    """Integrate density, volume and any fields over the Bader basins of a density.

    - `density`: (n1, n2, n3) array_like; electrons positive, e/A^3; grid point (i, j, k) sits at the fractional
      coordinates (i/n1, j/n2, k/n3).
    - `cell`: (3, 3) array_like; cell vectors as rows, Angstrom; any shape.
    - `positions`: (n_atoms, 3) array_like; nuclei, Angstrom; they may lie outside the cell.
    - `fields`: more arrays (n1, n2, n3) to integrate, by name.
    - `nuclear_radius`: a maximum belongs to its nearest nucleus if that is within this distance (Angstrom); otherwise
      it is non-nuclear, and reported. With 0 every maximum that sits on no nucleus is reported by itself.
    - `reference`: (n1, n2, n3) array_like; the density whose basins are taken, where it is another one: the
      all-electron density, for valence densities that have no maxima at their nuclei.
    - `vacuum`: points whose density (e/A^3; that of the reference) is at or below this belong to no basin.
    - `threads`: to compare neighbours, all cores that the process may use unless given; the walk itself takes one. The
      result does not depend on it.

    Returns per atom: population, volume, integrals; maxima, non-nuclear basins, vacuum and residuals. InputError: an
    array of the wrong shape, NaN or infinite values, a constant density, a cell without volume, no atoms or two in one
    place, a radius or a threshold out of range.

    Flux goes to strictly higher neighbours. On a plateau, a point without one passes what it holds to equal
    neighbours one step nearer to the plateau's edge where flux leaves it, by A / l; a plateau that nothing
    leaves is one maximum at its point of highest index.

    Two equal atoms share the cell equally:

    >>> x = np.arange(12) / 12
    >>> wave = 2 - np.cos(4 * np.pi * x)[:, None, None] - 0.1 * np.cos(2 * np.pi * x)[None, :, None]
    >>> density = wave - 0.1 * np.cos(2 * np.pi * x)
    >>> basins = integrate_basins(density, 3 * np.eye(3), [[0.75, 1.5, 1.5], [2.25, 1.5, 1.5]])
    >>> basins.volume.round(9).tolist(), basins.population.round(9).tolist()
    ([13.5, 13.5], [27.0, 27.0])
    """
    from basinet.density.walk import ascend, flow_uphill

    rho = checked_field(density, "the density")
    named = checked_fields(fields, rho.shape)
    points, box = _checked_nuclei(positions, cell)
    if not (np.isfinite(nuclear_radius) and nuclear_radius >= 0.0):
        raise InputError(f"nuclear_radius is {nuclear_radius}; it must be a number of Angstrom, zero or more")
    if not (vacuum is None or np.isfinite(vacuum)):
        raise InputError(f"vacuum is {vacuum}; it must be a density in e/A^3, or None")
    threshold = -np.inf if vacuum is None else float(vacuum)
    leading = rho if reference is None else checked_field(reference, "the reference density")
    if leading.shape != rho.shape:
        raise InputError(f"the reference density has the shape {leading.shape}, the density {rho.shape}; use one grid")
    ascent = ascend(leading, grid_facets(box, rho.shape), threshold, checked_threads(threads))
    maxima = _maxima(leading, ascent.maxima, points, box, nuclear_radius)
    arrived = flow_uphill(ascent, [rho, *named.values()])
    owners, voxel = _owners(maxima, points, box, rho.shape), abs(float(np.linalg.det(box))) / rho.size
    return _results(arrived, list(named), maxima, owners, len(points), voxel, vacuum)


def _maxima(rho: FloatArray, where: IntArray, nuclei: FloatArray, box: FloatArray, radius: float) -> Maxima:
    fractional = np.stack(np.unravel_index(where, rho.shape), axis=1) / rho.shape
    positions = fractional @ box
    distance, atom = nearest_sites(positions, nuclei, box)
    second, _ = nearest_sites(positions, nuclei, box, rank=2)
    tied = (distance <= radius) & (second - distance <= _resolution(box, rho.shape))
    return Maxima(positions, rho.reshape(-1)[where], np.where(distance <= radius, atom, -1), distance, tied)


def _resolution(box: FloatArray, shape: tuple[int, ...]) -> float:
    """Diagonal of a cube as large as a voxel, Angstrom: two distances from a maximum are known to no better."""
    return float(np.sqrt(3.0) * np.cbrt(abs(np.linalg.det(box)) / np.prod(shape)))


_Owners = tuple[IntArray, IntArray, FloatArray]  # of the basins of maxima: index of the maximum and the atom, share


def _owners(maxima: Maxima, nuclei: FloatArray, box: FloatArray, shape: tuple[int, ...]) -> _Owners:
    """Atoms that own the basins of nuclear maxima: the nearest one, or in equal parts all (and images) as near."""
    owned = np.flatnonzero(maxima.atom >= 0)
    maximum, atom, share = shared_sites(maxima.positions[owned], nuclei, box, _resolution(box, shape))
    return owned[maximum], atom, share


def _results(
    arrived: Arrived,
    names: list[str],
    maxima: Maxima,
    owners: _Owners,
    n_atoms: int,
    voxel: float,
    vacuum: float | None,
) -> Basins:
    """Sort what has arrived at the maxima into atoms and non-nuclear maxima."""
    is_alone, (maximum, atom, share) = maxima.atom < 0, owners
    atoms = np.zeros((n_atoms, len(arrived.total)))  # columns: volume, density, fields
    np.add.at(atoms, atom, arrived.maxima[maximum] * voxel * share[:, None])
    alone, outside = arrived.maxima[is_alone] * voxel, arrived.vacuum * voxel
    farthest = np.full(n_atoms, -np.inf)
    np.maximum.at(farthest, atom, maxima.distance[maximum])
    excess = arrived.maxima.sum(axis=0) + arrived.vacuum - arrived.total
    residuals = np.divide(excess, arrived.magnitude, out=np.zeros_like(excess), where=arrived.magnitude > 0.0)
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


def _averages(points: int) -> csr_array:
    """Means over blocks of equal width, (n // 2, n): two points each, or with an odd n slightly more than two."""
    number, point = points // 2, np.arange(points)
    first = point * number // points  # the block that each point lies in, or begins in
    share = np.minimum(1.0, (first + 1) * points / number - point)
    weights = np.zeros((number + 1, points))  # the last point has nothing left for the block after the last
    weights[first, point], weights[first + 1, point] = share, 1.0 - share
    return csr_array(weights[:-1] * (number / points))


def block_means(field: FloatArray) -> FloatArray:
    """Mean over each block, (n1 // 2, n2 // 2, n3 // 2); the integral over the cell stays what it is.

    Every axis needs at least two points.
    """
    for _ in range(3):  # of the first axis, which then becomes the last
        points, *others = field.shape
        means = _averages(points) @ field.reshape(points, -1)
        field = np.ascontiguousarray(means.reshape(-1, *others).transpose(1, 2, 0))
    return field


INTEGRAL_ORDER = 1.9
"""Of charges and energies. Measured in liquid argon, krypton and their mixture (128^3, 300 Ry): 1.91 to 2.06, so that
errors are 0.86 to 0.99 of the bars (root mean squares)."""
VOLUME_ORDER = 1.0
"""Of volumes, which lie where the density is flat. Measured likewise: 1.03 to 1.64; errors 0.47 to 0.96 of the bars."""
FEWEST_POINTS = 8  # points along an axis below which blocks tell nothing


@dataclass(frozen=True)
class GridErrors:
    """Error bars (one standard deviation) of integrals over basins, from the spacing of the grid alone.

    Population (e), volume (A^3) and the integral of each field, (n_atoms,), as in `Basins`.
    """

    population: FloatArray
    volume: FloatArray
    integrals: dict[str, FloatArray]


def grid_errors(
    density: FloatArray,
    cell: FloatArray,
    positions: FloatArray,
    fields: Mapping[str, FloatArray],
    basins: Basins,
    *,
    nuclear_radius: float = 1.0,
    reference: FloatArray | None = None,
    vacuum: float | None = None,
    threads: int | None = None,
) -> GridErrors | None:
    """Error bars of a partition by repeating it on blocks of points, at a fifth of its cost.

    Blocks are 2 x 2 x 2 points; along an axis of an odd number n of points there are (n - 1) / 2 blocks of equal width,
    and points on a border count for both sides. Parameters as for `integrate_basins`, and what that returned for them.
    None if an axis has fewer than eight points, or an atom that has a basin of its own has none on the blocks.
    """
    if min(density.shape) < FEWEST_POINTS:
        return None
    means = block_means(density)
    width = np.array(density.shape) / means.shape
    shift = (width - 1.0) / (2.0 * np.array(density.shape))  # of the first block's centre from the first point
    coarse = integrate_basins(
        means,
        cell,
        positions - shift @ cell,
        {name: block_means(field) for name, field in fields.items()},
        nuclear_radius=nuclear_radius,
        reference=None if reference is None else block_means(reference),
        vacuum=vacuum,
        threads=threads,
    )
    lost = set(coarse.empty_atoms) - set(basins.empty_atoms)
    if lost or (coarse.maxima.tied.any() and not basins.maxima.tied.any()):
        return None  # the same atoms no longer have basins of their own
    ratio = float(np.prod(width) ** (1.0 / 3.0))

    def error(fine: FloatArray, rough: FloatArray, order: float) -> FloatArray:
        return np.asarray(np.abs(fine - rough) / (ratio**order - 1.0), dtype=np.float64)

    return GridErrors(
        population=error(basins.population, coarse.population, INTEGRAL_ORDER),
        volume=error(basins.volume, coarse.volume, VOLUME_ORDER),
        integrals={
            name: error(basins.integrals[name], values, INTEGRAL_ORDER) for name, values in coarse.integrals.items()
        },
    )
