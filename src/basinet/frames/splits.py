"""Train, validation and test frames as contiguous blocks of time, with a gap that is thrown away between them.

Neighbouring frames of a trajectory resemble each other, so frames drawn at random would leak the test set into the
training set; a block of time with a gap does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from basinet.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Split:
    """Frame indices of the three blocks, each ascending."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]

    @property
    def fitted(self) -> NDArray[np.int64]:
        """Training and validation frames: all that a choice may look at."""
        return np.concatenate([self.train, self.validation])

    def blocks(self) -> dict[str, NDArray[np.int64]]:
        """Return the blocks by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def contiguous_split(n_frames: int, fractions: tuple[float, float, float] = (0.6, 0.2, 0.2), gap: int = 1) -> Split:
    """Cut a trajectory of `n_frames` into train, validation and test blocks, `gap` frames apart.

    Parameters
    ----------
    n_frames
        Number of frames, in order of time.
    fractions
        Shares of training, validation and test frames among those that are not in a gap; they sum to 1.
    gap
        Frames left out between two blocks.

    Raises
    ------
    InputError
        If a block would hold fewer than two frames.

    Examples
    --------
    >>> split = contiguous_split(12, gap=1)
    >>> split.train.tolist(), split.validation.tolist(), split.test.tolist()
    ([0, 1, 2, 3, 4, 5], [7, 8], [10, 11])
    """
    if not np.isclose(sum(fractions), 1.0):
        msg = f"split fractions {fractions} sum to {sum(fractions):g}: they must sum to 1"
        raise InputError(msg)
    usable = n_frames - 2 * gap
    ends = np.round(np.cumsum(fractions) * max(usable, 0)).astype(int)
    train, validation, test = (
        np.arange(start, stop) + shift * gap
        for shift, (start, stop) in enumerate(zip([0, *ends[:-1]], ends, strict=True))
    )
    if min(len(train), len(validation), len(test)) < 2:
        msg = (
            f"{n_frames} frames are too few for blocks {fractions} with a gap of {gap}, at least two frames each: "
            "give more frames or a smaller gap"
        )
        raise InputError(msg)
    return Split(train, validation, test)


def blocked_folds(
    frames: NDArray[np.int64], n_folds: int, gap: int = 1
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Cut `frames` into contiguous folds; return (rest, held out) pairs, where the rest keeps `gap` frames of distance.

    Raises
    ------
    InputError
        If a fold would hold fewer than two frames, or nothing would be left beside it.

    Examples
    --------
    >>> import numpy as np
    >>> [(rest.tolist(), held.tolist()) for rest, held in blocked_folds(np.arange(6), 3, gap=1)]
    [([3, 4, 5], [0, 1]), ([0, 5], [2, 3]), ([0, 1, 2], [4, 5])]
    """
    if len(frames) < 2 * n_folds:
        msg = f"{len(frames)} frames cannot be cut into {n_folds} folds of at least two frames"
        raise InputError(msg)
    pairs = []
    for held in np.array_split(frames, n_folds):
        near = (frames >= held[0] - gap) & (frames <= held[-1] + gap)
        if near.all():
            msg = f"{len(frames)} frames in {n_folds} folds with a gap of {gap} leave none to fit: cut more folds"
            raise InputError(msg)
        pairs.append((frames[~near], held))
    return pairs
