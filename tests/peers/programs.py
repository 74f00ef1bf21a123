"""Other programs' partitions of a density: baderkit and pybader (Python), Henkelman's bader and critic2 (executables).

baderkit, pybader and dftpy (rVV10) want versions of their dependencies that exclude ours, and so have an environment of
their own::

    python -m venv peers
    peers/bin/pip install baderkit pybader dftpy "setuptools<81"
    export BASINET_PEERS_PYTHON=peers/bin/python

The executables ``bader`` and ``critic2`` are looked for on the PATH. They read cube files, written here with the 17
digits that lose nothing. What each prints: bader 6 decimals, critic2 9 digits; the packages give float64.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from basinet.units import Bohr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from tests.peers.densities import Case

WORKER = Path(__file__).with_name("partition_worker.py")


class Partition(NamedTuple):
    """Populations (e) and volumes (A^3) of the atoms, (n_atoms,) each."""

    population: NDArray[np.float64]
    volume: NDArray[np.float64]


def quiet_environment(home: str) -> dict[str, str]:
    """One thread, and a home of its own: pybader writes a configuration there."""
    threads = dict.fromkeys(["OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "1")
    return {**os.environ, **threads, "HOME": home}


@functools.cache
def python_with(package: str) -> str | None:
    """Interpreter that has a package: BASINET_PEERS_PYTHON, or this one; None if neither has it."""
    probe = f"import sys, importlib.util; sys.exit(importlib.util.find_spec({package!r}) is None)"
    named = os.environ.get("BASINET_PEERS_PYTHON")
    if named and not Path(named).is_file():
        raise FileNotFoundError(f"BASINET_PEERS_PYTHON names {named}, which is no file")
    for python in filter(None, (named, sys.executable)):
        if subprocess.run([python, "-c", probe], check=False).returncode == 0:
            return str(Path(python).absolute())
    return None


def is_present(name: str) -> bool:
    """Whether a peer can be run here."""
    return bool(python_with(name) if name in {"baderkit", "pybader", "dftpy"} else shutil.which(name))


def run_python(package: str, case: Case, vacuum: float | None = None) -> Partition:
    """Partition by a Python package in its interpreter; see ``partition_worker.py``."""
    python = python_with(package)
    assert python is not None
    with tempfile.TemporaryDirectory() as place:
        source, target = Path(place, "case.npz"), Path(place, "result.npz")
        options = {} if vacuum is None else {"vacuum": vacuum}
        np.savez(source, **case._asdict(), **options)
        output_of([python, str(WORKER), package, str(source), str(target)], place)
        with np.load(target) as result:
            return Partition(result["population"], result["volume"])


def write_exact_cube(path: Path, case: Case) -> None:
    """Cube in atomic units with 17 significant digits, one value a line."""
    with path.open("w") as file:
        file.write(f"density\nwritten to compare programs\n{len(case.positions)} 0.0 0.0 0.0\n")
        for points, vector in zip(case.density.shape, case.cell / Bohr, strict=True):
            file.write(" ".join([str(points), *(f"{x / points:.17g}" for x in vector)]) + "\n")
        for position in case.positions / Bohr:
            file.write(" ".join(["18 8.0", *(f"{x:.17g}" for x in position)]) + "\n")
        (case.density * Bohr**3).tofile(file, sep="\n", format="%.17g")
        file.write("\n")


BADER = ["bader", "-b", "weight", "-vac", "off", "density.cube"]
CRITIC2 = ["critic2", "in.cri"]


def output_of(command: list[str], place: str) -> str:
    """Run a program in a directory; its output."""
    environment = quiet_environment(place)
    done = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=place, env=environment
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}")
    return done.stdout


def read_bader(place: Path, n_atoms: int) -> Partition:
    """What bader has written to ``ACF.dat``."""
    lines = Path(place, "ACF.dat").read_text().splitlines()[2 : 2 + n_atoms]
    table = np.array([line.split() for line in lines], dtype=np.float64)
    return Partition(table[:, 4], table[:, 6] * Bohr**3)


def write_critic2_input(place: Path, cubes: Sequence[str], reach: float = 1.0) -> None:
    """Partition the first cube and integrate all; maxima up to `reach` (A) from a nucleus count as its atom's."""
    commands = [f"crystal {cubes[0]}", *(f"load {cube}" for cube in cubes), "integrable clear", "reference 1"]
    commands += [f"integrable {number} f" for number in range(1, len(cubes) + 1)]
    Path(place, "in.cri").write_text("\n".join([*commands, f"yt ratom {reach / Bohr}", ""]))


def read_critic2(output: str, n_atoms: int) -> Partition:
    """Read the table of integrated atomic properties, volume first."""
    table = output.partition("* Integrated atomic properties")[2].partition("----")[0]
    number = r"\s+(-?\d\.\d+E[+-]\d+)"
    rows = re.findall(rf"^\s+\d+\s+\d+\s+\d+\s+\w+\s+\d+\s+--{number}{number}", table, flags=re.MULTILINE)
    if len(rows) != n_atoms:
        raise ValueError(f"critic2 lists {len(rows)} basins for {n_atoms} atoms:\n{output[-2000:]}")
    values = np.array(rows, dtype=np.float64)
    return Partition(values[:, 1], values[:, 0] * Bohr**3)


def run_bader(case: Case, vacuum: float | None = None) -> Partition:
    """Henkelman's bader, its weight method: sums of its volumes over the atom nearest to each maximum."""
    command = list(BADER)
    if vacuum is not None:
        command[command.index("off")] = f"{vacuum * Bohr**3:.17g}"
    with tempfile.TemporaryDirectory() as place:
        write_exact_cube(Path(place, "density.cube"), case)
        output = output_of(command, place)
        if not Path(place, "ACF.dat").exists():  # it stops without an exit code where equal densities leave no flux
            raise RuntimeError(f"bader stopped:\n{output[-2000:]}")
        return read_bader(Path(place), len(case.positions))


def run_critic2(case: Case) -> Partition:
    """critic2's ``YT``."""
    with tempfile.TemporaryDirectory() as place:
        write_exact_cube(Path(place, "density.cube"), case)
        write_critic2_input(Path(place), ["density.cube"])
        return read_critic2(output_of(CRITIC2, place), len(case.positions))
