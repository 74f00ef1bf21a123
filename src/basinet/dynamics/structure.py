"""The liquid's structure beside a reference: g(r) of every pair of elements, and how far two of them differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from basinet.dynamics.pair_distribution import PairDistribution, pair_distribution
from basinet.errors import InputError
from basinet.models.pairs import species_pairs

FARTHEST = 10.0
"""A: no g(r) reaches further."""

WIDTH = 0.1
"""A: width of the bins."""

BLOCKS = 10
"""Stretches of the run, and of the reference, whose means give the errors."""


@dataclass(frozen=True)
class Structure:
    """g(r) of a pair of elements, and the reference's.

    Attributes
    ----------
    difference
        ``int |g - g_ref| dr / int g_ref dr``, None without a reference.
    noise
        What the errors of both alone would make of it: ``int sqrt(2 (e^2 + e_ref^2) / pi) dr / int g_ref dr``.
    """

    pair: tuple[str, str]
    measured: PairDistribution
    reference: PairDistribution | None = None
    difference: float | None = None
    noise: float | None = None


def half_box(frames: Sequence[Atoms]) -> float:
    """Half of the smallest height of any frame's box, A: beyond it an atom meets images of itself."""
    heights = [atoms.get_volume() / np.linalg.norm(np.cross(*np.delete(atoms.cell.array, k, 0)))
               for atoms in frames for k in range(3)]  # fmt: skip
    return 0.5 * float(min(heights))


def number_density(frames: Sequence[Atoms]) -> float:
    """Mean number of atoms per A^3."""
    return float(np.mean([len(atoms) / atoms.get_volume() for atoms in frames]))


def refuse_other_system(frames: Sequence[Atoms], atoms: Atoms, source: str) -> None:
    """Refuse a reference without a box, or without an element of the run."""
    for index, frame in enumerate(frames):
        if not frame.pbc.all():
            raise InputError(f"{source}, frame {index}: is not periodic, so that it has no g(r); leave it out")
        missing = sorted(set(atoms.get_chemical_symbols()) - set(frame.get_chemical_symbols()))
        if missing:
            raise InputError(f"{source}, frame {index}: has no {', '.join(missing)}, which the run has; leave it out")


def structures(frames: Sequence[Atoms], reference: Sequence[Atoms] = ()) -> list[Structure]:
    """Measure g(r) of every pair of elements of a trajectory that has any within reach, and of a reference.

    Parameters
    ----------
    frames
        Of the run, in order, periodic.
    reference
        Frames in order, or none.
    """
    reach = WIDTH * np.floor(min(FARTHEST, half_box([frames[0], *reference])) / WIDTH)
    found = []
    for a, b in species_pairs(sorted(set(frames[0].get_chemical_symbols()))):
        measured = pair_distribution(frames, a, b, reach=reach, width=WIDTH, blocks=BLOCKS)
        if not measured.values.any():
            continue  # a box so small that half of it holds no pair
        if reference:
            other = pair_distribution(reference, a, b, reach=reach, width=WIDTH, blocks=BLOCKS)
            whole = float(other.values.sum()) or np.nan
            apart = float(np.abs(measured.values - other.values).sum() / whole)
            errors = np.sqrt(2.0 / np.pi * (measured.errors**2 + other.errors**2))
            found.append(Structure((a, b), measured, other, apart, float(errors.sum() / whole)))
        else:
            found.append(Structure((a, b), measured))
    return found
