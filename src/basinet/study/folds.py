"""Folds of the out-of-fold prediction, and within each the frames that take turns as validation frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from basinet.dataset import blocked_folds
from basinet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from basinet.config.settings import CrossValidationSettings
    from basinet.study.systems import StudySystem

LEAST_TURNS = 4
"""A turn validates on a quarter of the remaining frames at most."""


def fold_frames(
    n_frames: int, fold: tuple[int, int, int, int], gap: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Frames to train on, to validate on, and held out.

    Parameters
    ----------
    fold
        Number of the fold, number of folds, number of the turn, number of turns.

    Raises
    ------
    InputError
        If there are too few frames.
    """
    number, folds, turn, turns = fold
    rest, held = blocked_folds(np.arange(n_frames), folds, gap)[number]
    train, validation = blocked_folds(rest, max(turns, LEAST_TURNS), gap)[turn]
    return train, validation, held


def refuse_few(systems: Sequence[StudySystem], settings: CrossValidationSettings, gap: int) -> None:
    """Refuse a system that cannot be cut into the folds asked for, before anything is computed.

    Raises
    ------
    InputError
        Naming the system and the keys of the config.
    """
    for system in systems:
        if system.split is None:
            continue
        try:
            for fold in range(settings.folds):
                fold_frames(len(system.frames), (fold, settings.folds, 0, settings.inner), gap)
        except InputError as error:
            msg = (
                f"system {system.name}: {error}; give more frames, or fewer of cross_validation.folds "
                f"({settings.folds}, 0 leaves them out) and cross_validation.inner ({settings.inner})"
            )
            raise InputError(msg) from error
