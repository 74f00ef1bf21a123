"""Error bars from the spacing of the grid: honest against finer grids, and zero where there is no error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.density.gaussian_liquids import gaussian_liquid

from basinet.density.basins import block_means, grid_errors, integrate_basins

FINE = 160


def rms(values):
    return np.sqrt(np.mean(np.square(values)))


@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(2, 11)] * 3))
def test_blocks_hold_what_the_grid_holds(seed, shape):
    field = np.random.default_rng(seed).normal(size=shape)
    means = block_means(field)
    assert means.shape == tuple(n // 2 for n in shape)
    assert means.mean() == pytest.approx(field.mean(), abs=1e-14)
    np.testing.assert_allclose(block_means(np.ones(shape)), 1.0, rtol=1e-14)


def test_blocks_of_an_even_grid_are_means_of_eight():
    field = np.random.default_rng(0).normal(size=(4, 6, 8))
    expected = field.reshape(2, 2, 3, 2, 4, 2).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(block_means(field), expected, rtol=1e-14)


@pytest.mark.parametrize("points", [9, 10, 25])
def test_blocks_lie_where_their_points_do(points):
    # A straight line keeps its value at each block's centre: (width - 1) / 2 points after the first.
    line = np.arange(points, dtype=float)
    width = points / (points // 2)
    means = block_means(line[:, None, None] * np.ones((points, 2, 2)))[:, 0, 0]
    np.testing.assert_allclose(means, (np.arange(points // 2) + 0.5) * width - 0.5, atol=0.5 / width)
    assert means.mean() == pytest.approx(line.mean(), rel=1e-14)


@pytest.mark.parametrize("points", [40, 45, 80])
def test_bars_are_as_long_as_the_errors(points):
    # Against the same density on a grid so fine that its own error is nothing here. In liquids of argon and
    # krypton the ratio is 0.9 to 1.0 for populations; these Gaussians of two kinds converge a little faster.
    liquid = gaussian_liquid(0)
    truth = integrate_basins(liquid.density(FINE), liquid.cell, liquid.positions)
    density = liquid.density(points)
    again = {"again": density}
    basins = integrate_basins(density, liquid.cell, liquid.positions, again)
    bars = grid_errors(density, liquid.cell, liquid.positions, again, basins)
    np.testing.assert_allclose(bars.integrals["again"], bars.population, rtol=1e-9, atol=1e-13)
    error = basins.population - truth.population
    assert 0.4 < rms(error) / rms(bars.population) < 1.1
    assert np.all(np.abs(error) < 2 * bars.population)
    error = basins.volume - truth.volume
    assert 0.2 < rms(error) / rms(bars.volume) < 1.1


def test_bars_shrink_with_the_spacing():
    liquid, bars = gaussian_liquid(1), []
    for points in (32, 64):
        density = liquid.density(points)
        basins = integrate_basins(density, liquid.cell, liquid.positions)
        bars.append(grid_errors(density, liquid.cell, liquid.positions, {}, basins))
    assert 1.5 < np.log2(rms(bars[0].population) / rms(bars[1].population)) < 2.5
    assert 1.5 < np.log2(rms(bars[0].volume) / rms(bars[1].volume)) < 2.5


def test_no_error_where_symmetry_leaves_none():
    x = np.arange(16) / 16
    density = (
        2.0 - np.cos(4 * np.pi * x)[:, None, None] - 0.1 * (np.cos(2 * np.pi * x) + np.cos(2 * np.pi * x)[:, None])
    )
    positions = [[0.75, 1.5, 1.5], [2.25, 1.5, 1.5]]
    basins = integrate_basins(density, 3 * np.eye(3), positions)
    bars = grid_errors(density, 3 * np.eye(3), np.array(positions), {}, basins)
    np.testing.assert_allclose(bars.population, 0.0, atol=1e-11)
    np.testing.assert_allclose(bars.volume, 0.0, atol=1e-11)


def test_no_bars_from_a_handful_of_points():
    density = np.random.default_rng(0).uniform(1.0, 2.0, (16, 16, 7))
    basins = integrate_basins(density, 3 * np.eye(3), [[0.0, 0.0, 0.0]], nuclear_radius=5.0)
    assert grid_errors(density, 3 * np.eye(3), np.zeros((1, 3)), {}, basins) is None
