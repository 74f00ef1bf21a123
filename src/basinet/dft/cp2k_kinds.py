"""Whether CP2K's files have the basis set and the pseudopotential of an element, told before anything is run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ase.data import atomic_numbers

from basinet.dft.cp2k_potentials import data_directories, find_potential_file, read_gth_potentials
from basinet.dft.cp2k_text import read_cp2k_text
from basinet.errors import InputError

if TYPE_CHECKING:
    from basinet.config.campaign_settings import Cp2kSettings


def check_kinds(settings: Cp2kSettings, elements: Iterable[str], directory: Path) -> None:
    """Refuse elements for which CP2K has no basis set or no pseudopotential of the names set.

    Files are looked for where CP2K would, from `directory` on; those that are not on this machine are left to CP2K.

    Raises
    ------
    InputError
        Names the element, what is missing, the file, and names that the file has for the element.
    """
    for kind, name, file_name in (
        ("basis_set", settings.basis_set, settings.basis_set_file),
        ("potential", settings.potential, settings.potential_file),
    ):
        file = find_potential_file(file_name, data_directories(directory, None))
        if file is None:
            continue
        names = set(read_gth_potentials(file)) if kind == "potential" else read_basis_names(file)
        for element in sorted(set(elements)):
            if (element, name.upper()) not in names:
                there = sorted(other for symbol, other in names if symbol == element)
                known = f"it has {', '.join(there[:8])}" if there else f"it has none of {element}"
                raise InputError(
                    f"cp2k.{kind}: {file} has no {name} of {element}; {known}; set cp2k.{kind} or cp2k.{kind}_file"
                )


def read_basis_names(path: Path) -> set[tuple[str, str]]:
    """Names of the basis sets in a file of CP2K's format: (element, NAME), aliases too, in capitals."""
    found = set()
    for raw in read_cp2k_text(path).split("\n"):
        words = raw.partition("#")[0].split()
        if len(words) > 1 and words[0].capitalize() in atomic_numbers:
            found |= {(words[0].capitalize(), name.upper()) for name in words[1:]}
    return found
