"""Intervals over the members of an ensemble, and trends with width."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from basinet.fidelity.metrics import seed_interval
from basinet.study.claims.members import width_slopes


def test_t_interval_of_a_textbook_sample():
    """Of n = 4: mean 2.5, s = sqrt(5/3), t(0.975, 3) = 3.1824."""
    interval = seed_interval([1.0, 2.0, 3.0, 4.0])
    half = 3.182446 * np.sqrt(5 / 3) / 2
    assert interval.estimate == pytest.approx(2.5)
    assert interval.low == pytest.approx(2.5 - half, abs=1e-5)
    assert interval.high == pytest.approx(2.5 + half, abs=1e-5)


@pytest.mark.long
def test_t_intervals_of_eight_members_cover_as_promised():
    rng = np.random.default_rng(0)
    covered = np.mean([0.0 in seed_interval(rng.normal(size=8)) for _ in range(2000)])
    assert covered == pytest.approx(0.95, abs=0.015)


def test_members_without_a_value_are_left_out():
    assert seed_interval([0.5, np.nan, 0.7]) == seed_interval([0.5, 0.7])
    assert np.isnan(seed_interval([np.nan]).estimate)
    single = seed_interval([0.5])
    assert single.estimate == 0.5
    assert np.isnan([single.low, single.high]).all()


def grid(widths, values):
    return pd.DataFrame(np.atleast_2d(values), columns=widths)


@given(slope=st.floats(-1.0, 1.0), level=st.floats(-1.0, 1.0))
def test_slope_is_the_change_per_doubling(slope, level):
    widths = np.array([4, 8, 32, 256])
    assert width_slopes(grid(widths, level + slope * np.log2(widths))).tolist() == pytest.approx([slope], abs=1e-9)


def test_slopes_of_members_with_missing_widths():
    slopes = width_slopes(grid([4, 8, 16], [[0.9, np.nan, 0.7], [0.9, np.nan, np.nan]]))
    assert slopes[0] == pytest.approx(-0.1)
    assert np.isnan(slopes[1])


def test_a_planted_trend_is_found_and_its_absence_is_not_denied():
    rng = np.random.default_rng(0)
    widths = np.array([4, 16, 64, 256])
    noise = 0.02 * rng.normal(size=(8, 4))
    falling = seed_interval(width_slopes(grid(widths, 0.9 - 0.03 * np.log2(widths) + noise)))
    assert -0.03 in falling
    assert falling.high < 0.0
    assert 0.0 in seed_interval(width_slopes(grid(widths, 0.9 + noise)))
