"""What makes a CP2K run unusable, and whether its input and output tell the same story."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase.data import atomic_numbers
from ase.geometry import cell_to_cellpar
from numpy.typing import NDArray

from basinet.cp2k.input import Cp2kInput, Kind, guess_element
from basinet.cp2k.output import Cp2kOutput, Evaluation
from basinet.cp2k.potentials import Core, data_directories, find_potential_file, read_gth_potentials
from basinet.errors import InputError

POSITION_DIGITS = 2e-6
"""Positions are printed with 6 decimals."""
CELL_DIGITS = 2e-6
"""So are lengths (Å) and angles (degrees) of the cell."""
COMPONENT_DIGITS = 1e-3
"""Components of cell vectors are printed with 3."""

REMEDY = "put the input of this very run beside the output, or run it without EXT_RESTART"

SINGLE_POINTS = ("ENERGY", "ENERGY_FORCE", "WAVEFUNCTION_OPTIMIZATION", "WFN_OPT")
TRAJECTORIES = ("MD", "MOLECULAR_DYNAMICS")


def check_ending(output: Cp2kOutput, *, allow_unconverged: bool = False) -> None:
    """Refuse a run that failed, was cut short or did not converge; of a trajectory, one that ended so.

    Raises
    ------
    InputError
        Names the output, what happened and what to do.
    """
    ended = len(output.evaluations) == 1 or (output.evaluations and not output.finished)
    if ended and not allow_unconverged:
        check_convergence(output.evaluations[-1], output)
    if output.abort_line is not None:
        raise InputError(f"{output.path}, line {output.abort_line}: CP2K aborted; mend what its message says")
    if not output.finished:
        raise InputError(
            f"{output.path}: the output is cut short, CP2K has not ended (no PROGRAM ENDED); wait, or run it again"
        )
    if not output.evaluations:
        raise InputError(f"{output.path}: no energies in this output; use RUN_TYPE ENERGY_FORCE")


def check_convergence(evaluation: Evaluation, output: Cp2kOutput) -> None:
    """Refuse an evaluation whose SCF cycle did not converge."""
    if evaluation.scf_converged is False:
        step = "" if evaluation.step is None else f" at step {evaluation.step}"
        raise InputError(
            f"{output.path}: the SCF run did NOT converge{step}; raise MAX_SCF or change the minimiser, "
            "and run CP2K again"
        )


def check_method(output: Cp2kOutput, given: Cp2kInput) -> None:
    """Refuse what the partition is not defined for: all-electron methods, and potentials that are not periodic."""
    method = output.method or given.method
    if method != "GPW":
        raise InputError(
            f"{output.path}: method {method}; basinet reads GPW with GTH pseudopotentials alone, so set METHOD GPW"
        )
    for kind in output.kinds:
        if kind.potential_type not in (None, "GTH"):
            raise InputError(
                f"{output.path}: kind {kind.name} has the {kind.potential_type} potential {kind.potential}; "
                "basinet reads only GTH pseudopotentials"
            )
    solver = output.poisson_solver or given.poisson_solver
    if solver != "PERIODIC":
        raise InputError(
            f"{output.path}: Poisson solver {solver}; basinet's electrostatics is periodic, so set it to PERIODIC"
        )
    if given.run_type not in (*SINGLE_POINTS, *TRAJECTORIES):
        raise InputError(f"{given.path}: RUN_TYPE {given.run_type}; basinet reads ENERGY, ENERGY_FORCE and MD")
    if "NPT" in given.ensemble or "NPE" in given.ensemble:
        raise InputError(f"{given.path}: ENSEMBLE {given.ensemble} changes the cell; run single points of its frames")


def check_evaluation(
    evaluation: Evaluation, n_atoms: int, output: Cp2kOutput, *, allow_unconverged: bool = False
) -> None:
    """Refuse an evaluation that did not converge, or lacks its total, its convergence, or forces on some atoms."""
    if not allow_unconverged:
        check_convergence(evaluation, output)
    if evaluation.scf_converged is None or "REF_energy" not in evaluation.energies:
        raise InputError(f"{output.path}: prints no energy or no SCF convergence; set PRINT_LEVEL MEDIUM")
    if evaluation.forces is not None and len(evaluation.forces) != n_atoms:
        raise InputError(
            f"{output.path}: {len(evaluation.forces)} rows of forces for {n_atoms} atoms; the output is damaged"
        )


def check_cell(output: Cp2kOutput, given: Cp2kInput) -> None:
    """Refuse an input whose cell is not the one that the output was calculated in."""
    if output.cell is None:
        return
    difference = np.abs(cell_to_cellpar(output.cell) - cell_to_cellpar(given.cell)).max()
    components = np.abs(output.cell - given.cell).max()
    if not (components <= COMPONENT_DIGITS and difference <= CELL_DIGITS):
        raise InputError(f"{given.path}: its cell is not that of {output.path.name}; {REMEDY}")


def agreed_symbols(output: Cp2kOutput, given: Cp2kInput) -> tuple[str, ...]:
    """Elements as the output has them, or as the input implies.

    Raises
    ------
    InputError
        Input and output have different numbers of atoms, or different elements; or a name belongs to none.
    """
    symbols = output.symbols or given.elements
    if len(symbols) != len(given.names):
        raise InputError(f"{given.path}: {len(given.names)} atoms, but {len(symbols)} in {output.path.name}; {REMEDY}")
    for name, symbol, element in zip(given.names, symbols, given.elements, strict=True):
        if not atomic_numbers.get(symbol):
            raise InputError(f"{given.path}: the atom {name!r} is of no known element; give its &KIND an ELEMENT")
        if symbol != element and is_certain(name, element):
            raise InputError(
                f"{given.path}: the atom {name!r} is {element}, but {symbol} in {output.path.name}; {REMEDY}"
            )
    return symbols


def is_certain(name: str, element: str) -> bool:
    """Whether the input alone settles an atom's element: a name such as ``OW`` does not."""
    return element != guess_element(name) or name.rstrip("0123456789").capitalize() == element


def agreed_positions(output: Cp2kOutput, given: Cp2kInput) -> NDArray[np.float64]:
    """Positions of the input (n_atoms, 3), moved as CP2K moved them if it centred the atoms.

    Raises
    ------
    InputError
        The output has other positions than rounding explains, or none where the input does not settle them.
    """
    table = output.coordinates
    if table is None:
        if given.centred or given.restarted:
            raise InputError(
                f"{output.path}: prints no atoms, yet CP2K moved those of the input; set PRINT_LEVEL MEDIUM"
            )
        return given.positions
    moved = table.positions - given.positions
    shift = moved.mean(axis=0) if given.centred else np.zeros(3)
    wrong = np.flatnonzero(np.abs(moved - shift).max(axis=1) > POSITION_DIGITS)
    if wrong.size:
        raise InputError(
            f"{given.path}: atom {wrong[0] + 1} is not where {output.path.name} has it "
            f"({np.abs(moved - shift).max():.2g} Å apart); {REMEDY}"
        )
    return given.positions + shift


PRINTED_DIGITS = 1e-6
"""Relative precision of a printed core radius."""


def atomic_cores(output: Cp2kOutput, given: Cp2kInput, symbols: tuple[str, ...]) -> tuple[Core, ...]:
    """Charge (e) and radius (Å) of the core of each atom.

    The radius comes from the potential file, which has all its digits, if that file agrees with what the run
    printed. If it is not here, or is of another version, what the run printed counts, to 7 digits.

    Raises
    ------
    InputError
        An atom is of no kind, or is a ghost; its potential is none of GTH's; or neither is the potential file
        found (the message says where it was looked for) nor the core printed.
    """
    printed = {kind.name.upper(): kind.core for kind in output.kinds if kind.core is not None}
    found: dict[str, Core] = {}
    for name, symbol in zip(given.names, symbols, strict=True):
        if name not in found:
            found[name] = kind_core(given.kind_of(name, symbol), symbol, printed.get(name.upper()), output, given)
    return tuple(found[name] for name in given.names)


def kind_core(kind: Kind, element: str, printed: Core | None, output: Cp2kOutput, given: Cp2kInput) -> Core:
    """Core of one kind."""
    if kind.ghost:
        raise InputError(f"{kind.where}: kind {kind.name} is a ghost; basinet reads runs of whole atoms")
    if kind.potential_type not in ("GTH", "") and kind.core is None:
        raise InputError(
            f"{kind.where}: kind {kind.name} has the potential {kind.potential}; "
            "basinet reads only GTH pseudopotentials"
        )
    exact = kind.core or tabulated_core(kind, element, output, given, required=printed is None)
    if printed is None:
        if exact is None:
            raise InputError(f"{kind.where}: kind {kind.name} has no potential; name it with POTENTIAL")
        return exact
    return exact if exact is not None and agree(exact, printed) else printed


def agree(exact: Core, printed: Core) -> bool:
    """Whether a core is the one printed, to the digits printed."""
    return exact[0] == printed[0] and abs(exact[1] - printed[1]) < PRINTED_DIGITS * printed[1]


def tabulated_core(kind: Kind, element: str, output: Cp2kOutput, given: Cp2kInput, *, required: bool) -> Core | None:
    """Core from the potential files; None if it is not there and not `required`."""
    places = list(dict.fromkeys(data_directories(given.path.parent, output.data_directory)))
    files: list[Path] = []
    for name in kind.files:
        file = find_potential_file(name, places)
        if file is None:
            if required:
                looked = ", ".join(str(place) for place in places)
                raise InputError(
                    f"{given.path}: potential file {name} not found in {looked}; set CP2K_DATA_DIR to its directory"
                )
            continue
        files.append(file)
        core = read_gth_potentials(file).get((element, kind.potential.upper()))
        if core is not None:
            return core
    if required:
        looked = ", ".join(str(file) for file in files)
        raise InputError(
            f"{kind.where}: no GTH pseudopotential {kind.potential!r} of {element} in {looked}; "
            "correct POTENTIAL or POTENTIAL_FILE_NAME"
        )
    return None
