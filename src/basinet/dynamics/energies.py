"""Means, drift and fluctuation of what a log holds, with errors that know its lines remember each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from basinet.dynamics.correlation import autocorrelation, correlation_time

FloatArray = NDArray[np.float64]

FEWEST = 30
"""Independent values below which no error is given: fewer do not tell how long they remember."""


@dataclass(frozen=True)
class Measured:
    """A value and its standard error, NaN where too little was measured."""

    value: float
    error: float


def inefficiency(deviations: FloatArray) -> float:
    """How many values in a row are worth one: twice the integrated autocorrelation time, at least 1."""
    return max(2.0 * correlation_time(autocorrelation(deviations, np.zeros(1)), 1.0), 1.0)


def mean(values: FloatArray) -> Measured:
    """Mean of a series of equally spaced values."""
    deviations = values - values.mean()
    g = inefficiency(deviations)
    if len(values) < FEWEST * g:
        return Measured(float(values.mean()), float("nan"))
    return Measured(float(values.mean()), float(np.sqrt(g * deviations.var(ddof=1) / len(values))))


@dataclass(frozen=True)
class Drift:
    """Line through a series that should be constant.

    Attributes
    ----------
    slope
        In the units of the series and of the times.
    fluctuation
        Standard deviation about the line, in the unit of the series.
    """

    slope: Measured
    fluctuation: Measured


def drift(times: FloatArray, values: FloatArray) -> Drift:
    r"""Slope of a series by least squares, and what is left about the line.

    The error of the slope is that of independent values, times the square root of how many successive residuals are
    worth one (their integrated autocorrelation time, Sokal's window):

    .. math:: \sigma_b^2 = \frac{g \sum_k \epsilon_k^2 / (n - 2)}{\sum_k (t_k - \bar t)^2}, \qquad g = 2 \tau / \Delta t

    The error of the fluctuation follows in the same way from that of the mean of the residuals' squares.

    Parameters
    ----------
    times, values
        Equally spaced, (n,).
    """
    nothing = float("nan")
    if len(values) < 3:
        return Drift(Measured(nothing, nothing), Measured(nothing, nothing))
    centred = times - times.mean()
    slope = float(centred @ values / (centred @ centred))
    residuals = values - values.mean() - slope * centred
    variance = float(residuals @ residuals) / (len(values) - 2)
    spread = float(np.sqrt(variance))
    g = inefficiency(residuals)
    if len(values) < FEWEST * g:
        return Drift(Measured(slope, nothing), Measured(spread, nothing))
    error = float(np.sqrt(g * variance / (centred @ centred)))
    squares = mean(residuals**2)
    return Drift(Measured(slope, error), Measured(spread, squares.error / (2.0 * spread) if spread > 0 else 0.0))
