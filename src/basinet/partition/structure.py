"""The cell and positions of a plain cube at full precision, from any file that ASE reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms

from basinet.errors import InputError
from basinet.io.frame_checks import check_frame

PREFIX = "REF_"


def count_structures(path: Path) -> int:
    """Number of structures in a file.

    Raises
    ------
    InputError
        It cannot be read.
    """
    return len(read_all(path))


def read_structure(path: Path, index: int) -> Atoms:
    """Read one structure: cell, positions and the labels that begin with ``REF_``.

    Raises
    ------
    InputError
        The file is missing, is not read by ASE, or has no cell.
    """
    found = read_all(path)[index]
    check_frame(found, str(path))
    if abs(np.linalg.det(found.cell.array)) < 1e-9:
        raise InputError(f"{path}: has no cell; give a structure with three cell vectors")
    atoms = Atoms(found.symbols, positions=found.positions, cell=found.cell, pbc=True)
    atoms.info.update({key: value for key, value in found.info.items() if str(key).startswith(PREFIX)})
    atoms.arrays.update({key: value for key, value in found.arrays.items() if key.startswith(PREFIX)})
    return atoms


def read_all(path: Path) -> list[Atoms]:
    """Read all structures of a file."""
    from ase.io import read

    if not path.is_file():
        raise InputError(f"{path}: no such file; name a structure with --structure")
    try:
        found = read(path, index=":")
    except Exception as error:
        # ASE meets malformed files with exceptions of many types.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: ASE reads no structure from it ({reason}); give another format") from error
    return [found] if isinstance(found, Atoms) else list(found)
