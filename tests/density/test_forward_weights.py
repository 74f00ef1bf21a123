"""The walk uphill gives what the paper's walk downhill gives, on small grids of all kinds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.density.forward_weights import forward_weights

from basinet.density.basins import integrate_basins

pytestmark = pytest.mark.slow

SPACINGS = {
    "orthorhombic": np.diag([0.30, 0.34, 0.27]),
    "triclinic": np.array([[0.30, 0.02, 0.0], [0.07, 0.28, -0.03], [-0.05, 0.06, 0.33]]),
    "hexagonal": np.array([[0.3, 0.0, 0.0], [-0.15, 0.15 * np.sqrt(3.0), 0.0], [0.0, 0.0, 0.32]]),
    "sheared": np.array([[0.30, 0.0, 0.0], [0.0, 0.3, 0.0], [0.42, 0.29, 0.29]]),  # no facet along the rows
}


def agreement(density, spacing):
    """Each maximum is a group by itself: compare all volumes, populations and a field."""
    cell = spacing * np.array(density.shape)[:, None]
    field = np.cos(np.arange(density.size, dtype=float)).reshape(density.shape)
    # No maximum is within reach of this nucleus, which sits between the grid points.
    nucleus = np.array([[0.013, 0.017, 0.011]]) @ cell
    basins = integrate_basins(density, cell, nucleus, {"wave": field}, nuclear_radius=0.0)
    maxima, weights = forward_weights(density, cell)
    voxel = abs(np.linalg.det(cell)) / density.size
    places = np.stack(np.unravel_index(maxima, density.shape), axis=1) / density.shape @ cell
    np.testing.assert_allclose(basins.non_nuclear.positions, places, atol=1e-12)
    found = basins.non_nuclear
    for values, own in ((np.ones(density.size), found.volume), (field, found.integrals["wave"])):
        expected = weights.T @ values.reshape(-1) * voxel
        assert np.abs(own - expected).max() <= 1e-12 * np.abs(values).sum() * voxel
    expected = weights.T @ density.reshape(-1) * voxel
    assert np.abs(found.population - expected).max() <= 1e-12 * np.abs(density).sum() * voxel


@pytest.mark.parametrize("spacing", SPACINGS.values(), ids=SPACINGS)
@pytest.mark.parametrize("shape", [(6, 7, 8), (1, 5, 66), (9, 4, 3), (2, 2, 2), (3, 1, 130), (4, 5, 64)])
def test_random_densities(spacing, shape):
    agreement(np.random.default_rng(sum(shape)).random(shape), spacing)


@pytest.mark.parametrize("spacing", SPACINGS.values(), ids=SPACINGS)
@pytest.mark.parametrize("shape", [(10, 11, 12), (3, 5, 70)])
def test_smooth_densities(spacing, shape):
    rng = np.random.default_rng(3)
    waves = np.zeros(shape, dtype=complex)
    waves[:3, :3, :3] = rng.normal(size=waves[:3, :3, :3].shape) + 1j * rng.normal(size=waves[:3, :3, :3].shape)
    agreement(np.fft.ifftn(waves).real + 1.0, spacing)


@pytest.mark.parametrize("spacing", SPACINGS.values(), ids=SPACINGS)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.tuples(*[st.integers(1, 6)] * 3))
@settings(max_examples=20)
def test_densities_full_of_plateaus(spacing, seed, n_levels, shape):
    density = np.random.default_rng(seed).integers(0, n_levels, shape).astype(float)
    if density.min() < density.max():
        agreement(density, spacing)
