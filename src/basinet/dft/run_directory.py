"""A finished CP2K run: its atoms, cores, labels and density, checked before anything is computed from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from basinet.dft.cp2k_evaluations import Evaluation
from basinet.dft.cp2k_input import Cp2kInput, read_cp2k_input
from basinet.dft.cp2k_output import Cp2kOutput, read_cp2k_output
from basinet.dft.cp2k_potentials import Core
from basinet.dft.run_checks import (
    agreed_positions,
    agreed_symbols,
    check_cell,
    check_ending,
    check_evaluation,
    check_method,
)
from basinet.dft.run_cores import atomic_cores
from basinet.dft.run_files import (
    DENSITY,
    HARTREE_POTENTIAL,
    TOTAL_DENSITY,
    find_cube,
    find_cubes,
    find_input,
    find_output,
    step_of,
)
from basinet.dft.trajectory import Frame, evaluations_by_step, read_trajectory
from basinet.errors import InputError

ENERGY_DIGITS = 1e-8
"""Energies (eV) of a trajectory have 10 decimals of a hartree."""


@dataclass(frozen=True)
class Cp2kRun:
    """What a CP2K run gives to the partition of its density.

    Attributes
    ----------
    atoms
        Periodic, with cell and positions (Å) at the precision of the input.
    cores
        Charge Z (e) and radius r_loc (Å) of each atom's Gaussian core.
    labels
        Energies in eV (``REF_energy``, ``REF_hartree_energy``, ...); what was not printed is absent.
    forces
        (n_atoms, 3) in eV/Å, or None.
    electrons
        Number of electrons.
    density
        Cube of the electron density in e/bohr^3; None if there is none and none was required.
    total_density, hartree_potential
        CP2K's cubes of the neutral charge density and of the Hartree potential (hartree), if written.
    grid
        Points of the finest grid, if printed; a cube has as many at ``STRIDE 1 1 1``.
    eps_scf
        The convergence asked for, if printed.
    version
        Of CP2K.
    step
        Of the trajectory that this is; None for a single point.
    input, output
        The files read.
    """

    atoms: Atoms
    cores: tuple[Core, ...]
    labels: dict[str, float]
    forces: NDArray[np.float64] | None
    electrons: float
    density: Path | None
    total_density: Path | None
    hartree_potential: Path | None
    grid: tuple[int, int, int] | None
    eps_scf: float | None
    version: str
    step: int | None
    input: Path
    output: Path


def read_run(
    path: str | Path,
    *,
    density: str | Path | None = None,
    need_density: bool = True,
    allow_unconverged: bool = False,
) -> Cp2kRun:
    """Read a finished CP2K run and check it.

    Parameters
    ----------
    path
        The run's directory, or its output where the directory holds several.
    density
        The cube of the electron density. By default the one named ``PROJECT-ELECTRON_DENSITY-...cube`` (or
        ``.cube.gz``) beside the output. Of a trajectory that wrote several, it chooses the step.
    need_density
        Whether a run without a density is an error.
    allow_unconverged
        Whether a run whose SCF did not converge is none.

    Returns
    -------
    Cp2kRun
        In eV, Å and e.

    Raises
    ------
    InputError
        There is no output, or several; it is empty, binary, cut short, aborted or not converged; the input is
        missing or belongs to another run; a kind or its pseudopotential is unknown, its file cannot be found, or
        it is none of GTH's; the density is missing, or there are several. One line that names file and remedy.
    """
    calculation = read_calculation(path, allow_unconverged=allow_unconverged)
    cube = find_density(calculation, density, required=need_density)
    return select(calculation, cube)


def read_runs(path: str | Path) -> list[Cp2kRun]:
    """Read every step of a run that has a density: one of a single point, many of molecular dynamics.

    Output, input and trajectory are read once, so that this is quicker than `read_run` for each density.

    Parameters
    ----------
    path
        The run's directory, or its output where the directory holds several.

    Raises
    ------
    InputError
        As `read_run`; or a density is of a step that the output or the trajectory lacks.
    """
    calculation = read_calculation(path)
    cubes = find_cubes(calculation.output, calculation.given.project, DENSITY)
    if not cubes:
        raise missing_density(calculation)
    return [select(calculation, cube) for cube in cubes]


@dataclass(frozen=True)
class Calculation:
    """Output and input of a run that agree with each other, and what is the same for all its steps."""

    output: Cp2kOutput
    given: Cp2kInput
    symbols: tuple[str, ...]
    cores: tuple[Core, ...]
    electrons: int
    allow_unconverged: bool = False

    @cached_property
    def start(self) -> NDArray[np.float64]:
        """Positions of a single point."""
        return agreed_positions(self.output, self.given)

    @cached_property
    def trajectory(self) -> dict[int, Frame]:
        """Positions and energies by the number of their step."""
        return read_trajectory(self.output.path.parent / f"{self.given.project}-pos-1.xyz", self.given.names)


def read_calculation(path: str | Path, *, allow_unconverged: bool = False) -> Calculation:
    """Read output and input, and check all that does not depend on the density."""
    output = read_cp2k_output(find_output(path))
    check_ending(output, allow_unconverged=allow_unconverged)
    given = read_cp2k_input(find_input(output))
    check_method(output, given)
    check_cell(output, given)
    symbols = agreed_symbols(output, given)
    if output.electrons is None:
        raise InputError(f"{output.path}: does not print the number of electrons; set PRINT_LEVEL MEDIUM")
    cores = atomic_cores(output, given, symbols)
    return Calculation(output, given, symbols, cores, output.electrons, allow_unconverged)


def select(calculation: Calculation, cube: Path | None) -> Cp2kRun:
    """The run, or the step of it that a density belongs to."""
    output, given = calculation.output, calculation.given
    step, evaluation, positions = choose_step(calculation, cube)
    check_evaluation(evaluation, len(positions), output, allow_unconverged=calculation.allow_unconverged)
    return Cp2kRun(
        atoms=Atoms(list(calculation.symbols), positions=positions, cell=given.cell, pbc=True),
        cores=calculation.cores,
        labels=dict(evaluation.energies),
        forces=evaluation.forces,
        electrons=float(calculation.electrons),
        density=cube,
        total_density=find_cube(output, given.project, TOTAL_DENSITY, step),
        hartree_potential=find_cube(output, given.project, HARTREE_POTENTIAL, step),
        grid=output.grid,
        eps_scf=output.eps_scf,
        version=output.version,
        step=step,
        input=given.path,
        output=output.path,
    )


def find_density(calculation: Calculation, density: str | Path | None, *, required: bool) -> Path | None:
    """The cube of the density: the one named, or the only one there."""
    if density is not None:
        if not Path(density).is_file():
            raise InputError(f"{density}: no such file; name the cube of the electron density")
        return Path(density)
    cube = find_cube(calculation.output, calculation.given.project, DENSITY)
    if cube is None and required:
        raise missing_density(calculation)
    return cube


def missing_density(calculation: Calculation) -> InputError:
    """The error of a run that wrote no density."""
    return InputError(
        f"{calculation.output.path.parent}: no cube of the electron density "
        f"({calculation.given.project}-{DENSITY}-1_0.cube); add &E_DENSITY_CUBE with STRIDE 1 1 1 to &DFT/&PRINT, "
        "or name the cube"
    )


def choose_step(calculation: Calculation, cube: Path | None) -> tuple[int | None, Evaluation, NDArray[np.float64]]:
    """The evaluation that the density belongs to, its number if it is a step of a trajectory, and its positions."""
    output, given = calculation.output, calculation.given
    if len(output.evaluations) == 1:
        return None, output.evaluations[0], calculation.start
    step = None if cube is None else step_of(cube)
    if step is None:
        raise InputError(
            f"{output.path}: {len(output.evaluations)} energies; name the density of the step you mean "
            f"({given.project}-{DENSITY}-1_STEP.cube)"
        )
    evaluation = evaluations_by_step(output).get(step)
    if evaluation is None:
        raise InputError(f"{output.path}: no energy of step {step}; the density {cube} is not of this run")
    trajectory = f"{output.path.parent / given.project}-pos-1.xyz"
    frame = calculation.trajectory.get(step)
    if frame is None:
        raise InputError(f"{trajectory}: step {step} is not in it; write it as often as the densities")
    if abs(frame.energy - evaluation.energies.get("REF_energy", frame.energy)) > ENERGY_DIGITS:
        raise InputError(
            f"{trajectory}: step {step} has another energy than in {output.path.name}; it is another run's"
        )
    return step, evaluation, frame.positions
