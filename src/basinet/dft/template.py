"""A user's own CP2K input with placeholders, filled in for every frame and checked before anything is run.

Placeholders stand in double braces, alone on their line or within one:

=================  ================================================================================================
``{{cell}}``       lines ``A``, ``B``, ``C`` of ``&CELL``, in Å; needed
``{{atoms}}``      lines of ``&COORD``, in Å; needed
``{{project}}``    name that CP2K's files begin with; needed, as the value of ``PROJECT``
``{{density}}``    section ``&E_DENSITY_CUBE``, within ``&DFT/&PRINT``; needed unless ``partition: false``
``{{run_type}}``   ``ENERGY_FORCE`` or ``MD``; needed for molecular dynamics
``{{seed}}``       seed of the velocities, as the value of ``SEED`` of ``&GLOBAL``; needed for molecular dynamics
``{{motion}}``     sections ``&MOTION`` and ``&EXT_RESTART``; needed for molecular dynamics
``{{guess}}``      ``ATOMIC`` or ``RESTART``, as the value of ``SCF_GUESS``; needed for ``wavefunction_chain``
``{{wavefunction}}`` line ``WFN_RESTART_FILE_NAME`` of ``&DFT``, or nothing; needed for ``wavefunction_chain``
=================  ================================================================================================
"""

from __future__ import annotations

import difflib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from basinet.dft.cp2k_input import read_cp2k_input
from basinet.dft.cp2k_writer import (
    PREVIOUS,
    PROJECT,
    Request,
    Tree,
    cell_section,
    check_atoms,
    coord_section,
    density_section,
    lines,
    motion_section,
    random_seed,
    restart_section,
)
from basinet.errors import InputError
from basinet.io.files import read_text

if TYPE_CHECKING:
    from basinet.config.campaign_settings import AimdSettings, CampaignConfig

PLACEHOLDER = re.compile(r"\{\{\s*(\w*)\s*\}\}")
NAMES = ("cell", "atoms", "project", "density", "run_type", "seed", "motion", "guess", "wavefunction")


@dataclass(frozen=True)
class Template:
    """An input with placeholders."""

    text: str
    path: str

    def render(self, atoms: Atoms, request: Request, aimd: AimdSettings | None = None) -> str:
        """The input of one calculation; see `cp2k_input`.

        Raises
        ------
        InputError
            The atoms are not periodic.
        """
        check_atoms(atoms)
        values = fillings(atoms, request, aimd)
        return PLACEHOLDER.sub(lambda match: values[match[1]], self.text)

    def check(self, atoms: Atoms, config: CampaignConfig) -> None:
        """Refuse a template that lacks what the campaign needs, or says something else than it is told.

        Raises
        ------
        InputError
            Names the placeholder, or what basinet reads in the filled-in input that is not so.
        """
        missing = [name for name in needed(config) if name not in PLACEHOLDER.findall(self.text)]
        if missing:
            raise InputError(f"{self.path}: lacks {{{{{missing[0]}}}}}; put it where docs/campaigns.md shows it")
        request = Request(density=config.partition, steps=config.aimd.segment if config.mode == "aimd" else 0)
        with tempfile.TemporaryDirectory() as place:
            file = Path(place) / "template.inp"
            file.write_text(self.render(atoms, request, config.aimd), encoding="utf-8")
            try:
                found = read_cp2k_input(file)
            except InputError as error:
                raise InputError(str(error).replace(str(file), self.path)) from error
        expected = {"PROJECT": PROJECT, "RUN_TYPE": "MD" if request.steps else "ENERGY_FORCE"}
        told = {"PROJECT": found.project, "RUN_TYPE": found.run_type}
        for keyword, value in expected.items():
            if told[keyword] != value:
                raise InputError(f"{self.path}: {keyword} {told[keyword]}, must be {value} in this campaign")
        same_cell = np.allclose(found.cell, atoms.cell.array, atol=1e-9, rtol=0)
        same_atoms = len(found.positions) == len(atoms) and np.allclose(found.positions, atoms.positions, atol=1e-9)
        if not (same_cell and same_atoms):
            raise InputError(
                f"{self.path}: filled in, it has another cell or other atoms than the frame; let {{{{cell}}}} and "
                "{{atoms}} stand alone in &CELL and &COORD, in angstrom"
            )


def needed(config: CampaignConfig) -> list[str]:
    """Placeholders that a campaign cannot do without."""
    names = ["cell", "atoms", "project"]
    if config.partition:
        names.append("density")
    if config.mode == "aimd":
        names += ["run_type", "seed", "motion"]
    if config.wavefunction_chain > 1:
        names += ["guess", "wavefunction"]
    return names


def read_template(path: str | Path) -> Template:
    """Read a template.

    Raises
    ------
    InputError
        It is missing, or has a placeholder that is unknown; the message names the nearest known one.
    """
    text = read_text(path)
    for number, line in enumerate(text.split("\n"), start=1):
        for name in PLACEHOLDER.findall(line):
            if name not in NAMES:
                close = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.4)
                hint = f"did you mean {{{{{close[0]}}}}}?" if close else f"known: {', '.join(NAMES)}"
                raise InputError(f"{path}, line {number}: unknown placeholder {{{{{name}}}}}; {hint}")
    return Template(text, str(path))


def fillings(atoms: Atoms, request: Request, aimd: AimdSettings | None) -> dict[str, str]:
    """What takes the place of each placeholder."""
    motion: Tree = {
        "&MOTION": motion_section(aimd, request) if aimd is not None and request.steps else None,
        "&EXT_RESTART": restart_section(request),
    }
    density: Tree = {"&E_DENSITY_CUBE": density_section(request, aimd)} if request.density else {}
    return {
        "cell": "\n".join(lines(cell_section(atoms))),
        "atoms": "\n".join(lines(coord_section(atoms))),
        "project": PROJECT,
        "density": "\n".join(lines(density)),
        "run_type": "MD" if request.steps else "ENERGY_FORCE",
        "seed": random_seed(request),
        "motion": "\n".join(lines(motion)),
        "guess": request.guess,
        "wavefunction": f"WFN_RESTART_FILE_NAME {PREVIOUS}.wfn" if request.guess == "RESTART" else "",
    }
