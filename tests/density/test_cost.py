"""Reading a density takes the memory of its array and little more."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

MEASURE = """
import sys
from pathlib import Path
from basinet.density import files

def memory(kind):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(kind))

reader = getattr(files, sys.argv[1])
reader(sys.argv[2])  # compiles, or loads what is compiled
# The peak counts from here; getrusage's would begin with that of the process that started this one.
Path("/proc/self/clear_refs").write_text("5")
before = memory("VmRSS")
volume = reader(sys.argv[3])
print((memory("VmHWM") - before) / volume.values.nbytes, volume.values.mean())
"""


def plane(rng: np.random.Generator, size: int) -> tuple[str, float]:
    """Text of n^2 values as CP2K prints them, and their mean."""
    values = 10 ** rng.uniform(-6, 0, (size, size))
    rows = [[f"{value:13.5E}" for value in row] for row in values]
    lines = ["".join(row[start : start + 6]) for row in rows for start in range(0, size, 6)]
    return "\n".join(lines) + "\n", float(np.mean([[float(value) for value in row] for row in rows]))


def head(kind: str, size: int) -> str:
    if kind == "read_cube":
        axes = "".join(f"{size:5d}" + "".join(f"{0.2 * (i == j):12.6f}" for j in range(3)) + "\n" for i in range(3))
        return (
            f"-Quickstep-\n ELECTRON DENSITY\n    1    0.000000    0.000000    0.000000\n{axes}   18 0.0 1.0 1.0 1.0\n"
        )
    cell = "1.0 0.0 0.0\n0.0 1.0 0.0\n0.0 0.0 1.0\n"
    return f"one atom\n1.0\n{cell}Ar\n1\nDirect\n0.0 0.0 0.0\n\n{size} {size} {size}\n"


def write(path: Path, kind: str, size: int) -> float:
    text, mean = plane(np.random.default_rng(0), size)
    with gzip.open(path, "wt", compresslevel=1) if path.suffix == ".gz" else path.open("w") as stream:
        stream.write(head(kind, size))
        for _ in range(size):
            stream.write(text)
    return mean


def measure(tmp_path: Path, kind: str, name: str, size: int) -> float:
    """Peak memory per memory of the array, of reading in a process of its own."""
    write(tmp_path / f"small{name}", kind, 6)
    mean = write(tmp_path / name, kind, size)
    paths = [str(tmp_path / f"small{name}"), str(tmp_path / name)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, kind, *paths], capture_output=True, text=True, check=True, env=environment()
    )
    memory, measured_mean = map(float, done.stdout.split())
    assert measured_mean == pytest.approx(mean, rel=1e-10)
    return memory


def environment() -> dict[str, str]:
    source = str(Path(__file__).resolve().parents[2] / "src")
    return {**os.environ, "PYTHONPATH": source, "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux to measure memory")
@pytest.mark.parametrize(
    ("kind", "name"),
    [("read_cube", "rho.cube"), ("read_cube", "rho.cube.gz"), ("read_chgcar", "CHGCAR"), ("read_chgcar", "CHGCAR.gz")],
)
def test_peak_memory_is_at_most_one_and_a_half_arrays(tmp_path, kind, name):
    memory = measure(tmp_path, kind, name, 120)
    # 1 at least: the array is filled.
    assert 0.9 < memory < 1.5
