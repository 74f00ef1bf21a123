"""Divisions of space that follow no flux: shares of points, of electrons, and of both kinetic forms."""

import numpy as np
import pytest

from basinet.density.basins import integrate_basins
from basinet.density.cores import as_cores, core_self_energies
from basinet.density.divisions import (
    RADIAL_STEP,
    divided_energies,
    hirshfeld_weights,
    integrate_weights,
    promolecule,
    spherical_average,
    voronoi_weights,
    with_core,
)
from basinet.density.local_energies import local_hartree_energies
from basinet.density.potential import laplacian_energy_density
from basinet.errors import InputError

SHAPE = (40, 36, 42)
CELL = np.array([[6.0, 0.0, 0.0], [0.8, 5.5, 0.0], [-0.5, 0.7, 6.3]])
POSITIONS = np.array([[0.3, 0.2, 0.1], [3.1, 2.9, 0.4], [3.3, 0.4, 3.2], [-0.1, 3.0, 3.4]])
RADII = np.arange(0.0, 4.5, RADIAL_STEP)
TABLES = [
    8.0 * np.exp(-0.5 * (RADII / width) ** 2) / (2.0 * np.pi * width**2) ** 1.5 for width in (0.55, 0.7, 0.55, 0.7)
]
CORES = [(8.0, 0.3)] * 4


def _weights(division):
    if division == "voronoi":
        return voronoi_weights(SHAPE, CELL, POSITIONS)
    return hirshfeld_weights(SHAPE, CELL, POSITIONS, TABLES)


@pytest.fixture(scope="module")
def density():
    """The promolecule with a smooth wave on it: the atoms are no longer their isolated selves."""
    bare = promolecule(SHAPE, CELL, POSITIONS, TABLES)
    x = np.arange(SHAPE[0])[:, None, None] / SHAPE[0]
    changed = bare * (1.0 + 0.1 * np.cos(2.0 * np.pi * x))
    return changed * (32.0 / (changed.mean() * np.linalg.det(CELL)))


@pytest.mark.parametrize("division", ["voronoi", "hirshfeld"])
def test_shares_of_a_point_sum_to_one(division):
    weights = list(_weights(division))
    assert len(weights) == len(POSITIONS)
    assert min(one.min() for one in weights) >= 0.0
    np.testing.assert_allclose(sum(weights), 1.0, atol=1e-13)


@pytest.mark.parametrize("division", ["voronoi", "hirshfeld"])
def test_atoms_sum_to_the_cell(division, density):
    voxel = np.linalg.det(CELL) / density.size
    found = integrate_weights(_weights(division), CELL, {"density": density})
    assert found["density"].sum() == pytest.approx(density.sum() * voxel, rel=1e-12)
    assert found["volume"].sum() == pytest.approx(np.linalg.det(CELL), rel=1e-12)


def test_atoms_of_a_lattice_have_equal_voronoi_cells():
    """Face-centred cubic, where points on faces, edges and corners have up to six nearest atoms."""
    cell, sites = 5.3 * np.eye(3), 5.3 * np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    found = integrate_weights(voronoi_weights((16, 16, 16), cell, sites), cell, {})
    np.testing.assert_allclose(found["volume"], 5.3**3 / 4, rtol=1e-12)
    alone = integrate_weights(voronoi_weights((16, 16, 16), cell, sites[:1]), cell, {})
    np.testing.assert_allclose(alone["volume"], 5.3**3, rtol=1e-12)


def test_a_point_belongs_to_its_nearest_image():
    """Along a line of two atoms the border is the middle, across the cell's border too."""
    cell = np.diag([8.0, 2.0, 2.0])
    first, _ = voronoi_weights((16, 2, 2), cell, [[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]])
    x = np.arange(16) * 0.5
    expected = np.where((x < 1.5) | (x > 5.5), 1.0, 0.0)
    expected[[3, 11]] = 0.5
    np.testing.assert_array_equal(first[:, 0, 0], expected)


def test_hirshfeld_gives_a_promolecule_back_its_atoms():
    bare = promolecule(SHAPE, CELL, POSITIONS, TABLES)
    voxel = np.linalg.det(CELL) / bare.size
    own = [promolecule(SHAPE, CELL, POSITIONS[[i]], [TABLES[i]]).sum() * voxel for i in range(4)]
    found = integrate_weights(hirshfeld_weights(SHAPE, CELL, POSITIONS, TABLES), CELL, {"density": bare})["density"]
    np.testing.assert_allclose(found, own, rtol=1e-12)
    np.testing.assert_allclose(found, 8.0, rtol=1e-6)


def test_the_core_of_an_atom_is_its_own():
    """A pseudopotential's density vanishes at the nucleus, where a neighbour's tail would take the core's energy."""
    cell, shape, nuclei = np.diag([9.0, 6.0, 6.0]), (36, 24, 24), [[3.0, 3.0, 3.0], [5.0, 3.0, 3.0]]
    hollow = TABLES[0] * RADII**2
    bare, whole = (
        next(hirshfeld_weights(shape, cell, nuclei, tables))
        for tables in ([hollow] * 2, [with_core(hollow, (8.0, 0.3))] * 2)
    )
    assert bare[12, 12, 12] < 1e-3
    assert whole[12, 12, 12] > 1.0 - 1e-3
    np.testing.assert_allclose(whole[16], 0.5)
    extra = with_core(hollow, (8.0, 0.3)) - hollow
    assert 4.0 * np.pi * np.sum(extra * RADII**2) * RADIAL_STEP == pytest.approx(8.0, rel=1e-9)


def test_points_that_no_isolated_density_reaches_go_to_the_nearest_atom():
    cell, short = np.diag([20.0, 4.0, 4.0]), [table[:1000] for table in TABLES[:2]]
    nuclei = [[2.0, 2.0, 2.0], [8.0, 2.0, 2.0]]
    shares = list(hirshfeld_weights((40, 8, 8), cell, nuclei, short))
    np.testing.assert_allclose(sum(shares), 1.0, atol=1e-13)
    assert shares[0][36, 4, 4] == 1.0
    assert shares[1][20, 4, 4] == 1.0


@pytest.mark.parametrize("place", [[3.0, 3.0, 3.0], [2.93, 3.11, 2.87]])
def test_spherical_average_of_a_spherical_atom_is_its_density(place):
    shape, cell = (64, 60, 66), np.diag([6.0, 6.2, 6.4])
    density = promolecule(shape, cell, [place], [TABLES[0]])
    found = spherical_average(density, cell, place)
    assert (len(found) - 1) * RADIAL_STEP == pytest.approx(3.0, abs=0.03)
    np.testing.assert_allclose(found[:2500], TABLES[0][:2500], atol=2e-6 * TABLES[0][0])


def test_spherical_average_takes_no_angle():
    """A p-like part of the density has no mean over spheres."""
    cell, place = 7.0 * np.eye(3), np.full(3, 3.5)
    density = promolecule((64, 64, 64), cell, [place], [TABLES[0]])
    x = np.arange(64)[:, None, None] * 7.0 / 64 - 3.5
    found = spherical_average(density * (1.0 + 0.5 * x), cell, place)
    np.testing.assert_allclose(found[:3000], TABLES[0][:3000], atol=2e-6 * TABLES[0][0])


def test_kinetic_forms_agree_over_basins_and_the_cell_alone(density):
    """A Bader basin's surface has no flux; the sum over any division is the cell's, whose laplacian vanishes."""
    laplacian = laplacian_energy_density(density, CELL)
    basins = integrate_basins(density, CELL, POSITIONS, {"laplacian": laplacian}, nuclear_radius=1.0)
    found = {name: integrate_weights(_weights(name), CELL, {"l": laplacian})["l"] for name in ("voronoi", "hirshfeld")}
    scale = np.abs(laplacian).sum() * np.linalg.det(CELL) / laplacian.size
    for values in (basins.integrals["laplacian"], *found.values()):
        assert abs(values.sum()) < 1e-10 * scale
    assert np.abs(basins.integrals["laplacian"]).max() < 2e-4 * scale
    assert min(np.abs(values).min() for values in found.values()) > 4e-3 * scale


@pytest.mark.parametrize("division", ["voronoi", "hirshfeld"])
def test_energies_of_atoms_in_both_forms(division, density):
    energy_density = -3.0 * density**2
    found = divided_energies(_weights(division), density, energy_density, CELL, POSITIONS, CORES)
    assert found.population.sum() == pytest.approx(32.0, rel=1e-12)
    whole = energy_density.mean() * np.linalg.det(CELL) + core_self_energies(as_cores(CORES, 4)).sum()
    bader = local_hartree_energies(density, CELL, POSITIONS, CORES, energy_density=energy_density)
    for values in (found.direct_energy, found.direct_energy_positive, bader.direct_energy):
        assert values.sum() == pytest.approx(whole, rel=1e-10)


@pytest.mark.parametrize("division", ["voronoi", "hirshfeld"])
def test_a_step_of_the_grid_changes_nothing(division, density):
    step = np.array([3, -2, 5])
    moved = np.roll(density, step, axis=(0, 1, 2))
    sites = POSITIONS + step / np.array(SHAPE) @ CELL
    weights = {
        "voronoi": lambda: voronoi_weights(SHAPE, CELL, sites),
        "hirshfeld": lambda: hirshfeld_weights(SHAPE, CELL, sites, TABLES),
    }[division]()
    before = divided_energies(_weights(division), density, density**2, CELL, POSITIONS, CORES)
    after = divided_energies(weights, moved, moved**2, CELL, sites, CORES)
    for name, values in vars(before).items():
        np.testing.assert_allclose(getattr(after, name), values, rtol=1e-9)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="1 isolated densities for 4 atoms"):
        next(hirshfeld_weights(SHAPE, CELL, POSITIONS, TABLES[:1]))
    with pytest.raises(InputError, match="field 'f' has the shape"):
        integrate_weights(_weights("voronoi"), CELL, {"f": np.zeros((2, 2, 2))})
