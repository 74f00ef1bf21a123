"""Folds of out-of-fold prediction."""

from __future__ import annotations

import numpy as np
import pytest
from tests.study.small_study import small_config, small_frames

from basinet.errors import InputError
from basinet.frames.reading import write_frames
from basinet.study.run import load_data
from basinet.study.settings import CrossValidationSettings, SplitSettings
from basinet.study.systems import fold_frames, group_systems, refuse_few


def test_every_frame_is_held_out_once_and_kept_away_from_what_is_fitted():
    held_out = []
    for fold in range(4):
        for turn in range(2):
            train, validation, held = fold_frames(40, (fold, 4, turn, 2), gap=1)
            fitted = np.concatenate([train, validation])
            assert np.abs(fitted[:, None] - held).min() == 2
            assert np.abs(train[:, None] - validation).min() == 2
        held_out.append(held)
    assert np.concatenate(held_out).tolist() == list(range(40))


def test_frames_too_few_for_the_folds_are_refused_where_they_are_read(tmp_path):
    write_frames(tmp_path / "few.extxyz", small_frames(12, systems=("ar",)))
    folds = {"folds": 5, "inner": 4, "members": 1}
    config = small_config(data={"frames": [str(tmp_path / "few.extxyz")]}, cross_validation=folds)
    with pytest.raises(InputError, match=r"system ar: .*cross_validation.folds \(5, .*cross_validation.inner \(4\)"):
        load_data(config, print)


def test_no_folds_want_no_frames():
    systems = group_systems(small_frames(12, systems=("ar",)), [], SplitSettings(), size_transfer=False, seed=0)
    refuse_few(systems, CrossValidationSettings(folds=0), gap=1)
    with pytest.raises(InputError, match="7 frames cannot be cut into 4 folds"):
        refuse_few(systems, CrossValidationSettings(folds=5), gap=1)
