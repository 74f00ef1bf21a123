"""Block bootstrap over frames: intervals that respect the correlation of configurations in time.

Frames of one trajectory are correlated, and the atoms of one frame much more so. Whatever is measured, whole
frames are drawn, in contiguous blocks. Statistics of sums (means, correlations, regressions) need each
frame's sums only, and a resample is then one row of a matrix product.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from basinet.arrays import FloatArray, IntArray

_SOKAL_WINDOW = 5.0  # the autocorrelation is summed up to this many times tau / 2, Sokal's autocorrelation time


@dataclass(frozen=True)
class Interval:
    """An estimate and the interval around it, in the unit of the estimate.

    ``block_length`` is in frames; 0 where the interval is not a bootstrap over frames.
    """

    estimate: float
    low: float
    high: float
    level: float = 0.95
    block_length: int = 0

    def __contains__(self, value: float) -> bool:
        """Tell if the interval covers a value."""
        return self.low <= value <= self.high


def autocovariance(values: FloatArray) -> FloatArray:
    """Sums of products ``sum_t x(t) x(t + k)`` for all k: (n_times,), over all series of (n_times, n_series)."""
    n_times = len(values)
    spectrum = np.abs(np.fft.rfft(values, 2 * n_times, axis=0)) ** 2
    return np.asarray(np.fft.irfft(spectrum.sum(axis=1), 2 * n_times)[:n_times])


def autocorrelation_time(series: ArrayLike) -> float:
    r"""Integrated autocorrelation time of a series (n_frames,), in frames.

    .. math:: \tau = 1 + 2 \sum_{k=1}^{M} \rho_k

    with M the smallest window of at least five times tau(M) / 2, the self-consistent window of Madras and Sokal, J.
    Stat. Phys. 50, 109 (1988), appendix C. Uncorrelated frames give 1, which is also the least that is returned.
    """
    values = np.asarray(series, dtype=np.float64)
    n_frames = values.size
    values = values - values.mean()
    if n_frames < 3 or not np.any(values):
        return 1.0
    covariance = autocovariance(values[:, None])
    times = 2.0 * np.cumsum(covariance / covariance[0]) - 1.0
    closed = np.flatnonzero(np.arange(n_frames) >= _SOKAL_WINDOW * np.maximum(times, 1.0) / 2)
    window = int(closed[0]) if closed.size else n_frames // 2
    return max(1.0, float(times[window]))


def choose_block_length(series: ArrayLike) -> int:
    r"""Block length that minimises the error of a bootstrap variance, in frames.

    .. math:: L = (6 n)^{1/3} \left(\frac{\tau^2 - 1}{4 \tau}\right)^{2/3}

    which is the circular rule of Politis and White, Econometric Reviews 23, 53 (2004), for the first-order
    autoregression that has the same integrated autocorrelation time :math:`\tau`. At least 1, at most a third of the
    frames; of several series, (n_frames, n_series), the slowest decides.

    >>> choose_block_length([0.0, 1.0, 0.0, 1.0, 1.0, 0.0])
    1
    """
    values = np.asarray(series, dtype=np.float64)
    values = values.reshape(len(values), -1)
    n_frames = len(values)
    tau = max((autocorrelation_time(column) for column in values.T), default=1.0)
    length = np.cbrt(6.0 * n_frames * ((tau * tau - 1.0) / (4.0 * tau)) ** 2)
    return max(1, min(int(np.ceil(length)), n_frames // 3))


def _block_indices(n_frames: int, n_resamples: int, block_length: int, seed: int = 0) -> IntArray:
    """Frames of each resample, (n_resamples, n_frames), drawn in contiguous blocks.

    The frames are closed to a ring, so that every frame is drawn equally often (Politis and Romano's circular
    bootstrap).
    """
    if not 1 <= block_length <= n_frames:
        raise ValueError(f"block length {block_length} is not within 1 to {n_frames} frames")
    rng = np.random.default_rng(seed)
    n_blocks = -(-n_frames // block_length)
    starts = rng.integers(n_frames, size=(n_resamples, n_blocks, 1))
    drawn = (starts + np.arange(block_length)) % n_frames
    return drawn.reshape(n_resamples, -1)[:, :n_frames]


@lru_cache(maxsize=16)
def _block_counts(n_frames: int, n_resamples: int, block_length: int, seed: int = 0) -> FloatArray:
    """Times that each frame occurs in each resample, (n_resamples, n_frames), read-only; asked for very often."""
    drawn = _block_indices(n_frames, n_resamples, block_length, seed)
    flat = drawn + n_frames * np.arange(n_resamples)[:, None]
    counts = np.bincount(flat.ravel(), minlength=n_resamples * n_frames).reshape(n_resamples, n_frames)
    result = counts.astype(np.float64)
    result.flags.writeable = False
    return result


def resample_sums(sums: FloatArray, block_length: int, n_resamples: int = 1000, seed: int = 0) -> FloatArray:
    """Sum what each frame adds, (n_frames, ...), over the frames of each resample, (n_resamples, ...)."""
    counts = _block_counts(len(sums), n_resamples, block_length, seed)
    resampled = counts @ sums.reshape(len(sums), -1)
    return np.asarray(resampled.reshape(n_resamples, *sums.shape[1:]), dtype=np.float64)


def percentile_interval(samples: ArrayLike, estimate: float, *, level: float = 0.95, block_length: int = 0) -> Interval:
    """Interval between percentiles of resampled statistics; resamples without a value (nan) are left out."""
    values = np.asarray(samples, dtype=np.float64).ravel()
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return Interval(float(estimate), np.nan, np.nan, level, block_length)
    low, high = np.quantile(finite, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(float(estimate), float(low), float(high), level, block_length)


def block_bootstrap(
    sums: ArrayLike,
    statistic: Callable[[FloatArray], FloatArray],
    *,
    block_length: int,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """95 % interval of a statistic that depends on sums over frames only, of what each frame adds: (n_frames, ...).

    The statistic takes summed frames, (n_resamples, ...), to values, (n_resamples,). Centre large constants first; for
    the length of blocks, in frames, see `choose_block_length`. The mean of a quantity over frames:

    >>> values = np.array([1.0, 2.0, 3.0, 4.0])
    >>> sums = np.stack([np.ones(4), values], axis=-1)
    >>> block_bootstrap(sums, lambda total: total[..., 1] / total[..., 0], block_length=1).estimate
    2.5
    """
    per_frame = np.asarray(sums, dtype=np.float64)
    estimate = float(statistic(per_frame.sum(axis=0)[None])[0])
    samples = statistic(resample_sums(per_frame, block_length, n_resamples, seed))
    return percentile_interval(samples, estimate, block_length=block_length)
