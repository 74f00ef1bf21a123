"""Bader basins whose content is known beforehand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.peers.densities import gaussian_density

from basinet.density.basins import integrate_basins
from basinet.errors import InputError

ATOM = ((8.0, 0.5),)
HOLLOW = ((9.0, 0.5), (-1.0, 0.3))
TRICLINIC = np.array([[4.0, 0.0, 0.0], [1.1, 3.7, 0.0], [-0.9, 0.8, 4.2]])

fractions = st.tuples(*[st.floats(0.0, 1.0, exclude_max=True)] * 3)


@given(fractions)
@settings(max_examples=20)
def test_one_atom_of_a_triclinic_lattice_has_everything(place):
    positions = np.array([place]) @ TRICLINIC
    density = gaussian_density(TRICLINIC, positions, (18, 17, 20), ATOM)
    basins = integrate_basins(density, TRICLINIC, positions)
    assert basins.volume[0] == pytest.approx(np.linalg.det(TRICLINIC), rel=1e-13)
    assert basins.population[0] == pytest.approx(8.0, abs=1e-6)
    assert len(basins.non_nuclear) == 0


@given(st.floats(0.0, 1.0), fractions)
@settings(max_examples=20)
def test_the_mid_plane_divides_two_equal_atoms(along, place):
    # Each is the other's image by inversion at the points between them, on the grid or not.
    cell = np.diag([7.0, 3.0, 3.2])
    first = np.array(place) * np.diag(cell)
    positions = first + np.array([[0.0, 0.0, 0.0], [3.5, 0.1 * along, 0.0]])
    density = gaussian_density(cell, positions, (70, 16, 16), ATOM)
    basins = integrate_basins(density, cell, positions)
    np.testing.assert_allclose(basins.volume, np.linalg.det(cell) / 2, rtol=3e-3)
    np.testing.assert_allclose(basins.population, 8.0, rtol=3e-4)


def test_the_mid_plane_on_the_grid_divides_exactly():
    cell = np.diag([7.0, 3.0, 3.2])
    positions = np.array([[1.75, 1.5, 1.6], [5.25, 1.5, 1.6]])
    density = gaussian_density(cell, positions, (28, 12, 12), ATOM)
    density = density + density[::-1].take(np.arange(-1, 27), axis=0)  # rounding, made symmetric
    basins = integrate_basins(density, cell, positions)
    np.testing.assert_allclose(basins.volume, np.linalg.det(cell) / 2, rtol=1e-13)
    assert basins.population[0] == pytest.approx(basins.population[1], rel=1e-13)


def test_a_hole_at_the_nucleus_changes_no_owner():
    positions = np.array([[1.0, 1.2, 0.9], [3.1, 2.9, 3.3]])
    cell = np.diag([4.2, 4.0, 4.4])
    density = gaussian_density(cell, positions, (42, 40, 44), ((9.5, 0.5), (-4.0, 0.35)))
    basins = integrate_basins(density, cell, positions)
    assert len(basins.maxima) > 50
    assert np.all(np.bincount(basins.maxima.atom) > 20)
    assert len(basins.non_nuclear) == 0
    assert np.all(basins.maximum_distance < 0.8)
    np.testing.assert_allclose(basins.population, 5.5, atol=0.01)


def test_a_maximum_far_from_nuclei_is_reported_and_given_to_no_atom():
    cell = np.diag([6.0, 4.0, 4.0])
    places = np.array([[1.0, 2.0, 2.0], [4.0, 2.0, 2.0]])
    density = gaussian_density(cell, places, (48, 32, 32), ATOM)
    basins = integrate_basins(density, cell, places[:1], {"twice": 2 * density})
    np.testing.assert_allclose(basins.non_nuclear.positions, places[1:], atol=1e-9)
    assert basins.non_nuclear.distance[0] == pytest.approx(3.0)
    np.testing.assert_allclose([basins.population[0], basins.non_nuclear.population[0]], 8.0, atol=1e-3)
    np.testing.assert_allclose(basins.non_nuclear.integrals["twice"], 2 * basins.non_nuclear.population)
    assert basins.maxima.atom.tolist().count(-1) == 1
    wide = integrate_basins(density, cell, places[:1], nuclear_radius=3.1)
    assert len(wide.non_nuclear) == 0
    assert wide.population[0] == pytest.approx(16.0, abs=1e-9)


def test_an_atom_without_a_maximum_is_empty_and_listed():
    cell = 4.0 * np.eye(3)
    density = gaussian_density(cell, np.array([[2.0, 2.0, 2.0]]), (24, 24, 24), ATOM)
    basins = integrate_basins(density, cell, [[2.0, 2.0, 2.0], [3.5, 2.0, 2.0]])
    assert basins.empty_atoms.tolist() == [1]
    assert basins.population[1] == basins.volume[1] == 0.0
    assert np.isnan(basins.maximum_distance[1])
    assert basins.maximum_distance[0] == pytest.approx(0.0, abs=1e-12)


def test_vacuum_belongs_to_no_atom():
    cell = np.diag([4.0, 4.0, 12.0])
    positions = np.array([[2.0, 2.0, 3.0]])
    density = gaussian_density(cell, positions, (16, 16, 48), ATOM)
    threshold = 1e-4
    empty = density <= threshold
    basins = integrate_basins(density, cell, positions, {"one": np.ones_like(density)}, vacuum=threshold)
    voxel = 192.0 / density.size
    assert basins.vacuum.volume == pytest.approx(empty.sum() * voxel, rel=1e-13)
    assert basins.vacuum.population == pytest.approx(density[empty].sum() * voxel, abs=1e-15)
    assert basins.vacuum.integrals["one"] == pytest.approx(basins.vacuum.volume, rel=1e-13)
    assert basins.volume[0] + basins.vacuum.volume == pytest.approx(192.0, rel=1e-13)
    assert integrate_basins(density, cell, positions).vacuum is None


def test_a_slab_cut_off_at_zero_leaves_no_maxima_in_the_void():
    cell = np.diag([4.0, 4.0, 12.0])
    positions = np.array([[2.0, 2.0, 3.0], [0.0, 0.0, 4.1]])
    density = np.maximum(gaussian_density(cell, positions, (16, 16, 48), ATOM) - 1e-3, 0.0)
    basins = integrate_basins(density, cell, positions)
    assert np.count_nonzero(density == 0.0) > 4000
    assert len(basins.maxima) == 2
    assert basins.volume.sum() == pytest.approx(192.0, rel=1e-13)


def test_a_plateau_on_top_is_one_maximum():
    cell = 3.0 * np.eye(3)
    density = np.minimum(gaussian_density(cell, np.array([[1.5, 1.5, 1.5]]), (18, 18, 18), ATOM), 2.0)
    basins = integrate_basins(density, cell, [[1.5, 1.5, 1.5]])
    assert np.count_nonzero(density == 2.0) > 20
    assert len(basins.maxima) == 1
    assert basins.volume[0] == pytest.approx(27.0, rel=1e-13)


def test_nuclei_may_lie_outside_the_cell():
    positions = np.array([[0.5, 0.5, 0.5], [2.6, 2.4, 2.2]])
    density = gaussian_density(TRICLINIC, positions, (20, 20, 20), ATOM)
    inside = integrate_basins(density, TRICLINIC, positions)
    outside = integrate_basins(density, TRICLINIC, positions + [[3, -2, 1], [-1, 0, 5]] @ TRICLINIC)
    np.testing.assert_allclose(outside.population, inside.population, rtol=1e-14)
    np.testing.assert_allclose(outside.maxima.distance, inside.maxima.distance, atol=1e-9)


def test_the_arrays_passed_in_are_left_alone():
    positions = np.array([[1.0, 1.0, 1.0]])
    density = gaussian_density(TRICLINIC, positions, (12, 12, 12), HOLLOW)
    field = np.random.default_rng(0).normal(size=density.shape)
    copies = density.copy(), field.copy(), positions.copy()
    integrate_basins(density, TRICLINIC, positions, {"field": field})
    for array, copy in zip((density, field, positions), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def honeycomb(shift=0.0, points=(24, 24, 12)):
    """A layer of two equal atoms a cell, its density three Gaussians in the middles of the bonds; moved along z."""
    cell = np.array([[2.46, 0.0, 0.0], [-1.23, 2.13042, 0.0], [0.0, 0.0, 4.0]])
    atoms = np.array([[1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]]) @ cell
    bonds = np.array([[0.5, 0.5, 0.5], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5]]) @ cell
    moved = np.array([0.0, 0.0, shift])
    return gaussian_density(cell, bonds + moved, points, [(8.0 / 3.0, 0.45)]), cell, atoms + moved


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_maxima_in_the_middles_of_bonds_are_shared(shift):
    basins = integrate_basins(*honeycomb(shift))
    assert basins.maxima.tied.sum() == 3
    np.testing.assert_allclose(basins.population, 4.0, rtol=1e-6)
    np.testing.assert_allclose(basins.volume, basins.volume.sum() / 2, rtol=1e-9)
    assert not basins.empty_atoms.size


def test_basins_of_one_density_divide_another():
    cell, place = np.diag([6.0, 3.0, 3.0]), np.array([[1.5, 1.5, 1.5], [4.5, 1.5, 1.5]])
    leading = gaussian_density(cell, place, (36, 18, 18), ATOM)
    flat = np.full(leading.shape, 0.25)
    basins = integrate_basins(flat, cell, place, reference=leading)
    np.testing.assert_allclose(basins.population, 0.25 * basins.volume, rtol=1e-12)
    np.testing.assert_allclose(basins.volume, integrate_basins(leading, cell, place).volume, rtol=1e-12)
    with pytest.raises(InputError, match="reference density has the shape"):
        integrate_basins(flat, cell, place, reference=leading[:-1])
