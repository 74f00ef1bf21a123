"""Pearson correlation from per-frame sums: the quantity that most intervals of a study are wanted for."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from basinet.analysis.bootstrap import Interval, block_bootstrap

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def pearson_sums(
    prediction: ArrayLike, reference: ArrayLike, frame: ArrayLike, species: ArrayLike | None = None
) -> FloatArray:
    """Per-frame, per-species moments of prediction p and reference q.

    Parameters
    ----------
    prediction, reference
        (n,) values, per atom or per frame, in one unit.
    frame
        (n,) frame index 0..n_frames-1 of each value.
    species
        (n,) species index of each value; each species is centred on its own. None: one species.

    Returns
    -------
    (n_frames, n_species, 6): n, sum p, sum q, sum p^2, sum q^2, sum p q, with the mean of each species taken
    off first, since energies carry constants that are 1e4 times their spread.
    """
    p, q = np.asarray(prediction, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    of_frame = np.asarray(frame, dtype=np.int64)
    kind = np.zeros_like(of_frame) if species is None else np.asarray(species, dtype=np.int64)
    n_frames, n_species = int(of_frame.max()) + 1, int(kind.max()) + 1
    size = np.maximum(np.bincount(kind, minlength=n_species), 1)
    p = p - (np.bincount(kind, p, n_species) / size)[kind]
    q = q - (np.bincount(kind, q, n_species) / size)[kind]
    cell = of_frame * n_species + kind
    moments = (np.ones_like(p), p, q, p * p, q * q, p * q)
    sums = [np.bincount(cell, moment, n_frames * n_species) for moment in moments]
    return np.stack(sums, axis=-1, dtype=np.float64).reshape(n_frames, n_species, 6)


def pearson_from_sums(sums: FloatArray) -> FloatArray:
    """Pearson r of summed moments, each species centred and then pooled; nan where one side is constant.

    Parameters
    ----------
    sums
        (..., n_species, 6), frames already summed.

    Returns
    -------
    (...,)
    """
    n, p, q, pp, qq, pq = np.moveaxis(sums, -1, 0)
    n = np.maximum(n, 1.0)
    covariance = (pq - p * q / n).sum(axis=-1)
    variance = (pp - p * p / n).sum(axis=-1) * (qq - q * q / n).sum(axis=-1)
    defined = variance > 1e-24 * pp.sum(axis=-1) * qq.sum(axis=-1)
    r = covariance / np.sqrt(np.where(defined, variance, 1.0))
    return np.asarray(np.where(defined, np.clip(r, -1.0, 1.0), np.nan), dtype=np.float64)


def pearson_interval(
    prediction: ArrayLike,
    reference: ArrayLike,
    frame: ArrayLike,
    species: ArrayLike | None = None,
    *,
    block_length: int,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Block-bootstrap interval of the species-centred Pearson r; arguments as in :func:`pearson_sums`.

    Examples
    --------
    >>> energy = np.array([0.0, 1.0, 2.0, 3.0])
    >>> interval = pearson_interval(energy, 2 * energy, np.arange(4), block_length=1)
    >>> print(f"{interval.estimate:.3f}")
    1.000
    """
    sums = pearson_sums(prediction, reference, frame, species)
    return block_bootstrap(
        sums, pearson_from_sums, block_length=block_length, n_resamples=n_resamples, level=level, seed=seed
    )
