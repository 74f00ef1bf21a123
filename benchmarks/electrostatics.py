"""Time and memory of the Hartree potential from a density, beside its FFTs alone, on one core.

    python benchmarks/electrostatics.py
    python benchmarks/electrostatics.py --grids 128 --atoms 32 --repeats 15 --angle 80

The floor is what any method with FFTs pays: one real transform forward and two back. The two alternate; `ratio` is the
median of the repeats, and the share of the loop over waves (cores and division by G^2) is what is left of it. `plain`
is the same formula in NumPy, a complex exponential for every wave and atom. Peak memory is in units of the density's.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import fft

from basinet.density.cores import COULOMB
from basinet.density.potential import _to_real_space, hartree_potential
from basinet.units import Bohr

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SPACING = 0.0955
"""Angstrom, of 300 Ry."""
RADII = (0.4 * Bohr, 0.5 * Bohr)
"""Of argon's and krypton's cores."""


def seconds(action: Callable[[], Any]) -> float:
    """CPU time of one call: on a shared machine the wall clock tells of others too."""
    start = time.process_time()
    action()
    return time.process_time() - start


def transforms(density: NDArray[np.float64]) -> None:
    """One real FFT forward and two back, nothing between."""
    one = fft.rfftn(density, workers=1)
    other = one.copy()
    _to_real_space(one, density.shape[2], 1)
    _to_real_space(other, density.shape[2], 1)


def plain(density: NDArray[np.float64], cell: NDArray[np.float64], positions: Any, cores: Any) -> None:
    """The formula as it stands, one exponential for every wave and atom."""
    shape, vectors = density.shape, 2.0 * np.pi * np.linalg.inv(cell).T
    waves = [fft.fftfreq(n, 1.0 / n) for n in shape]
    waves[2] = waves[2][: shape[2] // 2 + 1]
    g = [waves[a].reshape([-1 if a == b else 1 for b in range(3)]) for a in range(3)]
    metric = vectors @ vectors.T
    square = sum(metric[a, b] * g[a] * g[b] for a in range(3) for b in range(3))
    spectrum = fft.rfftn(density, workers=1)
    for position, (charge, radius) in zip(positions, cores, strict=True):
        phase = sum(g[a] * (vectors[a] @ position) for a in range(3))
        weight = charge * density.size / abs(np.linalg.det(cell))
        spectrum -= weight * np.exp(-0.5 * radius**2 * square - 1j * phase)
    square[0, 0, 0] = np.inf
    potential = 4.0 * np.pi * COULOMB * spectrum / square
    fft.irfftn(spectrum, s=shape, workers=1)
    fft.irfftn(potential, s=shape, workers=1)


def peak_memory(action: Callable[[], Any], density: NDArray[np.float64]) -> float:
    """Peak of what is allocated during a call, the density included, in units of it."""
    tracemalloc.start()
    action()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return 1.0 + peak / density.nbytes


def compare(points: int, n_atoms: int, angle: float, repeats: int) -> str:
    """One line of the table."""
    rng = np.random.default_rng(points + n_atoms)
    tilt = np.radians(angle)
    cell = SPACING * points * np.array([[1.0, 0, 0], [np.cos(tilt), np.sin(tilt), 0], [0, np.cos(tilt), np.sin(tilt)]])
    positions, cores = rng.uniform(0, 1, (n_atoms, 3)) @ cell, [(8.0, RADII[i % 2]) for i in range(n_atoms)]
    density = rng.uniform(0.0, 1.0, (points, points, points))
    density *= 8.0 * n_atoms / (density.mean() * np.linalg.det(cell))

    def ours() -> None:
        hartree_potential(density, cell, positions, cores, workers=1)

    ours(), transforms(density)
    times = np.array([[seconds(ours), seconds(lambda: transforms(density))] for _ in range(repeats)])
    ratio = np.median(times[:, 0] / times[:, 1])
    mine, floor = np.median(times, axis=0)
    slow = seconds(lambda: plain(density, cell, positions, cores))
    memory = peak_memory(ours, density)
    return (
        f"{points:5d} {n_atoms:6d} {angle:6.0f} {mine:10.3f} {floor:8.3f} {ratio:7.2f} {1 - 1 / ratio:7.0%}"
        f" {slow:8.2f} {memory:7.2f}"
    )


def main() -> None:
    """Print the table."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--grids", type=int, nargs="+", default=[128, 200])
    parser.add_argument("--atoms", type=int, nargs="+", default=[32, 108])
    parser.add_argument("--angle", type=float, default=90.0, help="between cell vectors, degrees")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    print(f"CPU seconds on one core, median of {options.repeats}")
    print(
        f"{'grid':>5} {'atoms':>6} {'angle':>6} {'basinet':>10} {'FFTs':>8} {'ratio':>7} {'loop':>7}"
        f" {'plain':>8} {'memory':>7}"
    )
    for points in options.grids:
        for n_atoms in options.atoms:
            print(compare(points, n_atoms, options.angle, options.repeats), flush=True)


if __name__ == "__main__":
    main()
