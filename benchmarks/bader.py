"""Time and memory of Bader partitions: this package and other programs, side by side on one core.

    python -m venv peers
    peers/bin/pip install baderkit pybader "setuptools<81"
    export BASINET_PEERS_PYTHON=peers/bin/python      # and Henkelman's bader and critic2 on the PATH
    python benchmarks/bader.py
    python benchmarks/bader.py --grids 120 --kinds smooth --codes basinet baderkit --repeats 5

Programs that are missing are left out. The densities are those of the tests: liquid-like, smooth or with a hole at the
nucleus, one atom to 40^3 points, which is the spacing of a plane-wave cutoff of some 300 Ry. All partition by Yu &
Trinkle's weights but pybader, which has the near-grid method only.

Every run is a process of its own, and the programs alternate. Times are CPU times (user and system) of the partition:
reading and, in Python, compilation (a tiny grid first) are left out. bader prints the elapsed time of that stage, taken
here times the share of the CPU that the process got; critic2's is the time of a run less that of one that only loads.
Memory is the highest resident memory, of a Python package during the call (input, interpreter and libraries counted),
of a program over its run; `net` is without what an idle interpreter with the libraries loaded holds.

Integrands besides the volume: the density, or the density and two fields. basinet and critic2 take all in one run;
the others need one run for each, so that their time for three is three times the one measured (marked x3).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the densities and the programs are the tests'

import numpy as np
from tests.peers import programs
from tests.peers.densities import HOLLOW, SMOOTH, liquid_like

ROOT = Path(__file__).resolve().parents[1]
KINDS = {"smooth": SMOOTH, "hole": HOLLOW}
CODES = ("basinet", "baderkit", "bader", "critic2", "pybader")
IN_ONE_RUN = {"basinet", "critic2"}
MIB = 1024**2


class Run(NamedTuple):
    """CPU seconds, peak and idle resident memory in bytes, populations."""

    seconds: float
    peak: float
    idle: float
    population: list[float]


Runs = dict[tuple[str, int], list[Run]]
"""Runs by program and number of integrands."""


def prepare(place: Path, points: int, per_side: int, kind: str, *, with_cubes: bool) -> None:
    """Write the case, for Python with one and with three integrands, and the cubes."""
    case = liquid_like(per_side, (points,) * 3, gaussians=KINDS[kind])
    np.savez(place / "1.npz", **case._asdict())
    fields = [case.density ** (4 / 3), -(case.density ** (1 / 3))]
    np.savez(place / "3.npz", **case._asdict(), fields=np.stack(fields))
    if with_cubes:
        for name, values in zip(("density", "field1", "field2"), (case.density, *fields), strict=True):
            programs.write_exact_cube(place / f"{name}.cube", case._replace(density=values))


def measure(command: list[str], place: Path) -> tuple[str, float, float, float]:
    """Standard output, CPU and elapsed seconds and peak resident memory of a program."""
    start = time.perf_counter()
    with Path(place, "stdout").open("wb") as stdout:
        process = subprocess.Popen(
            command, cwd=place, stdout=stdout, stderr=subprocess.STDOUT, env=programs.quiet_environment(str(place))
        )
        _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    output = Path(place, "stdout").read_text(errors="replace")
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{output[-2000:]}")
    return output, usage.ru_utime + usage.ru_stime, elapsed, usage.ru_maxrss * 1024


def run_python(code: str, place: Path, integrands: int) -> Run:
    """One of the Python packages in its interpreter."""
    python = sys.executable if code == "basinet" else programs.python_with(code)
    command = [str(python), str(programs.WORKER), code, f"{integrands}.npz", "result.npz"]
    environment = programs.quiet_environment(str(place))
    if code == "basinet":
        environment["PYTHONPATH"] = str(ROOT / "src")
    subprocess.run(command, cwd=place, check=True, stdout=subprocess.DEVNULL, env=environment)
    with np.load(place / "result.npz") as result:
        return Run(*(float(result[name]) for name in ("seconds", "peak", "idle")), result["population"].tolist())


def run_bader(place: Path, n_atoms: int) -> Run:
    """Henkelman's program; it prints the elapsed times of reading, of the weight method and of distances."""
    output, cpu, elapsed, peak = measure(programs.BADER, place)
    stages = [float(seconds) for seconds in re.findall(r"RUN TIME:\s+([\d.]+) SECONDS", output)]
    return Run(stages[1] * cpu / elapsed, peak, 0.0, programs.read_bader(place, n_atoms).population.tolist())


def run_critic2(place: Path, n_atoms: int, integrands: int) -> Run:
    """critic2: the run less one that only loads the same cubes."""
    programs.write_critic2_input(place, ["density.cube", "field1.cube", "field2.cube"][:integrands])
    output, cpu, _, peak = measure(programs.CRITIC2, place)
    population = programs.read_critic2(output, n_atoms).population.tolist()
    script = place / "in.cri"
    script.write_text("\n".join(line for line in script.read_text().splitlines() if not line.startswith("yt")) + "\n")
    return Run(cpu - measure(programs.CRITIC2, place)[1], peak, 0.0, population)


def run(code: str, place: Path, integrands: int, n_atoms: int) -> Run:
    """One run of one program."""
    if code == "bader":
        return run_bader(place, n_atoms)
    if code == "critic2":
        return run_critic2(place, n_atoms, integrands)
    return run_python(code, place, integrands)


def rounds(codes: list[str], place: Path, n_atoms: int, repeats: int, long: float) -> Runs:
    """Runs of every program and number of integrands, alternating; a long one runs once."""
    wanted = [(code, integrands) for code in codes for integrands in (1, 3) if integrands == 1 or code in IN_ONE_RUN]
    runs: Runs = {key: [] for key in wanted}
    for _ in range(repeats):
        for key in wanted:
            if not runs[key] or runs[key][0].seconds < long:
                runs[key].append(run(key[0], place, key[1], n_atoms))
    return runs


def report(label: str, codes: list[str], runs: Runs, record: dict[str, object]) -> None:
    """Lines of the table: a program each; ratios are its time or memory over basinet's."""

    def typical(code: str, integrands: int) -> tuple[float, float, float]:
        known = runs.get((code, integrands), runs[code, 1])
        times = 1 if (code, integrands) in runs else integrands
        return (
            times * median(one.seconds for one in known),
            median(one.peak for one in known) / MIB,
            median(one.peak - one.idle for one in known) / MIB,
        )

    reference = runs["basinet", 1][0].population
    for code in codes:
        line = f"{label} {code:>9}"
        for integrands in (1, 3):
            values, base = typical(code, integrands), typical("basinet", integrands)
            mark = "  " if (code, integrands) in runs else "x3"
            line += f" | {values[0]:8.2f}{mark} {values[0] / base[0]:7.1f} {values[1]:6.0f} {values[1] / base[1]:5.1f}"
            line += f" {values[2]:6.0f}"
            record[f"{label} {code} {integrands}"] = [*values, *(v / b for v, b in zip(values, base, strict=True))]
        pairs = zip(runs[code, 1][0].population, reference, strict=True)
        print(f"{line} | {max(abs(a - b) for a, b in pairs):8.1e} {len(runs[code, 1]):4d}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grids", type=int, nargs="+", default=[120, 200], help="points along each side")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--codes", nargs="+", choices=CODES, default=list(CODES))
    parser.add_argument("--spacing", type=int, default=40, help="grid points from atom to atom along each side")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--long", type=float, default=60.0, help="seconds above which a program runs once")
    parser.add_argument("--scratch", type=Path, help="where to put the cubes, 0.6 GB for 200 points a side")
    parser.add_argument("--json", type=Path, help="write the figures to a file, too")
    parser.add_argument("--prepare", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    native = {"bader", "critic2"} & set(options.codes)
    if options.prepare:
        place, points, kind = options.prepare
        per_side = int(points) // options.spacing
        prepare(Path(place), int(points), per_side, kind, with_cubes=bool(native))
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    codes = [code for code in options.codes if code == "basinet" or programs.is_present(code)]
    print("CPU seconds, MiB, and ratios to basinet")
    columns = f"{'seconds':>10} {'ratio':>7} {'peak':>6} {'ratio':>5} {'net':>6}"
    print(f"{'grid':>4} {'atoms':>5} {'kind':>6} {'':>9} | {columns} | {columns} | population")
    print(f"{'':>27} | {'the density':^38} | {'the density and two fields':^38} | {'deviates':>8} runs")
    record: dict[str, object] = {}
    for points in options.grids:
        n_atoms = (points // options.spacing) ** 3
        for kind in options.kinds:
            with tempfile.TemporaryDirectory(dir=options.scratch) as name:
                # In a process of its own, so that this one stays small: a child's peak memory is at least its parent's.
                command = [sys.executable, __file__, *sys.argv[1:], "--prepare", name, str(points), kind]
                subprocess.run(command, check=True)
                runs = rounds(codes, Path(name), n_atoms, options.repeats, options.long)
            report(f"{points:4d} {n_atoms:5d} {kind:>6}", codes, runs, record)
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
