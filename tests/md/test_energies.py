"""Errors of means and drifts are as large as the scatter of many runs that remember themselves."""

from __future__ import annotations

import numpy as np
import pytest

from basinet.frames.bootstrap import autocorrelation_time
from basinet.md.statistics import _block_mean, _drift, _Measured

MEMORY = 0.9


def remembering(n, rng):
    """x_k = 0.9 x_{k-1} + noise, stationary, of variance 1."""
    noise = rng.normal(size=n) * np.sqrt(1 - MEMORY**2)
    values = np.empty(n)
    values[0] = rng.normal()
    for k in range(1, n):
        values[k] = MEMORY * values[k - 1] + noise[k]
    return values


@pytest.fixture(scope="module")
def runs():
    rng = np.random.default_rng(0)
    return [remembering(2000, rng) for _ in range(150)]


def test_a_value_that_remembers_is_worth_less(runs):
    """Twice the integrated correlation time: (1 + 0.9) / (1 - 0.9) = 19."""
    assert np.mean([autocorrelation_time(values) for values in runs]) == pytest.approx(19.0, rel=0.1)
    assert autocorrelation_time(np.random.default_rng(1).normal(size=2000)) == pytest.approx(1.0, abs=0.3)


def test_the_error_of_the_mean_is_the_scatter_of_means(runs):
    found = [_block_mean(values) for values in runs]
    scatter = np.std([one.value for one in found])
    assert np.mean([one.error for one in found]) == pytest.approx(scatter, rel=0.15)


def test_the_error_of_the_drift_is_the_scatter_of_drifts(runs):
    times = np.linspace(0.0, 4.0, 2000)
    found = [_drift(times, 0.5 * times + values) for values in runs]
    slopes = np.array([one.slope.value for one in found])
    errors = np.array([one.slope.error for one in found])
    assert slopes.mean() == pytest.approx(0.5, abs=4 * slopes.std() / np.sqrt(len(slopes)))
    assert errors.mean() == pytest.approx(slopes.std(), rel=0.15)
    assert np.mean(np.abs(slopes - 0.5) < errors) == pytest.approx(0.68, abs=0.1)


def test_the_fluctuation_is_that_about_the_line(runs):
    times = np.linspace(0.0, 4.0, 2000)
    found = [_drift(times, 100.0 * times + values).fluctuation for values in runs]
    assert np.mean([one.value for one in found]) == pytest.approx(1.0, abs=0.02)
    assert np.mean([one.error for one in found]) == pytest.approx(np.std([one.value for one in found]), rel=0.4)


def test_too_short_a_series_has_no_error(runs):
    short = np.random.default_rng(0).normal(size=39)
    assert np.isnan(_block_mean(short).error)
    assert np.isnan(_drift(np.arange(39.0), short).slope.error)
    assert np.isnan(_drift(np.arange(2.0), np.ones(2)).slope.value)
    assert np.mean([np.isnan(_block_mean(values[:100]).error) for values in runs]) > 0.9


def test_what_never_changes_has_no_error():
    assert _block_mean(np.full(100, 2.0)) == _Measured(2.0, 0.0)
    assert _drift(np.arange(100.0), np.full(100, 2.0)).slope == _Measured(0.0, 0.0)
