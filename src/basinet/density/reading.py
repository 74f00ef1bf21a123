"""The electron density of a file, whatever program wrote it."""

from __future__ import annotations

import re
from pathlib import Path

from basinet.density.cube import read_cube
from basinet.density.vasp import read_chgcar
from basinet.density.volume import Volume
from basinet.errors import InputError
from basinet.units import Bohr

CUBE = re.compile(r"\.(cube|cub)(\.gz)?$", flags=re.IGNORECASE)
CHGCAR = re.compile(r"CHGCAR|AECCAR|PARCHG|^CHG(\.|_|$)", flags=re.IGNORECASE)
NO_DENSITY = re.compile(r"LOCPOT|ELFCAR", flags=re.IGNORECASE)
CP2K_QUANTITY = re.compile(r"-Quickstep-\n(.*(?:POTENTIAL|SPIN|TOTAL DENSITY).*)")


def read_density(path: str | Path) -> Volume:
    """Read an electron density; the file's name tells its format.

    Parameters
    ----------
    path
        A cube (``.cube`` or ``.cub``) in e/bohr^3, as CP2K, Gaussian and most others write it, or VASP's ``CHGCAR``,
        ``CHG``, ``AECCAR0``, ``AECCAR2`` or ``PARCHG`` (the name may go on); ``.gz`` may follow.

    Returns
    -------
    Volume
        e/A^3, electrons positive.

    Raises
    ------
    InputError
        The name tells no format, the file is one of CP2K's cubes of another quantity, or the reader of the format
        (`read_cube`, `read_chgcar`) refuses it.
    """
    name = Path(path).name
    if CUBE.search(name):
        volume = read_cube(path)
        other = CP2K_QUANTITY.match(volume.comment)
        if other:
            raise InputError(f"{path}: holds CP2K's {other.group(1)!r}; name the cube of the ELECTRON DENSITY")
        density = volume.values
        density /= Bohr**3
        return volume
    if NO_DENSITY.search(name):
        raise InputError(f"{path}: holds no density; name a CHGCAR, AECCAR or PARCHG")
    if CHGCAR.search(name):
        return read_chgcar(path)
    raise InputError(f"{path}: unknown kind of file; a density is named *.cube, CHGCAR*, AECCAR* or PARCHG*")
