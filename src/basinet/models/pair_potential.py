"""Pair potentials in powers of the distance: Lennard-Jones of the literature, and c6/c12 fitted to totals.

Both are baselines. They say how much of a local energy two-body physics explains, and the literature
potential is the one that sampled the reference configurations.

    E = sum_{i<j} v(r_ij),   v(r) = c12 / r^12 - c6 / r^6   (r < rcut, plainly truncated)
    e_i = 1/2 sum_j v(r_ij)                                  (half of each pair to each atom)

so that the local energies sum to the total exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from vesin import NeighborList

from basinet.errors import InputError

FloatArray = NDArray[np.float64]
Pair = tuple[str, str]

LITERATURE_CUTOFF = 11.0


@dataclass(frozen=True)
class PairCoefficients:
    """Coefficients of one species pair in ``v(r) = c12 / r^12 - c6 / r^6``.

    Attributes
    ----------
    c6
        Strength of the attraction, eV A^6.
    c12
        Strength of the repulsion, eV A^12.
    """

    c6: float
    c12: float

    @classmethod
    def from_lennard_jones(cls, epsilon: float, sigma: float) -> PairCoefficients:
        """Convert the parameters of ``v(r) = 4 epsilon ((sigma/r)^12 - (sigma/r)^6)``.

        Parameters
        ----------
        epsilon
            Depth of the well, eV.
        sigma
            Distance at which ``v`` is zero, A.

        Examples
        --------
        >>> argon = PairCoefficients.from_lennard_jones(epsilon=0.0103, sigma=3.405)
        >>> round(argon.c6, 2)
        64.21
        """
        return cls(c6=4.0 * epsilon * sigma**6, c12=4.0 * epsilon * sigma**12)


@dataclass(frozen=True)
class PairEvaluation:
    """What a pair potential gives: local energies (n_atoms,) in eV and forces (n_atoms, 3) in eV/A."""

    local_energies: FloatArray
    forces: FloatArray


class LennardJones:
    """Pair potential ``v(r) = c12 / r^12 - c6 / r^6`` with parameters per species pair, plainly truncated.

    Any cell, any mixture of periodic and open directions, and cutoffs beyond half the box (an atom then meets
    images of itself) are allowed.

    Parameters
    ----------
    parameters
        `PairCoefficients` for every pair of the species, in either order: ``("Ar", "Kr")`` or ``("Kr",
        "Ar")``.
    cutoff
        Distance beyond which a pair does not interact, A. There is no shift and no switch.

    Raises
    ------
    InputError
        A pair of the species named in `parameters` is missing, or the cutoff is not positive.
    """

    def __init__(self, parameters: Mapping[Pair, PairCoefficients], cutoff: float) -> None:
        if not (np.isfinite(cutoff) and cutoff > 0.0):
            raise InputError(f"pair potential: the cutoff is {cutoff} A; give a positive distance")
        self.parameters = {ordered_pair(a, b): value for (a, b), value in parameters.items()}
        self.cutoff = float(cutoff)
        self.elements = tuple(sorted({element for pair in self.parameters for element in pair}))
        for a, b in species_pairs(self.elements):
            if (a, b) not in self.parameters:
                raise InputError(f"pair potential: no parameters for {a}-{b}; give c6 and c12 of every pair")
        size = len(self.elements)
        self._c6, self._c12 = np.zeros((size, size)), np.zeros((size, size))
        for (a, b), value in self.parameters.items():
            i, j = self.elements.index(a), self.elements.index(b)
            self._c6[i, j] = self._c6[j, i] = value.c6
            self._c12[i, j] = self._c12[j, i] = value.c12

    def __repr__(self) -> str:
        """Show the parameters and the cutoff."""
        return f"LennardJones({self.parameters!r}, cutoff={self.cutoff!r})"

    def local_energies(self, atoms: Atoms) -> FloatArray:
        """Give half of each pair to each atom, ``1/2 sum_j v(r_ij)``: (n_atoms,) in eV."""
        return self.evaluate(atoms).local_energies

    def energy(self, atoms: Atoms) -> float:
        """Sum the local energies: ``sum_i e_i`` in eV, relative to isolated atoms."""
        return float(self.local_energies(atoms).sum())

    def forces(self, atoms: Atoms) -> FloatArray:
        """Compute the forces ``-dE/dR_i``: (n_atoms, 3) in eV/A."""
        return self.evaluate(atoms).forces

    def evaluate(self, atoms: Atoms, neighbours: NeighborList | None = None) -> PairEvaluation:
        """Compute local energies and forces from one neighbour list.

        Parameters
        ----------
        atoms
            The frame.
        neighbours
            A half list of this potential's cutoff to use again, where one run asks for many steps of one
            system.

        Raises
        ------
        InputError
            An atom's species has no parameters, or two atoms coincide.
        """
        species = species_indices(atoms, self.elements)
        first, second, vectors, squared = neighbour_pairs(atoms, neighbours or half_list(self.cutoff))
        pair = species[first] * len(self.elements) + species[second]
        inverse_square = 1.0 / squared
        inverse_sixth = inverse_square * inverse_square * inverse_square
        attraction = self._c6.ravel()[pair] * inverse_sixth
        repulsion = self._c12.ravel()[pair] * inverse_sixth * inverse_sixth
        n = len(atoms)
        half = 0.5 * (repulsion - attraction)
        local = np.zeros(n)
        local += np.bincount(first, half, n)
        local += np.bincount(second, half, n)
        # -v'(r)/r; times the vector from i to j it is the force on j.
        push = (12.0 * repulsion - 6.0 * attraction) * inverse_square
        forces = np.empty((n, 3))
        for axis in range(3):
            component = push * vectors[:, axis]
            forces[:, axis] = np.bincount(second, component, n) - np.bincount(first, component, n)
        return PairEvaluation(local, forces)


def literature_lennard_jones(cutoff: float = LITERATURE_CUTOFF) -> LennardJones:
    """Build the Lennard-Jones potential of argon and krypton that sampled the reference frames.

    Ar 10.3 meV and 3.405 A; Kr 14.3 meV and 3.633 A; Ar-Kr 12.14 meV and 3.519 A, which are the geometric
    mean of the depths and the arithmetic mean of the diameters (Lorentz and Berthelot). The values and the
    cutoff of 11 A are those stated with the reference data (``basinet/data/reference/README.md``).

    Examples
    --------
    >>> from ase import Atoms
    >>> dimer = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 3.405 * 2 ** (1 / 6)]])
    >>> [round(1000 * float(e), 3) for e in literature_lennard_jones().local_energies(dimer)]
    [-5.15, -5.15]
    """
    return LennardJones(
        {
            ("Ar", "Ar"): PairCoefficients.from_lennard_jones(0.0103, 3.405),
            ("Kr", "Kr"): PairCoefficients.from_lennard_jones(0.0143, 3.633),
            ("Ar", "Kr"): PairCoefficients.from_lennard_jones(0.01214, 3.519),
        },
        cutoff,
    )


def power_sums(atoms: Atoms, cutoff: float, elements: Sequence[str] | None = None) -> FloatArray:
    """Sum ``r^-6`` and ``r^-12`` over each atom's neighbours, by species pair.

    A pair potential's local energies are linear in them:
    ``e_i = 1/2 sum_p (c12_p S[i, p, 1] - c6_p S[i, p, 0])``.

    Parameters
    ----------
    atoms
        The frame.
    cutoff
        Neighbours up to this distance count, A.
    elements
        Species that span the pairs, sorted; those of `atoms` unless given.

    Returns
    -------
    ndarray of shape (n_atoms, n_pairs, 2)
        Pairs in the order of `species_pairs`; last axis A^-6, A^-12. Pairs that atom `i` has no part in are
        zero.
    """
    names = tuple(sorted(set(elements if elements is not None else atoms.get_chemical_symbols())))
    species = species_indices(atoms, names)
    pairs = species_pairs(names)
    table = np.zeros((len(names), len(names)), dtype=np.int64)
    for index, (a, b) in enumerate(pairs):
        i, j = names.index(a), names.index(b)
        table[i, j] = table[j, i] = index
    first, second, _, squared = neighbour_pairs(atoms, half_list(cutoff))
    pair = table[species[first], species[second]]
    slots = np.concatenate([first, second]) * len(pairs) + np.concatenate([pair, pair])
    sixth = np.tile(squared**-3.0, 2)
    size = len(atoms) * len(pairs)
    sums = np.empty((size, 2))
    sums[:, 0] = np.bincount(slots, sixth, size)
    sums[:, 1] = np.bincount(slots, sixth**2, size)
    return sums.reshape(len(atoms), len(pairs), 2)


def fit_pair_potential(
    frames: Sequence[Atoms], energies: NDArray[np.floating], cutoff: float = LITERATURE_CUTOFF
) -> LennardJones:
    """Fit c6 and c12 of every species pair to total energies by linear least squares.

    Minimises ``sum_A (E_A - sum_p (c12_p S12_Ap - c6_p S6_Ap))^2`` where ``S_Ap`` sums `power_sums` of frame
    ``A`` over its atoms, halved. Local energies are never seen.

    Parameters
    ----------
    frames
        Training frames.
    energies
        (n_frames,) total energies relative to isolated atoms, eV.
    cutoff
        Range of the potential, A.

    Returns
    -------
    LennardJones
        Coefficients may come out negative where the frames hardly constrain them; nothing is clipped.

    Raises
    ------
    InputError
        Energies and frames differ in number, are not finite, or are too few or too alike for the
        coefficients.
    """
    target = np.asarray(energies, dtype=np.float64)
    if target.shape != (len(frames),) or not np.all(np.isfinite(target)):
        raise InputError(f"pair-potential fit: {len(frames)} frames need as many finite energies")
    elements = tuple(sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()}))
    pairs = species_pairs(elements)
    sums = np.array([power_sums(atoms, cutoff, elements).sum(axis=0) for atoms in frames])
    design = 0.5 * (sums * np.array([-1.0, 1.0])).reshape(len(frames), 2 * len(pairs))
    # Columns differ by twelve orders of magnitude in A; scaled, the conditioning is the physics' alone.
    scale = np.sqrt((design**2).sum(axis=0))
    scale[scale == 0.0] = 1.0
    solution, _, rank, _ = np.linalg.lstsq(design / scale, target, rcond=None)
    if rank < design.shape[1]:
        raise InputError(
            f"pair-potential fit: {len(frames)} frames determine {rank} of {design.shape[1]} coefficients; "
            "give more, or more varied, training frames"
        )
    values = (solution / scale).reshape(len(pairs), 2)
    return LennardJones(
        {pair: PairCoefficients(c6=float(c6), c12=float(c12)) for pair, (c6, c12) in zip(pairs, values, strict=True)},
        cutoff,
    )


def species_pairs(elements: Sequence[str]) -> list[Pair]:
    """List the unordered pairs of species in alphabetical order: Ar-Ar, Ar-Kr, Kr-Kr."""
    return list(combinations_with_replacement(sorted(elements), 2))


def ordered_pair(a: str, b: str) -> Pair:
    """Put the species of a pair in alphabetical order."""
    return (a, b) if a <= b else (b, a)


def species_indices(atoms: Atoms, elements: Sequence[str]) -> NDArray[np.int64]:
    """Give the index of each atom's species in `elements`: (n_atoms,).

    Raises
    ------
    InputError
        A species is not among `elements`.
    """
    lookup = {element: index for index, element in enumerate(elements)}
    symbols = atoms.get_chemical_symbols()
    unknown = sorted(set(symbols) - lookup.keys())
    if unknown:
        raise InputError(f"pair potential: no parameters for {', '.join(unknown)}; known are {', '.join(elements)}")
    return np.array([lookup[symbol] for symbol in symbols], dtype=np.int64)


def half_list(cutoff: float, skin: float = 0.0) -> NeighborList:
    """Make a neighbour list that names each pair once; a skin (A) lets it keep candidates between steps."""
    # One thread: callers run many of these side by side, and the lists are small.
    return NeighborList(cutoff=cutoff, full_list=False, skin=skin, n_threads=1)


def neighbour_pairs(
    atoms: Atoms, neighbours: NeighborList
) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray, FloatArray]:
    """Find every pair within the cutoff once.

    Returns
    -------
    first, second : ndarray of shape (n_pairs,)
        The two atoms.
    vectors : ndarray of shape (n_pairs, 3)
        From the first to the second, A.
    squared : ndarray of shape (n_pairs,)
        Squared distances, A^2.

    Raises
    ------
    InputError
        Two atoms coincide.
    """
    first, second, vectors = neighbours.compute(
        points=atoms.positions, box=atoms.cell.array, periodic=atoms.pbc, quantities="ijD"
    )
    squared = np.einsum("ij,ij->i", vectors, vectors)
    if squared.size and squared.min() == 0.0:
        where = int(np.argmin(squared))
        raise InputError(f"pair potential: atoms {int(first[where])} and {int(second[where])} coincide")
    return first.astype(np.int64), second.astype(np.int64), vectors, squared
