"""Checks of fields on a grid over a cell, and the waves that fit on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from basinet.errors import InputError

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


def checked_field(values: ArrayLike, name: str) -> FloatArray:
    """A field as a contiguous (n1, n2, n3) array of float64; no copy is made of one that is.

    Raises
    ------
    InputError
        Another number of axes, no points, NaN or infinity.
    """
    field = np.ascontiguousarray(values, dtype=np.float64)
    if field.ndim != 3 or field.size == 0:
        raise InputError(f"{name} has the shape {np.shape(values)}; it must be values on a grid, (n1, n2, n3)")
    if not np.isfinite(field.sum()):  # the sum needs no array of flags
        raise InputError(f"{name} holds NaN or infinity; its file is damaged, or its calculation failed")
    return field


def checked_cell(cell: ArrayLike) -> FloatArray:
    """A (3, 3) cell with volume, Angstrom.

    Raises
    ------
    InputError
        Another shape, NaN or infinity, or no volume.
    """
    box = np.asarray(cell, dtype=np.float64)
    if box.shape != (3, 3) or not np.isfinite(box).all():
        raise InputError("the cell must be three vectors of finite numbers, (3, 3), in Angstrom")
    if not abs(np.linalg.det(box)) > 1e-12 * np.prod(np.linalg.norm(box, axis=1)):
        raise InputError("the cell has no volume; give three vectors that are not in one plane")
    return box


def wave_numbers(points: int) -> NDArray[np.int64]:
    """Whole waves along one axis of so many points, in the order of the FFT; n/2 for the Nyquist wave."""
    waves = np.arange(points)
    return np.where(waves > points // 2, waves - points, waves)


def reciprocal_metric(cell: FloatArray) -> FloatArray:
    r"""(3, 3) matrix M with :math:`G^2 = h^T M h` for the wave of integers h, 1/A^2."""
    vectors = 2.0 * np.pi * np.linalg.inv(cell).T
    metric: FloatArray = vectors @ vectors.T
    return metric


def cross_wave_numbers(points: int) -> NDArray[np.int64]:
    """Waves along one axis for products of two axes: zero for the Nyquist wave, the mean of n/2 and -n/2."""
    waves = wave_numbers(points)
    return np.where(2 * waves == points, 0, waves)


def phase_factors(fractions: FloatArray, points: int) -> ComplexArray:
    r"""(n_waves, n_atoms) :math:`e^{-2 \pi i h s}` along one axis; for the Nyquist wave the mean of both signs."""
    waves = wave_numbers(points)
    turns = np.outer(waves, fractions)
    turns -= np.rint(turns)  # whole turns cost digits
    factors: ComplexArray = np.exp(-2j * np.pi * turns)
    factors[2 * waves == points] = factors[2 * waves == points].real
    return factors
