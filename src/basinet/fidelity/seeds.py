"""Intervals over the seeds of an ensemble, and the trend of a correlation with width."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from basinet.arrays import FloatArray
from basinet.frames.bootstrap import Interval, percentile_interval

Method = Literal["t", "percentile"]


def seed_interval(
    values: ArrayLike, *, method: Method = "t", level: float = 0.95, n_resamples: int = 2000, seed: int = 0
) -> Interval:
    r"""Interval of a mean over independently seeded members.

    ``t``: mean :math:`\pm t_{n-1} s / \sqrt n`; ``percentile``: bootstrap over members, which needs ten or
    more of them. Members without a value (nan, such as the correlation of a constant prediction) are left
    out.

    Examples
    --------
    >>> interval = seed_interval([0.8, 0.9, 1.0])
    >>> print(f"{interval.estimate:.2f} {interval.low:.2f} {interval.high:.2f}")
    0.90 0.65 1.15
    """
    members = np.asarray(values, dtype=np.float64).ravel()
    members = members[np.isfinite(members)]
    n_members = members.size
    if n_members == 0:
        return Interval(np.nan, np.nan, np.nan, level)
    mean = float(members.mean())
    if n_members == 1:
        return Interval(mean, np.nan, np.nan, level)
    if method == "percentile":
        drawn = np.random.default_rng(seed).integers(n_members, size=(n_resamples, n_members))
        return percentile_interval(members[drawn].mean(axis=-1), mean, level=level)
    from scipy.special import stdtrit

    half = float(stdtrit(n_members - 1, 0.5 + level / 2)) * float(members.std(ddof=1)) / np.sqrt(n_members)
    return Interval(mean, mean - half, mean + half, level)


def width_slopes(widths: ArrayLike, values: ArrayLike) -> FloatArray:
    """Slope of each member's values against log2(width): the change per doubling of the width.

    Parameters
    ----------
    widths
        (n_widths,) at least two different ones.
    values
        (n_members, n_widths); widths without a value (nan) are left out member by member.

    Returns
    -------
    (n_members,), nan where fewer than two widths have a value.

    Raises
    ------
    ValueError
        If the shapes disagree or all widths are equal.

    Examples
    --------
    >>> width_slopes([4, 8, 16], [[0.9, 0.8, 0.7]]).round(6).tolist()
    [-0.1]
    """
    doublings = np.log2(np.asarray(widths, dtype=np.float64))
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if table.shape[-1] != doublings.size or np.ptp(doublings) == 0.0:
        raise ValueError(f"values of shape {table.shape} do not go with widths {np.asarray(widths).tolist()}")
    present = np.isfinite(table)
    count = np.maximum(present.sum(axis=-1, keepdims=True), 1)
    x = np.where(present, doublings, 0.0)
    y = np.where(present, table, 0.0)
    x = np.where(present, x - x.sum(axis=-1, keepdims=True) / count, 0.0)
    variance = (x * x).sum(axis=-1)
    slope = (x * y).sum(axis=-1) / np.where(variance > 0.0, variance, 1.0)
    return np.asarray(np.where(variance > 0.0, slope, np.nan), dtype=np.float64)


def width_trend(
    widths: ArrayLike, values: ArrayLike, *, method: Method = "t", level: float = 0.95, seed: int = 0
) -> Interval:
    """Interval over members of the change per doubling of the width, see :func:`width_slopes`."""
    return seed_interval(width_slopes(widths, values), method=method, level=level, seed=seed)
