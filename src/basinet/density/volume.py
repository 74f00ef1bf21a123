"""Values on the grid points of a periodic cell, with the atoms in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from basinet.errors import InputError
from basinet.units import Bohr

HEADER_ROUNDING = 1e-6 * Bohr
"""Angstrom. Cube headers give a voxel's edges with six decimals of a bohr, and two headers may round either way."""


@dataclass(frozen=True, eq=False)
class Volume:
    """Values on a grid, as a reader found them.

    Parameters
    ----------
    values : (n1, n2, n3) array
        float64, C-ordered: point (i, j, k) is at the fractional coordinates (i/n1, j/n2, k/n3). The reader states
        the unit.
    cell : (3, 3) array
        Rows are the cell vectors, Angstrom.
    atoms
        Positions in Angstrom, relative to grid point (0, 0, 0), and not wrapped into the cell; periodic. The array
        ``nuclear_charges`` (e) is there if the file states charges.
    comment
        The file's own.
    path
        The file.
    """

    values: NDArray[np.float64]
    cell: NDArray[np.float64]
    atoms: Atoms
    comment: str
    path: Path


def same_grid(first: Volume, second: Volume) -> None:
    """Check that two files give values at the same points.

    Cells agree if they do up to the rounding of a cube's header, 1e-6 bohr per voxel.

    Raises
    ------
    InputError
        The grids have different shapes, or the cells differ. The message names both files.
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
        raise InputError(
            f"{pair}: the cells differ (by {difference.max():.2g} Angstrom); give files of one calculation"
        )
