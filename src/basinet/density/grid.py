"""Values on the grid points of a periodic cell: checks, and the count of electrons."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike

from basinet.arrays import FloatArray
from basinet.errors import InputError
from basinet.frames.neighbours import checked_cell
from basinet.jobs.provenance import available_processors
from basinet.units import Bohr

HEADER_ROUNDING = 1e-6 * Bohr
"""Angstrom. Cube headers give a voxel's edges with six decimals of a bohr, and two headers may round either way."""


@dataclass(frozen=True, eq=False)
class Volume:
    """Values on a grid, as a reader found them, who states their unit: (n1, n2, n3) float64, C-ordered.

    Point (i, j, k) is at the fractional coordinates (i/n1, j/n2, k/n3) of the cell, rows in Angstrom. Positions of the
    atoms are relative to grid point (0, 0, 0), and not wrapped into the cell; they have the array ``nuclear_charges``
    (e) if the file states charges.
    """

    values: FloatArray
    cell: FloatArray
    atoms: Atoms
    comment: str
    path: Path


def same_grid(first: Volume, second: Volume) -> None:
    """Check that two files give values at the same points; InputError where they do not.

    Cells agree if they do up to the rounding of a cube's header, 1e-6 bohr per voxel.
    """
    pair = f"{first.path} and {second.path}"
    if first.values.shape != second.values.shape:
        shapes = [" x ".join(map(str, volume.values.shape)) for volume in (first, second)]
        raise InputError(
            f"{pair}: the grids differ ({shapes[0]} and {shapes[1]} points); give files of one calculation, "
            "written with the same stride"
        )
    rounding = HEADER_ROUNDING * np.array(first.values.shape)[:, None]
    difference = np.abs(first.cell - second.cell)
    if np.any(difference > rounding):
        msg = f"{pair}: the cells differ (by {difference.max():.2g} Angstrom); give files of one calculation"
        raise InputError(msg)


def checked_field(values: ArrayLike, name: str) -> FloatArray:
    """A field as a contiguous (n1, n2, n3) array of float64, no copy of one that is; InputError if not finite."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name} holds {array.dtype}; pass real numbers")
    if array.ndim != 3 or not array.size:
        raise InputError(f"{name} has the shape {array.shape}; pass an array (n1, n2, n3) of values on the grid")
    field = np.ascontiguousarray(array, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(field.sum()):  # the sum needs no array of flags
            return field
    bad = np.argwhere(~np.isfinite(field))
    if not len(bad):
        raise InputError(f"{name} holds values up to {np.abs(field).max():.1e}, too large to add up; check its unit")
    i, j, k = bad[0]
    raise InputError(f"{name} is {field[i, j, k]} at grid point ({i}, {j}, {k}); every value must be a finite number")


def checked_threads(threads: int | None) -> int:
    """Number of threads: at least one, and by default the processors that this process may use."""
    if threads is None:
        return available_processors() or 1
    if threads < 1:
        raise InputError(f"threads is {threads}; give 1 or more")
    return int(threads)


TOLERANCE = 1e-3
"""Share of the electrons by which a density may be off. Cube files (five digits, cells of six decimals) stay below
1e-5; a density in another unit, or one of another calculation, is off by far more."""


def electron_count(density: ArrayLike, cell: ArrayLike) -> float:
    r"""Electrons :math:`\int \rho_e = V / N \sum_r \rho_e(r)`; exact without Fourier modes beyond the grid.

    The density is (n1, n2, n3) e/A^3, the cell (3, 3) Angstrom, vectors as rows.
    """
    field = checked_field(density, "the density")
    return float(field.mean() * abs(np.linalg.det(checked_cell(cell))))


def renormalise(
    density: ArrayLike, cell: ArrayLike, electrons: float, tolerance: float = TOLERANCE, *, overwrite: bool = False
) -> tuple[FloatArray, float]:
    r"""Scale a density to an exact count of electrons, :math:`\rho_e \to f \rho_e`; return it and f.

    The header of a cube has the cell with six decimals only, which alone is 2 meV per atom in the Hartree energy of
    liquid argon (and 1e-5 in the count); so does a cell in the wrong precision.

    The density is (n1, n2, n3), e/A^3, the cell (3, 3), Angstrom, vectors as rows, with its valence electrons. To
    `overwrite` a float64 array saves memory. InputError if the density is off by more than the share `tolerance`.

    >>> density, factor = renormalise(np.full((4, 4, 4), 0.0080001), 10.0 * np.eye(3), electrons=8.0)
    >>> round(factor, 7), round(electron_count(density, 10.0 * np.eye(3)), 12)
    (0.9999875, 8.0)
    """
    if not (np.isfinite(electrons) and electrons > 0.0):
        raise InputError(f"the number of electrons is {electrons}; it must be positive")
    field = checked_field(density, "the density")
    count = electron_count(field, cell)
    if not abs(count - electrons) <= tolerance * electrons:
        raise InputError(
            f"the density integrates to {count:.6g} electrons instead of {electrons:.6g}; check that it is the valence "
            "density of this calculation, on the full grid (STRIDE 1 1 1), in e/A^3, with this cell"
        )
    factor = electrons / count
    return np.multiply(field, factor, out=field if overwrite else None), factor
