"""Densities on a grid for the comparison with other programs: smooth ones, and ones with a hole at the nucleus.

Each atom of a shaken lattice carries a sum of Gaussians, n_a(r) = sum_k q_k exp(-r^2 / 2 s_k^2) / (2 pi s_k^2)^(3/2).
A negative, narrow Gaussian leaves a hole at the nucleus, as the valence density of a pseudopotential has: the maxima
are then the grid points of a shell, hundreds an atom, the most demanding case for a program that works basin by basin.
The periodic sum is taken in reciprocal space, where it is a product, so that any cell costs the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMOOTH = ((2.0, 0.35), (6.0, 0.85))
"""Charge (e) and width (Angstrom) of the Gaussians of an atom whose density peaks at the nucleus."""

HOLLOW = ((-1.6, 0.3), (6.0, 0.45), (3.6, 0.95))
"""The same with a hole: eight electrons whose density is highest on a shell about 0.45 Angstrom from the nucleus."""

ATOM_VOLUME = 56.9
"""Cubic Angstrom an atom: liquid argon at 120 K."""

ORTHORHOMBIC = np.diag([1.0, 0.95, 1.1])
TRICLINIC = np.array([[1.0, 0.0, 0.0], [0.28, 1.05, 0.0], [-0.35, 0.22, 0.9]])
CUBIC = np.eye(3)


class Case(NamedTuple):
    """What is partitioned: density (n1, n2, n3) in e/A^3, cell (3, 3) in A, positions (n_atoms, 3) in A."""

    density: NDArray[np.float64]
    cell: NDArray[np.float64]
    positions: NDArray[np.float64]


def shaken_lattice(per_side: int, shape: NDArray[np.float64], seed: int) -> tuple[NDArray, NDArray]:
    """Cell and positions of `per_side`^3 atoms, each moved by up to a tenth of the distance to its neighbours."""
    cell = shape * (per_side**3 * ATOM_VOLUME / np.linalg.det(shape)) ** (1 / 3)
    sites = np.stack(np.meshgrid(*[np.arange(per_side)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    shifts = np.random.default_rng(seed).uniform(-0.1, 0.1, sites.shape)
    return cell, (sites + 0.5 + shifts) / per_side @ cell


def gaussian_density(
    cell: NDArray, positions: NDArray, grid: tuple[int, int, int], gaussians: tuple[tuple[float, float], ...]
) -> NDArray[np.float64]:
    """Periodic sum over atoms of their Gaussians at the points (i/n1, j/n2, k/n3), in e/A^3."""
    numbers = [np.fft.fftfreq(n, 1 / n) for n in grid[:2]] + [np.fft.rfftfreq(grid[2], 1 / grid[2])]
    fractional = positions @ np.linalg.inv(cell)
    phases = [np.exp(-2j * np.pi * np.outer(fractional[:, axis], numbers[axis])) for axis in range(3)]
    planes = (phases[0][:, :, None] * phases[1][:, None, :]).reshape(len(positions), -1)
    structure = (planes.T @ phases[2]).reshape([len(n) for n in numbers])
    metric = np.linalg.inv(cell).T * (2 * np.pi)
    metric = metric @ metric.T  # G^2 = m . metric . m
    h, k, m = np.meshgrid(*numbers, indexing="ij", sparse=True)
    square = metric[0, 0] * h * h + metric[1, 1] * k * k + metric[2, 2] * m * m
    square = square + 2 * (metric[0, 1] * h * k + metric[0, 2] * h * m + metric[1, 2] * k * m)
    structure *= sum(charge * np.exp(-0.5 * width**2 * square) for charge, width in gaussians)
    density = np.fft.irfftn(structure, s=grid, axes=(0, 1, 2))
    return density * (density.size / abs(np.linalg.det(cell)))


def liquid_like(
    per_side: int,
    grid: tuple[int, int, int],
    shape: NDArray[np.float64] = CUBIC,
    gaussians: tuple[tuple[float, float], ...] = SMOOTH,
    seed: int = 1,
) -> Case:
    """Density of a shaken lattice of eight-electron atoms."""
    cell, positions = shaken_lattice(per_side, shape, seed)
    return Case(gaussian_density(cell, positions, grid, gaussians), cell, positions)
