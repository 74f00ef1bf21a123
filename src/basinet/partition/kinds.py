"""What kind of input a path is."""

from __future__ import annotations

from pathlib import Path

from basinet.dft.run_files import find_output, is_output
from basinet.errors import InputError
from basinet.io.densities.density import CHGCAR, CUBE, NO_DENSITY

REMEDY = "give the directory of a CP2K run, a cube (*.cube) or a CHGCAR"


def kind_of(path: Path) -> str:
    """Tell whether a path is a run of CP2K (``cp2k``), a ``cube``, or a density of VASP (``vasp``).

    Raises
    ------
    InputError
        It does not exist, or is nothing that can be partitioned.
    """
    if path.is_dir():
        check_directory(path)
        return "cp2k"
    if not path.exists():
        raise InputError(f"{path}: no such file or directory; {REMEDY}")
    if CUBE.search(path.name):
        return "cube"
    if CHGCAR.search(path.name) and not NO_DENSITY.search(path.name):
        return "vasp"
    if is_output(path):
        return "cp2k"
    raise InputError(f"{path}: no density that is known by its name, and no output of CP2K; {REMEDY}")


def check_directory(path: Path) -> None:
    """Refuse a directory that holds no CP2K run; the message says what to name instead.

    Raises
    ------
    InputError
        It has none, or several.
    """
    entries = sorted(path.iterdir())
    densities = [entry for entry in entries if entry.is_file() and CHGCAR.search(entry.name)]
    if densities:
        raise InputError(f"{path}: a directory of VASP; name the file, {densities[0]}")
    if not any(entry.is_file() for entry in entries) and any(entry.is_dir() for entry in entries):
        raise InputError(f"{path}: holds directories, but is no CP2K run itself; name them, such as {path}/*")
    find_output(path)
