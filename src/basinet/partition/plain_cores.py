"""Gaussian cores of a cube that comes without its calculation: given, from a potential file, or GTH-PBE's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from basinet.dft import read_gth_potentials
from basinet.electrostatics import Core
from basinet.errors import InputError
from basinet.partition.settings import PartitionSettings
from basinet.units import Bohr

NAME = "GTH-PBE"

GTH_PBE: dict[str, tuple[int, float]] = {
    "H": (1, 0.2), "He": (2, 0.2), "Li": (3, 0.4), "Be": (4, 0.325), "B": (3, 0.41899145), "C": (4, 0.33847124),
    "N": (5, 0.28379051), "O": (6, 0.2445543), "F": (7, 0.21492959), "Ne": (8, 0.19), "Na": (9, 0.23652322),
    "Al": (3, 0.45), "Si": (4, 0.44), "P": (5, 0.43), "S": (6, 0.42), "Cl": (7, 0.41), "Ar": (8, 0.4), "K": (9, 0.4),
    "Ca": (10, 0.39), "Br": (7, 0.5), "Kr": (8, 0.5), "I": (7, 0.56), "Xe": (8, 0.56),
}  # fmt: skip
"""Charge (e) and rloc (bohr) of the pseudopotentials that CP2K's file GTH_POTENTIALS calls GTH-PBE.

M. Krack, Theor. Chem. Acc. 114, 145 (2005). Elements whose choice of valence electrons is less plain are left out.
"""


def parse_core(element: str, text: str) -> Core:
    """Core as the command line states it, ``Z:rloc`` with rloc in bohr, as in files of pseudopotentials.

    Examples
    --------
    >>> parse_core("Ar", "8:0.4").charge
    8.0

    Raises
    ------
    InputError
        It is not a pair of numbers, or no core.
    """
    charge, _, radius = text.partition(":")
    try:
        return Core(float(charge), float(radius) * Bohr)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"--cores {element}={text}: give the charge and rloc in bohr, such as Ar=8:0.4") from error


def given_cores(symbols: Sequence[str], settings: PartitionSettings) -> tuple[tuple[Core, ...], str] | None:
    """Cores that the user gave for every element, and where they come from; None if none were given.

    Raises
    ------
    InputError
        An element has none, or the potential file several.
    """
    if not settings.cores and settings.potential_file is None:
        return None
    file = settings.potential_file
    table = {} if file is None else cores_of_file(file, sorted(set(symbols) - set(settings.cores)))
    table |= settings.cores
    missing = sorted(set(symbols) - set(table))
    if missing:
        raise InputError(f"no core of {missing[0]} is given; add it, --cores {missing[0]}=Z:RLOC (rloc in bohr)")
    return tuple(table[symbol] for symbol in symbols), "--cores" if file is None else str(file)


def cores_of_file(file: Path, elements: Sequence[str]) -> dict[str, Core]:
    """Core of each element in a potential file: that of GTH-PBE, or the only one there is."""
    found: dict[str, Core] = {}
    entries = read_gth_potentials(file)
    for element in elements:
        own = {name: core for (symbol, name), core in entries.items() if symbol == element}
        if not own:
            raise InputError(f"{file}: no GTH pseudopotential of {element}; give its core, --cores {element}=Z:RLOC")
        if NAME not in own and len(set(own.values())) > 1:
            names = ", ".join(sorted(own)[:4])
            raise InputError(
                f"{file}: several pseudopotentials of {element} ({names}); choose its core, --cores {element}=Z:RLOC"
            )
        found[element] = Core(*own[NAME] if NAME in own else next(iter(own.values())))
    return found


def default_cores(symbols: Sequence[str]) -> tuple[Core, ...] | None:
    """GTH-PBE's cores, if it is known for every element.

    Examples
    --------
    >>> round(sum(core.charge for core in default_cores(["Ar", "Kr"])), 6), default_cores(["U"])
    (16.0, None)
    """
    if not set(symbols) <= set(GTH_PBE):
        return None
    return tuple(Core(float(charge), radius * Bohr) for charge, radius in (GTH_PBE[symbol] for symbol in symbols))
