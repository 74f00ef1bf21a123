"""What a partition is asked to do, and with which input."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from basinet.density.cores import Core


@dataclass(frozen=True)
class Job:
    """One input.

    Attributes
    ----------
    path
        A CP2K run's directory or output, a cube, or a CHGCAR.
    structure
        File with the cell and the positions at full precision, for a cube.
    index
        Which frame of that file.
    """

    path: Path
    structure: Path | None = None
    index: int = 0


@dataclass(frozen=True)
class PartitionSettings:
    """How inputs are partitioned; the same for all of a command.

    Attributes
    ----------
    nuclear_radius
        Angstrom; maxima further than this from every nucleus are non-nuclear.
    vacuum
        Density (e/A^3) at or below which points belong to no atom; None: no vacuum.
    error_bars
        Whether to estimate the error of the grid.
    cores
        By element, in place of the defaults for plain cubes.
    potential_file
        File of GTH pseudopotentials to take the cores of plain cubes from.
    potential
        LOCPOT (eV) or cube (hartree) of the Hartree potential, where the density's cores do not give it.
    fields
        More cubes to integrate, by name; a relative path is looked for beside each input.
    allow_unconverged
        Whether to accept runs whose SCF did not converge.
    cross_check
        Whether to compare with CP2K's own charge density and potential.
    system, config_type
        Written into the frame's ``info``.
    threads
        Of each input; all cores unless given. The result does not depend on it.
    """

    nuclear_radius: float = 1.0
    vacuum: float | None = None
    error_bars: bool = True
    cores: Mapping[str, Core] = field(default_factory=dict)
    potential_file: Path | None = None
    potential: Path | None = None
    fields: Mapping[str, Path] = field(default_factory=dict)
    allow_unconverged: bool = False
    cross_check: bool = False
    system: str | None = None
    config_type: str | None = None
    threads: int | None = None


def named(path: Path, message: str) -> str:
    """A message that names an input; it goes in front where the message does not name it already.

    Examples
    --------
    >>> named(Path("run"), "the density is 0.0 everywhere"), named(Path("run"), "run/a.cube: cut short")
    ('run: the density is 0.0 everywhere', 'run/a.cube: cut short')
    """
    found = re.search(rf"(^|\s){re.escape(str(path))}($|[/:,\s])", message)
    return message if found else f"{path}: {message}"
