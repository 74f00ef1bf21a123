"""Molecular dynamics done by CP2K: energies of its steps in the output, their positions in the trajectory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from basinet import units
from basinet.dft.cp2k_evaluations import Evaluation
from basinet.dft.cp2k_language import Line
from basinet.dft.cp2k_output import Cp2kOutput
from basinet.dft.cp2k_structure import parse_atoms
from basinet.dft.cp2k_text import parse_number, read_cp2k_text
from basinet.errors import InputError

TITLE = re.compile(r"\s*i\s*=\s*(\d+)\b.*\bE\s*=\s*(\S+)\s*$")
"""The title of a frame: `` i =        2, time =        4.000, E =       -84.1771714821``."""


@dataclass(frozen=True)
class Frame:
    """Positions (n_atoms, 3) in Å and total energy in eV, both to 10 decimals of CP2K's units."""

    positions: NDArray[np.float64]
    energy: float


def evaluations_by_step(output: Cp2kOutput) -> dict[int, Evaluation]:
    """Evaluations by the number of their step; the one at the start belongs to the step before the first."""
    numbered = {item.step: item for item in output.evaluations if item.step is not None}
    first = output.evaluations[0]
    if first.step is None and numbered:
        numbered[min(numbered) - 1] = first
    return numbered


def read_trajectory(path: Path, names: tuple[str, ...]) -> dict[int, Frame]:
    """Read positions and energies by the number of their step.

    Of a step that was written twice, after a restart, the last counts.

    Raises
    ------
    InputError
        The file is missing, has other atoms than `names`, or is cut short.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, yet the positions of the steps are in it; put it beside the output")
    text = read_cp2k_text(path)
    lines = text.rstrip("\n").split("\n")
    if not text.endswith("\n"):
        raise InputError(f"{path}, line {len(lines)}: the file is cut short; copy it again")
    frames: dict[int, Frame] = {}
    for start in range(0, len(lines), len(names) + 2):
        title = TITLE.match(lines[start + 1]) if start + 1 < len(lines) else None
        block = enumerate(lines[start + 2 : start + 2 + len(names)], start=start + 3)
        rows = [Line(row.strip(), f"{path}, line {number}") for number, row in block]
        if title is None or len(rows) < len(names):
            raise InputError(f"{path}, line {start + 1}: no whole step of {len(names)} atoms; is the file cut short?")
        found, positions = parse_atoms(rows)
        if found != names:
            raise InputError(f"{path}, line {start + 3}: other atoms than those of the input")
        energy = parse_number(title[2], f"{path}, line {start + 2}") * units.Hartree
        frames[int(title[1])] = Frame(positions, energy)
    return frames
