"""Local prediction rigidity: firm where totals determine an atom's energy, soft where they do not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from basinet.fidelity.gauge import _frame_sums, local_prediction_rigidity


@given(n_frames=st.integers(1, 12), seed=st.integers(0, 1000), log_ridge=st.floats(-4.0, 1.0))
def test_rigidity_is_that_of_the_definition(n_frames, seed, log_ridge):
    rng = np.random.default_rng(seed)
    features, training = rng.normal(size=(7, 5)), rng.normal(size=(4 * n_frames, 5))
    frame, ridge = np.repeat(np.arange(n_frames), 4), 10.0**log_ridge
    sums = _frame_sums(training, frame)
    inverse = np.linalg.inv(sums.T @ sums + ridge * np.eye(5))
    expected = 1 / np.einsum("if,fg,ig->i", features, inverse, features)
    np.testing.assert_allclose(local_prediction_rigidity(features, training, frame, ridge), expected, rtol=1e-6)


def test_more_frames_never_soften_an_atom():
    rng = np.random.default_rng(0)
    features, training = rng.normal(size=(20, 6)), rng.normal(size=(40, 6))
    frame = np.repeat(np.arange(10), 4)
    few = local_prediction_rigidity(features, training[:20], frame[:20], 0.1)
    many = local_prediction_rigidity(features, training, frame, 0.1)
    assert (many >= few).all()


def test_what_totals_cannot_tell_apart_is_held_by_the_ridge_alone():
    """In frames of one atom of each of two kinds only the sum of the two energies is known."""
    training, frame = np.tile(np.eye(2), (50, 1)), np.repeat(np.arange(50), 2)
    split, both = local_prediction_rigidity([[1.0, -1.0], [1.0, 1.0]], training, frame, 1e-3)
    assert split == pytest.approx(1e-3 / 2)
    assert both == pytest.approx((100 + 1e-3) / 2)


def test_an_atom_without_features_is_infinitely_rigid_and_a_ridge_is_needed():
    assert local_prediction_rigidity([[0.0, 0.0]], np.eye(2), [0, 1], 0.1)[0] == np.inf
    with pytest.raises(ValueError, match="must be positive"):
        local_prediction_rigidity(np.eye(2), np.eye(2), [0, 1], 0.0)
