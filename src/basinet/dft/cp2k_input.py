"""The little of a CP2K input that the partition of a density needs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from basinet.dft.cp2k_language import Section, read_sections
from basinet.dft.cp2k_potentials import Core, parse_core
from basinet.dft.cp2k_structure import read_atoms, read_cell
from basinet.errors import InputError


@dataclass(frozen=True)
class Kind:
    """A ``&KIND`` section: which element, which pseudopotential, and where to look for it."""

    name: str
    element: str
    potential: str
    potential_type: str
    files: tuple[str, ...]
    core: Core | None
    ghost: bool
    where: str


@dataclass(frozen=True)
class Cp2kInput:
    """What was calculated.

    Attributes
    ----------
    path
        The input file.
    project
        Name that CP2K's files begin with.
    run_type
        ``ENERGY_FORCE``, ``MD`` and so on.
    method
        Of ``&QS``, ``GPW`` by default.
    poisson_solver
        ``PERIODIC`` by default.
    ensemble
        Of ``&MD``, empty without that section.
    cell
        Vectors (3, 3), rows in Å.
    names
        Name of each atom, which is that of its kind.
    positions
        (n_atoms, 3) in Å.
    centred
        Whether CP2K moves the atoms to the middle of the cell first.
    restarted
        Whether CP2K takes cell and atoms from a restart file instead.
    kinds
        The ``&KIND`` sections by name in capitals.
    """

    path: Path
    project: str
    run_type: str
    method: str
    poisson_solver: str
    ensemble: str
    cell: NDArray[np.float64]
    names: tuple[str, ...]
    positions: NDArray[np.float64]
    centred: bool
    restarted: bool
    kinds: dict[str, Kind]

    def kind_of(self, name: str, element: str) -> Kind:
        """The kind of an atom: the section of its name, else of its element, else ``DEFAULT``.

        Raises
        ------
        InputError
            There is none.
        """
        for candidate in (name, element, "DEFAULT"):
            kind = self.kinds.get(candidate.upper())
            if kind is not None:
                return kind
        raise InputError(f"{self.path}: the atom {name!r} has no &KIND section; is this the input of that output?")

    @property
    def elements(self) -> tuple[str, ...]:
        """The element of each atom, from its kind or else from the letters of its name; empty if neither tells."""
        kinds = (self.kinds.get(name.upper()) for name in self.names)
        pairs = zip(self.names, kinds, strict=True)
        return tuple(guess_element(name) if kind is None else kind.element for name, kind in pairs)


def read_cp2k_input(path: str | Path) -> Cp2kInput:
    """Read cell, atoms, kinds and names of files from a CP2K input.

    Comments, variables (``@SET``), conditions (``@IF``) and included files are understood.

    Parameters
    ----------
    path
        The input. Files it names are looked for beside it.

    Raises
    ------
    InputError
        The file is missing, empty or no input of one Quickstep calculation; or it uses what basinet does not
        read: cells or atoms from files other than XYZ, ``MULTIPLE_UNIT_CELL``. The message names the line.
    """
    path = Path(path)
    root = read_sections(path)
    environments = root.find("FORCE_EVAL")
    if len(environments) != 1:
        found = len(environments)
        raise InputError(f"{path}: {found} &FORCE_EVAL sections; basinet reads inputs of exactly one")
    subsys, dft, settings = environments[0].first("SUBSYS"), environments[0].first("DFT"), root.first("GLOBAL")
    cell = read_cell(subsys.first("CELL"))
    names, positions = read_atoms(subsys, cell, path.parent)
    files = tuple(line.text.strip("\"'") for line in dft.values("POTENTIAL_FILE_NAME")) or ("POTENTIAL",)
    kinds = [read_kind(section, files) for section in subsys.find("KIND")]
    return Cp2kInput(
        path=path,
        project=settings.text("PROJECT", "PROJECT_NAME") or "PROJECT",
        run_type=(settings.text("RUN_TYPE") or "ENERGY_FORCE").upper(),
        method=(dft.first("QS").text("METHOD") or "GPW").upper(),
        poisson_solver=(dft.first("POISSON").text("POISSON_SOLVER", "POISSON", "PSOLVER") or "PERIODIC").upper(),
        ensemble=root.first("MOTION", "MD").text("ENSEMBLE").upper(),
        cell=cell,
        names=names,
        positions=positions,
        centred=bool(subsys.find("TOPOLOGY", "CENTER_COORDINATES")),
        restarted=bool(root.find("EXT_RESTART")),
        kinds={kind.name.upper(): kind for kind in kinds},
    )


def read_kind(section: Section, files: tuple[str, ...]) -> Kind:
    """Read a ``&KIND`` section; `files` are searched where it names no file of its own."""
    words = section.text("POTENTIAL", "POT").split()
    name = words[-1] if words else ""
    own = section.text("POTENTIAL_FILE_NAME")
    element = section.text("ELEMENT", "ELEMENT_SYMBOL")
    inline = section.find("POTENTIAL")
    core = None
    if inline:
        rows = [line.text.split() for line in inline[0].lines]
        core = parse_core(rows[0], rows[1], inline[0].where) if len(rows) > 1 else None
    return Kind(
        name=section.parameter,
        element=element.capitalize() if element else guess_element(section.parameter),
        potential=name,
        potential_type=(words[0] if len(words) > 1 else name.partition("-")[0]).upper(),
        files=(own,) if own else files,
        core=core,
        ghost=section.flag("GHOST") or section.flag("FLOATING_BASIS_CENTER"),
        where=section.where,
    )


def guess_element(name: str) -> str:
    """The element that a name begins with, the longer where two fit; empty if it begins with none.

    Examples
    --------
    >>> guess_element("Ar1"), guess_element("OW"), guess_element("7")
    ('Ar', 'O', '')
    """
    letters = re.match("[A-Za-z]*", name)
    text = letters[0] if letters else ""
    return next((text[:n].capitalize() for n in (2, 1) if atomic_numbers.get(text[:n].capitalize())), "")
