"""Pair distribution functions g(r), with errors, and their first peak."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from basinet.arrays import FloatArray
from basinet.errors import InputError
from basinet.frames.neighbours import half_list, neighbour_pairs, species_pairs


@dataclass(frozen=True)
class _PairDistribution:
    """g(r) of a pair of elements: mean over frames and its standard error at the middles of the bins (A), (n_bins,)."""

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
) -> _PairDistribution:
    """Measure ``g(r) = <n(r)> V / (N_a N_b 4 pi r^2 dr)`` of elements a and b; n counts ordered pairs.

    Periodic images count, so that a box may be smaller than twice the reach (A, as the width of the bins). Frames are
    of one composition and volume. The error is that of the mean of so many `blocks` of successive frames, which in a
    trajectory remember each other; unless given, every frame counts as independent.
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
    return _PairDistribution(0.5 * (edges[1:] + edges[:-1]), values.mean(axis=0), errors)


FARTHEST = 10.0  # A: no g(r) reaches further
WIDTH = 0.1  # A: width of the bins
BLOCKS = 10  # stretches of the run, and of the reference, whose means give the errors


@dataclass(frozen=True)
class _Structure:
    """g(r) of a pair of elements, and the reference's.

    The `difference` is ``int |g - g_ref| dr / int g_ref dr``, and the `noise` what the errors of both alone would make
    of it, ``int sqrt(2 (e^2 + e_ref^2) / pi) dr / int g_ref dr``; None without a reference.
    """

    pair: tuple[str, str]
    measured: _PairDistribution
    reference: _PairDistribution | None = None
    difference: float | None = None
    noise: float | None = None


def half_box(frames: Sequence[Atoms]) -> float:
    """Half of the smallest height of any frame's box, A: beyond it an atom meets images of itself."""
    heights = [atoms.get_volume() / np.linalg.norm(np.cross(*np.delete(atoms.cell.array, k, 0)))
               for atoms in frames for k in range(3)]  # fmt: skip
    return 0.5 * float(min(heights))


def _number_density(frames: Sequence[Atoms]) -> float:
    return float(np.mean([len(atoms) / atoms.get_volume() for atoms in frames]))


def _refuse_other_system(frames: Sequence[Atoms], atoms: Atoms, source: str) -> None:
    for index, frame in enumerate(frames):
        if not frame.pbc.all():
            raise InputError(f"{source}, frame {index}: is not periodic, so that it has no g(r); leave it out")
        missing = sorted(set(atoms.get_chemical_symbols()) - set(frame.get_chemical_symbols()))
        if missing:
            raise InputError(f"{source}, frame {index}: has no {', '.join(missing)}, which the run has; leave it out")


def structures(frames: Sequence[Atoms], reference: Sequence[Atoms] = ()) -> list[_Structure]:
    """Measure g(r) of every pair of elements that has any within reach, in periodic frames, and of a reference."""
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
            found.append(_Structure((a, b), measured, other, apart, float(errors.sum() / whole)))
        else:
            found.append(_Structure((a, b), measured))
    return found


CRYSTALLINE = 0.5
"""`_lattice_order` of 20 frames from which they count as crystalline.

Krypton in a box of 32 atoms at 120 K: a crystal that never melted has 0.63, the liquid 0.17 to 0.38.
"""


def _lattice_order(frames: Sequence[Atoms]) -> float:
    """Find the largest time-averaged Bragg intensity among the box's wave vectors near the first peak, 0 to 1.

    ``max_k < |sum_j exp(i k.r_j)|^2 >_t / N^2``: one for a perfect crystal at rest, S(k)/N, of order 1/N, for a liquid.
    A crystal keeps its reflections from frame to frame, in whatever orientation it froze; a liquid's fluctuations
    average out, which takes about ten frames a few picoseconds apart: single frames of liquid krypton reach 0.7.
    """
    vectors = _first_peak_vectors(frames[0])
    intensities = [np.abs(np.exp(1j * atoms.positions @ vectors.T).sum(axis=0)) ** 2 for atoms in frames]
    return float(np.mean(intensities, axis=0).max() / len(frames[0]) ** 2)


def _first_peak_vectors(atoms: Atoms) -> FloatArray:
    """List the box's wave vectors within 20 % of a close-packed solid's first peak: (n, 3), 1/A, one of +-k.

    A face-centred cubic solid of number density rho reflects first at ``|k| = 2 pi sqrt(3) (rho / 4)^(1/3)``.
    """
    density = len(atoms) / atoms.get_volume()
    peak = 2.0 * np.pi * np.sqrt(3.0) * (density / 4.0) ** (1.0 / 3.0)
    reciprocal = 2.0 * np.pi * np.asarray(atoms.cell.reciprocal().array)
    # |n_a| <= |k| |a| / 2 pi bounds the integers whose k lies within the sphere.
    reach = np.ceil(1.2 * peak * atoms.cell.lengths() / (2.0 * np.pi)).astype(int)
    axes = [np.arange(-n, n + 1) for n in reach]
    integers = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    integers = integers[len(integers) // 2 + 1 :]
    vectors = integers @ reciprocal
    length = np.linalg.norm(vectors, axis=1)
    return np.asarray(vectors[np.abs(length - peak) < 0.2 * peak], dtype=np.float64)
