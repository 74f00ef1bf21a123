"""How long a liquid remembers: autocorrelation, its integral, and how many frames a run is worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

WINDOW = 5.0
"""Sums over an autocorrelation stop at this many correlation times (A. Sokal's automatic windowing): what lies beyond
is noise."""


def autocorrelation(series: FloatArray, means: FloatArray | float | None = None) -> FloatArray:
    """Autocorrelation ``C(t) = <x(0) x(t)> / <x^2>`` of deviations from the mean.

    Parameters
    ----------
    series
        Shape (n_times,) or (n_times, n_series), equally spaced in time. Several series of one kind (the atoms of a
        species) are averaged over.
    means
        To deviate from, broadcast to the series; the mean of all of them unless given. A series of a few correlation
        times drifts with its own mean and seems to forget too early: give the mean of a longer one.

    Returns
    -------
    ndarray of shape (n_times,)
        One at t = 0, for the same spacing.
    """
    values = np.asarray(series, dtype=np.float64)
    values = values.reshape(len(values), -1)
    values = values - (values.mean() if means is None else means)
    n_times = len(values)
    size = 1 << (2 * n_times - 1).bit_length()
    spectrum = np.zeros(size // 2 + 1)
    for column in values.T:
        spectrum += np.abs(np.fft.rfft(column, size)) ** 2
    sums = np.fft.irfft(spectrum, size)[:n_times] / np.arange(n_times, 0, -1)
    return np.asarray(sums / sums[0] if sums[0] > 0 else np.eye(1, n_times)[0])


def correlation_time(correlation: FloatArray, interval: float) -> float:
    """Integrated correlation time ``int_0^inf C(t) dt``, in the unit of the interval.

    The trapezoidal sum ends at the first time longer than five times what it has come to.
    """
    running = interval * (np.cumsum(correlation) - 0.5 * correlation - 0.5)
    times = interval * np.arange(len(correlation))
    long = np.flatnonzero(times[1:] >= WINDOW * np.maximum(running[1:], 0.0)) + 1
    return float(max(running[long[0] if long.size else -1], 0.5 * interval))


def effective_number(correlation: FloatArray, interval: float, spacing: float, count: int) -> float:
    """How many independent frames are worth as much as `count` frames with a spacing.

    ``n / (1 + 2 sum_k (1 - k / n) C(k spacing))``, the variance of the mean being that of n_eff independent frames.
    The sum ends where the autocorrelation is first no longer positive: what lies beyond is noise.

    Parameters
    ----------
    correlation, interval
        Autocorrelation and its interval.
    spacing
        Time between frames, in the same unit.
    count
        Number of frames.
    """
    lags = np.arange(1, count)
    lags = lags[lags * spacing <= interval * (len(correlation) - 1)]
    values = np.interp(lags * spacing, interval * np.arange(len(correlation)), correlation)
    gone = np.flatnonzero(values <= 0.0)
    values, lags = (values[: gone[0]], lags[: gone[0]]) if gone.size else (values, lags)
    return float(count / (1.0 + 2.0 * ((1.0 - lags / count) * values).sum()))
