"""Do the atoms travel? Mean-square displacement, its growth, and the self-diffusion coefficient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

CM2_PER_S = 1.0e-4
"""One A^2/ps in cm^2/s."""


def travelled(snapshots: Sequence[Atoms]) -> FloatArray:
    """Unwrapped positions relative to the centre of mass: (n_times, n_atoms, 3), A."""
    positions = np.array([atoms.positions for atoms in snapshots])
    masses = snapshots[0].get_masses()
    centre = np.einsum("tij,i->tj", positions, masses) / masses.sum()
    return np.asarray(positions - centre[:, None, :])


def mean_square_displacement(positions: FloatArray, lags: Sequence[int]) -> FloatArray:
    """``<|r_i(t0 + t) - r_i(t0)|^2>`` over atoms and all starting times t0.

    Parameters
    ----------
    positions
        Unwrapped, (n_times, n_atoms, 3), A.
    lags
        Times t in steps of the first axis.

    Returns
    -------
    ndarray of shape (n_lags,)
        A^2.
    """
    return np.array([((positions[lag:] - positions[:-lag]) ** 2).sum(axis=-1).mean() for lag in lags])


def growth_exponent(positions: FloatArray) -> float:
    """Exponent a in ``MSD ~ t^a`` between an eighth and half of the run: 1 for a liquid, 0 for a crystal."""
    lags = spread_lags(len(positions))
    growth = mean_square_displacement(positions, lags)
    return float(np.polyfit(np.log(lags), np.log(np.maximum(growth, 1e-12)), 1)[0])


def spread_lags(n_times: int) -> list[int]:
    """Lags between an eighth and half of a run, evenly on a logarithmic scale."""
    return sorted({round(lag) for lag in np.geomspace(max(n_times // 8, 1), max(n_times // 2, 2), 8)})


@dataclass(frozen=True)
class Diffusion:
    """Self-diffusion of one element: coefficient and standard error, cm^2/s, in the box as it is."""

    coefficient: float
    error: float


def self_diffusion(positions: FloatArray, interval: float, *, first: float = 2.0, last: float = 10.0) -> Diffusion:
    """Self-diffusion coefficient by Einstein's relation ``MSD = 6 D t + const``.

    The value is that of the finite box, which is lower than that of a large one by ``2.837 k_B T / (6 pi eta L)``
    (I.-C. Yeh and G. Hummer, J. Phys. Chem. B 108, 15873 (2004)).

    Parameters
    ----------
    positions
        Unwrapped positions of the element's atoms, relative to the centre of mass, (n_times, n_atoms, 3), A.
    interval
        Time between them, ps.
    first, last
        Lags between which the slope is taken, ps: beyond the first collisions, well within the run.

    Returns
    -------
    Diffusion
        The error is that of the mean over as many stretches of twice `last` as the run holds.
    """
    lags = list(range(max(round(first / interval), 1), round(last / interval) + 1))
    times = interval * np.array(lags)

    def slope(part: FloatArray) -> float:
        return float(np.polyfit(times, mean_square_displacement(part, lags), 1)[0]) / 6.0 * CM2_PER_S

    length = 2 * lags[-1]
    parts = [slope(positions[at : at + length]) for at in range(0, len(positions) - length + 1, length)]
    error = float(np.std(parts, ddof=1) / np.sqrt(len(parts))) if len(parts) > 1 else float("nan")
    return Diffusion(slope(positions), error)
