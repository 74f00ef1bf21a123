r"""The SO(4) bispectrum of the neighbour density, SNAP's descriptor, equal to LAMMPS ``compute sna/atom``.

.. math:: B_{j_1 j_2 j} = \sum_{m m'} \bar U^j_{m m'} (U^{j_1} \otimes_{j_1 j_2 j} U^{j_2})_{m m'}
   - (2j + 1), \qquad U^j = 1 + \sum_{k:\, r_k < r_{ik}} w_k f_c(r_k)\, u^j(\mathbf r_k), \qquad
   r_{ik} = r_\mathrm{cut} (R_i + R_k)

with the coupling :math:`\otimes` of :mod:`basinet.descriptors.clebsch_gordan` and the matrices :math:`u^j` of
:mod:`basinet.descriptors.kernels`. The conventions are those of ``compute sna/atom RCUT 0.99363 TWOJMAX 0.5 ... W ...
rmin0 0 bzeroflag 1 bnormflag 0 switchflag 1``: an atom weighs 1 in its own density whatever its species, its neighbours
weigh :math:`w_s`, and the bispectrum of the isolated atom, :math:`2j + 1`, is subtracted.

Thompson, Swiler, Trott, Foiles & Tucker, J. Comput. Phys. 285, 316 (2015), section 2; Bartok, Kondor & Csanyi,
Phys. Rev. B 87, 184115 (2013).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import isfinite
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self, TypeAlias

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, vdw_radii

from basinet.arrays import FloatArray, IntArray
from basinet.descriptors.clebsch_gordan import _component_tables, _coupling_tables, _CouplingTables, component_labels
from basinet.errors import InputError
from basinet.files import refuse_beyond_memory
from basinet.frames.neighbours import Neighbours, find_neighbours

Sizes = Literal["equal", "van_der_waals"]

EQUAL = 0.5  # radius of elements of equal size, in units of the cutoff
LARGEST_TWOJMAX = 14
"""204 components; the tables beyond take seconds to make and the components long since repeat each other."""
ATOMS_PER_THREAD = 64  # with fewer, to start a thread takes longer than it saves
BLOCK = 256  # atoms at a time: their matrices stay in the cache, and products with weights run at full speed
Slopes: TypeAlias = "Callable[[IntArray, FloatArray], FloatArray]"
"""From indices of atoms (n,) and their components (n, n_components) to the slopes dE_i/dB_i (n, n_components)."""


def element_radii(elements: Iterable[str], sizes: Sizes | Mapping[str, float] = "van_der_waals") -> dict[str, float]:
    r"""Radius R of each element in units of the cutoff, so that a pair is cut off at ``rcut * (R_i + R_j)``.

    .. math:: R_s = \frac{\rho_s}{2 \min_t \rho_t}

    with the van der Waals radii :math:`\rho` (InputError where there is none), rounded to four digits: two atoms of the
    smallest element are cut off at ``rcut``, all others further out. By the law of corresponding states, simple liquids
    look alike in units of their atoms' sizes; one cutoff for all pairs would end at another shell of each. ``"equal"``
    sizes are 1/2 each; radii are returned as they are. Radii of ASE's table: Bondi, J. Phys. Chem. 68, 441 (1964), and
    sources named there.

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


@dataclass(frozen=True)
class Gradient:
    """Forces (n_atoms, 3), energy per Angstrom, and virial (3, 3) of a sum of atomic energies, and the bispectrum.

    The virial is minus the derivative of the energy in the strain.
    """

    forces: FloatArray
    virial: FloatArray
    descriptors: FloatArray


class PairDerivatives(NamedTuple):
    r"""Derivatives of a frame's components, pair by pair; every pair of neighbours stands twice, once from either end.

    ``derivative`` (n_pairs, n_components, 3) is :math:`\partial B_{ic} / \partial \mathbf r_{ij}`, 1/A, with
    :math:`\mathbf r_{ij}` from atom i to its neighbour j, which may be an image of itself.
    """

    n_atoms: int
    atom: IntArray
    neighbour: IntArray
    derivative: FloatArray

    def in_places(self) -> FloatArray:
        r"""Derivatives :math:`\partial B_{ic} / \partial \mathbf r_k`, (n_atoms, n_components, n_atoms, 3), 1/A.

        A vector to a neighbour moves with the neighbour, and against the atom itself. Needs
        24 n_atoms^2 n_components bytes: 0.7 MB for 32 atoms at ``twojmax`` 6.
        """
        dense = np.zeros((self.n_atoms, self.n_atoms, self.derivative.shape[1], 3))
        np.add.at(dense, (self.atom, self.neighbour), self.derivative)
        np.subtract.at(dense, (self.atom, self.atom), self.derivative)
        return np.ascontiguousarray(dense.swapaxes(1, 2))


@dataclass(frozen=True)
class Bispectrum:
    """The bispectrum descriptor with its settings; call it on a frame.

    - `rcut`: cutoff, Angstrom.
    - `twojmax`: twice the largest momentum: 14, 20, 30 and 55 components for 4, 5, 6 and 8.
    - `weights`: weight of each element as a neighbour; the element of the central atom makes no difference.
    - `radii`: size R of each element in units of the cutoff (LAMMPS' ``radelems``): a pair is cut off at ``rcut * (R_i
      + R_j)``. 1/2 each unless given; `element_radii` makes them from van der Waals radii.

    InputError: a setting out of range.

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
        if not (_is_finite_number(self.rcut) and self.rcut > 0):
            raise InputError(f"rcut is {self.rcut!r}; the cutoff must be a positive number of Angstrom, such as 5.25")
        given: object = self.twojmax
        if not (isinstance(given, (int, np.integer)) and type(given) is not bool and 0 <= given <= LARGEST_TWOJMAX):
            msg = f"twojmax is {self.twojmax!r}; it must be an integer from 0 to {LARGEST_TWOJMAX}, such as 6"
            raise InputError(msg)
        object.__setattr__(self, "rcut", float(self.rcut))
        object.__setattr__(self, "twojmax", int(self.twojmax))
        object.__setattr__(self, "weights", MappingProxyType(_checked_weights(self.weights)))
        object.__setattr__(self, "radii", MappingProxyType(_checked_radii(self.radii, self.weights)))

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
        """Every pair has the same cutoff, ``rcut``."""
        return set(self.radii.values()) == {EQUAL}

    def __call__(self, atoms: Atoms, *, threads: int = 1) -> FloatArray:
        """Bispectrum of every atom of a frame, (n_atoms, n_components), no unit, in the order of `component_labels`.

        Any cell, and smaller than the cutoff if need be. The atoms are shared by threads, on whose number the result
        does not depend. InputError: an element without a weight, positions that are not finite, atoms in one place, or
        a periodic cell without volume.
        """
        around = _Environments.of(self, atoms, threads)
        out = np.empty((len(atoms), self.n_components))
        around.each_block(len(atoms), lambda block: around.components(block, around.matrices(1), out))
        return out

    def gradient(self, atoms: Atoms, slopes: Slopes, *, threads: int = 1) -> Gradient:
        r"""Forces and virial of :math:`E = \sum_i e_i(B_i)` by the chain rule, exact to rounding.

        .. math:: \mathbf F_k = -\sum_i \sum_c \frac{\partial e_i}{\partial B_{ic}}
           \frac{\partial B_{ic}}{\partial \mathbf r_k}, \qquad
           \mathbf W = -\sum_i \sum_{j} \mathbf r_{ij} \otimes \frac{\partial e_i}{\partial \mathbf r_{ij}}

        The derivatives of the components are never formed: the slopes are carried back to the neighbour density and
        from there to each neighbour (:mod:`basinet.descriptors.kernels`). `slopes` is called with some atoms' indices
        and components, with several threads from all of them, and returns :math:`\partial e_i / \partial B_i`. Memory
        grows with the number of threads, not with the atoms'. Errors are those of a call. The slope 1 in every
        component of two atoms gives equal and opposite forces along the bond:

        >>> pair = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 3.0]])
        >>> found = Bispectrum(5.0, 2).gradient(pair, lambda atoms, rows: np.ones_like(rows))
        >>> bool(np.allclose(found.forces.sum(axis=0), 0)), bool(np.abs(found.forces[:, :2]).max() < 1e-12)
        (True, True)
        """
        from basinet.descriptors.kernels import _add_forces

        around = _Environments.of(self, atoms, threads)
        descriptors = np.empty((len(atoms), self.n_components))
        gradient = np.empty((len(around.neighbours.atom), 3))

        def compute(block: IntArray) -> None:
            matrices = around.matrices(len(block))
            rows = around.components(block, matrices, descriptors)
            around.pair_slopes(block, matrices, slopes(block, rows), around.tables, gradient)

        around.each_block(BLOCK, compute)
        forces, virial = np.zeros((len(atoms), 3)), np.zeros((3, 3))
        _add_forces(around.neighbours, gradient, forces, virial)
        return Gradient(forces, virial, descriptors)

    def derivatives(self, atoms: Atoms) -> PairDerivatives:
        """Derivatives of the bispectrum of every atom in the places of its neighbours, exact to rounding.

        The gradient of the energy :math:`B_{ic}`: the way back from an energy to the neighbours' places, with the slope
        1 in one component at a time. The result takes 24 n_components bytes a pair (8 kB an atom at 11 neighbours and
        ``twojmax`` 6); what it needs besides does not grow with the number of atoms.

        >>> pair = Bispectrum(5.0, 2).derivatives(Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 3.0]]))
        >>> pair.atom.tolist(), pair.neighbour.tolist(), pair.derivative.shape
        ([0, 1], [1, 0], (2, 5, 3))
        """
        around = _Environments.of(self, atoms, 1)
        neighbours = around.neighbours
        atom = np.repeat(np.arange(len(atoms)), np.diff(neighbours.first))
        size = 24 * self.n_components * len(atom)
        refuse_beyond_memory(size, f"derivatives of {len(atom)} pairs", "choose a smaller cutoff or twojmax")
        derivative, gradient = np.empty((len(atom), self.n_components, 3)), np.empty((len(atom), 3))
        descriptors = np.empty((len(atoms), self.n_components))

        def compute(block: IntArray) -> None:
            matrices = around.matrices(len(block))
            around.components(block, matrices, descriptors)
            pairs = np.isin(atom, block)
            for component, tables in enumerate(_component_tables(self.twojmax)):
                slopes = np.zeros((len(block), self.n_components))
                slopes[:, component] = 1.0
                around.pair_slopes(block, matrices, slopes, tables, gradient)
                derivative[pairs, component] = gradient[pairs]

        around.each_block(BLOCK, compute)
        return PairDerivatives(len(atoms), atom, np.array(neighbours.atom), derivative)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain numbers and names, fit for JSON or YAML."""
        settings = {"rcut": self.rcut, "twojmax": self.twojmax, "weights": dict(self.weights)}
        return settings if self.equal_sizes else settings | {"radii": dict(self.radii)}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Make a descriptor from what :meth:`to_dict` returned; InputError where a setting lacks or is out of range."""
        expected = {"rcut", "twojmax", "weights"}
        if set(settings) - {"radii"} != expected:
            raise InputError(f"descriptor settings are {sorted(settings)}; give exactly {sorted(expected)}")
        return cls(**settings)


@dataclass(frozen=True)
class _Environments:
    """The surroundings of every atom of a frame, as the compiled loops take them; weight and reach (A) are (n_atoms,).

    An atom weighs ``weight`` as a neighbour, and two atoms see each other within the sum of their ``reach``. ``order``
    are the atoms by their numbers of neighbours: those that share a vector register wait for the one with the most.
    """

    neighbours: Neighbours
    weight: FloatArray
    reach: FloatArray
    tables: _CouplingTables
    order: IntArray
    threads: int

    @classmethod
    def of(cls, descriptor: Bispectrum, atoms: Atoms, threads: int) -> Self:
        symbols, twojmax = atoms.get_chemical_symbols(), descriptor.twojmax
        for index, symbol in enumerate(symbols):
            if symbol not in descriptor.weights:
                known = ", ".join(descriptor.weights)
                raise InputError(f"atom {index} is {symbol}, which has no weight (known: {known}); add one")
        weight = np.array([descriptor.weights[symbol] for symbol in symbols])
        reach = descriptor.rcut * np.array([descriptor.radii[symbol] for symbol in symbols])
        threads = max(1, min(threads, len(atoms) // ATOMS_PER_THREAD))
        cutoff = 2 * float(reach.max(initial=0.5 * descriptor.rcut))
        neighbours = find_neighbours(atoms.positions, np.array(atoms.cell), atoms.pbc, cutoff, threads=threads)
        order = np.argsort(np.diff(neighbours.first), kind="stable")
        return cls(neighbours, weight, reach, _coupling_tables(twojmax), order, threads)

    def each_block(self, size: int, action: Callable[[IntArray], object]) -> None:
        """Call an action for blocks of atoms of about that size, in the threads."""
        blocks = np.array_split(self.order, max(self.threads, -(-len(self.order) // max(size, 1))))
        if self.threads == 1:
            for block in blocks:
                action(block)
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(action, blocks))

    def matrices(self, n_atoms: int) -> FloatArray:
        """Room for the matrices of so many atoms, eight side by side: (n_groups, 2, n_elements, 8)."""
        from basinet.descriptors._vector import LANES

        return np.empty((-(-n_atoms // LANES), 2, int(self.tables.offsets[-1]), LANES))

    def components(self, atoms: IntArray, matrices: FloatArray, out: FloatArray) -> FloatArray:
        """Write the components of some atoms to their rows of ``out``, and leave their matrices in ``matrices``."""
        from basinet.descriptors.kernels import _bispectrum_of_groups

        _bispectrum_of_groups(atoms, self.neighbours, self.weight, self.reach, self.tables, matrices, out)
        # The isolated atom's bispectrum, 2j + 1, is the zero of the scale (LAMMPS' bzeroflag 1).
        out[atoms] -= [twoj + 1 for _, _, twoj in component_labels(len(self.tables.offsets) - 2)]
        return out[atoms]

    def pair_slopes(
        self, atoms: IntArray, matrices: FloatArray, slopes: FloatArray, tables: Any, out: FloatArray
    ) -> None:
        """Write the derivatives of some atoms' energy in their neighbours' places to the pairs' rows of ``out``."""
        from basinet.descriptors.kernels import _gradients_of_groups

        _gradients_of_groups(
            atoms, self.neighbours, self.weight, self.reach, tables,
            matrices, np.ascontiguousarray(slopes, dtype=np.float64), out,
        )  # fmt: skip


def _is_finite_number(value: object) -> bool:
    """Tell numbers from ``True`` and ``"5"``."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool) and isfinite(value)


def _checked_weights(weights: object) -> dict[str, float]:
    if not isinstance(weights, Mapping) or not weights:
        raise InputError(f"weights are {weights!r}; give a number for each element, such as {{'Ar': 1.0}}")
    for element, weight in weights.items():
        if element not in atomic_numbers or element == "X":
            raise InputError(f"weights name {element!r}, which is not a chemical symbol such as 'Ar'")
        if not _is_finite_number(weight):
            raise InputError(f"the weight of {element} is {weight!r}; it must be a finite number")
    return {element: float(weights[element]) for element in sorted(weights)}


def _checked_radii(radii: object, elements: Collection[str]) -> dict[str, float]:
    if not radii:
        return dict.fromkeys(elements, EQUAL)
    if not isinstance(radii, Mapping) or set(radii) != set(elements):
        raise InputError(f"radii are {radii!r}; give a number for each of {', '.join(elements)}")
    for element, radius in radii.items():
        if not (_is_finite_number(radius) and radius > 0):
            raise InputError(f"the radius of {element} is {radius!r}; it must be a positive number, such as 0.5")
    return {element: float(radii[element]) for element in elements}
