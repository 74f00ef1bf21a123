"""The names CP2K gives to units, in eV and Å.

The names are those of CP2K's ``src/common/cp_units.F``. The constants are those of CODATA 2018, as everywhere in
basinet; CP2K's own differ by 8e-8 in the hartree and 4e-9 in the bohr (CODATA 2006), which its output states.
"""

from __future__ import annotations

import re

from basinet import units
from basinet.errors import InputError

ENERGIES = {
    "hartree": units.Hartree,
    "au_e": units.Hartree,
    "a.u.": units.Hartree,
    "ry": units.Rydberg,
    "ev": 1.0,
    "kev": 1e3,
    "k_e": units.kB,
    "wavenumber_e": units.invcm,
    "kcalmol": units.kcal / units.mol,
    "kjmol": units.kJ / units.mol,
    "jmol": 1e-3 * units.kJ / units.mol,
    "joule": units.J,
    "j": units.J,
}

LENGTHS = {"bohr": units.Bohr, "au_l": units.Bohr, "angstrom": 1.0, "nm": 10.0, "pm": 0.01, "m": units.m}

ATOMIC_FORCES = ("a.u.", "au_f")


def energy_unit(name: str, where: str) -> float:
    """Size of a unit of energy in eV; `where` names the place in messages.

    Examples
    --------
    >>> round(1 / energy_unit("kJmol", "frame.out"), 4)
    96.4853
    """
    return look_up(name, ENERGIES, "energy", where)


def length_unit(name: str, where: str) -> float:
    """Size of a unit of length in Å; `where` names the place in messages."""
    return look_up(name, LENGTHS, "length", where)


def force_unit(name: str, where: str) -> float:
    """Size of a unit of force in eV/Å: ``a.u.``, or an energy over a length, ``hartree/bohr`` or ``eV*nm^-1``."""
    if name.lower() in ATOMIC_FORCES:
        return units.Hartree / units.Bohr
    parts = re.fullmatch(r"([^/*]+)(?:/([^^]+)|\*([^^]+)\^-1)", name.strip())
    if parts is None:
        raise InputError(f"{where}: unknown unit of force {name!r}; basinet reads hartree/bohr and the like")
    return energy_unit(parts[1], where) / length_unit(parts[2] or parts[3], where)


def look_up(name: str, table: dict[str, float], quantity: str, where: str) -> float:
    """Find a unit by its name, in any case."""
    try:
        return table[name.strip().lower()]
    except KeyError:
        known = ", ".join(table)
        raise InputError(f"{where}: unknown unit of {quantity} {name!r}; basinet reads {known}") from None
