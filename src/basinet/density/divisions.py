r"""Energies of atoms by divisions of space that follow no flux: distance Voronoi cells and Hirshfeld's shares.

A division gives atom A the share :math:`w_A(r)` of every point, :math:`\sum_A w_A = 1`, and of a field
:math:`\int w_A f`. The two common forms of the kinetic energy density, :math:`-\psi^* \nabla^2 \psi / 2` and
:math:`|\nabla \psi|^2 / 2`, differ by :math:`-\nabla^2 \rho / 4`, whose integral vanishes over Bader basins and over
the cell, but not over these shares: their direct energies come in both forms.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline

from basinet.arrays import FloatArray, IntArray
from basinet.compiled import jit
from basinet.density.cores import CoreLike, as_cores, core_overlap_energies, core_self_energies
from basinet.density.facets import shared_sites
from basinet.density.grid import checked_field, renormalise
from basinet.density.potential import laplacian_energy_density
from basinet.errors import InputError
from basinet.frames.neighbours import COINCIDENT, checked_cell, checked_positions

Shape = tuple[int, int, int]
RADIAL_STEP = 0.001
"""Angstrom between the values of a radial table; what lies between them is interpolated linearly, to 1e-6 of it."""
_NODES = 0.02  # Angstrom between the spheres that a density is averaged over; a spline gives the table


@dataclass(frozen=True)
class Division:
    r"""Atoms by one division of space: electrons, A^3, and direct energies in both forms, eV; arrays are (n_atoms,).

    `direct_energy` is of :math:`e(r)` with the kinetic form :math:`-\psi^* \nabla^2 \psi / 2`, and
    `direct_energy_positive` of :math:`e + \nabla^2 \rho / 4`, with :math:`|\nabla \psi|^2 / 2`.
    """

    population: FloatArray
    volume: FloatArray
    direct_energy: FloatArray
    direct_energy_positive: FloatArray


def divided_energies(
    weights: Iterable[FloatArray],
    density: ArrayLike,
    energy_density: ArrayLike,
    cell: ArrayLike,
    positions: ArrayLike,
    cores: Sequence[CoreLike],
    *,
    charge: float = 0.0,
) -> Division:
    r"""Electrons and DFT energy of every atom by a division of space, core energies included.

    .. math:: E_A = \int w_A(r) e(r) dr + E_{self,A} + E_{ovl,A}

    The weights are (n1, n2, n3) of one atom after the other, as `voronoi_weights` and `hirshfeld_weights` give them;
    all else as for :func:`~basinet.density.local_energies.direct_energies`, whose regions are Bader's.
    """
    box, points = checked_cell(cell), checked_positions(positions)
    checked = as_cores(cores, len(points))
    electrons, _ = renormalise(density, box, float(sum(core.charge for core in checked)) - charge)
    fields = {"density": electrons, "energy": checked_field(energy_density, "the energy density")}
    fields["laplacian"] = laplacian_energy_density(electrons, box)
    found = integrate_weights(weights, box, fields)
    direct = found["energy"] + core_self_energies(checked) + core_overlap_energies(box, points, checked)
    return Division(found["density"], found["volume"], direct, direct + found["laplacian"])


def integrate_weights(
    weights: Iterable[FloatArray], cell: ArrayLike, fields: Mapping[str, FloatArray]
) -> dict[str, FloatArray]:
    r"""Integrals :math:`\int w_A f` of fields (n1, n2, n3) over weights of one atom after the other, and ``volume``.

    Each is (n_atoms,), in the field's unit times A^3.
    """
    volume = abs(float(np.linalg.det(checked_cell(cell))))
    rows = []
    for share in weights:
        for name, field in fields.items():
            if field.shape != share.shape:
                raise InputError(f"field {name!r} has the shape {field.shape}, weights {share.shape}; use one grid")
        rows.append([float(share.sum()), *(float(np.vdot(share, field)) for field in fields.values())])
    columns = np.array(rows).reshape(len(rows), 1 + len(fields)).T * (volume / share.size if rows else 0.0)
    return dict(zip(["volume", *fields], columns, strict=True))


def voronoi_weights(shape: Shape, cell: ArrayLike, positions: ArrayLike) -> Iterator[FloatArray]:
    """Weights (n1, n2, n3) of atoms whose points are those nearest to them, under periodic images, atom by atom.

    A point as near to several (within 1e-6 A) is shared in equal parts. Grid point (i, j, k) is at the fractions (i/n1,
    j/n2, k/n3) of the cell (3, 3), rows in Angstrom; positions (n_atoms, 3), Angstrom.
    """
    box, nuclei = checked_cell(cell), checked_positions(positions)
    point, atom, share = _nearest_atoms(np.arange(np.prod(shape)), shape, box, nuclei)
    for index in range(len(nuclei)):
        weights = np.zeros(shape)
        own = atom == index
        np.add.at(weights.reshape(-1), point[own], share[own])
        yield weights


def hirshfeld_weights(
    shape: Shape, cell: ArrayLike, positions: ArrayLike, tables: Sequence[FloatArray]
) -> Iterator[FloatArray]:
    r"""Weights (n1, n2, n3) by the densities of isolated atoms, atom by atom.

    .. math:: w_A(r) = \rho_A^0(|r - R_A|) \Big/ \sum_B \rho_B^0(|r - R_B|)

    F. L. Hirshfeld, Theor. Chim. Acta 44, 129 (1977); images of an atom count with it. A table for each atom, e/A^3 at
    multiples of `RADIAL_STEP` from its nucleus and zero beyond, as `spherical_average` gives it. Points that none
    reaches go to the nearest atom. Grid, cell and positions as for `voronoi_weights`.
    """
    box, nuclei = checked_cell(cell), checked_positions(positions)
    if len(tables) != len(nuclei):
        raise InputError(f"{len(tables)} isolated densities for {len(nuclei)} atoms; give one for each")
    total = promolecule(shape, box, nuclei, tables)
    empty = np.flatnonzero(total == 0.0)
    point, atom, share = _nearest_atoms(empty, shape, box, nuclei)
    total.reshape(-1)[empty] = 1.0
    for index in range(len(nuclei)):
        weights = promolecule(shape, box, nuclei[[index]], [tables[index]])
        weights /= total
        own = atom == index
        np.add.at(weights.reshape(-1), point[own], share[own])
        yield weights


def promolecule(shape: Shape, cell: ArrayLike, positions: ArrayLike, tables: Sequence[FloatArray]) -> FloatArray:
    r"""Sum of isolated atoms' densities and of all their images, :math:`\sum_B \rho_B^0(|r - R_B|)`, e/A^3.

    Parameters as for `hirshfeld_weights`.
    """
    box, nuclei = checked_cell(cell), checked_positions(positions)
    inverse, points = np.linalg.inv(box), np.array(shape)
    total = np.zeros(shape)
    for nucleus, table in zip(nuclei, tables, strict=True):
        centre = nucleus @ inverse * points
        margin = (
            (len(table) - 1) * RADIAL_STEP * np.linalg.norm(inverse, axis=0) * points
        )  # planes lie 1/|column| apart
        low, high = np.ceil(centre - margin).astype(np.int64), np.floor(centre + margin).astype(np.int64)
        _add_sphere(total, box / points[:, None], centre, low, high, np.ascontiguousarray(table, np.float64))
    return total


def spherical_average(density: ArrayLike, cell: ArrayLike, position: ArrayLike) -> FloatArray:
    r"""Mean of a density over spheres about a position, e/A^3 at multiples of `RADIAL_STEP`, never below zero.

    .. math:: \rho^0(r) = \sum_G \rho(G) e^{i G \cdot R} \frac{\sin G r}{G r}

    exact for the plane waves of the grid, up to the sphere that touches its images: half the least distance between
    opposite faces of the cell (3, 3), rows in Angstrom. For the isolated atom at the position (3,), Angstrom.
    """
    field, box = checked_field(density, "the density of the isolated atom"), checked_cell(cell)
    inverse = np.linalg.inv(box)
    waves = np.stack(np.meshgrid(*(np.fft.fftfreq(n, 1.0 / n) for n in field.shape), indexing="ij"), axis=-1)
    phases = np.exp(2j * np.pi * (waves @ (np.asarray(position, dtype=np.float64) @ inverse)))
    length, shell = np.unique(
        np.round(2.0 * np.pi * np.linalg.norm(waves @ inverse.T, axis=-1), 9), return_inverse=True
    )
    amplitude = np.bincount(shell.reshape(-1), (np.fft.fftn(field) * phases).real.reshape(-1)) / field.size
    reach = 0.5 / np.linalg.norm(inverse, axis=0).max()
    radii = np.arange(0.0, reach, _NODES)
    spline = CubicSpline(radii, [amplitude @ np.sinc(length * radius / np.pi) for radius in radii])
    return np.asarray(np.maximum(spline(np.arange(0.0, radii[-1], RADIAL_STEP)), 0.0))


def with_core(table: FloatArray, core: CoreLike) -> FloatArray:
    r"""Density of an isolated atom with its pseudopotential's Gaussian in place of the core electrons, e/A^3.

    .. math:: \rho^0(r) + Z (2 \pi r_{loc}^2)^{-3/2} e^{-r^2 / 2 r_{loc}^2}

    The valence density is as small at a nucleus as its neighbours' tails (argon: 9e-4 e/A^3), while the energy density
    is largest there: without the core electrons neighbours would share the core's energy. Charges do not notice.
    """
    ((charge, radius),) = ((core.charge, core.radius) for core in as_cores([core], 1))
    radii = np.arange(len(table)) * RADIAL_STEP
    return np.asarray(table + charge * np.exp(-0.5 * (radii / radius) ** 2) / (2.0 * np.pi * radius**2) ** 1.5)


def _nearest_atoms(
    which: IntArray, shape: Shape, box: FloatArray, nuclei: FloatArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Grid points of flat indices, the atoms nearest to them, and the share of each, as `shared_sites` gives them."""
    found = []
    for part in np.array_split(which, 1 + len(which) // 100_000):  # all at once would take ten arrays of the grid
        fractions = np.stack(np.unravel_index(part, shape), axis=1) / shape
        point, atom, share = shared_sites(fractions @ box, nuclei, box, COINCIDENT)
        found.append((part[point], atom, share))
    point, atom, share = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    return point, atom, share


@jit()
def _add_sphere(
    total: FloatArray, steps: FloatArray, centre: FloatArray, low: IntArray, high: IntArray, table: FloatArray
) -> None:
    """Add a radial table about a centre (in grid points) to all points of its block, images included."""
    one, two, three = total.shape
    for i in range(low[0], high[0] + 1):
        for j in range(low[1], high[1] + 1):
            row = (i - centre[0]) * steps[0] + (j - centre[1]) * steps[1]
            x, y, z = row[0], row[1], row[2]
            for k in range(low[2], high[2] + 1):
                along = k - centre[2]
                a, b, c = x + along * steps[2, 0], y + along * steps[2, 1], z + along * steps[2, 2]
                place = np.sqrt(a * a + b * b + c * c) / RADIAL_STEP
                index = int(place)
                if index < len(table) - 1:
                    value = table[index] + (place - index) * (table[index + 1] - table[index])
                    total[i % one, j % two, k % three] += value
