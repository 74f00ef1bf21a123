"""Pairs of atoms within a cutoff, each once, and pairs of species in one order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from vesin import NeighborList

from basinet.descriptors.neighbours import checked_cell, checked_positions, search_reach
from basinet.errors import InputError

FloatArray = NDArray[np.float64]
Pair = tuple[str, str]


WIDE = 12.0
"""Cutoffs, beyond which a frame is looked at before vesin is: see `search_reach`."""


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
    box, cutoff = atoms.cell.array, neighbours.cutoff
    if max(np.abs(box).max(), np.abs(atoms.positions).max(initial=0.0)) > WIDE * cutoff:
        points, box = checked_positions(atoms.positions), checked_cell(box, atoms.pbc)
        reach = search_reach(points, box, atoms.pbc, cutoff)
        neighbours = neighbours if reach == cutoff else half_list(reach)
    first, second, vectors = neighbours.compute(points=atoms.positions, box=box, periodic=atoms.pbc, quantities="ijD")
    squared = np.einsum("ij,ij->i", vectors, vectors)
    if neighbours.cutoff > cutoff:
        near = squared < cutoff * cutoff
        first, second, vectors, squared = first[near], second[near], vectors[near], squared[near]
    if squared.size and squared.min() == 0.0:
        where = int(np.argmin(squared))
        raise InputError(f"pair potential: atoms {int(first[where])} and {int(second[where])} coincide")
    return first.astype(np.int64), second.astype(np.int64), vectors, squared
