"""Memory is measured right where it is known: noise that forgets exponentially."""

from __future__ import annotations

import numpy as np
import pytest

from basinet.md.statistics import _correlation_time, autocorrelation, effective_number


def forgetful(memory: float, n_times: int, n_series: int = 1, seed: int = 0):
    """Gaussian noise with ``C(t) = memory^t``."""
    rng = np.random.default_rng(seed)
    values = np.empty((n_times, n_series))
    values[0] = rng.normal(size=n_series)
    for step in range(1, n_times):
        values[step] = memory * values[step - 1] + np.sqrt(1 - memory**2) * rng.normal(size=n_series)
    return values


def test_the_autocorrelation_is_that_of_the_noise():
    found = autocorrelation(forgetful(0.8, 50_000, 4))
    assert found[0] == 1.0
    assert found[:10] == pytest.approx(0.8 ** np.arange(10), abs=0.03)


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9, 0.97])
def test_the_correlation_time_is_the_integral(memory):
    interval = 0.05
    trapezoid = interval * 0.5 * (1 + memory) / (1 - memory)
    found = _correlation_time(autocorrelation(forgetful(memory, 100_000, 2)), interval)
    assert found == pytest.approx(trapezoid, rel=0.1)


def test_a_mean_can_be_given_for_each_series():
    values = forgetful(0.8, 20_000, 2) + np.array([0.0, 5.0])
    assert autocorrelation(values)[50] > 0.8  # the difference of the means never goes away
    assert abs(autocorrelation(values, np.array([0.0, 5.0]))[50]) < 0.1


@pytest.mark.parametrize("spacing", [1, 5, 30])
def test_the_mean_of_frames_scatters_as_that_of_so_many_independent_ones(spacing):
    count = 40
    runs = forgetful(0.8, spacing * count, 2000)[::spacing]
    correlation = 0.8 ** np.arange(spacing * count)
    assert effective_number(correlation, 1.0, spacing, count) == pytest.approx(1.0 / runs.mean(axis=0).var(), rel=0.12)


def test_frames_that_remember_nothing_all_count():
    assert effective_number(np.eye(1, 100)[0], 0.05, 1.0, 50) == 50


def test_a_constant_remembers_nothing():
    assert _correlation_time(autocorrelation(np.ones(100)), 0.05) == pytest.approx(0.025)
