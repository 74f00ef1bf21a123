"""Are the error bars honest? Real densities, partitioned as they are and on grids two and three times as fine.

    python benchmarks/error_bars.py RUN_DIRECTORY...

A run directory is one of CP2K with the cube of its density. What is integrated on the finer grids is interpolated by
trigonometric functions, which is exact. The basins there are those of quintic splines through the density: the rounding
of a cube (five digits, which is most at the atoms) would make maxima in the voids otherwise. The limit of infinitely
fine grids is extrapolated from both. `ratio`: root mean square of the errors over that of the bars; `1` and `2`: share
of atoms whose error is within one and two bars; `order`: the order of convergence that would have made the ratio 1.
Wants some 6 GB for 128^3.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.interpolate import BSpline
from scipy.ndimage import spline_filter1d

from basinet.cp2k.run_directory import Cp2kRun, read_run
from basinet.density.basins import INTEGRAL_ORDER, VOLUME_ORDER, integrate_basins
from basinet.density.files import read_cube
from basinet.density.grid import renormalise
from basinet.density.local_energies import LocalEnergies, local_hartree_energies
from basinet.density.potential import hartree_potential
from basinet.units import Bohr

QUANTITIES = ("population", "volume", "hartree_energy", "hartree_energy_electronic")
ASYMPTOTIC_ORDER = 1.7
"""Of basins between grids two and three times as fine; the limit is not sensitive to it."""


def finer_by_splines(density: NDArray[np.float64], times: int) -> NDArray[np.float64]:
    """Quintic spline through the values, on so many times as many points along each axis."""
    basis = BSpline.basis_element(np.arange(-3.0, 4.0), extrapolate=False)
    for axis in range(3):
        coefficients = spline_filter1d(density, 5, axis=axis, mode="grid-wrap", output=np.float64)
        shape = list(density.shape)
        shape[axis] *= times
        density = np.zeros(shape)
        for part in range(times):
            place = tuple(slice(part, None, times) if a == axis else slice(None) for a in range(3))
            for step in range(-3, 4):
                weight = np.nan_to_num(basis(part / times - step))
                if weight:
                    density[place] += weight * np.roll(coefficients, -step, axis)
    return density


def finer_by_waves(density: NDArray[np.float64], times: int) -> NDArray[np.float64]:
    """Trigonometric interpolation to so many times as many points along each axis."""
    for axis, points in enumerate(density.shape):
        waves = fft.rfft(density, axis=axis)
        if points % 2 == 0:  # the Nyquist wave was two, and both have a place now
            waves[tuple(points // 2 if a == axis else slice(None) for a in range(3))] *= 0.5
        density = times * fft.irfft(waves, n=times * points, axis=axis, overwrite_x=True)
    return density


def on_finer_grid(run: Cp2kRun, density: NDArray[np.float64], times: int) -> NDArray[np.float64]:
    """Each of the quantities on a finer grid, (4, n_atoms)."""
    cell, positions = run.atoms.cell.array, run.atoms.positions
    electrons = finer_by_waves(density, times)
    rho, v_h = hartree_potential(electrons, cell, positions, run.cores)
    rho *= 0.5 * v_h
    v_h *= 0.5 * electrons
    fields = {"hartree_energy": rho, "hartree_energy_electronic": v_h, "electrons": electrons}
    basins = integrate_basins(finer_by_splines(density, times), cell, positions, fields, nuclear_radius=9.0, threads=1)
    found = {"population": basins.integrals["electrons"], "volume": basins.volume, **basins.integrals}
    return np.array([found[quantity] for quantity in QUANTITIES])


def rms(numbers: NDArray[np.float64]) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(numbers**2)))


def judge(path: str) -> None:
    """Print four lines of the table."""
    run = read_run(path)
    cell, positions = run.atoms.cell.array, run.atoms.positions
    density, _ = renormalise(read_cube(run.density).values / Bohr**3, cell, run.electrons)

    def partition(*, error_bars: bool) -> tuple[float, LocalEnergies]:
        start = time.process_time()
        local = local_hartree_energies(density, cell, positions, run.cores, error_bars=error_bars, threads=1)
        return time.process_time() - start, local

    partition(error_bars=True)
    costs = [partition(error_bars=True)[0] / partition(error_bars=False)[0] - 1.0 for _ in range(5)]
    _, local = partition(error_bars=True)
    twice, thrice = (on_finer_grid(run, density, times) for times in (2, 3))
    limit = thrice + (thrice - twice) / (1.5**ASYMPTOTIC_ORDER - 1.0)
    error = np.array([getattr(local, quantity) for quantity in QUANTITIES]) - limit
    bars = np.array(
        [getattr(local.errors, q) if i < 2 else local.errors.integrals[q] for i, q in enumerate(QUANTITIES)]
    )
    for quantity, wrong, bar in zip(QUANTITIES, error, bars, strict=True):
        scale = 1e3 if quantity != "volume" else 1.0
        used = VOLUME_ORDER if quantity == "volume" else INTEGRAL_ORDER
        order = np.log2(1.0 + (2.0**used - 1.0) * rms(bar) / rms(wrong))
        within = [np.mean(np.abs(wrong) <= k * bar) for k in (1, 2)]
        print(
            f"{path[-20:]:>20} {quantity:>26} {scale * rms(wrong):10.4f} {scale * rms(bar):10.4f}"
            f" {rms(wrong) / rms(bar):6.2f} {within[0]:5.0%} {within[1]:5.0%} {order:6.2f}",
            flush=True,
        )
    print(f"{'':>20} the bars took {np.median(costs):.0%} of the time without them")


def main() -> None:
    """Print the table."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("runs", nargs="+", help="directories of CP2K runs")
    options = parser.parse_args()
    print("root mean squares over atoms: 1e-3 e, A^3, meV")
    print(f"{'run':>20} {'quantity':>26} {'error':>10} {'bar':>10} {'ratio':>6} {'1':>5} {'2':>5} {'order':>6}")
    for path in options.runs:
        judge(path)


if __name__ == "__main__":
    main()
