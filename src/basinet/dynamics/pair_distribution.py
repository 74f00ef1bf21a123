"""Pair distribution functions g(r), with errors, and their first peak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from basinet.models.pairs import half_list, neighbour_pairs

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class PairDistribution:
    """g(r) of a pair of elements over frames.

    Attributes
    ----------
    distances : ndarray of shape (n_bins,)
        Middles of the bins, A.
    values, errors : ndarray of shape (n_bins,)
        Mean over frames, and its standard error.
    """

    distances: FloatArray
    values: FloatArray
    errors: FloatArray

    def first_peak(self) -> tuple[float, float]:
        """Position (A) and height of the first peak: the top of a parabola through its upper fifth."""
        top = int(np.argmax(self.values))
        near = np.flatnonzero(self.values > 0.8 * self.values[top])
        near = near[np.abs(near - top) <= np.count_nonzero(near)]
        if len(near) < 3:
            return float(self.distances[top]), float(self.values[top])
        a, b, c = np.polyfit(self.distances[near] - self.distances[top], self.values[near], 2)
        shift = float(np.clip(-b / (2 * a), -0.5, 0.5)) if a < 0 else 0.0
        return float(self.distances[top] + shift), float(c + b * shift + a * shift**2)


def pair_distribution(
    frames: Sequence[Atoms],
    first: str,
    second: str,
    *,
    reach: float = 6.0,
    width: float = 0.1,
    blocks: int | None = None,
) -> PairDistribution:
    """Measure ``g(r) = <n(r)> V / (N_a N_b 4 pi r^2 dr)`` of elements a and b; n counts ordered pairs.

    Periodic images count, so that a box may be smaller than twice the reach.

    Parameters
    ----------
    frames
        Of one composition and volume.
    first, second
        Elements.
    reach, width
        Largest distance and width of the bins, A.
    blocks
        Stretches of successive frames whose means give the error, for frames of a trajectory, which remember each
        other; unless given, every frame counts as independent.
    """
    edges = np.linspace(0.0, reach, round(reach / width) + 1)
    shells = 4.0 / 3.0 * np.pi * np.diff(edges**3)
    rows = []
    for atoms in frames:
        symbols = np.array(atoms.get_chemical_symbols())
        i, j, _, squared = neighbour_pairs(atoms, half_list(reach))
        forwards = (symbols[i] == first) & (symbols[j] == second)
        backwards = (symbols[i] == second) & (symbols[j] == first)
        distances = np.sqrt(np.concatenate([squared[forwards], squared[backwards]]))
        pairs = np.count_nonzero(symbols == first) * np.count_nonzero(symbols == second)
        rows.append(np.histogram(distances, edges)[0] * atoms.get_volume() / (pairs * shells))
    values = np.array(rows)
    parts = np.array([part.mean(axis=0) for part in np.array_split(values, min(blocks or len(rows), len(rows)))])
    errors = parts.std(axis=0, ddof=1) / np.sqrt(len(parts)) if len(parts) > 1 else np.full(len(shells), np.nan)
    return PairDistribution(0.5 * (edges[1:] + edges[:-1]), values.mean(axis=0), errors)
