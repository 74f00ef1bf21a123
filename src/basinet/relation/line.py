"""The straight line through E_tot and E_es: its figures, its null, and the uncertainty of both.

All functions take energies per atom that have been freed of the compositions (for one composition: centred),
so that constants of 1e3 eV do not swamp variances of 1e-4 eV^2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from basinet.arrays import FloatArray
from basinet.frames.bootstrap import Interval, choose_block_length, percentile_interval, resample_sums

_STATISTICS = ("slope", "rmse", "pearson_r", "pearson_r_total_es", "unexplained_variance")


@dataclass(frozen=True)
class CentredEnergies:
    """Energies per atom without the part that is linear in the composition, (n_frames,) eV each.

    ``basis`` (n_frames, rank) spans the compositions, with columns of unit mean square.
    """

    electrostatic: FloatArray
    total: FloatArray
    basis: FloatArray


def centre_on_composition(electrostatic: FloatArray, total: FloatArray, fractions: FloatArray) -> CentredEnergies:
    """Residuals of energies per atom from a constant per species (Frisch-Waugh-Lovell).

    A least-squares line through the residuals has the slope of the joint fit of slope and constants, without
    the cancellation that the constants cause.
    """
    left, singular, _ = np.linalg.svd(fractions, full_matrices=False)
    basis = left[:, singular > 1e-8 * singular[0]] * np.sqrt(len(fractions))

    def residual(values: FloatArray) -> FloatArray:
        result = values - values.mean()
        for _ in range(2):  # the second pass removes the rounding of the first
            result = result - basis @ (basis.T @ result) / len(values)
        return np.asarray(result, dtype=np.float64)

    return CentredEnergies(residual(electrostatic), residual(total), basis)


def _line_statistics(n: FloatArray, xx: FloatArray, xt: FloatArray, tt: FloatArray) -> FloatArray:
    r"""Figures of the line from centred sums over n frames, of x = E_es and t = E_tot per atom.

    The sums of E_rest follow: with y = t - x, :math:`S_{xy} = S_{xt} - S_{xx}` and
    :math:`S_{yy} = S_{tt} - 2 S_{xt} + S_{xx}`.

    Returns
    -------
    (..., 5) in the order of ``_STATISTICS``: slope a, RMSE (eV/atom), r(E_rest, E_es), r(E_tot, E_es), and the
    variance of E_tot that the line leaves, :math:`1 - R^2`. A figure that is not defined is nan.
    """
    xy, yy = xt - xx, tt - 2.0 * xt + xx
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.maximum(tt - xt * xt / xx, 0.0)
        figures = (xy / xx, np.sqrt(left / n), xy / np.sqrt(xx * yy), xt / np.sqrt(xx * tt), left / tt)
        return np.stack(figures, axis=-1)


def fitted_statistics(energies: CentredEnergies) -> FloatArray:
    """:func:`_line_statistics` of all frames, (5,)."""
    x, t = energies.electrostatic, energies.total
    return _line_statistics(np.asarray(float(len(x))), np.asarray(x @ x), np.asarray(x @ t), np.asarray(t @ t))


def line_intervals(
    energies: CentredEnergies, *, block_length: int | None, n_resamples: int, level: float, seed: int
) -> dict[str, Interval]:
    """Block-bootstrap intervals of the figures; every resample refits the slope and the constants.

    Parameters
    ----------
    block_length
        In frames; None: chosen from the autocorrelation of both energies.
    """
    x, t, basis = energies.electrostatic, energies.total, energies.basis
    if block_length is None:
        block_length = choose_block_length(np.stack([x, t], axis=-1))
    columns = np.column_stack([x, t, basis])
    sums = np.einsum("fi,fj->fij", columns, columns)
    gram = resample_sums(sums, block_length, n_resamples, seed)
    cross = gram[:, :2, 2:]
    inverse = np.linalg.pinv(gram[:, 2:, 2:], rcond=1e-10, hermitian=True)
    schur = gram[:, :2, :2] - cross @ inverse @ np.swapaxes(cross, -1, -2)
    xx = schur[:, 0, 0]
    xx = np.where(xx > 1e-12 * (x @ x), xx, np.nan)  # a resample of one frame over and over has no slope
    samples = _line_statistics(np.asarray(float(len(x))), xx, schur[:, 0, 1], schur[:, 1, 1])
    estimates = fitted_statistics(energies)
    return {
        name: percentile_interval(samples[:, k], float(estimates[k]), level=level, block_length=block_length)
        for k, name in enumerate(_STATISTICS)
    }


def shuffled_correlation(energies: CentredEnergies, n_shuffles: int = 200, seed: int = 0) -> float:
    r"""Mean r(E_rest, E_es) with E_tot shuffled over frames: the part-whole correlation that means nothing.

    E_es stands on both axes of the relation, in E_rest = E_tot - E_es with a minus sign. Without any
    connection between E_tot and E_es, r is still about
    :math:`-\sigma_{es} / \sqrt{\sigma_{es}^2 + \sigma_{tot}^2}`.
    """
    x, t = energies.electrostatic, energies.total
    rng = np.random.default_rng(seed)
    shuffled = rng.permuted(np.broadcast_to(t, (n_shuffles, len(t))), axis=-1)
    rest = shuffled - x
    rest = rest - rest.mean(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.mean(rest @ x / np.sqrt((rest * rest).sum(axis=-1) * (x @ x))))
