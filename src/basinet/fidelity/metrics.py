"""Fidelity of predicted energies: correlation, regression and error, centred per species and size; their intervals.

Totals fix energies only up to constants per species (at one composition only their sum), so all figures but
the offset are those of centred values. One call serves one test system; a leading axis of members costs
little more than a single one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit
from scipy.stats import sem

from basinet.arrays import FloatArray, IntArray
from basinet.frames.bootstrap import Interval, block_bootstrap

_ROUNDING = 8 * float(np.finfo(np.float64).eps)
"""A spread below this fraction of the largest value is rounding: such values are constant."""


@dataclass(frozen=True)
class Metrics:
    """Fidelity of one prediction: the columns of ``results.csv`` that it fills.

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


def total_metrics(prediction: ArrayLike, reference: ArrayLike, n_atoms: ArrayLike) -> list[Metrics]:
    """Fidelity of the total energies of each member, per atom and centred per size.

    The prediction is (n_members, n_frames), the reference (n_frames,), eV; `n_atoms` (n_frames,) or one number.
    ValueError where shapes disagree or the reference is not finite.

    >>> (metrics,) = total_metrics([[0.0, 2.0, 4.0]], [1.0, 2.0, 3.0], 10)
    >>> print(f"{metrics.pearson_r:.2f} {metrics.slope:.2f} {metrics.offset_mev:.2f}")
    1.00 2.00 0.00
    """
    p, q = _checked(prediction, reference)
    size = np.broadcast_to(np.asarray(n_atoms, dtype=np.int64), q.shape)
    return centred_metrics(p / size, q / size, *_compact(size), None)


def local_metrics(
    prediction: ArrayLike, reference: ArrayLike, frame: ArrayLike, species: ArrayLike | None = None
) -> list[Metrics]:
    """Fidelity of the local energies of each member, centred per species and size, the centred species pooled.

    The prediction is (n_members, n_atoms_total), the reference (n_atoms_total,), eV; `frame` and `species` are the
    indices of each atom, from 0, no species meaning one. With one species selected out of a mixture, the size is the
    number of its atoms. ValueError where shapes disagree or the reference is not finite.

    Offsets between species neither help nor harm:

    >>> (metrics,) = local_metrics([[5.0, 6.0, 0.0, 1.0]], [0.0, 1.0, 7.0, 8.0], [0, 1, 0, 1], [0, 0, 1, 1])
    >>> print(f"{metrics.pearson_r:.2f} {metrics.rmse_mev:.2f} {metrics.offset_mev:.2f}")
    1.00 0.00 -1000.00
    """
    p, q = _checked(prediction, reference)
    of_frame = np.asarray(frame, dtype=np.int64)
    kind = np.zeros_like(of_frame) if species is None else np.asarray(species, dtype=np.int64)
    if of_frame.shape != q.shape or kind.shape != q.shape:
        raise ValueError(f"frame {of_frame.shape}, species {kind.shape}: energies have shape {q.shape}")
    within = of_frame * (int(kind.max()) + 1) + kind
    return centred_metrics(p, q, *centring_groups(of_frame, kind), within)


def local_metrics_by_species(
    prediction: ArrayLike, reference: ArrayLike, frame: ArrayLike, species: ArrayLike, elements: Sequence[str]
) -> dict[str, list[Metrics]]:
    """:func:`local_metrics` under ``all`` and, in a mixture, also under each element that occurs."""
    p, q = _checked(prediction, reference)
    of_frame, kind = np.asarray(frame, dtype=np.int64), np.asarray(species, dtype=np.int64)
    result = {"all": local_metrics(p, q, of_frame, kind)}
    for index, element in enumerate(elements if len(elements) > 1 else ()):
        own = kind == index
        if own.any():
            result[element] = local_metrics(p[:, own], q[own], of_frame[own])
    return result


def agreement(prediction: ArrayLike, frame: ArrayLike, species: ArrayLike) -> FloatArray:
    r"""Mean Pearson r of each member's local energies with those of the other members, centred as in `local_metrics`.

    It needs no reference. If members are one common part and independent ones of equal variance, no reference
    correlates with a member by more than the root of its agreement q, and of the common part r is

    .. math:: r_\mathrm{common} = r_\mathrm{member} / \sqrt{q}

    (Spearman, Am. J. Psychol. 15, 72 (1904)). The prediction is (n_members, n_atoms_total), frame and species are the
    indices of each atom. Returns (n_members,), nan for a single member.

    >>> agreement([[0.0, 1.0, 2.0], [0.0, 2.0, 4.0], [1.0, 0.0, 1.0]], [0, 1, 2], [0, 0, 0]).round(6).tolist()
    [0.5, 0.5, 0.0]
    """
    p, of_frame = np.asarray(prediction, dtype=np.float64), np.asarray(frame, dtype=np.int64)
    if len(p) < 2:
        return np.full(len(p), np.nan)
    with np.errstate(invalid="ignore", over="ignore"):  # of diverged or constant members: nan
        centred = centre_groups(p, *centring_groups(of_frame, np.asarray(species, dtype=np.int64)))
        unit = centred / np.sqrt(np.einsum("mn,mn->m", centred, centred))[:, None]
        return np.asarray((unit @ unit.sum(axis=0) - 1.0) / (len(p) - 1))


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
    p, q = np.asarray(prediction, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if p.ndim != 2 or q.ndim != 1 or p.shape[1] != q.size or q.size == 0:
        raise ValueError(f"prediction {p.shape} and reference {q.shape} do not go together")
    if not np.isfinite(q).all():
        raise ValueError(f"reference value {int(np.flatnonzero(~np.isfinite(q))[0])} is not finite")
    return p, q


def _compact(labels: IntArray) -> tuple[IntArray, int]:
    distinct, index = np.unique(labels, return_inverse=True)
    return index.astype(np.int64), distinct.size


def centred_metrics(
    p: FloatArray, q: FloatArray, group: IntArray, n_groups: int, within: IntArray | None
) -> list[Metrics]:
    """Metrics of members p (n_members, n) against q (n,), in eV per atom, centred by group."""
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
        rmse = 1e3 * np.sqrt(squares / q.size)
    columns = [column.tolist() for column in (r, r**2, determination, rmse, slope, offset)]
    columns += [[None] * len(p) if r_within is None else r_within.tolist(), [q.size] * len(p)]
    return [Metrics(*row) for row in zip(*columns, strict=True)]


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
    """(n_frames, n_species, 6) moments n, sum p, sum q, sum p^2, sum q^2, sum p q of the values of each frame.

    The mean of each species is taken off first, since energies carry constants that are 1e4 times their spread.
    Prediction, reference, frame index and species index are (n,) each, per atom or per frame; no species: one.
    """
    p, q = np.asarray(prediction, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    of_frame = np.asarray(frame, dtype=np.int64)
    kind = np.zeros_like(of_frame) if species is None else np.asarray(species, dtype=np.int64)
    n_frames, n_species = int(of_frame.max()) + 1, int(kind.max()) + 1
    p, q = (centre_groups(values, kind, n_species) for values in (p, q))
    cell = of_frame * n_species + kind
    moments = (np.ones_like(p), p, q, p * p, q * q, p * q)
    sums = [np.bincount(cell, moment, n_frames * n_species) for moment in moments]
    return np.stack(sums, axis=-1, dtype=np.float64).reshape(n_frames, n_species, 6)


Score = Literal["pearson_r", "slope"]


def _score_from_sums(sums: FloatArray, score: Score = "pearson_r") -> FloatArray:
    """Pearson r, or slope of p on q, (...,) of moments (..., n_species, 6), species centred, then pooled.

    nan where one side is constant.
    """
    n, p, q, pp, qq, pq = np.moveaxis(sums, -1, 0)
    n = np.maximum(n, 1.0)
    covariance = (pq - p * q / n).sum(axis=-1)
    of_p, of_q = (pp - p * p / n).sum(axis=-1), (qq - q * q / n).sum(axis=-1)
    defined = of_p * of_q > 1e-24 * pp.sum(axis=-1) * qq.sum(axis=-1)
    if score == "slope":
        return np.asarray(np.where(defined, covariance / np.where(defined, of_q, 1.0), np.nan), dtype=np.float64)
    r = covariance / np.sqrt(np.where(defined, of_p * of_q, 1.0))
    return np.asarray(np.where(defined, np.clip(r, -1.0, 1.0), np.nan), dtype=np.float64)


def score_interval(
    prediction: ArrayLike,
    reference: ArrayLike,
    frame: ArrayLike,
    species: ArrayLike | None = None,
    *,
    block_length: int,
    score: Score = "pearson_r",
    n_resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """95 % block-bootstrap interval of Pearson r, or of the slope of the prediction on the reference, species centred.

    Values, frame index (from 0) and species index are (n,) each, per atom or per frame, in one unit.
    """
    sums = _pearson_sums(prediction, reference, frame, species)
    statistic = partial(_score_from_sums, score=score)
    return block_bootstrap(sums, statistic, block_length=block_length, n_resamples=n_resamples, seed=seed)


def seed_interval(values: ArrayLike) -> Interval:
    r"""95 % interval of a mean over independently seeded members, mean :math:`\pm t_{n-1} s / \sqrt n`.

    Members without a value (nan, such as the correlation of a constant prediction) are left out.

    >>> interval = seed_interval([0.8, 0.9, 1.0])
    >>> print(f"{interval.estimate:.2f} {interval.low:.2f} {interval.high:.2f}")
    0.90 0.65 1.15
    """
    members = np.asarray(values, dtype=np.float64).ravel()
    members = members[np.isfinite(members)]
    mean = float(members.mean()) if members.size else np.nan
    half = float(stdtrit(members.size - 1, 0.975) * sem(members)) if members.size > 1 else np.nan
    return Interval(mean, mean - half, mean + half)
