"""A finished CP2K run: its atoms, cores, labels and density, checked before anything is computed from them."""

from __future__ import annotations

from dataclasses import dataclass
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
    find_input,
    find_output,
    step_of,
)
from basinet.dft.trajectory import read_step
from basinet.errors import InputError


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


def read_run(path: str | Path, *, density: str | Path | None = None, need_density: bool = True) -> Cp2kRun:
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
    output = read_cp2k_output(find_output(path))
    check_ending(output)
    given = read_cp2k_input(find_input(output))
    check_method(output, given)
    check_cell(output, given)
    cube = find_density(output, given, density, required=need_density)
    step, evaluation, positions = choose_step(output, given, cube)
    check_evaluation(evaluation, len(positions), output)
    if output.electrons is None:
        raise InputError(f"{output.path}: does not print the number of electrons; set PRINT_LEVEL MEDIUM")
    symbols = agreed_symbols(output, given)
    cores = atomic_cores(output, given, symbols)
    return Cp2kRun(
        atoms=Atoms(list(symbols), positions=positions, cell=given.cell, pbc=True),
        cores=cores,
        labels=dict(evaluation.energies),
        forces=evaluation.forces,
        electrons=float(output.electrons),
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


def find_density(output: Cp2kOutput, given: Cp2kInput, density: str | Path | None, *, required: bool) -> Path | None:
    """The cube of the density: the one named, or the only one there."""
    if density is not None:
        if not Path(density).is_file():
            raise InputError(f"{density}: no such file; name the cube of the electron density")
        return Path(density)
    cube = find_cube(output, given.project, DENSITY)
    if cube is None and required:
        raise InputError(
            f"{output.path.parent}: no cube of the electron density ({given.project}-{DENSITY}-1_0.cube); "
            "add &E_DENSITY_CUBE with STRIDE 1 1 1 to &DFT/&PRINT, or name the cube"
        )
    return cube


def choose_step(
    output: Cp2kOutput, given: Cp2kInput, cube: Path | None
) -> tuple[int | None, Evaluation, NDArray[np.float64]]:
    """The evaluation that the density belongs to, its number if it is a step of a trajectory, and its positions."""
    start = agreed_positions(output, given)
    if len(output.evaluations) == 1:
        return None, output.evaluations[0], start
    step = None if cube is None else step_of(cube)
    if step is None:
        raise InputError(
            f"{output.path}: {len(output.evaluations)} energies; name the density of the step you mean "
            f"({given.project}-{DENSITY}-1_STEP.cube)"
        )
    evaluation, positions = read_step(output, given, step)
    return step, evaluation, positions
