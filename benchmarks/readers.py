"""Time and peak memory of reading a density: this package, ASE, pymatgen and NumPy's text parser, side by side.

    python benchmarks/readers.py
    python benchmarks/readers.py --size 120 --repeats 7 --formats cube cube.gz

A cube as CP2K prints it (five digits, 13 characters a value) and a CHGCAR as VASP does (eleven digits, 18 characters),
plain and compressed, are written to a temporary directory first. Every reading is a process of its own: it reads a tiny
file (which compiles what is to be compiled), then the file, by one thread. The readers alternate, and the table gives
the medians over the repeats. `memory` is the peak above what the process held before, per memory of the array.
pymatgen takes part where it can be imported, and is no dependency of this package. NumPy's parser gets the text behind
the header and returns one flat array: that is the least a reader could do with it.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
FORMATS = ("cube", "cube.gz", "CHGCAR", "CHGCAR.gz")
READERS = ("basinet", "ase", "pymatgen", "numpy")
HEADER_LINES = {"cube": 7, "CHGCAR": 11}


def fortran(values: np.ndarray) -> list[str]:
    """Spell as Fortran's ``1X,E17.11`` does."""
    powers = np.floor(np.log10(values)).astype(int) + 1
    return [f" {value:.11f}E{power:+03d}" for value, power in zip(values / 10.0**powers, powers, strict=True)]


def write_file(path: Path, size: int) -> None:
    """Write a density of size^3 points: one random plane, repeated."""
    values = 10 ** np.random.default_rng(0).uniform(-6, 0, size * size) * 0.999
    if path.name.startswith("CHGCAR"):
        tokens, per_row, per_line = fortran(values), size * size, 5
        edge = size * 0.1
        header = f"argon\n1.0\n{edge} 0 0\n0 {edge} 0\n0 0 {edge}\nAr\n1\nDirect\n0 0 0\n\n{size} {size} {size}\n"
    else:
        tokens, per_row, per_line = [f"{value:13.5E}" for value in values], size, 6
        edges = "".join(f"{size:5d}" + "".join(f"{0.2 * (i == j):12.6f}" for j in range(3)) + "\n" for i in range(3))
        header = f"-Quickstep-\n ELECTRON DENSITY\n    1    0.0    0.0    0.0\n{edges}   18 0.0 1.0 1.0 1.0\n"
    rows = [tokens[start : start + per_row] for start in range(0, len(tokens), per_row)]
    lines = ["".join(row[start : start + per_line]) for row in rows for start in range(0, len(row), per_line)]
    plane = "\n".join(lines) + "\n"
    with gzip.open(path, "wt", compresslevel=6) if path.suffix == ".gz" else path.open("w") as stream:
        stream.write(header)
        for _ in range(size):
            stream.write(plane)


def reader_of(name: str, form: str) -> Callable[[str], np.ndarray]:
    """Give the function that reads a file of the format with the program."""
    kind = form.removesuffix(".gz")
    if name == "basinet":
        from basinet.density.files import read_chgcar, read_cube

        read = read_cube if kind == "cube" else read_chgcar
        return lambda path: read(path).values
    if name == "ase":
        return ase_reader(kind)
    if name == "pymatgen":
        from pymatgen.io.common import VolumetricData
        from pymatgen.io.vasp import Chgcar

        if kind == "cube":
            return lambda path: VolumetricData.from_cube(path).data["total"]
        return lambda path: Chgcar.from_file(path).data["total"]

    def numpy_parser(path: str) -> np.ndarray:
        with gzip.open(path, "rt") if path.endswith(".gz") else open(path) as stream:  # noqa: PTH123
            for _ in range(HEADER_LINES[kind]):
                stream.readline()
            return np.fromstring(stream.read(), sep=" ")

    return numpy_parser


def ase_reader(kind: str) -> Callable[[str], np.ndarray]:
    """Give ASE's function; it takes a stream of a cube, and only the name of an uncompressed CHGCAR."""
    if kind == "cube":
        from ase.io.cube import read_cube

        def cube(path: str) -> np.ndarray:
            with gzip.open(path, "rt") if path.endswith(".gz") else open(path) as stream:  # noqa: PTH123
                return read_cube(stream)["data"]

        return cube
    from ase.calculators.vasp import VaspChargeDensity

    return lambda path: VaspChargeDensity(path).chg[0]


def memory(kind: str) -> int:
    """Bytes that the process holds (VmRSS), or held at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(kind))


def measure(name: str, form: str, tiny: str, path: str) -> None:
    """Print the CPU time and the peak memory (per memory of the array) of one reading, and a checksum."""
    read = reader_of(name, form)
    read(tiny)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before, start = memory("VmRSS"), time.process_time()
    values = read(path)
    seconds = time.process_time() - start
    print(json.dumps([seconds, (memory("VmHWM") - before) / (8 * values.size), float(values.mean())]))


def compare(form: str, directory: Path, size: int, repeats: int) -> list[str]:
    """Lines of the table for one format."""
    tiny, path = directory / f"tiny.{form}", directory / form
    if form.startswith("CHGCAR"):
        tiny = directory / form.replace("CHGCAR", "CHGCAR_tiny")
    write_file(tiny, 6)
    write_file(path, size)
    names = [name for name in READERS if name != "pymatgen" or importlib.util.find_spec("pymatgen")]
    if form == "CHGCAR.gz":
        names.remove("ase")
    results: dict[str, list[list[float]]] = {name: [] for name in names}
    for _ in range(repeats):
        for name in names:
            command = [sys.executable, __file__, "--measure", name, form, str(tiny), str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **ONE_THREAD})
            results[name].append(json.loads(done.stdout.splitlines()[-1]))
    lines = []
    for name in names:
        seconds, peak, _ = (median(column) for column in zip(*results[name], strict=True))
        ratio = median(other[0] / ours[0] for other, ours in zip(results[name], results["basinet"], strict=True))
        lines.append(f"{form:>10} {size:5d} {name:>10} {seconds:9.3f} {ratio:7.1f} {peak:8.2f}")
    return lines


def main() -> None:
    """Print the table."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--size", type=int, nargs="+", default=[200], help="grid points along each axis")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(*options.measure)
        return
    print(f"CPU seconds of one thread, median of {options.repeats}")
    print(f"{'format':>10} {'size':>5} {'reader':>10} {'time (s)':>9} {'ratio':>7} {'memory':>8}")
    for size in options.size:
        for form in options.formats:
            with tempfile.TemporaryDirectory() as directory:
                for line in compare(form, Path(directory), size, options.repeats):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
