"""CP2K's runs as inputs: one input for each density of a trajectory, whose output is read once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from basinet.dft import Cp2kRun
from basinet.dft.run_directory import Calculation, find_density, read_calculation, select
from basinet.dft.run_files import DENSITY, find_cubes, find_output, step_of
from basinet.errors import InputError
from basinet.partition.settings import Job
from basinet.partition.source import stamp

CUBES = (".cube", ".gz")


def expanded(jobs: Sequence[Job]) -> list[Job]:
    """Replace runs of molecular dynamics that wrote several densities by these, in the order of their steps.

    What is wrong with a step is told when its turn comes, and costs none of the others; what is wrong with a whole run
    is told once, of its directory.
    """
    found: list[Job] = []
    for job in jobs:
        found += [Job(density) for density in densities_of_steps(job.path)] or [job]
    return found


def densities_of_steps(path: Path) -> list[Path]:
    """Densities of a trajectory in the order of their steps, as their names say; none if there are not several."""
    if not path.is_dir() or len(list(path.glob(f"*{DENSITY}*.cube*"))) < 2:
        return []
    try:
        calculation = read_calculation(path, allow_unconverged=True)
    except InputError:
        return []
    cubes = find_cubes(calculation.output, calculation.given.project, DENSITY)
    single = len(calculation.output.evaluations) == 1
    return [] if single or any(step_of(cube) is None for cube in cubes) else cubes


def run_of_cube(path: Path) -> Path | None:
    """Directory of the CP2K run that wrote a cube of the electron density, if that run lies beside it."""
    if f"-{DENSITY}-" not in path.name:
        return None
    try:
        find_output(path.parent)
    except InputError:
        return None
    return path.parent


def read_step(path: Path, density: Path | None, *, allow_unconverged: bool) -> tuple[Cp2kRun, Path]:
    """Read a run, or the step of it that a density belongs to; and the density's path.

    Raises
    ------
    InputError
        See `basinet.dft.read_run`.
    """
    directory = path if path.is_dir() else path.parent
    files = [file for file in sorted(directory.iterdir()) if file.suffix not in CUBES]
    state = tuple((file.name, *(stamp(file) or ())) for file in files)
    calculation = read_calculation_once(path, allow_unconverged, state)
    cube = find_density(calculation, density, required=True)
    if cube is None:
        raise InputError(f"{path}: no cube of the electron density")
    return select(calculation, cube), cube


@lru_cache(maxsize=1)
def read_calculation_once(
    path: Path, allow_unconverged: bool, _state: tuple[tuple[str | int, ...], ...]
) -> Calculation:
    """Read output and input of a run; not again for the next step, as long as no file of it has changed."""
    return read_calculation(path, allow_unconverged=allow_unconverged)
