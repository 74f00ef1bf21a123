"""The surroundings of every atom as the compiled loops take them: neighbours, weights, cutoffs and tables."""

from __future__ import annotations

import operator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from basinet.descriptors.clebsch_gordan import CouplingTables, component_labels, coupling_tables
from basinet.descriptors.sizes import EQUAL
from basinet.errors import InputError
from basinet.frames.neighbours import Neighbours, find_neighbours

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

LARGEST_TWOJMAX = 14
"""204 components; the tables beyond take seconds to make and the components long since repeat each other."""


def is_finite_number(value: object) -> bool:
    """Whether a setting is a number; ``True`` and ``"5"`` are none."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool) and isfinite(value)


def checked_rcut(rcut: float) -> float:
    """Cutoff as a positive float, or an error."""
    if not (is_finite_number(rcut) and rcut > 0):
        raise InputError(f"rcut is {rcut!r}; the cutoff must be a positive number of Angstrom, such as 5.25")
    return float(rcut)


def checked_twojmax(twojmax: int) -> int:
    """Twice the largest momentum as an int, or an error."""
    try:
        number = -1 if isinstance(twojmax, bool) else operator.index(twojmax)
    except TypeError:
        number = -1
    if not 0 <= number <= LARGEST_TWOJMAX:
        raise InputError(f"twojmax is {twojmax!r}; it must be an integer from 0 to {LARGEST_TWOJMAX}, such as 6")
    return number


def per_atom(name: str, values: ArrayLike, n_atoms: int) -> NDArray[np.float64]:
    """One finite number for each atom, or an error with the array's name."""
    array = np.ascontiguousarray(values, dtype=np.float64)
    if array.shape != (n_atoms,) or not np.isfinite(array).all():
        raise InputError(f"{name} has the shape {array.shape}; pass one finite number for each of {n_atoms} atoms")
    return array


ATOMS_PER_THREAD = 64
"""With fewer, to start a thread takes longer than it saves."""


def useful_threads(threads: int, n_atoms: int) -> int:
    """As many threads as were asked for, or as so many atoms keep busy."""
    return max(1, min(threads, n_atoms // ATOMS_PER_THREAD))


def for_each(action: Callable[[NDArray[np.int64]], None], groups: Sequence[NDArray[np.int64]], threads: int) -> None:
    """Call an action for every group of atoms, in so many threads."""
    if threads <= 1 or len(groups) <= 1:
        for group in groups:
            action(group)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(action, groups))


@dataclass(frozen=True)
class Environments:
    """What the loops over atoms read.

    Attributes
    ----------
    neighbours
        Within the largest cutoff of any pair.
    weight : (n_atoms,) array
        Of each atom as a neighbour.
    reach : (n_atoms,) array
        Share of each atom in the cutoffs of its pairs, Angstrom.
    tables, factors
        Of :func:`basinet.descriptors.clebsch_gordan.coupling_tables` and
        :func:`basinet.descriptors.kernels.normalisation`.
    order : (n_atoms,) int64 array
        Atoms by their numbers of neighbours: those that share a vector register wait for the one with the most.
    """

    neighbours: Neighbours
    weight: NDArray[np.float64]
    reach: NDArray[np.float64]
    tables: CouplingTables
    factors: NDArray[np.float64]
    order: NDArray[np.int64]

    @property
    def twojmax(self) -> int:
        """Twice the largest momentum."""
        return len(self.tables.offsets) - 2

    def matrices(self, n_atoms: int) -> NDArray[np.float64]:
        """Room for the matrices of so many atoms, eight side by side: (n_groups, 2, n_elements, 8)."""
        from basinet.descriptors.kernels import LANES

        return np.empty((-(-n_atoms // LANES), 2, int(self.tables.offsets[-1]), LANES))

    def components(
        self, atoms: NDArray[np.int64], matrices: NDArray[np.float64], out: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Write the components of some atoms to their rows of ``out``, and leave their matrices in ``matrices``."""
        from basinet.descriptors.kernels import bispectrum_of_groups

        bispectrum_of_groups(atoms, self.neighbours, self.weight, self.reach, self.factors, self.tables, matrices, out)
        # The isolated atom's bispectrum, 2j + 1, is the zero of the scale (LAMMPS' bzeroflag 1).
        out[atoms] -= [twoj + 1 for _, _, twoj in component_labels(self.twojmax)]
        return out[atoms]


def find_environments(
    positions: ArrayLike,
    cell: ArrayLike,
    pbc: ArrayLike,
    weights_per_atom: ArrayLike,
    rcut: float,
    twojmax: int,
    radii_per_atom: ArrayLike | None,
    threads: int,
) -> Environments:
    """Check a geometry and settings, and find the neighbours; see :func:`basinet.descriptors.bispectrum.bispectrum`."""
    from basinet.descriptors.kernels import normalisation

    rcut, twojmax = checked_rcut(rcut), checked_twojmax(twojmax)
    n_atoms = len(np.asarray(positions))
    weight = per_atom("weights_per_atom", weights_per_atom, n_atoms)
    radius = np.full(n_atoms, EQUAL) if radii_per_atom is None else per_atom("radii_per_atom", radii_per_atom, n_atoms)
    if not (radius > 0).all():
        raise InputError(f"radii_per_atom has {radius.min()}; every radius must be positive")
    reach = rcut * radius
    threads = useful_threads(threads, n_atoms)
    neighbours = find_neighbours(positions, cell, pbc, 2 * float(reach.max(initial=0.5 * rcut)), threads=threads)
    order = np.argsort(np.diff(neighbours.first), kind="stable")
    return Environments(neighbours, weight, reach, coupling_tables(twojmax), normalisation(twojmax), order)
