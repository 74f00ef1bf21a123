"""Inputs of a partition and its settings: each with its default and its meaning, as the command line shows them.

Imports nothing heavy, since the command line does so to explain itself.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from typer import Option


@dataclass(frozen=True)
class PartitionInput:
    """One input: a CP2K run's directory or output, a cube, or a CHGCAR.

    A file (`structure`) may give the cell and the positions at full precision, in its frame of that index.
    """

    path: Path
    structure: Path | None = None
    index: int = 0


@dataclass(frozen=True)
class PartitionSettings:
    """How inputs are partitioned; the same for all of a command.

    Options of the command line tell what they mean. `cores` are Gaussian cores of plain cubes, charge (e) and rloc
    (Angstrom) by element: GTH-PBE's unless given, if the electrons are as many. `reference` are densities whose sum
    gives the basins, and `fields` further cubes to integrate, by name; relative paths are looked for beside each input.
    `divisions` of the direct energies beside Bader's are ``voronoi`` and ``hirshfeld``, which needs the densities of
    `isolated` atoms: a CP2K run or a cube for each element. The result does not depend on `threads`.
    """

    potential: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help="Potential of an INPUT without cores: LOCPOT (one beside a CHGCAR is found), or a cube in hartree.",
        ),
    ] = None
    cores: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    potential_file: Annotated[
        Path | None, Option(metavar="FILE", help="Take these cores from a file such as GTH_POTENTIALS.")
    ] = None
    reference: Sequence[Path] = ()
    fields: Mapping[str, Path] = field(default_factory=dict)
    divisions: Sequence[str] = ()
    isolated: Sequence[Path] = ()
    nuclear_radius: Annotated[
        float, Option(metavar="A", min=0.0, help="Maxima further than this from every nucleus are non-nuclear.")
    ] = 1.0
    vacuum: Annotated[
        float | None, Option(metavar="DENSITY", help="Points at or below this density, e/A^3, belong to no atom.")
    ] = None
    error_bars: Annotated[bool, Option(help="Estimate the errors that the grid makes.")] = True
    cross_check: Annotated[
        bool, Option("--cross-check", help="Compare with CP2K's cubes of the total density and the potential.")
    ] = False
    allow_unconverged: Annotated[
        bool, Option("--allow-unconverged", help="Accept CP2K runs whose SCF did not converge.")
    ] = False
    allow_open: Annotated[
        bool,
        Option("--allow-open", help="Accept atoms whose energies miss the printed Hartree energy by 0.05 eV each."),
    ] = False
    system: Annotated[
        str | None, Option(metavar="NAME", help="Name of the frames' system; else the element in lower case, or mix.")
    ] = None
    config_type: Annotated[
        str | None, Option(metavar="NAME", help="The frames' config_type; IsolatedAtom for one atom in a large box.")
    ] = None
    threads: Annotated[
        int | None, Option(metavar="N", min=1, help="Threads of each. Unless given: processors over workers.")
    ] = None


def _named(path: Path, message: str) -> str:
    """A message that names an input; it goes in front where the message does not name it already.

    >>> _named(Path("run"), "the density is 0.0 everywhere"), _named(Path("run"), "run/a.cube: cut short")
    ('run: the density is 0.0 everywhere', 'run/a.cube: cut short')
    """
    found = re.search(rf"(^|\s){re.escape(str(path))}($|[/:,\s])", message)
    return message if found else f"{path}: {message}"
