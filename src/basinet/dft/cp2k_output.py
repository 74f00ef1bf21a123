"""CP2K's output: energies, forces, cell, atoms, cores, and how the calculation ended.

Two dialects are read. Up to 2024.3 totals are printed as ``energy [a.u.]:`` and forces as a table headed
``ATOMIC FORCES in [a.u.]``; since 2025.1 as ``energy [hartree]`` and ``FORCES| Atomic forces [hartree/bohr]``,
in units of the user's choice (CP2K's revisions 097ac98af0 and db61e8c41f).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from basinet.dft.cp2k_evaluations import Evaluation, read_evaluations
from basinet.dft.cp2k_header import (
    CoordinateTable,
    PrintedKind,
    count_electrons,
    count_warnings,
    read_cell,
    read_coordinates,
    read_grid,
    read_kinds,
)
from basinet.dft.cp2k_text import find_line, find_number, read_cp2k_text
from basinet.errors import InputError

BANNER = "PROGRAM STARTED AT"


@dataclass(frozen=True)
class Cp2kOutput:
    """What a run printed. What it did not print is None, or absent from `energies`; nothing is ever made zero.

    Attributes
    ----------
    path
        The file.
    version
        ``2023.1``, say.
    project, input_name, run_type, data_directory
        As the run's head states them.
    method
        ``GPW``, say.
    poisson_solver
        ``PERIODIC``, say.
    cell
        Vectors (3, 3), rows in Å, as precise as printed: lengths to 6 decimals, angles to 6, directions as near.
    coordinates
        The table of atoms: elements, positions to 6 decimals, charges of the cores.
    kinds
        The kinds in their order, with the cores of their pseudopotentials where they are printed.
    grid
        Points of the finest grid, as many as the cubes have at ``STRIDE 1 1 1``.
    electrons
        Number of electrons, of both spins.
    eps_scf
        The convergence asked for.
    evaluations
        One for each energy: one of a single point, one per step of a trajectory.
    warnings
        Number of warnings.
    finished
        Whether CP2K came to its regular end.
    abort_line
        The line of CP2K's message of failure.
    """

    path: Path
    version: str
    project: str | None
    input_name: str | None
    run_type: str | None
    data_directory: str | None
    method: str | None
    poisson_solver: str | None
    cell: NDArray[np.float64] | None
    coordinates: CoordinateTable | None
    kinds: tuple[PrintedKind, ...]
    grid: tuple[int, int, int] | None
    electrons: int | None
    eps_scf: float | None
    evaluations: tuple[Evaluation, ...]
    warnings: int | None
    finished: bool
    abort_line: int | None

    @property
    def energies(self) -> dict[str, float]:
        """Energies (eV) of the last evaluation, under the labels of frames."""
        return self.evaluations[-1].energies if self.evaluations else {}

    @property
    def forces(self) -> NDArray[np.float64] | None:
        """Forces (n_atoms, 3) of the last evaluation in eV/Å."""
        return self.evaluations[-1].forces if self.evaluations else None

    @property
    def scf_converged(self) -> bool | None:
        """Whether every SCF cycle converged; None if the output does not tell."""
        verdicts = {evaluation.scf_converged for evaluation in self.evaluations}
        if False in verdicts:
            return False
        return None if None in verdicts or not verdicts else True

    @property
    def symbols(self) -> tuple[str, ...] | None:
        """The elements of the atoms."""
        return None if self.coordinates is None else self.coordinates.symbols

    @property
    def positions(self) -> NDArray[np.float64] | None:
        """Positions (n_atoms, 3) in Å at the start of the run, to 6 decimals."""
        return None if self.coordinates is None else self.coordinates.positions


def read_cp2k_output(path: str | Path) -> Cp2kOutput:
    """Read a CP2K output, finished or not.

    CP2K appends to an output that exists; then the last run in it counts.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Cp2kOutput
        Energies in eV, lengths in Å, forces in eV/Å.

    Raises
    ------
    InputError
        The file is missing, empty, not text or not CP2K's; or a number in it is none. The message names the line.
    """
    path = Path(path)
    whole = read_cp2k_text(path)
    start = max(whole.rfind(BANNER), 0)
    text = whole[start:]
    offset = whole.count("\n", 0, start)
    abort = text.find("[ABORT]")
    version = find_line(text, "CP2K| version string:")
    if version is None and abort >= 0:
        line = offset + text.count("\n", 0, abort) + 1
        raise InputError(f"{path}, line {line}: CP2K aborted before it began; mend what its message says")
    if version is None:
        raise InputError(f"{path}: not a CP2K output, it names no version of CP2K; name the file written by cp2k -o")
    return Cp2kOutput(
        path=path,
        version=version.removeprefix("CP2K version").strip(),
        project=find_line(text, "GLOBAL| Project name"),
        input_name=find_line(text, "CP2K| Input file name"),
        run_type=find_line(text, "GLOBAL| Run type"),
        data_directory=find_line(text, "CP2K| Data directory path"),
        method=find_line(text, "QS| Method:"),
        poisson_solver=find_line(text, "POISSON| Solver"),
        cell=read_cell(text, str(path)),
        coordinates=read_coordinates(text, str(path)),
        kinds=read_kinds(text, str(path)),
        grid=read_grid(text),
        electrons=count_electrons(text),
        eps_scf=find_number(text, "eps_scf:", str(path)),
        evaluations=read_evaluations(text, str(path), offset),
        warnings=count_warnings(text),
        finished="PROGRAM ENDED AT" in text,
        abort_line=None if abort < 0 else offset + text.count("\n", 0, abort) + 1,
    )
