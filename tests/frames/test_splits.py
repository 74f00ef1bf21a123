"""Splits are blocks of time: disjoint, in order, with the gap that was asked for, and nothing else is lost."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from basinet.errors import InputError
from basinet.frames.splits import blocked_folds, contiguous_split

shares = st.tuples(*[st.integers(1, 8)] * 3).map(lambda parts: tuple(part / sum(parts) for part in parts))


@given(n_frames=st.integers(1, 400), fractions=shares, gap=st.integers(0, 20))
def test_blocks_are_contiguous_ordered_and_a_gap_apart(n_frames, fractions, gap):
    try:
        split = contiguous_split(n_frames, fractions, gap)
    except InputError:
        assume(False)
    blocks = [split.train, split.validation, split.test]
    for block in blocks:
        assert len(block) >= 2
        assert np.array_equal(block, np.arange(block[0], block[-1] + 1))
    assert split.train[0] == 0
    assert split.test[-1] == n_frames - 1
    for before, after in pairwise(blocks):
        assert after[0] - before[-1] == gap + 1
    assert sum(map(len, blocks)) == n_frames - 2 * gap
    for block, fraction in zip(blocks, fractions, strict=True):
        assert abs(len(block) - fraction * (n_frames - 2 * gap)) <= 1.0


@given(n_frames=st.integers(0, 60), gap=st.integers(0, 20))
def test_a_split_is_refused_only_where_a_block_would_be_short(n_frames, gap):
    usable = n_frames - 2 * gap
    if usable < 8:  # a fifth of seven frames rounds to one
        with pytest.raises(InputError, match=f"^{n_frames} frames are too few"):
            contiguous_split(n_frames, gap=gap)
    elif usable >= 11:
        contiguous_split(n_frames, gap=gap)


def test_fitted_frames_hold_no_test_frame():
    split = contiguous_split(50, gap=2)
    assert np.array_equal(split.fitted, np.concatenate([split.train, split.validation]))
    assert split.test[0] - split.fitted.max() == 3
    ends = {name: [int(block[0]), int(block[-1])] for name, block in split.blocks().items()}
    assert ends == {"train": [0, 27], "validation": [30, 38], "test": [41, 49]}


def test_fractions_must_sum_to_one():
    with pytest.raises(InputError, match=r"sum to 0\.9"):
        contiguous_split(100, (0.5, 0.2, 0.2))


@st.composite
def trajectories(draw):
    """Frame numbers in order, with a hole as a held-out block leaves it."""
    n = draw(st.integers(4, 120))
    hole = draw(st.integers(0, n))
    width = draw(st.integers(0, n // 3))
    frames = np.delete(np.arange(n), slice(hole, hole + width))
    return frames, draw(st.integers(2, max(2, len(frames) // 2))), draw(st.integers(0, 3))


@given(trajectories())
def test_folds_cover_every_frame_once_and_keep_their_distance(case):
    frames, n_folds, gap = case
    try:
        folds = blocked_folds(frames, n_folds, gap)
    except InputError:
        assume(False)
    assert len(folds) == n_folds
    assert np.array_equal(np.concatenate([held for _, held in folds]), frames)
    for rest, held in folds:
        assert len(held) >= 2
        assert len(rest) >= 1
        assert np.abs(rest[:, None] - held).min() > gap
        dropped = np.setdiff1d(frames, np.concatenate([rest, held]))
        assert all(np.abs(held - frame).min() <= gap for frame in dropped)


@pytest.mark.parametrize(("n_frames", "n_folds", "gap"), [(5, 3, 0), (10, 1, 1), (4, 2, 2)])
def test_folds_that_leave_nothing_are_refused(n_frames, n_folds, gap):
    with pytest.raises(InputError, match=f"{n_frames} frames"):
        blocked_folds(np.arange(n_frames), n_folds, gap)
