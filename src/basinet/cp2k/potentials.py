r"""CP2K's files of Goedecker-Teter-Hutter pseudopotentials, of which basinet needs the core's charge and radius.

An entry names the element, the potential and its aliases; the next line gives the electrons of each angular
momentum, whose sum is the core's charge Z; the line after that begins with r_loc, the width of the Gaussian core
:math:`Z (2 \pi r_{loc}^2)^{-3/2} \exp(-r^2 / 2 r_{loc}^2)`, in bohr. The format is described at the head of
``GTH_POTENTIALS`` in CP2K's data directory; S. Goedecker, M. Teter, J. Hutter, Phys. Rev. B 54, 1703 (1996).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ase.data import atomic_numbers

from basinet import units
from basinet.cp2k.language import _parse_number, read_cp2k_text
from basinet.errors import InputError

if TYPE_CHECKING:
    from basinet.cp2k.input import Cp2kInput, _Kind
    from basinet.cp2k.output import Cp2kOutput

Core = tuple[float, float]  # charge Z (e) and radius r_loc (Å) of a Gaussian core
_DATA_DIRECTORIES = ("/usr/share/cp2k", "/usr/local/share/cp2k/data", "/usr/local/share/cp2k", "/opt/cp2k/data")
_PRINTED_DIGITS = 1e-6  # relative precision of a printed core radius


def read_gth_potentials(path: str | Path) -> dict[tuple[str, str], Core]:
    """Cores (Z in e, r_loc in Å) of all GTH pseudopotentials in a file, by (element, NAME) in capitals, aliases too.

    The file is ``GTH_POTENTIALS``, ``POTENTIAL``, ``POTENTIAL_UZH`` or another of that format. Where a name occurs
    twice the first entry counts, as in CP2K. All-electron and effective-core potentials are passed over.
    """
    path = Path(path)
    lines = [words for raw in read_cp2k_text(path).split("\n") if (words := raw.partition("#")[0].split())]
    cores: dict[tuple[str, str], Core] = {}
    for header, electrons, local in zip(lines, lines[1:], lines[2:], strict=False):
        element = header[0].capitalize()
        if element not in atomic_numbers or len(header) < 2:
            continue
        core = _parse_core(electrons, local, f"{path}, {' '.join(header)}")
        if core is not None:
            for name in header[1:]:
                cores.setdefault((element, name.upper()), core)
    return cores


def _parse_core(electrons: list[str], local: list[str], where: str) -> Core | None:
    """Charge and radius from the first two lines of an entry; None if they are not those of a GTH potential."""
    if not all(word.isdecimal() for word in electrons) or len(local) < 2 or not local[1].isdecimal():
        return None
    if len(local) != 2 + int(local[1]):
        return None
    radius = _parse_number(local[0], where)
    charge = sum(map(int, electrons))
    if radius <= 0 or charge <= 0:
        raise InputError(f"{where}: charge {charge} and radius {radius} are no core; mend the file")
    return float(charge), radius * units.Bohr


def find_potential_file(name: str, directories: Iterable[Path]) -> Path | None:
    """Find a potential file where CP2K would, in the run's directory and then in its data directory."""
    return next((place / name for place in directories if (place / name).is_file()), None)


def data_directories(run_directory: Path | None, stated: str | None) -> Iterator[Path]:
    """Where potential files may be: the run, ``CP2K_DATA_DIR``, where the output says, and the usual places."""
    if run_directory is not None:
        yield run_directory
    for place in (os.environ.get("CP2K_DATA_DIR"), stated, *_DATA_DIRECTORIES):
        if place:
            yield Path(place)


def _atomic_cores(output: Cp2kOutput, given: Cp2kInput, symbols: tuple[str, ...]) -> tuple[Core, ...]:
    """Charge (e) and radius (Å) of the core of each atom.

    The radius comes from the potential file, which has all its digits, if that file agrees with what the run
    printed. If it is not here, or is of another version, what the run printed counts, to 7 digits.
    """
    printed = {kind.name.upper(): kind.core for kind in output.kinds if kind.core is not None}
    found: dict[str, Core] = {}
    for name, symbol in zip(given.names, symbols, strict=True):
        if name not in found:
            found[name] = _kind_core(given.kind_of(name, symbol), symbol, printed.get(name.upper()), output, given)
    return tuple(found[name] for name in given.names)


def _kind_core(kind: _Kind, element: str, printed: Core | None, output: Cp2kOutput, given: Cp2kInput) -> Core:
    if kind.ghost:
        raise InputError(f"{kind.where}: kind {kind.name} is a ghost; basinet reads runs of whole atoms")
    if kind.potential_type not in ("GTH", "") and kind.core is None:
        raise InputError(
            f"{kind.where}: kind {kind.name} has the potential {kind.potential}; "
            "basinet reads only GTH pseudopotentials"
        )
    places = list(dict.fromkeys(data_directories(given.path.parent, output.data_directory)))
    files = {name: find_potential_file(name, places) for name in kind.files}
    wanted = (element, kind.potential.upper())
    tables = (read_gth_potentials(file) for file in files.values() if file is not None)
    exact = kind.core or next((table[wanted] for table in tables if wanted in table), None)
    if printed is not None and exact is not None:
        agree = exact[0] == printed[0] and abs(exact[1] - printed[1]) <= _PRINTED_DIGITS * printed[1]
        return exact if agree else printed
    if (known := exact or printed) is not None:
        return known
    for name, file in files.items():
        if file is None:
            raise InputError(
                f"{given.path}: potential file {name} not found in {', '.join(map(str, places))}; "
                "set CP2K_DATA_DIR to its directory"
            )
    looked = ", ".join(map(str, files.values()))
    raise InputError(
        f"{kind.where}: no GTH pseudopotential {kind.potential!r} of {element} in {looked}; "
        "correct POTENTIAL or POTENTIAL_FILE_NAME"
    )
