"""Is it a liquid? The structure factor at the reflections that a crystal in the box would light up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

CRYSTALLINE = 0.5
"""`lattice_order` of 20 frames from which they count as crystalline.

Krypton in a box of 32 atoms at 120 K: a crystal that never melted has 0.63, the liquid 0.17 to 0.38.
"""


def lattice_order(frames: Sequence[Atoms]) -> float:
    """Find the largest time-averaged Bragg intensity among the box's wave vectors near the first peak.

    ``max_k < |sum_j exp(i k.r_j)|^2 >_t / N^2``: one for a perfect crystal at rest, S(k)/N, of order 1/N, for
    a liquid. A crystal keeps its reflections from frame to frame, in whatever orientation it froze; a
    liquid's fluctuations average out, which takes about ten frames a few picoseconds apart: single frames of
    liquid krypton reach 0.7.

    Parameters
    ----------
    frames
        Frames of one periodic box.

    Returns
    -------
    float
        Between 0 and 1. See `CRYSTALLINE`.
    """
    vectors = first_peak_vectors(frames[0])
    mean = np.zeros(len(vectors))
    for atoms in frames:
        phases = atoms.positions @ vectors.T
        mean += np.cos(phases).sum(axis=0) ** 2 + np.sin(phases).sum(axis=0) ** 2
    return float(mean.max() / (len(frames) * len(frames[0]) ** 2))


def first_peak_vectors(atoms: Atoms) -> NDArray[np.float64]:
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
