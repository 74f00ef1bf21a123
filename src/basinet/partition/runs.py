"""CP2K's runs as inputs: one input for each density of a trajectory, whose output is read once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from basinet.dft import Cp2kRun, read_runs
from basinet.dft.run_directory import Calculation, find_density, read_calculation, select
from basinet.dft.run_files import DENSITY, find_output
from basinet.errors import InputError
from basinet.partition.settings import Job
from basinet.partition.source import stamp

CUBES = (".cube", ".gz")


def expanded(jobs: Sequence[Job]) -> list[Job]:
    """Replace runs of molecular dynamics that wrote several densities by these, in the order of their steps.

    What cannot be read stays as it is: the error is told when its turn comes.
    """
    found: list[Job] = []
    for job in jobs:
        if job.path.is_dir() and len(list(job.path.glob(f"*{DENSITY}*.cube*"))) > 1:
            try:
                runs = read_runs(job.path)
            except InputError:
                runs = []
            steps = [run.density for run in runs if run.density is not None and run.step is not None]
            found += [Job(density) for density in steps] or [job]
        else:
            found.append(job)
    return found


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
