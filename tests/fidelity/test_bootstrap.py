"""Intervals that know about time: autocorrelation, contiguous blocks, and the coverage they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from basinet.fidelity.metrics import _pearson_sums, _score_from_sums, score_interval
from basinet.frames.bootstrap import (
    _block_counts,
    _block_indices,
    autocorrelation_time,
    block_bootstrap,
    choose_block_length,
)


def autoregression(n_frames, memory, rng, n_series=1):
    """Stationary series x_t = memory x_(t-1) + noise of unit variance, (n_frames, n_series)."""
    series = np.empty((n_frames, n_series))
    series[0] = rng.normal(size=n_series)
    for t in range(1, n_frames):
        series[t] = memory * series[t - 1] + np.sqrt(1 - memory**2) * rng.normal(size=n_series)
    return series


def mean_interval(values, block_length, n_resamples=400):
    sums = np.stack([np.ones_like(values), values], axis=-1)
    return block_bootstrap(
        sums, lambda total: total[..., 1] / total[..., 0], block_length=block_length, n_resamples=n_resamples
    )


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8])
def test_autocorrelation_time_of_an_autoregression(memory):
    """Theory: tau = (1 + memory) / (1 - memory)."""
    series = autoregression(10_000, memory, np.random.default_rng(0), n_series=20)
    mean = np.mean([autocorrelation_time(values) for values in series.T])
    assert mean == pytest.approx((1 + memory) / (1 - memory), rel=0.06)  # statistical error 2 % at most


@given(scale=st.floats(0.1, 10.0), shift=st.floats(-10.0, 10.0))
def test_autocorrelation_time_has_no_unit_and_no_zero(scale, shift):
    series = autoregression(200, 0.6, np.random.default_rng(3))[:, 0]
    assert autocorrelation_time(scale * series + shift) == pytest.approx(autocorrelation_time(series), rel=1e-6)


def test_block_length_grows_with_memory_and_the_slowest_series_decides():
    rng = np.random.default_rng(0)
    white, slow = (autoregression(500, memory, rng)[:, 0] for memory in (0.0, 0.8))
    assert choose_block_length(white) <= 3
    assert 12 <= choose_block_length(slow) <= 40  # theory: (6 n)^(1/3) (0.8 / 0.36)^(2/3) = 24.6
    assert choose_block_length(np.stack([white, slow], axis=-1)) == choose_block_length(slow)
    assert choose_block_length([1.0, 1.0, 1.0]) == 1
    assert choose_block_length(np.arange(12.0)) <= 4  # at most a third of the frames


@given(n_frames=st.integers(1, 40), data=st.data())
def test_resamples_are_contiguous_blocks_of_the_ring(n_frames, data):
    block_length = data.draw(st.integers(1, n_frames))
    drawn = _block_indices(n_frames, 5, block_length, seed=data.draw(st.integers(0, 99)))
    assert drawn.shape == (5, n_frames)
    steps = (np.diff(drawn, axis=-1) - 1) % n_frames
    inside = (np.arange(1, n_frames) % block_length) != 0
    assert not steps[:, inside].any()
    assert set(np.unique(drawn)) <= set(range(n_frames))


def test_counts_are_those_of_the_indices_and_every_frame_is_drawn_equally_often():
    counts = _block_counts(12, 20_000, 5, seed=1)
    drawn = _block_indices(12, 20_000, 5, seed=1)
    np.testing.assert_array_equal(counts[7], np.bincount(drawn[7], minlength=12))
    np.testing.assert_allclose(counts.mean(axis=0), 1.0, atol=0.05)
    assert not counts.flags.writeable


def test_block_lengths_out_of_range_are_refused():
    for length in (0, 11):
        with pytest.raises(ValueError, match="block length"):
            _block_indices(10, 5, length)


def test_width_of_the_interval_of_a_mean_is_that_of_theory():
    values = np.random.default_rng(0).normal(size=500)
    interval = mean_interval(values, 1, 4000)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(500), rel=0.08)
    assert interval.estimate == pytest.approx(values.mean())
    assert interval.estimate in interval


def test_blocks_cover_the_mean_of_correlated_frames_where_single_frames_do_not():
    """AR(1) with memory 0.6, 300 frames, 200 repetitions: the standard error of a coverage of 0.9 is 0.02."""
    rng = np.random.default_rng(0)
    covered = {"blocks": 0, "single": 0}
    for _ in range(200):
        values = autoregression(300, 0.6, rng)[:, 0]
        covered["blocks"] += 0.0 in mean_interval(values, choose_block_length(values))
        covered["single"] += 0.0 in mean_interval(values, 1)
    assert covered["blocks"] / 200 > 0.86  # 0.95 less the known shortfall of short series, about 0.04
    assert covered["single"] / 200 < 0.75  # theory: 2 Phi(1.96 / 2) - 1 = 0.67


def test_atoms_of_a_frame_are_not_taken_for_independent():
    """Correlation carried by 30 frames of 50 atoms: its interval is that of 30 values, not of 1500."""
    rng = np.random.default_rng(1)
    p, q = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=30).T
    frame = np.repeat(np.arange(30), 50)
    per_atom = score_interval(p[frame], q[frame], frame, block_length=1)
    per_frame = score_interval(p, q, np.arange(30), block_length=1)
    assert per_atom.low == pytest.approx(per_frame.low, abs=1e-9)
    assert per_atom.high == pytest.approx(per_frame.high, abs=1e-9)


@given(seed=st.integers(0, 1000), offset=st.floats(-1e3, 1e3))
def test_sums_give_the_species_centred_correlation(seed, offset):
    rng = np.random.default_rng(seed)
    p, q = rng.normal(size=(2, 60))
    frame, species = np.repeat(np.arange(6), 10), np.arange(60) % 2
    centred = [np.where(species, x - x[1::2].mean(), x - x[::2].mean()) for x in (p, q)]
    sums = _pearson_sums(p + offset * species, q, frame, species)
    assert sums.shape == (6, 2, 6)
    assert _score_from_sums(sums.sum(axis=0)) == pytest.approx(np.corrcoef(centred)[0, 1], abs=1e-9)


def test_fast_and_plain_bootstrap_agree():
    rng = np.random.default_rng(0)
    p = rng.normal(size=40)
    q = p + rng.normal(size=40)
    fast = score_interval(p, q, np.arange(40), block_length=3, n_resamples=300, seed=5)
    plain = [np.corrcoef(p[index], q[index])[0, 1] for index in _block_indices(40, 300, 3, seed=5)]
    expected = (np.corrcoef(p, q)[0, 1], *np.quantile(plain, [0.025, 0.975]))
    assert (fast.estimate, fast.low, fast.high) == pytest.approx(expected)


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(0).normal(size=30)
    assert mean_interval(values, 3) == mean_interval(values, 3)


def test_a_constant_prediction_has_no_interval_and_no_warning():
    interval = score_interval(np.ones(20), np.arange(20.0), np.arange(20), block_length=2)
    assert np.isnan([interval.estimate, interval.low, interval.high]).all()
