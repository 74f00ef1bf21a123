"""Whether CP2K's files have what an element needs, and the cutoff what its core needs, told before anything is run."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ase.data import atomic_numbers

from basinet.dft.cp2k_potentials import data_directories, find_potential_file, read_gth_potentials
from basinet.dft.cp2k_text import read_cp2k_text
from basinet.errors import InputError
from basinet.units import Bohr

if TYPE_CHECKING:
    from basinet.config.campaign_settings import CampaignConfig, Cp2kSettings


UNRESOLVED = 1e-6
"""Share of a core's wave left at the cutoff above which it counts as cut off."""


def with_own_files(config: CampaignConfig) -> CampaignConfig:
    """A config that names files of the user's own by absolute paths: CP2K runs elsewhere.

    A name that CP2K's data directory has stays as it is.
    """
    own = {}
    for key in ("basis_set_file", "potential_file"):
        name = getattr(config.cp2k, key)
        if Path(name).is_file() and find_potential_file(name, data_directories(None, None)) is None:
            own[key] = str(Path(name).absolute())
    return config.model_copy(update={"cp2k": config.cp2k.model_copy(update=own)})


def check_kinds(settings: Cp2kSettings, elements: Iterable[str]) -> None:
    """Refuse elements for which CP2K has no basis set or no pseudopotential of the names set.

    Files are looked for where CP2K would; those that are not on this machine are left to CP2K.

    Raises
    ------
    InputError
        Names the element, what is missing, the file, and names that the file has for the element.
    """
    for kind, name, file_name in (
        ("basis_set", settings.basis_set, settings.basis_set_file),
        ("potential", settings.potential, settings.potential_file),
    ):
        file = find_potential_file(file_name, data_directories(None, None))
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


def unresolved_cores(settings: Cp2kSettings, elements: Iterable[str]) -> list[str]:
    r"""Warnings of elements whose pseudopotential is too hard for the plane-wave cutoff.

    A Gaussian core of radius :math:`r_{loc}` has the share :math:`\exp(-E r_{loc}^2 / 2)` left at the cutoff E (Ry,
    hence the square of a wave number in 1/bohr). Neon (0.19 bohr) has 4e-3 at 300 Ry, and its energy then depends on
    where the grid lies by 25 meV per atom; argon (0.4 bohr) has 4e-11.
    """
    file = find_potential_file(settings.potential_file, data_directories(None, None))
    cores = {} if file is None else read_gth_potentials(file)
    notes = []
    for element in sorted(set(elements)):
        core = cores.get((element, settings.potential.upper()))
        if core is not None and math.exp(-settings.cutoff * (core[1] / Bohr) ** 2 / 2) > UNRESOLVED:
            needed = -2 * math.log(UNRESOLVED) / (core[1] / Bohr) ** 2
            notes.append(
                f"cp2k.cutoff: {settings.cutoff:g} Ry is too low for the core of {element} (r_loc {core[1] / Bohr:.2f} "
                f"bohr), so that energies and forces depend on where the grid lies; it wants {needed:.0f} Ry or more"
            )
    return notes


def read_basis_names(path: Path) -> set[tuple[str, str]]:
    """Names of the basis sets in a file of CP2K's format: (element, NAME), aliases too, in capitals."""
    found = set()
    for raw in read_cp2k_text(path).split("\n"):
        words = raw.partition("#")[0].split()
        if len(words) > 1 and words[0].capitalize() in atomic_numbers:
            found |= {(words[0].capitalize(), name.upper()) for name in words[1:]}
    return found
