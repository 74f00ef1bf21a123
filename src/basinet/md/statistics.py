"""How long a liquid remembers: autocorrelation, its integral, and how many frames a run is worth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from basinet.arrays import FloatArray
from basinet.frames.bootstrap import autocorrelation_time, autocovariance

WINDOW = 5.0
"""Sums over an autocorrelation stop at this many correlation times (A. Sokal's automatic windowing): what lies beyond
is noise."""


def autocorrelation(series: FloatArray, means: FloatArray | float | None = None) -> FloatArray:
    """Autocorrelation ``C(t) = <x(0) x(t)> / <x^2>`` of deviations from the mean, (n_times,), one at t = 0.

    Of several series of one kind, (n_times, n_series), such as the atoms of a species, it is the mean. The deviations
    are from `means`, that of all values unless given: a series of a few correlation times drifts with its own mean and
    seems to forget too early.
    """
    values = np.asarray(series, dtype=np.float64)
    values = values.reshape(len(values), -1)
    values = values - (values.mean() if means is None else means)
    n_times = len(values)
    sums = autocovariance(values) / np.arange(n_times, 0, -1)
    return np.asarray(sums / sums[0] if sums[0] > 0 else np.eye(1, n_times)[0])


def _correlation_time(correlation: FloatArray, interval: float) -> float:
    """Integrated correlation time ``int_0^inf C(t) dt``, in the unit of the interval.

    The trapezoidal sum ends at the first time longer than five times what it has come to.
    """
    running = interval * (np.cumsum(correlation) - 0.5 * correlation - 0.5)
    times = interval * np.arange(len(correlation))
    long = np.flatnonzero(times[1:] >= WINDOW * np.maximum(running[1:], 0.0)) + 1
    return float(max(running[long[0] if long.size else -1], 0.5 * interval))


def effective_number(correlation: FloatArray, interval: float, spacing: float, count: int) -> float:
    """How many independent frames are worth as much as `count` frames with a spacing, in the unit of the interval.

    ``n / (1 + 2 sum_k (1 - k / n) C(k spacing))``, the variance of the mean being that of n_eff independent frames.
    The sum ends where the autocorrelation is first no longer positive: what lies beyond is noise.
    """
    lags = np.arange(1, count)
    lags = lags[lags * spacing <= interval * (len(correlation) - 1)]
    values = np.interp(lags * spacing, interval * np.arange(len(correlation)), correlation)
    gone = np.flatnonzero(values <= 0.0)
    values, lags = (values[: gone[0]], lags[: gone[0]]) if gone.size else (values, lags)
    return float(count / (1.0 + 2.0 * ((1.0 - lags / count) * values).sum()))


BLOCKS = 20  # stretches of a series whose means give the errors; these are then known to 16 %
LONGEST_MEMORY = 0.5  # share of a stretch that values may remember each other for; beyond it no error is given


@dataclass(frozen=True)
class _Measured:
    """A value and its standard error, NaN where too little was measured."""

    value: float
    error: float


def _is_long_enough(values: FloatArray) -> bool:
    """Tell if the means of stretches are independent of each other: these are longer than the values' memory."""
    return len(values) / BLOCKS * LONGEST_MEMORY >= autocorrelation_time(values)


def _block_means(values: FloatArray) -> FloatArray:
    return np.array([part.mean() for part in np.array_split(values, BLOCKS)])


def _block_mean(values: FloatArray) -> _Measured:
    error = _block_means(values).std(ddof=1) / np.sqrt(BLOCKS) if _is_long_enough(values) else float("nan")
    return _Measured(float(values.mean()), float(error))


@dataclass(frozen=True)
class _Drift:
    """Line through a series that should be constant: its slope, and the standard deviation about the line."""

    slope: _Measured
    fluctuation: _Measured


def _drift(times: FloatArray, values: FloatArray) -> _Drift:
    r"""Slope of an equally spaced series (n_values,) by least squares, and what is left about the line.

    The error of the slope is that of a line through the means :math:`\bar x_j` of n = 20 successive stretches at their
    mean times :math:`\bar t_j`, which no longer remember each other although the values do:

    .. math:: \sigma_b^2 = \frac{\sum_j \epsilon_j^2 / (n - 2)}{\sum_j (\bar t_j - \bar t)^2}

    with their residuals :math:`\epsilon_j`. Where the autocorrelation lasts for more than half of a stretch there is no
    error. That of the fluctuation follows in the same way from the residuals' squares.
    """
    nothing = float("nan")
    if len(values) < 3:
        return _Drift(_Measured(nothing, nothing), _Measured(nothing, nothing))
    slope, residuals = _line_through(times, values)
    spread = float(np.sqrt(residuals @ residuals / (len(values) - 2)))
    if not _is_long_enough(residuals):
        return _Drift(_Measured(slope, nothing), _Measured(spread, nothing))
    middles = _block_means(times)
    _, left = _line_through(middles, _block_means(values))
    error = float(np.sqrt(left @ left / (BLOCKS - 2)) / np.linalg.norm(middles - middles.mean()))
    squares = _block_mean(residuals**2)
    return _Drift(_Measured(slope, error), _Measured(spread, squares.error / (2.0 * spread) if spread > 0 else 0.0))


def _line_through(times: FloatArray, values: FloatArray) -> tuple[float, FloatArray]:
    centred = times - times.mean()
    slope = float(centred @ values / (centred @ centred))
    return slope, values - values.mean() - slope * centred


CM2_PER_S = 1.0e-4  # one A^2/ps in cm^2/s


def _travelled(snapshots: Sequence[Atoms]) -> FloatArray:
    """Unwrapped positions relative to the centre of mass: (n_times, n_atoms, 3), A."""
    positions = np.array([atoms.positions for atoms in snapshots])
    masses = snapshots[0].get_masses()
    centre = np.einsum("tij,i->tj", positions, masses) / masses.sum()
    return np.asarray(positions - centre[:, None, :])


def _mean_square_displacement(positions: FloatArray, lags: Sequence[int]) -> FloatArray:
    """``<|r_i(t0 + t) - r_i(t0)|^2>`` over atoms and times t0, A^2, for lags t of unwrapped (n_times, n_atoms, 3)."""
    return np.array([((positions[lag:] - positions[:-lag]) ** 2).sum(axis=-1).mean() for lag in lags])


def _growth_exponent(positions: FloatArray) -> float:
    """Exponent a in ``MSD ~ t^a`` between an eighth and half of the run: 1 for a liquid, 0 for a crystal."""
    n_times = len(positions)
    lags = sorted({round(lag) for lag in np.geomspace(max(n_times // 8, 1), max(n_times // 2, 2), 8)})
    growth = _mean_square_displacement(positions, lags)
    return float(np.polyfit(np.log(lags), np.log(np.maximum(growth, 1e-12)), 1)[0])


FIRST_LAG = 2.0  # ps, from which on the displacement counts as diffusive


def _self_diffusion(positions: FloatArray, interval: float, *, last: float = 10.0) -> dict[str, float]:
    """Self-diffusion coefficient and its error, cm^2/s, by ``MSD = 6 D t + const`` (Einstein) up to a last lag, ps.

    The value is that of the finite box, which is lower than that of a large one by ``2.837 k_B T / (6 pi eta L)``
    (I.-C. Yeh and G. Hummer, J. Phys. Chem. B 108, 15873 (2004)). Its error is that of the mean over as many stretches
    of twice the last lag as the run holds. Positions of the element's atoms, `interval` ps apart, are unwrapped and
    relative to the centre of mass, (n_times, n_atoms, 3), A.
    """
    lags = list(range(max(round(FIRST_LAG / interval), 1), round(last / interval) + 1))
    times = interval * np.array(lags)

    def slope(part: FloatArray) -> float:
        return float(np.polyfit(times, _mean_square_displacement(part, lags), 1)[0]) / 6.0 * CM2_PER_S

    length = 2 * lags[-1]
    parts = [slope(positions[at : at + length]) for at in range(0, len(positions) - length + 1, length)]
    error = float(np.std(parts, ddof=1) / np.sqrt(len(parts))) if len(parts) > 1 else float("nan")
    return {"coefficient": slope(positions), "error": error}
