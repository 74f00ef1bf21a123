"""A density scaled to the number of electrons that its calculation had."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from basinet.electrostatics.grid import checked_cell, checked_field
from basinet.errors import InputError

FloatArray = NDArray[np.float64]

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
    if not (np.isfinite(electrons) and electrons > 0.0):
        raise InputError(f"the number of electrons is {electrons}; it must be positive")
    count = electron_count(field, cell)
    if not abs(count - electrons) <= tolerance * electrons:
        raise InputError(
            f"the density integrates to {count:.6g} electrons instead of {electrons:.6g}; check that it is the valence "
            "density of this calculation, on the full grid (STRIDE 1 1 1), in e/A^3, with this cell"
        )
    factor = electrons / count
    return field * factor, factor
