"""Inputs of a partition and its settings: each with its default and its meaning, as the command line shows them.

Imports nothing heavy, since the command line does so to explain itself.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from basinet.errors import InputError


@dataclass(frozen=True)
class PartitionInput:
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


def _parse_cores(text: str) -> dict[str, tuple[float, float]]:
    """Cores as the command line has them, with rloc in bohr as in files of pseudopotentials.

    Examples
    --------
    >>> charge, radius = _parse_cores("Ar=8:0.4,Kr=8:0.5")["Ar"]
    >>> charge, round(radius, 6)
    (8.0, 0.211671)
    """
    from ase.data import atomic_numbers

    from basinet.density.cores import Core
    from basinet.units import Bohr

    found = {}
    for part in text.split(","):
        element, _, numbers = part.partition("=")
        charge, _, radius = numbers.partition(":")
        if atomic_numbers.get(element.strip(), 0) == 0:
            raise InputError(f"--cores {text}: {element.strip()!r} is no element; write such as Ar=8:0.4,Kr=8:0.5")
        try:
            core = Core(float(charge), float(radius) * Bohr)
        except InputError:
            raise
        except ValueError as error:
            raise InputError(f"--cores {part}: give the charge and rloc in bohr, such as Ar=8:0.4") from error
        found[element.strip()] = (core.charge, core.radius)
    return found


def _parse_fields(texts: Sequence[str]) -> dict[str, Path]:
    """Names of further cubes and their files, such as ``spin=run-SPIN_DENSITY-1_0.cube``."""
    found: dict[str, Path] = {}
    for text in texts:
        name, _, file = text.partition("=")
        if not (name.isidentifier() and file) or name in found:
            raise InputError(f"--field {text}: write a name of its own, and a cube, such as spin=run-SPIN.cube")
        found[name] = Path(file)
    return found


@dataclass(frozen=True)
class PartitionSettings:
    """How inputs are partitioned; the same for all of a command.

    Meanings stand in the fields' metadata. Beyond those: `cores` are charge (e) and rloc (Angstrom) by element,
    relative paths in `reference` and `fields` are looked for beside each input. The result does not depend on
    `threads`.
    """

    potential: Path | None = field(
        default=None,
        metadata={
            "help": "Potential of an INPUT without cores: LOCPOT (one beside a CHGCAR is found), or a cube in hartree.",
            "metavar": "FILE",
        },
    )
    cores: Mapping[str, tuple[float, float]] = field(
        default_factory=dict,
        metadata={
            "help": "Gaussian cores of plain cubes, rloc in bohr as in files of pseudopotentials. Unless given: "
            "GTH-PBE's, if the electrons are as many.",
            "metavar": "ELEMENT=Z:RLOC,...",
            "parse": _parse_cores,
            "given": str,
        },
    )
    potential_file: Path | None = field(
        default=None, metadata={"help": "Take these cores from a file such as GTH_POTENTIALS.", "metavar": "FILE"}
    )
    reference: Sequence[Path] = field(
        default=(),
        metadata={
            "help": "Take the basins of this density beside each INPUT, or of the sum of several, such as AECCAR0 "
            "AECCAR2.",
            "metavar": "FILE...",
            "parse": tuple,
            "given": list[Path],
        },
    )
    fields: Mapping[str, Path] = field(
        default_factory=dict,
        metadata={
            "help": "Integrate a further cube beside each INPUT too, in its unit times bohr^3, as bader_NAME. "
            "Repeatable.",
            "option": "--field",
            "metavar": "NAME=CUBE",
            "parse": _parse_fields,
            "given": list[str],
        },
    )
    nuclear_radius: float = field(
        default=1.0,
        metadata={
            "help": "Maxima further than this from every nucleus are non-nuclear.", "metavar": "A", "min": 0.0,
        },
    )  # fmt: skip
    vacuum: float | None = field(
        default=None,
        metadata={"help": "Points at or below this density, e/A^3, belong to no atom.", "metavar": "DENSITY"},
    )
    error_bars: bool = field(
        default=True,
        metadata={"help": "Estimate the errors that the grid makes.", "option": "--error-bars/--no-error-bars"},
    )
    cross_check: bool = field(
        default=False, metadata={"help": "Compare with CP2K's cubes of the total density and the potential."}
    )
    allow_unconverged: bool = field(default=False, metadata={"help": "Accept CP2K runs whose SCF did not converge."})
    allow_open: bool = field(
        default=False,
        metadata={"help": "Accept atoms whose local energies miss the printed Hartree energy by 0.05 eV each or more."},
    )
    system: str | None = field(
        default=None,
        metadata={
            "help": "Name of the frames' system. Unless given: the element in lower case, or mix.", "metavar": "NAME",
        },
    )  # fmt: skip
    config_type: str | None = field(
        default=None,
        metadata={
            "help": "The frames' config_type, such as IsolatedAtom for one atom in a large box.", "metavar": "NAME",
        },
    )  # fmt: skip
    threads: int | None = field(
        default=None,
        metadata={"help": "Threads of each. Unless given: processors over workers.", "metavar": "N", "min": 1},
    )


def _named(path: Path, message: str) -> str:
    """A message that names an input; it goes in front where the message does not name it already.

    Examples
    --------
    >>> _named(Path("run"), "the density is 0.0 everywhere"), _named(Path("run"), "run/a.cube: cut short")
    ('run: the density is 0.0 everywhere', 'run/a.cube: cut short')
    """
    found = re.search(rf"(^|\s){re.escape(str(path))}($|[/:,\s])", message)
    return message if found else f"{path}: {message}"
