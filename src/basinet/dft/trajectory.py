"""One step of molecular dynamics done by CP2K: its energies from the output, its positions from the trajectory."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from basinet.dft.cp2k_evaluations import Evaluation
from basinet.dft.cp2k_input import Cp2kInput
from basinet.dft.cp2k_language import Line
from basinet.dft.cp2k_output import Cp2kOutput
from basinet.dft.cp2k_structure import parse_atoms
from basinet.dft.cp2k_text import read_cp2k_text
from basinet.errors import InputError

TITLE = re.compile(r"^\s*i\s*=\s*(\d+)\b.*\n", re.MULTILINE)
"""Title of a frame: `` i =        2, time =        4.000, E =       -84.1771714821``."""


def read_step(output: Cp2kOutput, given: Cp2kInput, step: int) -> tuple[Evaluation, NDArray[np.float64]]:
    """Evaluation and positions (n_atoms, 3) in Å of a step.

    Raises
    ------
    InputError
        The output has no such step, or the trajectory is missing or does not hold it.
    """
    evaluation = evaluations_by_step(output).get(step)
    if evaluation is None:
        raise InputError(f"{output.path}: no energy of step {step}; the density is not of this run")
    return evaluation, read_positions(output.path.parent / f"{given.project}-pos-1.xyz", given.names, step)


def evaluations_by_step(output: Cp2kOutput) -> dict[int, Evaluation]:
    """Evaluations by the number of their step; the one at the start belongs to the step before the first."""
    numbered = {item.step: item for item in output.evaluations if item.step is not None}
    first = output.evaluations[0]
    if first.step is None and numbered:
        numbered[min(numbered) - 1] = first
    return numbered


def read_positions(path: Path, names: tuple[str, ...], step: int) -> NDArray[np.float64]:
    """Positions of one step in CP2K's trajectory, which has 10 decimals."""
    if not path.is_file():
        raise InputError(f"{path}: no such file, yet the positions of step {step} are there; put it beside the output")
    text = read_cp2k_text(path)
    title = next((match for match in TITLE.finditer(text) if int(match[1]) == step), None)
    if title is None:
        raise InputError(f"{path}: step {step} is not in it; write the trajectory as often as the densities")
    first = text.count("\n", 0, title.end()) + 1
    rows = text[title.end() :].split("\n", len(names))[: len(names)]
    found, positions = parse_atoms([Line(row.strip(), f"{path}, line {first + i}") for i, row in enumerate(rows)])
    if found != names:
        raise InputError(f"{path}, line {first}: step {step} has other atoms than {len(names)} of the input")
    return positions
