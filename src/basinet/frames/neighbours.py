"""Neighbours within a cutoff: of every atom, or every pair once."""

import math
from collections.abc import Sequence
from itertools import combinations_with_replacement, product
from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.geometry import complete_cell
from numpy.typing import ArrayLike, NDArray
from vesin import NeighborList

from basinet.arrays import FloatArray, IntArray
from basinet.errors import InputError
from basinet.files import refuse_beyond_memory

COINCIDENT = 1e-6  # Angstrom; closer than this two atoms are one atom entered twice, whatever the unit was meant to be
OVERLAP = 0.1
"""Angstrom; nuclei closer than this belong to no structure: an atom entered twice, or a cell in the wrong unit."""
_FARTHEST = 1e7  # Angstrom; rounding moves atoms out there by 1e-9 A, and vesin counts the cells crossed in 32 bits
_MOST_NEIGHBOURS = 1e5  # of an atom; in a dense solid these are within 60 A
_MOST_CELLS = 1e5  # cells that vesin divides space into; with more, it takes fewer and larger ones
_MOST_IMAGES = 50.0  # of the cell along an axis within reach; a search among more does not end
_FEWEST_CELLS = 4.0
"""Along every axis, of what it takes then: where an axis would be left with none, vesin divides by zero."""
_WIDE = 12.0  # cutoffs, beyond which a frame is looked at before vesin is: see `search_reach`
_MOST_BINS = 2_000_000  # along an axis: the number of a bin of three axes then fits 64 bits


class Neighbours(NamedTuple):
    """Neighbours of every atom, one atom after the other (a tuple, so that numba accepts it).

    Those of atom i are the pairs ``first[i]`` to ``first[i + 1]``: the index of the neighbour, which comes several
    times if several of its images are within the cutoff, and the vector to it, (n_pairs, 3), Angstrom.
    """

    first: IntArray
    atom: IntArray
    vector: FloatArray


def checked_positions(positions: ArrayLike) -> FloatArray:
    """Positions as a finite (n_atoms, 3) array, or an error that names the atom."""
    points = np.ascontiguousarray(positions, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(f"positions have the shape {points.shape}; pass one row x, y, z for each atom")
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if bad.size:
        raise InputError(f"atom {bad[0]} is at {points[bad[0]]}; every coordinate must be a finite number")
    far = np.flatnonzero((np.abs(points) > _FARTHEST).any(axis=1))
    if far.size:
        raise InputError(f"atom {far[0]} is at {points[far[0]]}, more than {_FARTHEST:g} A away; check the unit")
    return points


def checked_cell(cell: ArrayLike, axes: NDArray[np.bool_] | None = None) -> FloatArray:
    """Cell vectors as a (3, 3) array with a volume; those of axes that are not periodic may be zero, as in ASE."""
    axes = np.ones(3, dtype=bool) if axes is None else axes
    box = np.array(cell, dtype=np.float64)
    if box.shape == (3,):
        box = np.diag(box)
    if box.shape != (3, 3) or not np.isfinite(box).all():
        raise InputError(f"the cell is {box.tolist()}; pass three finite vectors as rows, in Angstrom")
    box[~axes] = 0.0  # a free axis sets no repetition, and may point anywhere
    lengths = np.linalg.norm(box, axis=1)
    missing = np.flatnonzero(axes & (lengths == 0.0))
    if missing.size:
        raise InputError(f"cell vector {missing[0]} is zero but periodic; give its length or turn pbc off")
    box = np.array(complete_cell(box), dtype=np.float64)
    if abs(np.linalg.det(box / np.linalg.norm(box, axis=1)[:, None])) < 1e-8:
        raise InputError(f"the cell {box.tolist()} has no volume: its vectors lie in a plane; check them")
    return np.ascontiguousarray(box)


def _search_reach(points: FloatArray, box: FloatArray, axes: NDArray[np.bool_], cutoff: float) -> float:
    """Distance up to which vesin can be asked for pairs: the cutoff, and more where it would divide by zero.

    That it does (0.6.2, and the process ends) where space is thin along one axis and has more than `_MOST_CELLS` cells
    of the cutoff's size: films of 0.2 um, or two atoms of a molecule that has flown apart.
    """
    if not len(points) or max(float(np.abs(box).max()), float(np.ptp(points, axis=0).max())) < 25.0 * cutoff:
        return cutoff  # fewer than 44 cells along every axis
    inverse = np.linalg.inv(box)
    heights = 1.0 / np.linalg.norm(inverse, axis=0)
    thickness = np.where(axes, heights, np.ptp(points @ inverse, axis=0) * heights)
    reach = cutoff
    while (cells := np.maximum(np.trunc(thickness / reach), 1.0)).prod() > 0.9 * _MOST_CELLS and (
        cells.min() * np.cbrt(_MOST_CELLS / cells.prod()) < _FEWEST_CELLS
    ):
        reach *= 1.25
    if reach > cutoff and (reach > _MOST_IMAGES * heights[axes]).any():
        raise InputError(f"the cell {box.tolist()} is too thin for its width: no search for neighbours; check the unit")
    return reach


def find_neighbours(
    positions: ArrayLike, cell: ArrayLike, pbc: ArrayLike, cutoff: float, *, threads: int = 1
) -> Neighbours:
    """List all neighbours within a cutoff (A), each pair twice, for any cell and any cutoff, beyond half the box too.

    Positions (n_atoms, 3) may lie outside the cell, whose vectors are rows (three lengths for a rectangular one; free
    axes need none). `pbc` tells which axes repeat. InputError for a coordinate that is not finite, a periodic cell
    without volume, or two atoms in one place. A simple cubic crystal of one atom has six nearest neighbours, all images
    of itself:

    >>> neighbours = find_neighbours([[0.0, 0.0, 0.0]], [3.0, 3.0, 3.0], True, cutoff=3.1)
    >>> neighbours.first.tolist(), neighbours.atom.tolist()
    ([0, 6], [0, 0, 0, 0, 0, 0])
    """
    from basinet.frames.grouping import group_by_atom

    points, axes = checked_positions(positions), np.broadcast_to(np.asarray(pbc, dtype=bool), 3)
    if not (np.isfinite(cutoff) and cutoff > 0.0):
        raise InputError(f"the cutoff is {cutoff}; it must be a positive number of Angstrom")
    box = checked_cell(cell, axes)
    # Each pair once is what vesin finds fastest, and the second end is known with the first.
    reach = _search_reach(points, box, axes, cutoff)
    _refuse_too_many_pairs(points, box, axes, reach)
    search = NeighborList(cutoff=reach, full_list=False, n_threads=threads)
    one, other, vector = search.compute(points, box, axes, quantities="ijD", copy=False)
    if reach > cutoff:
        near = np.einsum("ij,ij->i", vector, vector) < cutoff * cutoff
        one, other, vector = one[near], other[near], vector[near]
    first, atom, vectors, closest = group_by_atom(len(points), one, other, vector)
    if closest >= 0:
        _refuse_overlap(int(one[closest]), int(other[closest]), float(np.linalg.norm(vector[closest])))
    return Neighbours(first, atom, vectors)


def _refuse_overlap(i: int, j: int, apart: float) -> None:
    if apart < OVERLAP and i == j:
        raise InputError(f"atom {i} and its own image are {apart:.2g} A apart: the cell is too small; check its unit")
    if apart < OVERLAP:
        raise InputError(f"atoms {i} and {j} are in one place ({apart:.2g} A apart); remove one")


_BYTES_PER_PAIR = 2 * (8 + 3 * 8) + 2 * 8 + 3 * 8  # of the lists that a search makes: both ends, and each pair once


def _refuse_too_many_pairs(points: FloatArray, box: FloatArray, axes: NDArray[np.bool_], cutoff: float) -> None:
    """Refuse a cutoff within which an atom has neighbours without end, or more pairs than the memory holds.

    The number of pairs is that of atoms spread evenly, in the cell along periodic axes, in what they span along others.
    """
    lengths = np.linalg.norm(box, axis=1)
    spans = np.where(axes, lengths, np.maximum(np.ptp(points, axis=0), 1.0) if len(points) else 1.0)
    within = np.where(axes, 2.0 * cutoff, np.minimum(2.0 * cutoff, spans))
    dense = float(np.prod(lengths)) / abs(float(np.linalg.det(box)))
    share = np.pi / 6.0 * math.prod((within / spans).tolist()) * dense
    if len(points) * share > _MOST_NEIGHBOURS:
        raise InputError(
            f"the cutoff of {cutoff:g} A holds {len(points) * share:.2g} neighbours of each atom; choose a smaller one"
        )
    needed = 0.5 * len(points) ** 2 * share * _BYTES_PER_PAIR
    refuse_beyond_memory(needed, f"the cutoff of {cutoff:g} A", "choose a smaller one")


Pair = tuple[str, str]


def species_pairs(elements: Sequence[str]) -> list[Pair]:
    """List the unordered pairs of species in alphabetical order: Ar-Ar, Ar-Kr, Kr-Kr."""
    return list(combinations_with_replacement(sorted(elements), 2))


def ordered_pair(a: str, b: str) -> Pair:
    """Put the species of a pair in alphabetical order."""
    return (a, b) if a <= b else (b, a)


def species_indices(atoms: Atoms, elements: Sequence[str]) -> IntArray:
    """Index of each atom's species in `elements`, (n_atoms,); InputError where one is not among them."""
    lookup = {element: index for index, element in enumerate(elements)}
    symbols = atoms.get_chemical_symbols()
    unknown = sorted(set(symbols) - lookup.keys())
    if unknown:
        raise InputError(f"pair potential: no parameters for {', '.join(unknown)}; known are {', '.join(elements)}")
    return np.array([lookup[symbol] for symbol in symbols], dtype=np.int64)


def refuse_overlap(atoms: Atoms) -> None:
    """Refuse nuclei closer than `OVERLAP`; InputError names the atoms.

    Of two such atoms, one of eight grids of bins twice as wide, each shifted by half a bin along some axes, has both in
    one bin: no search for neighbours is needed, which would take longer than to read the frame.
    """
    axes = np.asarray(atoms.pbc)
    cell = checked_cell(atoms.cell.array, axes)
    inverse = np.linalg.inv(cell)
    scaled = atoms.positions @ inverse
    scaled -= np.where(axes, np.floor(scaled), scaled.min(axis=0))
    spans = np.where(axes, 1.0, scaled.max(axis=0) + 1.0)
    bins = np.clip(spans / np.linalg.norm(inverse, axis=0) / (2 * OVERLAP), 1, _MOST_BINS).astype(np.int64)
    for shift in product((0.0, 0.5), repeat=3):
        places = np.floor(scaled / spans * bins + shift).astype(np.int64)
        places = np.where(axes, places % bins, places)
        number = (places[:, 0] * (bins[1] + 2) + places[:, 1]) * (bins[2] + 2) + places[:, 2]
        order = np.argsort(number)
        same = np.flatnonzero(number[order][1:] == number[order][:-1])
        first, second = order[same], order[same + 1]
        apart = scaled[second] - scaled[first]
        distances = np.linalg.norm((apart - np.where(axes, np.rint(apart), 0.0)) @ cell, axis=1)
        for pair in np.flatnonzero(distances < OVERLAP)[:1]:
            i, j = sorted((int(first[pair]), int(second[pair])))
            _refuse_overlap(i, j, float(distances[pair]))


def half_list(cutoff: float, skin: float = 0.0) -> NeighborList:
    """Make a neighbour list that names each pair once; a skin (A) lets it keep candidates between steps."""
    # One thread: callers run many of these side by side, and the lists are small.
    return NeighborList(cutoff=cutoff, full_list=False, skin=skin, n_threads=1)


def neighbour_pairs(atoms: Atoms, neighbours: NeighborList) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """Find every pair within the cutoff once: its atoms, vectors from first to second (A), squared distances (A^2)."""
    box, cutoff = atoms.cell.array, neighbours.cutoff
    if max(np.abs(box).max(), np.abs(atoms.positions).max(initial=0.0)) > _WIDE * cutoff:
        points, box = checked_positions(atoms.positions), checked_cell(box, atoms.pbc)
        reach = _search_reach(points, box, atoms.pbc, cutoff)
        neighbours = neighbours if reach == cutoff else half_list(reach)
    first, second, vectors = neighbours.compute(points=atoms.positions, box=box, periodic=atoms.pbc, quantities="ijD")
    squared = np.einsum("ij,ij->i", vectors, vectors)
    if neighbours.cutoff > cutoff:
        near = squared < cutoff * cutoff
        first, second, vectors, squared = first[near], second[near], vectors[near], squared[near]
    if squared.size and squared.min() == 0.0:
        where = int(np.argmin(squared))
        _refuse_overlap(int(first[where]), int(second[where]), 0.0)
    return first.astype(np.int64), second.astype(np.int64), vectors, squared
