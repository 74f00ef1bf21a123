r"""The SO(4) bispectrum of the neighbour density, SNAP's descriptor, equal to LAMMPS ``compute sna/atom``.

The conventions are those of ``compute sna/atom RCUT 0.99363 TWOJMAX 0.5 ... W ... rmin0 0 bzeroflag 1
bnormflag 0 switchflag 1``: an atom weighs 1 in its own density whatever its species, its neighbours weigh
:math:`w_s`, and the bispectrum of the isolated atom, :math:`2j + 1`, is subtracted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import atomic_numbers

from basinet.descriptors.clebsch_gordan import component_labels
from basinet.descriptors.environments import (
    checked_rcut,
    checked_twojmax,
    find_environments,
    for_each,
    is_finite_number,
    useful_threads,
)
from basinet.descriptors.sizes import EQUAL
from basinet.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import ArrayLike, NDArray


def bispectrum(
    positions: ArrayLike,
    cell: ArrayLike,
    pbc: ArrayLike,
    weights_per_atom: ArrayLike,
    rcut: float,
    twojmax: int,
    *,
    radii_per_atom: ArrayLike | None = None,
    threads: int = 1,
) -> NDArray[np.float64]:
    r"""Bispectrum components of every atom.

    .. math:: B_{j_1 j_2 j} = \sum_{m m'} \bar U^j_{m m'} (U^{j_1} \otimes_{j_1 j_2 j} U^{j_2})_{m m'}
       - (2j + 1), \qquad U^j = 1 + \sum_{k:\, r_k < r_{ik}} w_k f_c(r_k)\, u^j(\mathbf r_k), \qquad
       r_{ik} = r_\mathrm{cut} (R_i + R_k)

    with the coupling :math:`\otimes` of :mod:`basinet.descriptors.clebsch_gordan` and the matrices
    :math:`u^j` of :mod:`basinet.descriptors.kernels`.

    Parameters
    ----------
    positions : (n_atoms, 3) array_like
        Angstrom.
    cell : (3, 3) array_like
        Cell vectors as rows, Angstrom; any shape, and smaller than the cutoff if need be.
    pbc : bool or (3,) array_like of bool
        Which axes repeat.
    weights_per_atom : (n_atoms,) array_like
        Weight of each atom as a neighbour of others, no unit.
    rcut
        Cutoff, Angstrom.
    twojmax
        Twice the largest momentum: 14, 20, 30 and 55 components for 4, 5, 6 and 8.
    radii_per_atom : (n_atoms,) array_like, optional
        Size R of each atom in units of the cutoff, LAMMPS' ``radelems``; 1/2 unless given, so that every pair is
        cut off at ``rcut``.
    threads
        Atoms are shared out among so many threads. The result does not depend on it.

    Returns
    -------
    (n_atoms, n_components) float64 array
        No unit; components in the order of :func:`basinet.descriptors.clebsch_gordan.component_labels`.

    Raises
    ------
    InputError
        Positions that are not finite, atoms in one place, a periodic cell without volume, weights or radii that do
        not fit the atoms, a cutoff or a ``twojmax`` out of range.

    Notes
    -----
    Thompson, Swiler, Trott, Foiles & Tucker, J. Comput. Phys. 285, 316 (2015), section 2;
    Bartok, Kondor & Csanyi, Phys. Rev. B 87, 184115 (2013).

    Examples
    --------
    An atom alone is the zero of the scale:

    >>> import numpy as np
    >>> alone = bispectrum([[0.0, 0.0, 0.0]], np.eye(3), False, [1.0], rcut=5.0, twojmax=2)
    >>> alone.shape, bool(np.abs(alone).max() < 1e-14)
    ((1, 5), True)
    """
    around = find_environments(positions, cell, pbc, weights_per_atom, rcut, twojmax, radii_per_atom, threads)
    out = np.empty((len(around.order), len(component_labels(around.twojmax))))

    def compute(atoms: NDArray[np.int64]) -> None:
        around.components(atoms, around.matrices(1), out)

    threads = useful_threads(threads, len(out))
    for_each(compute, np.array_split(around.order, threads), threads)
    return out


def checked_radii(radii: object, elements: Iterable[str]) -> dict[str, float]:
    """Radius of each element, or an error that names it."""
    elements = tuple(elements)
    if not radii:
        return dict.fromkeys(elements, EQUAL)
    if not isinstance(radii, Mapping) or set(radii) != set(elements):
        raise InputError(f"radii are {radii!r}; give a number for each of {', '.join(elements)}")
    for element in elements:
        if not (is_finite_number(radii[element]) and radii[element] > 0):
            raise InputError(
                f"the radius of {element} is {radii[element]!r}; it must be a positive number, such as 0.5"
            )
    return {element: float(radii[element]) for element in elements}


def checked_weights(weights: object) -> dict[str, float]:
    """Weights with their elements in alphabetical order, or an error that names the element."""
    if not isinstance(weights, Mapping) or not weights:
        raise InputError(f"weights are {weights!r}; give a number for each element, such as {{'Ar': 1.0}}")
    for element, weight in weights.items():
        if element not in atomic_numbers or element == "X":
            raise InputError(f"weights name {element!r}, which is not a chemical symbol such as 'Ar'")
        if not is_finite_number(weight):
            raise InputError(f"the weight of {element} is {weight!r}; it must be a finite number")
    return {element: float(weights[element]) for element in sorted(weights)}


@dataclass(frozen=True)
class Bispectrum:
    """The bispectrum descriptor with its settings; call it on a frame.

    Parameters
    ----------
    rcut
        Cutoff, Angstrom.
    twojmax
        Twice the largest momentum.
    weights
        Weight of each element as a neighbour; the element of the central atom makes no difference.
    radii
        Size R of each element in units of the cutoff (LAMMPS' ``radelems``): a pair is cut off at
        ``rcut * (R_i + R_j)``. 1/2 each unless given;
        :func:`basinet.descriptors.sizes.element_radii` makes them from van der Waals radii.

    Raises
    ------
    InputError
        A setting out of range.

    Examples
    --------
    >>> from ase.build import bulk
    >>> descriptor = Bispectrum(rcut=5.25, twojmax=4, weights={"Ar": 1.0})
    >>> descriptor(bulk("Ar", "fcc", a=5.3, cubic=True)).shape
    (4, 14)
    >>> Bispectrum.from_dict(descriptor.to_dict()) == descriptor
    True
    """

    rcut: float = 5.25
    twojmax: int = 6
    weights: Mapping[str, float] = field(default_factory=lambda: {"Ar": 1.0, "Kr": 0.8})
    radii: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rcut", checked_rcut(self.rcut))
        object.__setattr__(self, "twojmax", checked_twojmax(self.twojmax))
        object.__setattr__(self, "weights", MappingProxyType(checked_weights(self.weights)))
        object.__setattr__(self, "radii", MappingProxyType(checked_radii(self.radii, self.weights)))

    def __hash__(self) -> int:
        return hash((self.rcut, self.twojmax, tuple(self.weights.items()), tuple(self.radii.items())))

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only mapping cannot be pickled, and workers in other processes need the descriptor.
        return type(self), (self.rcut, self.twojmax, dict(self.weights), dict(self.radii))

    @property
    def component_labels(self) -> tuple[tuple[int, int, int], ...]:
        """Doubled momenta (2j1, 2j2, 2j) of the components, in their order."""
        return component_labels(self.twojmax)

    @property
    def n_components(self) -> int:
        """Number of components."""
        return len(self.component_labels)

    @property
    def equal_sizes(self) -> bool:
        """Whether every pair has the same cutoff, ``rcut``."""
        return set(self.radii.values()) == {EQUAL}

    def __call__(self, atoms: Atoms, *, threads: int = 1) -> NDArray[np.float64]:
        """Bispectrum of every atom of a frame; see :func:`bispectrum`.

        Parameters
        ----------
        atoms
            Positions, cell, periodic axes and elements are read; nothing is changed.
        threads
            Threads to share the atoms.

        Returns
        -------
        (n_atoms, n_components) float64 array
            No unit.

        Raises
        ------
        InputError
            An element without a weight, or a geometry that :func:`bispectrum` refuses.
        """
        weight, radius = self.of_atoms(atoms.get_chemical_symbols())
        return bispectrum(
            atoms.positions, np.array(atoms.cell), atoms.pbc, weight, self.rcut, self.twojmax,
            radii_per_atom=radius, threads=threads,
        )  # fmt: skip

    def of_atoms(self, symbols: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weight and radius of every atom, or an error that names the atom whose element has none."""
        for index, symbol in enumerate(symbols):
            if symbol not in self.weights:
                known = ", ".join(self.weights)
                raise InputError(f"atom {index} is {symbol}, which has no weight (known: {known}); add one")
        weight = np.array([self.weights[symbol] for symbol in symbols])
        return weight, np.array([self.radii[symbol] for symbol in symbols])

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain numbers and names, fit for JSON or YAML."""
        settings = {"rcut": self.rcut, "twojmax": self.twojmax, "weights": dict(self.weights)}
        return settings if self.equal_sizes else settings | {"radii": dict(self.radii)}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Bispectrum:
        """Make a descriptor from what :meth:`to_dict` returned.

        Raises
        ------
        InputError
            A setting that is missing, not known or out of range.
        """
        expected = {"rcut", "twojmax", "weights"}
        if set(settings) - {"radii"} != expected:
            raise InputError(f"descriptor settings are {sorted(settings)}; give exactly {sorted(expected)}")
        return cls(**settings)
