"""Checks of fields on a grid over a cell, and the waves that fit on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from basinet.arrays import ComplexArray, FloatArray
from basinet.errors import InputError


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


TOLERANCE = 1e-3
"""Share of the electrons by which a density may be off. Cube files (five digits, cells of six decimals) stay below
1e-5; a density in another unit, or one of another calculation, is off by far more."""


def electron_count(density: ArrayLike, cell: ArrayLike) -> float:
    r""":math:`\int \rho_e = V / N \sum_r \rho_e(r)`, e; exact for a density without Fourier modes beyond its grid.

    Parameters
    ----------
    density : (n1, n2, n3) array_like
        e / A^3.
    cell : (3, 3) array_like
        Angstrom, vectors as rows.
    """
    field = checked_field(density, "the density")
    return float(field.mean() * abs(np.linalg.det(checked_cell(cell))))


def scale_factor(density: FloatArray, cell: FloatArray, electrons: float, tolerance: float) -> float:
    """Factor that brings a density to an exact count of electrons; see :func:`renormalise`."""
    if not (np.isfinite(electrons) and electrons > 0.0):
        raise InputError(f"the number of electrons is {electrons}; it must be positive")
    count = electron_count(density, cell)
    if not abs(count - electrons) <= tolerance * electrons:
        raise InputError(
            f"the density integrates to {count:.6g} electrons instead of {electrons:.6g}; check that it is the valence "
            "density of this calculation, on the full grid (STRIDE 1 1 1), in e/A^3, with this cell"
        )
    return electrons / count


def renormalise(
    density: ArrayLike, cell: ArrayLike, electrons: float, tolerance: float = TOLERANCE
) -> tuple[FloatArray, float]:
    r"""Scale a density to an exact count of electrons, :math:`\rho_e \to f \rho_e`.

    The header of a cube has the cell with six decimals only, which alone is 2 meV per atom in the Hartree energy
    of liquid argon (and 1e-5 in the count); so does a cell in the wrong precision.

    Parameters
    ----------
    density : (n1, n2, n3) array_like
        e / A^3; left as it is.
    cell : (3, 3) array_like
        Angstrom, vectors as rows.
    electrons
        Valence electrons of the cell, e.
    tolerance
        Largest share of the electrons by which the density may be off.

    Returns
    -------
    density : (n1, n2, n3) array
        e / A^3, a new array.
    factor
        f, by which it was scaled.

    Raises
    ------
    InputError
        If the density integrates to another number of electrons, and says to which.

    Examples
    --------
    >>> density, factor = renormalise(np.full((4, 4, 4), 0.0080001), 10.0 * np.eye(3), electrons=8.0)
    >>> round(factor, 7), round(electron_count(density, 10.0 * np.eye(3)), 12)
    (0.9999875, 8.0)
    """
    field = checked_field(density, "the density")
    factor = scale_factor(field, checked_cell(cell), electrons, tolerance)
    return field * factor, factor
