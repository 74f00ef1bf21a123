"""Means, drift and fluctuation of what a log holds, with errors that know its lines remember each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from basinet.dynamics.correlation import autocorrelation, correlation_time

FloatArray = NDArray[np.float64]

BLOCKS = 20
"""Stretches of a series whose means give the errors; these are then known to 16 %."""

LONGEST_MEMORY = 0.5
"""Share of a stretch that values may remember each other for; beyond it no error is given."""


@dataclass(frozen=True)
class Measured:
    """A value and its standard error, NaN where too little was measured."""

    value: float
    error: float


def inefficiency(deviations: FloatArray) -> float:
    """How many values in a row are worth one: twice the integrated autocorrelation time, at least 1."""
    return max(2.0 * correlation_time(autocorrelation(deviations, np.zeros(1)), 1.0), 1.0)


def is_long_enough(deviations: FloatArray) -> bool:
    """Whether the means of stretches are independent of each other."""
    return len(deviations) / BLOCKS * LONGEST_MEMORY >= inefficiency(deviations)


def block_means(values: FloatArray) -> FloatArray:
    """Means of successive stretches."""
    return np.array([part.mean() for part in np.array_split(values, BLOCKS)])


def mean(values: FloatArray) -> Measured:
    """Mean of a series of equally spaced values."""
    if not is_long_enough(values - values.mean()):
        return Measured(float(values.mean()), float("nan"))
    return Measured(float(values.mean()), float(block_means(values).std(ddof=1) / np.sqrt(BLOCKS)))


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

    The error of the slope is that of a line through the means :math:`\bar x_j` of n = 20 successive stretches at their
    mean times :math:`\bar t_j`, which no longer remember each other although the values do:

    .. math:: \sigma_b^2 = \frac{\sum_j \epsilon_j^2 / (n - 2)}{\sum_j (\bar t_j - \bar t)^2}

    with their residuals :math:`\epsilon_j`. Where the autocorrelation lasts for more than half of a stretch there is no
    error. That of the fluctuation follows in the same way from the residuals' squares.

    Parameters
    ----------
    times, values
        Equally spaced, (n_values,).
    """
    nothing = float("nan")
    if len(values) < 3:
        return Drift(Measured(nothing, nothing), Measured(nothing, nothing))
    slope, residuals = line_through(times, values)
    spread = float(np.sqrt(residuals @ residuals / (len(values) - 2)))
    if not is_long_enough(residuals):
        return Drift(Measured(slope, nothing), Measured(spread, nothing))
    middles = block_means(times)
    _, left = line_through(middles, block_means(values))
    error = float(np.sqrt(left @ left / (BLOCKS - 2)) / np.linalg.norm(middles - middles.mean()))
    squares = mean(residuals**2)
    return Drift(Measured(slope, error), Measured(spread, squares.error / (2.0 * spread) if spread > 0 else 0.0))


def line_through(times: FloatArray, values: FloatArray) -> tuple[float, FloatArray]:
    """Slope of the line of least squares, and the residuals about it."""
    centred = times - times.mean()
    slope = float(centred @ values / (centred @ centred))
    return slope, values - values.mean() - slope * centred
