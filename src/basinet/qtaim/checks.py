"""What a partition can work on: checks of densities, fields and nuclei, each with a message for the user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from basinet.descriptors.neighbours import COINCIDENT, checked_cell, checked_positions
from basinet.errors import InputError
from basinet.qtaim.nearest import nearest_sites

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

RESERVED = ("population", "volume")
"""Names of what is always integrated; a field cannot have them."""


def checked_grid(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Values on a grid as a C-ordered float64 array (n1, n2, n3), or an error that names them."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name} holds {array.dtype}; pass real numbers")
    if array.ndim != 3 or not array.size:
        raise InputError(f"{name} has the shape {array.shape}; pass an array (n1, n2, n3) of values on the grid")
    return np.ascontiguousarray(array, dtype=np.float64)


def checked_fields(fields: Mapping[str, ArrayLike] | None, shape: tuple[int, ...]) -> dict[str, NDArray[np.float64]]:
    """Fields on the density's grid, or an error that names the field."""
    if fields is None:
        return {}
    if not isinstance(fields, Mapping):
        raise InputError(f"fields is a {type(fields).__name__}; pass a dict of names and arrays")
    checked = {}
    for name, values in fields.items():
        if name in RESERVED:
            raise InputError(f"a field is named {name!r}, which is always integrated; give it another name")
        array = checked_grid(values, f"field {name!r}")
        if array.shape != shape:
            raise InputError(f"field {name!r} has the shape {array.shape} and the density {shape}; use one grid")
        checked[name] = array
    return checked


def checked_nuclei(positions: ArrayLike, cell: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions and cell of at least one atom, no two in one place, or an error that names the atom."""
    points, box = checked_positions(positions), checked_cell(cell, np.ones(3, dtype=bool))
    if not len(points):
        raise InputError("there are no atoms; a partition needs at least one nucleus")
    distance, _ = nearest_sites(points, points, box, rank=2)
    one = int(np.argmin(distance))
    if distance[one] < COINCIDENT:
        other = int(nearest_sites(points[[one]], np.delete(points, one, axis=0), box)[1][0])
        other += other >= one
        raise InputError(f"atoms {one} and {other} are in one place ({distance[one]:.1e} A apart); remove one")
    return points, box


def checked_radius(nuclear_radius: float) -> float:
    """Radius within which a maximum belongs to a nucleus, or an error."""
    if not (np.isfinite(nuclear_radius) and nuclear_radius >= 0.0):
        raise InputError(f"nuclear_radius is {nuclear_radius}; it must be a number of Angstrom, zero or more")
    return float(nuclear_radius)


def checked_threshold(vacuum: float | None) -> float:
    """Density at or below which a point is vacuum, or an error; minus infinity where nothing is."""
    if vacuum is None:
        return -np.inf
    if not np.isfinite(vacuum):
        raise InputError(f"vacuum is {vacuum}; it must be a density in e/A^3, or None")
    return float(vacuum)
