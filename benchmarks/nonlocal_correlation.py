"""CPU time of rVV10's energy density and potential, beside DFTpy's, on one density and one core, in turn.

    BASINET_PEERS_PYTHON=peers/bin/python python -m benchmarks.nonlocal_correlation

32 argon atoms of a shipped frame, two Gaussians each, 64 points an axis; all plane waves of the grid, as DFTpy takes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from tests.density.gaussians import gaussians
from tests.peers.programs import output_of, python_with

import basinet
from basinet.density.nonlocal_correlation import rvv10_correlation
from basinet.units import Bohr

WORKER = Path(__file__).resolve().parents[1] / "tests" / "peers" / "dftpy_worker.py"


def liquid(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Density (e/A^3) and cell (A)."""
    atoms = basinet.load_reference("ar")[0]
    cell, shape = atoms.cell.array, (points,) * 3
    parts = [
        gaussians(shape, cell, atoms.positions, [charge] * len(atoms), [width] * len(atoms), images=1)
        for charge, width in ((6.5, 0.6), (1.5, 1.05))
    ]
    return sum(parts), cell


def seconds_of_ours(density: np.ndarray, cell: np.ndarray) -> float:
    """CPU time of one call."""
    begun = time.process_time()
    rvv10_correlation(density, cell, cutoff=np.inf)
    return time.process_time() - begun


def seconds_of_dftpy(density: np.ndarray, cell: np.ndarray) -> float:
    """CPU time of one call in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        source, target = Path(place, "in.npz"), Path(place, "out.npz")
        np.savez(source, density=density * Bohr**3, cell=cell / Bohr)
        output_of([str(python_with("dftpy")), str(WORKER), str(source), str(target)], place)
        with np.load(target) as found:
            return float(found["seconds"])


def main() -> None:
    """Print CPU seconds of each run and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    density, cell = liquid(options.points)
    seconds_of_ours(density[:16, :16, :16], cell)  # compiles
    for _ in range(options.repeats):
        ours, theirs = seconds_of_ours(density, cell), seconds_of_dftpy(density, cell)
        print(f"basinet {ours:.2f} s, DFTpy {theirs:.2f} s: {theirs / ours:.1f} times")


if __name__ == "__main__":
    main()
