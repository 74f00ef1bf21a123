"""Sizes of elements: how far the atoms of a pair see each other, in proportion to what they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
from ase.data import atomic_numbers, vdw_radii

from basinet.errors import InputError

Sizes = Literal["equal", "van_der_waals"]

EQUAL = 0.5
"""Radius of elements of equal size, in units of the cutoff."""


def element_radii(elements: Iterable[str], sizes: Sizes | Mapping[str, float] = "van_der_waals") -> dict[str, float]:
    r"""Radius R of each element in units of the cutoff, so that a pair is cut off at ``rcut * (R_i + R_j)``.

    .. math:: R_s = \frac{\rho_s}{2 \min_t \rho_t}

    with the van der Waals radii :math:`\rho`, rounded to four digits: two atoms of the smallest element are cut off at
    ``rcut``, all others further out. By the law of corresponding states, simple liquids look alike in units of their
    atoms' sizes; one cutoff for all pairs would end at another shell of each.

    Parameters
    ----------
    elements
        Chemical symbols.
    sizes
        ``"van_der_waals"``; ``"equal"``: 1/2 for every element; or radii, which are returned as they are.

    Returns
    -------
    dict
        Radius of each element, no unit, in alphabetical order.

    Raises
    ------
    InputError
        An element without a van der Waals radius.

    Notes
    -----
    Radii of ASE's table: Bondi, J. Phys. Chem. 68, 441 (1964), and sources named there.

    Examples
    --------
    >>> element_radii(["Ar", "Kr"])
    {'Ar': 0.5, 'Kr': 0.5372}
    """
    if isinstance(sizes, Mapping):
        return dict(sizes)
    symbols = sorted(set(elements))
    if sizes == "equal":
        return dict.fromkeys(symbols, EQUAL)
    radius = {symbol: float(vdw_radii[atomic_numbers.get(symbol, 0)]) for symbol in symbols}
    for symbol, value in radius.items():
        if not np.isfinite(value):
            raise InputError(f"no van der Waals radius of {symbol} is known; use equal sizes or give its radius")
    smallest = min(radius.values(), default=1.0)
    return {symbol: round(EQUAL * value / smallest, 4) for symbol, value in radius.items()}
