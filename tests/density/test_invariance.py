"""What must not change the partition, and what must add up, for any density on any grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.peers.densities import gaussian_density

from basinet.density.basins import integrate_basins

pytestmark = pytest.mark.slow

ATOM = ((8.0, 0.55), (-1.0, 0.3))

seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(*[st.integers(1, 7)] * 3)


def random_cell(rng):
    return np.eye(3) * rng.uniform(2.0, 4.0, 3) + rng.uniform(-0.8, 0.8, (3, 3))


def liquid(seed, shape, n_atoms=3):
    """Density, cell, positions and a field; random in all, so that no two values are equal."""
    rng = np.random.default_rng(seed)
    cell = random_cell(rng)
    positions = rng.random((n_atoms, 3)) @ cell
    density = gaussian_density(cell, positions, shape, ATOM) * (1 + 1e-3 * rng.random(shape))
    return density, cell, positions, rng.normal(size=shape)


def assert_same(one, other, order=slice(None), scale=1.0):
    """Atoms hold the same in both, up to rounding."""
    np.testing.assert_allclose(one.volume[order], other.volume, atol=1e-12 * scale * one.volume.sum())
    np.testing.assert_allclose(one.population[order], other.population, atol=1e-12 * scale * one.population.sum())


@given(seeds, shapes, st.integers(1, 4))
def test_all_basins_add_up_to_the_cell(seed, shape, n_atoms):
    rng = np.random.default_rng(seed)
    cell = random_cell(rng)
    density, field = rng.random(shape), rng.normal(size=shape)
    if density.size < 2:
        return
    basins = integrate_basins(
        density, cell, rng.random((n_atoms, 3)) @ cell, {"field": field}, nuclear_radius=0.8, vacuum=0.1
    )
    voxel = abs(np.linalg.det(cell)) / density.size
    for name, values, own, alone, void in (
        ("volume", np.ones(shape), basins.volume, basins.non_nuclear.volume, basins.vacuum.volume),
        ("population", density, basins.population, basins.non_nuclear.population, basins.vacuum.population),
        (
            "field",
            field,
            basins.integrals["field"],
            basins.non_nuclear.integrals["field"],
            basins.vacuum.integrals["field"],
        ),
    ):
        missing = own.sum() + alone.sum() + void - values.sum() * voxel
        assert abs(missing) <= 1e-12 * np.abs(values).sum() * voxel
        assert abs(basins.residuals[name]) <= 1e-12


@given(
    arrays(
        np.float64,
        st.tuples(*[st.integers(1, 5)] * 3),
        elements=st.one_of(st.sampled_from([0.0, 1.0, 2.0]), st.floats(-1e6, 1e6), st.floats(0.0, 1e-300)),
    )
)
def test_no_density_loses_anything(density):
    # Plateaus, tiny steps, negative values, grids of one point along an axis.
    if density.min() == density.max():
        return
    basins = integrate_basins(density, np.diag([5.0, 5.5, 4.5]), [[0.5, 1.0, 1.5]], {"again": density})
    assert max(abs(residual) for residual in basins.residuals.values()) <= 1e-12
    total = basins.volume.sum() + basins.non_nuclear.volume.sum()
    assert total == pytest.approx(123.75, rel=1e-13)


@given(seeds, st.tuples(*[st.integers(-9, 9)] * 3))
@settings(max_examples=30)
def test_where_the_grid_begins_is_no_matter(seed, shift):
    density, cell, positions, field = liquid(seed, (12, 9, 11))
    moved = positions + np.array(shift) / density.shape @ cell
    one = integrate_basins(density, cell, positions, {"field": field})
    rolled = {"field": np.roll(field, shift, axis=(0, 1, 2))}
    other = integrate_basins(np.roll(density, shift, axis=(0, 1, 2)), cell, moved, rolled)
    assert_same(one, other)
    np.testing.assert_allclose(one.integrals["field"], other.integrals["field"], atol=1e-11)
    assert len(one.maxima) == len(other.maxima)


@given(seeds, st.permutations([0, 1, 2]))
@settings(max_examples=30)
def test_the_order_of_the_axes_is_no_matter(seed, axes):
    density, cell, positions, _ = liquid(seed, (8, 10, 13))
    assert_same(
        integrate_basins(density, cell, positions),
        integrate_basins(density.transpose(axes), cell[list(axes)], positions),
    )


@given(seeds, st.permutations([0, 1, 2]))
@settings(max_examples=20)
def test_the_order_of_atoms_is_no_matter(seed, order):
    density, cell, positions, _ = liquid(seed, (8, 10, 9))
    one, other = (integrate_basins(density, cell, places) for places in (positions, positions[order]))
    assert_same(one, other, order)


@given(seeds, st.tuples(*[st.integers(1, 3)] * 3))
@settings(max_examples=20)
def test_a_supercell_holds_the_cell_many_times(seed, times):
    density, cell, positions, _ = liquid(seed, (7, 8, 6))
    images = [np.array(image) @ cell for image in np.ndindex(times)]
    one = integrate_basins(density, cell, positions)
    other = integrate_basins(
        np.tile(density, times),
        cell * np.array(times)[:, None],
        np.concatenate([positions + image for image in images]),
    )
    for image in range(len(images)):
        own = slice(image * len(positions), (image + 1) * len(positions))
        np.testing.assert_allclose(other.volume[own], one.volume, atol=1e-12 * other.volume.sum())
        np.testing.assert_allclose(other.population[own], one.population, atol=1e-12 * other.population.sum())


@given(seeds, st.sampled_from([(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]), st.sampled_from([-2, -1, 1, 2]))
@settings(max_examples=40)
def test_cell_vectors_that_keep_the_grid_points_are_no_matter(seed, axes, times):
    # a_i' = a_i + t a_j: the point (m_1, m_2, m_3) of the new grid is m_j + t m_i along a_j in the old one.
    onto, added = axes
    n = 9
    density, cell, positions, field = liquid(seed, (n, n, n))
    sheared = cell.copy()
    sheared[onto] += times * cell[added]
    index = list(np.indices((n, n, n)))
    index[added] = (index[added] + times * index[onto]) % n
    one = integrate_basins(density, cell, positions, {"field": field})
    other = integrate_basins(density[tuple(index)], sheared, positions, {"field": field[tuple(index)]})
    assert_same(one, other, scale=10.0)
    np.testing.assert_allclose(one.integrals["field"], other.integrals["field"], atol=1e-11)


@given(seeds, st.floats(1e-3, 1e3), st.floats(0.1, 10.0))
@settings(max_examples=20)
def test_units_scale_out(seed, per_volume, length):
    density, cell, positions, _ = liquid(seed, (9, 8, 10))
    one = integrate_basins(density, cell, positions, nuclear_radius=1.0)
    other = integrate_basins(density * per_volume, cell * length, positions * length, nuclear_radius=length)
    np.testing.assert_allclose(other.volume, one.volume * length**3, rtol=1e-10)
    np.testing.assert_allclose(other.population, one.population * length**3 * per_volume, rtol=1e-10)


@given(seeds, st.integers(0, 3))
@settings(max_examples=20)
def test_a_field_is_integrated_alike_alone_or_in_company(seed, others):
    density, cell, positions, field = liquid(seed, (9, 8, 10))
    company = {f"other {i}": np.random.default_rng(i).normal(size=field.shape) for i in range(others)}
    alone = integrate_basins(density, cell, positions, {"field": field})
    together = integrate_basins(density, cell, positions, {**company, "field": field})
    np.testing.assert_array_equal(together.integrals["field"], alone.integrals["field"])
    np.testing.assert_array_equal(together.population, alone.population)


def test_the_number_of_threads_changes_no_bit():
    cell = np.array([[8.0, 0.0, 0.0], [1.0, 8.5, 0.0], [0.5, -0.7, 7.5]])
    positions = np.random.default_rng(2).random((6, 3)) @ cell
    density = gaussian_density(cell, positions, (68, 70, 40), ATOM)
    field = np.random.default_rng(3).normal(size=density.shape)
    runs = [integrate_basins(density, cell, positions, {"field": field}, threads=threads) for threads in (1, 2, 3, 5)]
    for run in runs[1:]:
        np.testing.assert_array_equal(run.volume, runs[0].volume)
        np.testing.assert_array_equal(run.population, runs[0].population)
        np.testing.assert_array_equal(run.integrals["field"], runs[0].integrals["field"])
        assert run.residuals == runs[0].residuals
