"""Fidelity of predicted energies: correlation, regression and error, centred per species and size; their intervals.

Totals fix energies only up to constants per species (at one composition only their sum), so all figures but
the offset are those of centred values. One call serves one test system; a leading axis of members costs
little more than a single one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from basinet.arrays import FloatArray, IntArray
from basinet.frames.bootstrap import Interval, block_bootstrap, percentile_interval

_ROUNDING = 8 * float(np.finfo(np.float64).eps)
"""A spread below this fraction of the largest value is rounding: such values are constant."""


@dataclass(frozen=True)
class Metrics:
    """Fidelity of one prediction.

    ==================  ========  ==============================================================
    field               unit      meaning
    ==================  ========  ==============================================================
    pearson_r           1         correlation of the centred values; nan if one side is constant
    r2                  1         its square
    r2_determination    1         1 - sum (p - q)^2 / sum q^2 of the centred values
    rmse_mev            meV/atom  root mean square of p - q, centred
    slope               1         regression of the prediction on the reference
    offset_mev          meV/atom  mean prediction - mean reference, what centring removed
    pearson_r_within    1         correlation with each frame centred; None for totals
    n_values            1         number of atoms (local) or frames (total)
    ==================  ========  ==============================================================
    """

    pearson_r: float
    r2: float
    r2_determination: float
    rmse_mev: float
    slope: float
    offset_mev: float
    pearson_r_within: float | None
    n_values: int

    def as_row(self) -> dict[str, float | int | None]:
        """Give the columns of ``results.csv`` that this evaluation fills."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def total_metrics(prediction: ArrayLike, reference: ArrayLike, n_atoms: ArrayLike) -> Metrics:
    """Fidelity of total energies, per atom and centred per size.

    Parameters
    ----------
    prediction, reference
        (n_frames,) eV.
    n_atoms
        (n_frames,) or a single number.

    Raises
    ------
    ValueError
        If shapes disagree or the reference is not finite.

    Examples
    --------
    >>> metrics = total_metrics([0.0, 2.0, 4.0], [1.0, 2.0, 3.0], 10)
    >>> print(f"{metrics.pearson_r:.2f} {metrics.slope:.2f} {metrics.offset_mev:.2f}")
    1.00 2.00 0.00
    """
    return member_total_metrics(np.asarray(prediction, dtype=np.float64)[None], reference, n_atoms)[0]


def member_total_metrics(prediction: ArrayLike, reference: ArrayLike, n_atoms: ArrayLike) -> list[Metrics]:
    """:func:`total_metrics` of every member of ``prediction``, (n_members, n_frames) eV."""
    p, q = _checked(prediction, reference)
    size = np.broadcast_to(np.asarray(n_atoms, dtype=np.int64), q.shape)
    group, n_groups = (np.zeros_like(size), 1) if np.all(size == size[:1]) else _compact(size)
    return centred_metrics(p / size, q / size, group, n_groups, None)


def local_metrics(
    prediction: ArrayLike, reference: ArrayLike, frame: ArrayLike, species: ArrayLike | None = None
) -> Metrics:
    """Fidelity of local energies, centred per species and size, the centred species pooled.

    Parameters
    ----------
    prediction, reference
        (n_atoms_total,) eV.
    frame
        (n_atoms_total,) frame index of each atom, from 0. With one species selected out of a mixture, the
        size is the number of its atoms.
    species
        (n_atoms_total,) species index of each atom, from 0; None: one species.

    Raises
    ------
    ValueError
        If shapes disagree or the reference is not finite.

    Examples
    --------
    Offsets between species neither help nor harm:

    >>> metrics = local_metrics([5.0, 6.0, 0.0, 1.0], [0.0, 1.0, 7.0, 8.0], [0, 1, 0, 1], [0, 0, 1, 1])
    >>> print(f"{metrics.pearson_r:.2f} {metrics.rmse_mev:.2f} {metrics.offset_mev:.2f}")
    1.00 0.00 -1000.00
    """
    return member_local_metrics(np.asarray(prediction, dtype=np.float64)[None], reference, frame, species)[0]


def member_local_metrics(
    prediction: ArrayLike, reference: ArrayLike, frame: ArrayLike, species: ArrayLike | None = None
) -> list[Metrics]:
    """:func:`local_metrics` of every member of ``prediction``, (n_members, n_atoms_total) eV."""
    p, q = _checked(prediction, reference)
    of_frame = np.asarray(frame, dtype=np.int64)
    kind = np.zeros_like(of_frame) if species is None else np.asarray(species, dtype=np.int64)
    if of_frame.shape != q.shape or kind.shape != q.shape:
        raise ValueError(f"frame {of_frame.shape}, species {kind.shape}: energies have shape {q.shape}")
    group, n_groups = centring_groups(of_frame, kind)
    within = of_frame * (int(kind.max()) + 1) + kind
    return centred_metrics(p, q, group, n_groups, within)


def member_local_metrics_by_species(
    prediction: ArrayLike, reference: ArrayLike, frame: ArrayLike, species: ArrayLike, elements: Sequence[str]
) -> dict[str, list[Metrics]]:
    """:func:`member_local_metrics` under ``all`` and, in a mixture, also under each element that occurs."""
    p, q = _checked(prediction, reference)
    of_frame, kind = np.asarray(frame, dtype=np.int64), np.asarray(species, dtype=np.int64)
    result = {"all": member_local_metrics(p, q, of_frame, kind)}
    if len(elements) > 1:
        for index, element in enumerate(elements):
            chosen = np.flatnonzero(kind == index)
            if chosen.size:
                result[element] = member_local_metrics(p[:, chosen], q[chosen], of_frame[chosen])
    return result


def centring_groups(frame: IntArray, species: IntArray) -> tuple[IntArray, int]:
    """Index of the (species, size) group of each atom, and the number of groups; size is the frame's."""
    size = np.bincount(frame)
    n_species = int(species.max()) + 1
    occupied = size[size > 0]
    if occupied.min() == occupied.max():
        return species, n_species
    of_frame, _ = _compact(size)
    return _compact(of_frame[frame] * n_species + species)


def centre_groups(values: FloatArray, group: IntArray, n_groups: int) -> FloatArray:
    """``values`` (..., n) less the mean of each one's group."""
    if n_groups == 1:
        return np.asarray(values - values.mean(axis=-1, keepdims=True), dtype=np.float64)
    rows = values.reshape(-1, values.shape[-1])
    cell = group + n_groups * np.arange(len(rows))[:, None]
    sums = np.bincount(cell.ravel(), rows.ravel(), len(rows) * n_groups).reshape(len(rows), n_groups)
    means = sums / np.maximum(np.bincount(group, minlength=n_groups), 1)
    return np.asarray((rows - means[:, group]).reshape(values.shape), dtype=np.float64)


def _checked(prediction: ArrayLike, reference: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Members (n_members, n) and the finite reference (n,) as float64."""
    p, q = np.asarray(prediction, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if p.ndim != 2 or q.ndim != 1 or p.shape[1] != q.size or q.size == 0:
        raise ValueError(f"prediction {p.shape} and reference {q.shape} do not go together")
    if not np.isfinite(q).all():
        raise ValueError(f"reference value {int(np.flatnonzero(~np.isfinite(q))[0])} is not finite")
    return p, q


def _compact(labels: IntArray) -> tuple[IntArray, int]:
    """Consecutive indices of the distinct labels, and their number."""
    distinct, index = np.unique(labels, return_inverse=True)
    return index.astype(np.int64), distinct.size


def centred_metrics(
    p: FloatArray, q: FloatArray, group: IntArray, n_groups: int, within: IntArray | None
) -> list[Metrics]:
    """Metrics of members p (n_members, n) against q (n,), in eV per atom, centred by group."""
    n_values = q.size
    with np.errstate(invalid="ignore", over="ignore"):  # a diverged member is nan in every column, no warning
        centred_p, centred_q = centre_groups(p, group, n_groups), centre_groups(q, group, n_groups)
        r, slope, variance = _correlate(centred_p, centred_q, np.abs(p).max(axis=-1), np.abs(q).max())
        difference = centred_p - centred_q
        squares = np.einsum("mn,mn->m", difference, difference)
        offset = 1e3 * (p.mean(axis=-1) - q.mean())
        r_within = None
        if within is not None:
            n_within = int(within.max()) + 1
            inner_p, inner_q = (centre_groups(values, within, n_within) for values in (p, q))
            r_within = _correlate(inner_p, inner_q, np.abs(p).max(axis=-1), np.abs(q).max())[0]
        determination = 1.0 - squares / variance if variance > 0.0 else np.full_like(squares, np.nan)
        rmse = 1e3 * np.sqrt(squares / n_values)
    return [
        Metrics(
            pearson_r=float(r[m]),
            r2=float(r[m] ** 2),
            r2_determination=float(determination[m]),
            rmse_mev=float(rmse[m]),
            slope=float(slope[m]),
            offset_mev=float(offset[m]),
            pearson_r_within=None if r_within is None else float(r_within[m]),
            n_values=n_values,
        )
        for m in range(len(p))
    ]


def _correlate(
    p: FloatArray, q: FloatArray, scale_p: FloatArray, scale_q: float
) -> tuple[FloatArray, FloatArray, float]:
    """Pearson r and slope of p on q, (n_members,) each, and sum q^2 (0 if q is constant); values centred."""
    square_p, covariance, square_q = np.einsum("mn,mn->m", p, p), p @ q, float(q @ q)
    if square_q <= q.size * (_ROUNDING * scale_q) ** 2:
        nothing = np.full(len(p), np.nan)
        return nothing, nothing, 0.0
    varies = square_p > q.size * (_ROUNDING * scale_p) ** 2
    # Two roots and not one of the product, which may under- or overflow.
    norm = np.sqrt(np.where(varies, square_p, 1.0)) * np.sqrt(square_q)
    r = np.where(varies, np.clip(covariance / norm, -1.0, 1.0), np.nan)
    return r, covariance / square_q, square_q


def _pearson_sums(
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


def _pearson_from_sums(sums: FloatArray) -> FloatArray:
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
    """Block-bootstrap interval of the species-centred Pearson r; arguments as in :func:`_pearson_sums`.

    Examples
    --------
    >>> energy = np.array([0.0, 1.0, 2.0, 3.0])
    >>> interval = pearson_interval(energy, 2 * energy, np.arange(4), block_length=1)
    >>> print(f"{interval.estimate:.3f}")
    1.000
    """
    sums = _pearson_sums(prediction, reference, frame, species)
    return block_bootstrap(
        sums, _pearson_from_sums, block_length=block_length, n_resamples=n_resamples, level=level, seed=seed
    )


def seed_interval(
    values: ArrayLike,
    *,
    method: Literal["t", "percentile"] = "t",
    level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
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
    widths: ArrayLike,
    values: ArrayLike,
    *,
    method: Literal["t", "percentile"] = "t",
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval over members of the change per doubling of the width, see :func:`width_slopes`."""
    return seed_interval(width_slopes(widths, values), method=method, level=level, seed=seed)
