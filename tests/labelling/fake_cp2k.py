"""Stands in for CP2K: ``python fake_cp2k.py PLAN -i INPUT -o OUTPUT`` answers at once, or fails as the plan says.

The output is that of the real CP2K in ``tests/cp2k/fixtures/argon``, with the atoms of the input in place of its own
and energies that depend on them; the density is a Gaussian of eight electrons on each atom, and the Hartree energy that
of the density. The plan, JSON, has under
``fates`` a list for each frame (by the number in its first atom's x coordinate, see ``campaigns.frames``): what happens
at the first try, at the second, and so on, the last one for good. Every try is entered in ``journal``. With
``together`` the first ones wait until so many have begun.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

OUTPUT = Path(__file__).parents[1] / "cp2k" / "fixtures" / "argon" / "run.out"
SHAPE = (36, 36, 36)
BOHR = 0.529177210903
WIDTH = 0.7
"""Å."""
CORE = 0.4
"""bohr: r_loc of argon's pseudopotential."""


def main(plan: Path, *arguments: str) -> None:
    settings = json.loads(plan.read_text())
    if arguments == ("--version",):
        print(f" CP2K version {settings.get('version', '2023.1')}")  # noqa: T201
        return
    given, output = Path(arguments[1]), Path(arguments[3])
    text = given.read_text()
    frame = round(1e4 * float(re.search(r"^ *Ar (\S+)", text, re.MULTILINE)[1]))
    journal = plan.with_name("journal")
    before = journal.read_text().split().count(f"begin:{frame}") if journal.exists() else 0
    with journal.open("a") as stream:
        stream.write(f"begin:{frame}\n")
    wait_for_others(journal, settings.get("together", 1))
    fates = settings["fates"].get(str(frame), ["well"])
    end(fates[min(before, len(fates) - 1)], text, output, frame)
    with journal.open("a") as stream:
        stream.write(f"end:{frame}\n")


def wait_for_others(journal: Path, count: int) -> None:
    """Wait until so many calculations have been begun: where as many must be at work at the same time."""
    deadline = time.monotonic() + 120
    while journal.read_text().count("begin:") < count and time.monotonic() < deadline:
        time.sleep(0.05)


def end(fate: str, text: str, output: Path, frame: int) -> None:
    name, _, seconds = fate.partition(":")
    time.sleep(float(seconds or 0))
    whole = answer(text, frame)
    if name == "well":
        output.write_text(whole)
        write_cube(text, Path("basinet-ELECTRON_DENSITY-1_0.cube"))
    elif name == "unconverged":
        output.write_text(whole.replace("*** SCF run converged in     6 steps ***", "*** SCF run NOT converged ***"))
    elif name == "cut":
        output.write_text(whole)
        cube = Path("basinet-ELECTRON_DENSITY-1_0.cube")
        write_cube(text, cube)
        os.truncate(cube, cube.stat().st_size // 2)
    elif name == "nothing":
        output.write_text(whole)
    elif name == "abort":
        output.write_text(whole[: len(whole) // 3] + BOX)
        sys.exit(1)
    elif name == "full":
        output.write_text(whole[: len(whole) // 2])
        sys.stderr.write("Fortran runtime error: No space left on device\n")
        sys.exit(2)
    else:
        output.write_text(whole[: len(whole) // 2])
        os.kill(os.getpid(), getattr(signal, name))


BOX = """
 *******************************************************************************
 *   ___                                                                       *
 *  /   \\                                                                      *
 * [ABORT]                                                                     *
 *  \\___/    Cholesky decompose failed: the matrix is not positive definite    *
 *    |                                                                        *
 *  O/|                                                                        *
 * /| |                                                                        *
 * / \\                                                      fm/cp_fm_cholesky.F:167 *
 *******************************************************************************
"""


def atoms(text: str) -> np.ndarray:
    import numpy as np  # not above: --version is asked for by every campaign, and answered without

    rows = re.findall(r"^ *Ar (\S+) (\S+) (\S+)$", text, re.MULTILINE)
    return np.array(rows, dtype=float)


def answer(text: str, frame: int) -> str:
    whole = OUTPUT.read_text().replace("run.inp", "basinet.inp")
    whole = whole.replace("-84.294679538663303", f"{-84.294679538663303 - 1e-6 * frame:.15f}")
    whole = whole.replace("68.39489872710200", f"{hartree_energy(text):.14f}")
    table = "".join(
        f"{number:7d}    1 Ar   18  {x:12.6f}  {y:12.6f}  {z:12.6f}   8.0000  39.9480\n"
        for number, (x, y, z) in enumerate(atoms(text), start=1)
    )
    return re.sub(r"(?<=Mass\n)(?: +\d+ +1 Ar .*\n)+", table, whole)


def density_of(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Electrons (e/bohr^3) and lengths of the cell (Å)."""
    import numpy as np

    places = atoms(text)
    lengths = np.array([float(re.search(rf"^ *{axis} .*$", text, re.MULTILINE)[0].split()[number + 1])
                        for number, axis in enumerate("ABC")])  # fmt: skip
    density = np.zeros(SHAPE)
    for place in places:
        factors = []
        for axis in range(3):
            distance = (np.arange(SHAPE[axis]) / SHAPE[axis] * lengths[axis] - place[axis]) / lengths[axis]
            distance = (distance - np.round(distance)) * lengths[axis]
            factors.append(np.exp(-0.5 * (distance / WIDTH) ** 2))
        density += np.einsum("i,j,k->ijk", *factors)
    voxel = np.prod(lengths / SHAPE) / BOHR**3
    return density * (8 * len(places) / (density.sum() * voxel)), lengths


def hartree_energy(text: str) -> float:
    """Of electrons and cores, hartree: 2 pi V sum_G |rho(G)|^2 / G^2."""
    import numpy as np

    density, lengths = density_of(text)
    volume = np.prod(lengths) / BOHR**3
    waves = np.meshgrid(*[2 * np.pi * np.fft.fftfreq(n, length / BOHR / n)
                          for n, length in zip(SHAPE, lengths, strict=True)], indexing="ij")  # fmt: skip
    squared = sum(wave**2 for wave in waves)
    phases = sum(np.exp(-1j * sum(w * x for w, x in zip(waves, place / BOHR, strict=True))) for place in atoms(text))
    rho = np.fft.fftn(density) / density.size - 8 / volume * np.exp(-0.5 * CORE**2 * squared) * phases
    squared[0, 0, 0] = np.inf
    return float(2 * np.pi * volume * np.sum(np.abs(rho) ** 2 / squared))


def write_cube(text: str, path: Path) -> None:
    places, (density, lengths) = atoms(text), density_of(text)
    with path.open("w") as stream:
        stream.write("-Quickstep-\n ELECTRON DENSITY\n")
        stream.write(f"{len(places):5d}    0.000000    0.000000    0.000000\n")
        for axis in range(3):
            step = [0.0, 0.0, 0.0]
            step[axis] = lengths[axis] / SHAPE[axis] / BOHR
            stream.write(f"{SHAPE[axis]:5d}" + "".join(f"{value:12.6f}" for value in step) + "\n")
        for place in places:
            stream.write("   18    8.000000" + "".join(f"{value / BOHR:12.6f}" for value in place) + "\n")
        for row in density.reshape(-1, SHAPE[2]):
            for start in range(0, SHAPE[2], 6):
                stream.write("".join(f"{value:13.5E}" for value in row[start : start + 6]) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
