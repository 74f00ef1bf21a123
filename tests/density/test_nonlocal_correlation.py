"""The non-local correlation of rVV10: nothing in a uniform gas, a potential that is its gradient, CP2K's numbers."""

from __future__ import annotations

import numpy as np
import pytest
from tests.cp2k_engine import WITH_RVV10, run_cp2k

from basinet.cp2k.run_directory import read_run
from basinet.density.files import read_cube
from basinet.density.nonlocal_correlation import rvv10_correlation
from basinet.units import Bohr, Hartree

CELL = np.array([[6.0, 0.0, 0.0], [1.0, 5.5, 0.0], [0.5, -0.7, 6.5]])
GRID = (30, 27, 32)
CUTOFF = 60.0
VOXEL = abs(np.linalg.det(CELL)) / np.prod(GRID)
BETA = (3 / 6.3**2) ** 0.75 / 32 * Hartree
"""eV an electron: what the convolution takes away again where the density is uniform."""


def gaussian(center, width: float, charge: float):
    """A Gaussian of electrons on the grid, its images too; e/A^3."""
    steps = np.stack(np.meshgrid(*[np.arange(n) / n for n in GRID], indexing="ij"), axis=-1) - center
    squares = np.sum(((steps - np.round(steps)) @ CELL) ** 2, axis=-1)
    return charge * np.exp(-squares / (2 * width**2)) / (2 * np.pi * width**2) ** 1.5


DENSITY = gaussian((0.3, 0.4, 0.5), 0.6, 8.0) + gaussian((0.8, 0.9, 0.1), 0.7, 8.0) + 0.002


@pytest.mark.parametrize("density", [0.003, 0.03, 0.3])
def test_a_uniform_gas_has_none(density):
    energy, potential = rvv10_correlation(np.full((8, 8, 8), density / Bohr**3), 3.0 * np.eye(3), cutoff=30.0)
    assert np.ptp(energy) == pytest.approx(0.0, abs=1e-12)
    assert energy.mean() / (density / Bohr**3) == pytest.approx(0.0, abs=1e-3 * BETA)
    assert potential.mean() == pytest.approx(0.0, abs=2e-3 * BETA)


def test_the_potential_is_the_gradient_of_the_energy():
    change = gaussian((0.35, 0.45, 0.52), 0.9, 1.0)
    step = 1e-3
    energies = [
        rvv10_correlation(DENSITY + sign * step * change, CELL, cutoff=CUTOFF)[0].sum() * VOXEL for sign in (1, -1)
    ]
    _, potential = rvv10_correlation(DENSITY, CELL, cutoff=CUTOFF)
    slope = np.sum(potential * change) * VOXEL
    assert (energies[0] - energies[1]) / (2 * step) == pytest.approx(slope, rel=1e-6)
    assert abs(slope) > 0.01


def test_a_shift_by_points_of_the_grid_shifts_it_and_a_doubled_cell_doubles_it():
    energy, potential = rvv10_correlation(DENSITY, CELL, cutoff=CUTOFF)
    moved = rvv10_correlation(np.roll(DENSITY, (5, 9, 8), axis=(0, 1, 2)), CELL, cutoff=CUTOFF)
    assert moved[0].sum() == pytest.approx(energy.sum(), rel=1e-4)
    doubled = rvv10_correlation(np.tile(DENSITY, (2, 1, 1)), CELL * [[2], [1], [1]], cutoff=CUTOFF)
    assert doubled[0].sum() == pytest.approx(2 * energy.sum(), rel=1e-4)
    assert np.sum(doubled[1] * np.tile(DENSITY, (2, 1, 1))) == pytest.approx(2 * np.sum(potential * DENSITY), rel=1e-4)


@pytest.mark.long
@pytest.mark.cp2k
@pytest.mark.parametrize(
    "cell",
    [
        "ABC 5.31234567891 5.41234567892 5.51234567893",
        "A 5.31234567891 0.1 -0.2\n      B 1.1 5.41234567892 0.3\n      C -0.9 0.4 5.51234567893",
    ],
)
def test_energy_and_potential_are_those_of_cp2k(cell, cp2k_command, tmp_path):
    text = WITH_RVV10.replace("ABC 5.31234567891 5.41234567892 5.51234567893", cell)
    run_cp2k(cp2k_command, tmp_path, text)
    run = read_run(tmp_path)
    density = read_cube(run.density).values / Bohr**3
    energy, potential = rvv10_correlation(density, run.atoms.cell.array)
    voxel = run.atoms.get_volume() / density.size
    assert energy.sum() * voxel == pytest.approx(run.labels["REF_dispersion_energy"], abs=1e-5 * Hartree)
    # CP2K's local energies leave the non-local potential out, and its two totals differ by just that.
    assert np.sum(potential * density) * voxel == pytest.approx(run.local_energy_gap, abs=1e-5 * Hartree)
