"""A finished CP2K run: its files, whether they tell the same story, and what they give to a partition."""

import os
import re
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.geometry import cell_to_cellpar

from basinet import units
from basinet.arrays import FloatArray
from basinet.cp2k.input import EXT_RESTART, Cp2kInput, _guess_element, _xyz_frames, read_cp2k_input
from basinet.cp2k.language import _parse_number, read_cp2k_text
from basinet.cp2k.output import Cp2kEvaluation, Cp2kOutput, read_cp2k_output
from basinet.cp2k.potentials import Core, _atomic_cores
from basinet.cp2k.program import NotConvergedError
from basinet.density.pair_dispersion import PairDispersion
from basinet.errors import DensityError, InputError

_HEAD = 1 << 16  # bytes at the beginning of a file that show whether it is a CP2K output: the banner comes early
_NOT_OUTPUTS = (".cube", ".gz", ".wfn", ".xyz", ".extxyz", ".inp", ".restart", ".ener", ".bak-1", ".py", ".sh", ".json")
DENSITY = "ELECTRON_DENSITY"
_ENERGY_DIGITS = 1e-8  # energies (eV) of a trajectory have 10 decimals of a hartree
_RUN_TYPES = ("ENERGY", "ENERGY_FORCE", "WAVEFUNCTION_OPTIMIZATION", "WFN_OPT", "MD", "MOLECULAR_DYNAMICS")


def find_output(path: str | Path) -> Path:
    """Find the CP2K output of a run: in its directory, or named itself; InputError where there is none, or several."""
    path = Path(path)
    if path.is_file():
        return path
    if not path.is_dir():
        raise InputError(f"{path}: no such file or directory; name the directory of a CP2K run")
    files = [file for file in sorted(path.iterdir()) if file.is_file() and file.suffix not in _NOT_OUTPUTS]
    outputs = [file for file in files if is_output(file)]
    if len(outputs) == 1:
        return outputs[0]
    if outputs:
        names = ", ".join(file.name for file in outputs)
        raise InputError(f"{path}: several CP2K outputs ({names}); name one of these files instead of the directory")
    nearly = [file.name for file in files if file.suffix in (".out", ".log")]
    hint = f" ({', '.join(nearly)} is empty or something else)" if nearly else ""
    raise InputError(f"{path}: no CP2K output in this directory{hint}; run CP2K with -o, or name the file")


def is_output(file: Path) -> bool:
    """Tell if a file begins as CP2K's outputs do."""
    try:
        if not file.is_file():  # a pipe, say
            return False
        with file.open("rb") as stream:
            return b"CP2K| version string:" in stream.read(_HEAD)
    except OSError:
        return False


def _find_input(output: Cp2kOutput) -> Path:
    """Find the input beside an output: the file it names, or the only one that ends in ``.inp``."""
    directory = output.path.parent
    named = directory / Path(output.input_name or "").name
    if output.input_name and named.is_file():
        return named
    others = sorted(directory.glob("*.inp"))
    if len(others) == 1:
        return others[0]
    raise InputError(
        f"{output.path}: its input {output.input_name or ''} is not beside it; basinet takes the exact cell and "
        "atoms from the input, so put it there"
    )


def _find_cube(output: Cp2kOutput, project: str, quantity: str, step: int | None = None) -> Path | None:
    """Find the cube of a quantity; of one step where a trajectory wrote several."""
    cubes = _find_cubes(output, project, quantity)
    if step is not None:
        cubes = [cube for cube in cubes if step_of(cube) == step]
    if len(cubes) > 1:
        names = [cube.name for cube in cubes]
        told = ", ".join(names if len(names) <= 4 else [*names[:3], f"... {names[-1]}", f"{len(names)} in all"])
        raise InputError(f"{output.path.parent}: several cubes of {quantity} ({told}); name one of them as the density")
    return cubes[0] if cubes else None


def _find_cubes(output: Cp2kOutput, project: str, quantity: str) -> list[Path]:
    """All cubes of a quantity beside an output, by step; the project's own if any begin with its name."""
    directory = output.path.parent
    cubes = [*directory.glob(f"*{quantity}*.cube"), *directory.glob(f"*{quantity}*.cube.gz")]
    ours = [cube for cube in cubes if cube.name.startswith(f"{project}-")] or cubes
    return sorted(ours, key=lambda cube: (step_of(cube) or 0, cube.name))


def step_of(cube: Path) -> int | None:
    """The step that CP2K writes into a cube's name; None if it is not there.

    >>> step_of(Path("run-ELECTRON_DENSITY-1_5.cube.gz"))
    5
    """
    match = re.search(r"-1_(\d+)\.cube(\.gz)?$", cube.name)
    return None if match is None else int(match[1])


_TITLE = re.compile(r"\s*i\s*=\s*(\d+)\b.*\bE\s*=\s*(\S+)\s*$")
"""The title of a frame: `` i =        2, time =        4.000, E =       -84.1771714821``."""


@dataclass(frozen=True)
class _Frame:
    """Positions (n_atoms, 3) in Å and total energy in eV, both to 10 decimals of CP2K's units."""

    positions: FloatArray
    energy: float


def evaluations_by_step(output: Cp2kOutput) -> dict[int, Cp2kEvaluation]:
    """Evaluations by the number of their step; the one at the start belongs to the step before the first."""
    numbered = {item.step: item for item in output.evaluations if item.step is not None}
    first = output.evaluations[0]
    if first.step is None and numbered:
        numbered[min(numbered) - 1] = first
    return numbered


def read_trajectory(path: Path, names: tuple[str, ...]) -> dict[int, _Frame]:
    """Read positions and energies by the number of their step; of a step written twice (a restart) the last counts.

    InputError where the file is missing, has other atoms than `names`, or is cut short.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, yet the positions of the steps are in it; put it beside the output")
    text = read_cp2k_text(path)
    if not text.endswith("\n"):
        raise InputError(f"{path}, line {text.count(chr(10)) + 1}: the file is cut short; copy it again")
    frames: dict[int, _Frame] = {}
    for title, found, positions, where in _xyz_frames(path):
        match = _TITLE.match(title)
        if match is None:
            raise InputError(f"{where}: the title below tells no step and energy; name the trajectory of CP2K")
        if found != names:
            raise InputError(f"{where}: other atoms than those of the input")
        frames[int(match[1])] = _Frame(positions, _parse_number(match[2], where) * units.Hartree)
    return frames


@dataclass(frozen=True)
class Cp2kRun:
    """A CP2K run, or a step of one, as the partition of its density needs it; None is what was not printed or written.

    Cell and positions (Å) of the periodic atoms are as precise as the input. Cores are the charge Z (e) and radius
    r_loc (Å) of each atom, labels energies in eV (``REF_energy``, ``REF_hartree_energy``, ...), forces (n_atoms, 3) in
    eV/Å. Of CP2K's cubes, the electron density is in e/bohr^3, the neutral charge density (`total_density`) too, the
    Hartree potential in hartree, the energy density (`local_energy`) in hartree/bohr^3. For the rest see
    `Cp2kEvaluation`, `Cp2kInput` and `Cp2kOutput`; the step is that of the trajectory, input and output are the files
    read.
    """

    atoms: Atoms
    cores: tuple[Core, ...]
    labels: dict[str, float]
    forces: FloatArray | None
    electrons: float
    density: Path
    total_density: Path | None
    hartree_potential: Path | None
    local_energy: Path | None
    local_energy_gap: float | None
    rvv10: tuple[float, float, float] | None
    pair_dispersion: PairDispersion | None
    grid: tuple[int, int, int] | None
    eps_scf: float | None
    step: int | None
    input: Path
    output: Path


def read_run(path: str | Path, *, density: str | Path | None = None, allow_unconverged: bool = False) -> Cp2kRun:
    """Read a finished CP2K run, in eV, Å and e, and check it.

    The path is the run's directory, or its output where the directory holds several. The cube of the electron density
    is by default the one named ``PROJECT-ELECTRON_DENSITY-...cube`` (or ``.cube.gz``) beside the output; of a
    trajectory that wrote several, it chooses the step. A run whose SCF did not converge is an error unless allowed.
    InputError: there is no output, or several; it is empty, binary, cut short, aborted or not converged; the input is
    missing or belongs to another run; a kind or its pseudopotential is unknown, its file cannot be found, or it is none
    of GTH's; the density is missing, or there are several. One line that names file and remedy.
    """
    calculation = _read_calculation(path, allow_unconverged=allow_unconverged)
    output, given = calculation.output, calculation.given
    cube = _find_cube(output, given.project, DENSITY) if density is None else Path(density)
    if cube is None:
        raise DensityError(
            f"{output.path.parent}: no cube of the electron density ({given.project}-{DENSITY}-1_0.cube); "
            "add &E_DENSITY_CUBE with STRIDE 1 1 1 to &DFT/&PRINT, or name the cube"
        )
    if not cube.is_file():
        raise InputError(f"{cube}: no such file; name the cube of the electron density")
    step, evaluation, positions = _choose_step(calculation, cube)
    check_evaluation(evaluation, len(positions), output, allow_unconverged=allow_unconverged)
    return Cp2kRun(
        atoms=Atoms(list(calculation.symbols), positions=positions, cell=given.cell, pbc=True),
        cores=calculation.cores,
        labels=dict(evaluation.energies),
        forces=None if evaluation.forces is None else evaluation.forces.copy(),
        electrons=float(calculation.electrons),
        density=cube,
        total_density=_find_cube(output, given.project, "TOTAL_DENSITY", step),
        hartree_potential=_find_cube(output, given.project, "v_hartree", step),
        local_energy=_find_cube(output, given.project, "local_energy", step),
        local_energy_gap=evaluation.local_energy_gap,
        rvv10=given.rvv10,
        pair_dispersion=output.pair_dispersion and replace(output.pair_dispersion, three_body=given.three_body),
        grid=output.grid,
        eps_scf=output.eps_scf,
        step=step,
        input=given.path,
        output=output.path,
    )


def densities_of_steps(path: Path) -> list[Path]:
    """Densities of a trajectory in the order of their steps, as their names say; none if there are not several."""
    if not path.is_dir() or len(list(path.glob(f"*{DENSITY}*.cube*"))) < 2:
        return []
    try:
        calculation = _read_calculation(path, allow_unconverged=True)
    except InputError:
        return []
    cubes = _find_cubes(calculation.output, calculation.given.project, DENSITY)
    single = len(calculation.output.evaluations) == 1
    return [] if single or any(step_of(cube) is None for cube in cubes) else cubes


@dataclass(frozen=True)
class _Calculation:
    """Output and input of a run that agree with each other, and what is the same for all its steps."""

    output: Cp2kOutput
    given: Cp2kInput
    symbols: tuple[str, ...]
    cores: tuple[Core, ...]
    electrons: int

    @cached_property
    def trajectory(self) -> dict[int, _Frame]:
        return read_trajectory(self.output.path.parent / f"{self.given.project}-pos-1.xyz", self.given.names)


def _read_calculation(path: str | Path, *, allow_unconverged: bool = False) -> _Calculation:
    """Read output and input of a run; not again for its next step, as long as no file but its cubes has changed."""
    path = Path(path)
    directory = path if path.is_dir() else path.parent
    files = [file for file in directory.glob("*") if file.suffix not in (".cube", ".gz") and file.is_file()]
    state = sorted((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    return _read_once(path, allow_unconverged, (*state, os.environ.get("CP2K_DATA_DIR")))


@lru_cache(maxsize=1)
def _read_once(path: Path, allow_unconverged: bool, _state: tuple[Any, ...]) -> _Calculation:
    output = read_cp2k_output(find_output(path))
    check_ending(output, allow_unconverged=allow_unconverged)
    given = read_cp2k_input(_find_input(output))
    _check_method(output, given)
    _check_same_cell(output, given)
    symbols = _agreed_symbols(output, given)
    if output.electrons is None:
        raise InputError(f"{output.path}: does not print the number of electrons; set PRINT_LEVEL MEDIUM")
    cores = _atomic_cores(output, given, symbols)
    return _Calculation(output, given, symbols, cores, output.electrons)


def _choose_step(calculation: _Calculation, cube: Path) -> tuple[int | None, Cp2kEvaluation, FloatArray]:
    """The evaluation that the density belongs to, its number if it is a step of a trajectory, and its positions."""
    output, given = calculation.output, calculation.given
    if len(output.evaluations) == 1:
        return None, output.evaluations[0], _agreed_positions(output, given)
    step = step_of(cube)
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
    if abs(frame.energy - evaluation.energies.get("REF_energy", frame.energy)) > _ENERGY_DIGITS:
        msg = f"{trajectory}: step {step} has another energy than in {output.path.name}; it is another run's"
        raise InputError(msg)
    return step, evaluation, frame.positions


_POSITION_DIGITS = 2e-6  # positions are printed with 6 decimals
_CELL_DIGITS = 2e-6  # so are lengths (Å) and angles (degrees) of the cell
_COMPONENT_DIGITS = 1e-3  # components of cell vectors are printed with 3


def _remedy(given: Cp2kInput) -> str:
    """What to do where input and output do not agree."""
    others = f", or run it without {given.changed_by}, which changes them" if given.changed_by else ""
    return f"put the input of this very run beside the output{others}"


def check_ending(output: Cp2kOutput, *, allow_unconverged: bool = False) -> None:
    """Refuse a run that failed, was cut short or did not converge; of a trajectory, one that ended so."""
    ended = len(output.evaluations) == 1 or (output.evaluations and not output.finished)
    if ended and not allow_unconverged:
        check_convergence(output.evaluations[-1], output)
    if output.abort_line is not None:
        raise InputError(f"{output.path}, line {output.abort_line}: CP2K aborted; mend what its message says")
    if not output.finished:
        msg = f"{output.path}: the output is cut short, CP2K has not ended (no PROGRAM ENDED); wait, or run it again"
        raise InputError(msg)
    if not output.evaluations:
        raise InputError(f"{output.path}: no energies in this output; use RUN_TYPE ENERGY_FORCE")


def check_convergence(evaluation: Cp2kEvaluation, output: Cp2kOutput) -> None:
    """Refuse an evaluation whose SCF cycle did not converge (`NotConvergedError`)."""
    if evaluation.scf_converged is False:
        step = "" if evaluation.step is None else f" at step {evaluation.step}"
        raise NotConvergedError(
            f"{output.path}: the SCF run did NOT converge{step}; raise MAX_SCF or change the minimiser, "
            "and run CP2K again"
        )


def _check_method(output: Cp2kOutput, given: Cp2kInput) -> None:
    """Refuse what the partition is not defined for: all-electron methods, and potentials that are not periodic."""
    method = output.method or given.method
    if method != "GPW":
        msg = f"{output.path}: method {method}; basinet reads GPW with GTH pseudopotentials alone, so set METHOD GPW"
        raise InputError(msg)
    for kind in output.kinds:
        if kind.potential_type not in (None, "GTH"):
            raise InputError(
                f"{output.path}: kind {kind.name} has the {kind.potential_type} potential {kind.potential}; "
                "basinet reads only GTH pseudopotentials"
            )
    solver = output.poisson_solver or given.poisson_solver
    if solver != "PERIODIC":
        msg = f"{output.path}: Poisson solver {solver}; basinet's electrostatics is periodic, so set it to PERIODIC"
        raise InputError(msg)
    if given.run_type not in _RUN_TYPES:
        raise InputError(f"{given.path}: RUN_TYPE {given.run_type}; basinet reads ENERGY, ENERGY_FORCE and MD")
    if "NPT" in given.ensemble or "NPE" in given.ensemble:
        raise InputError(f"{given.path}: ENSEMBLE {given.ensemble} changes the cell; run single points of its frames")


def check_evaluation(
    evaluation: Cp2kEvaluation, n_atoms: int, output: Cp2kOutput, *, allow_unconverged: bool = False
) -> None:
    """Refuse an evaluation that did not converge, or lacks its total, its convergence, or forces on some atoms."""
    if not allow_unconverged:
        check_convergence(evaluation, output)
    if evaluation.scf_converged is None or "REF_energy" not in evaluation.energies:
        raise InputError(f"{output.path}: prints no energy or no SCF convergence; set PRINT_LEVEL MEDIUM")
    if evaluation.forces is not None and len(evaluation.forces) != n_atoms:
        msg = f"{output.path}: {len(evaluation.forces)} rows of forces for {n_atoms} atoms; the output is damaged"
        raise InputError(msg)


def _check_same_cell(output: Cp2kOutput, given: Cp2kInput) -> None:
    if output.cell is None:
        return
    difference = np.abs(cell_to_cellpar(output.cell) - cell_to_cellpar(given.cell)).max()
    components = np.abs(output.cell - given.cell).max()
    if not (components <= _COMPONENT_DIGITS and difference <= _CELL_DIGITS):
        raise InputError(f"{given.path}: its cell is not that of {output.path.name}; {_remedy(given)}")


def _agreed_symbols(output: Cp2kOutput, given: Cp2kInput) -> tuple[str, ...]:
    symbols = output.symbols or given.elements
    if len(symbols) != len(given.names):
        msg = f"{given.path}: {len(given.names)} atoms, but {len(symbols)} in {output.path.name}; {_remedy(given)}"
        raise InputError(msg)
    for name, symbol, element in zip(given.names, symbols, given.elements, strict=True):
        if not atomic_numbers.get(symbol):
            raise InputError(f"{given.path}: the atom {name!r} is of no known element; give its &KIND an ELEMENT")
        # The input alone settles an element that is not guessed; a name such as ``OW`` does not.
        certain = element != _guess_element(name) or name.rstrip("0123456789").capitalize() == element
        if symbol != element and certain:
            msg = f"{given.path}: the atom {name!r} is {element}, but {symbol} in {output.path.name}; {_remedy(given)}"
            raise InputError(msg)
    return symbols


def _agreed_positions(output: Cp2kOutput, given: Cp2kInput) -> FloatArray:
    """Positions of the input (n_atoms, 3), moved as CP2K moved them if it centred the atoms."""
    if output.positions is None:
        if given.centred or given.changed_by == EXT_RESTART:
            msg = f"{output.path}: prints no atoms, yet CP2K moved those of the input; set PRINT_LEVEL MEDIUM"
            raise InputError(msg)
        return given.positions
    moved = output.positions - given.positions
    shift = moved.mean(axis=0) if given.centred else np.zeros(3)
    wrong = np.flatnonzero(np.abs(moved - shift).max(axis=1) > _POSITION_DIGITS)
    if wrong.size:
        raise InputError(
            f"{given.path}: atom {wrong[0] + 1} is not where {output.path.name} has it "
            f"({np.abs(moved - shift).max():.2g} Å apart); {_remedy(given)}"
        )
    return given.positions + shift
