"""Cubes as other programs write them."""

import gzip
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np
from ase import Atoms

from basinet.arrays import FloatArray
from basinet.files import atomic_write
from basinet.units import Bohr

_CORNER = "%5d" + " %24.16E" * 3
_ATOM = "%5d" + " %24.16E" * 4


def write_cube(path: str | Path, values: FloatArray, atoms: Atoms, *, comment: str = "") -> None:
    """Write a cube file in bohr, atomically; compressed with gzip where the name ends in ``.gz``.

    All numbers have 17 significant digits: the values (n1, n2, n3) come back bit for bit, the lengths to round-off.
    Values are written as they are: give densities in e/bohr^3 to please other programs. The atoms have the cell; the
    array ``nuclear_charges`` goes along, zero without it. InputError where the file cannot be written, ValueError where
    values are not finite or on no grid, or the comment has more than two lines.
    """
    lines = comment.split("\n")
    if len(lines) > 2:
        raise ValueError("a cube file has two lines of comment")
    if np.ndim(values) != 3 or not np.all(np.isfinite(values)):
        raise ValueError(f"a cube file holds finite values on a grid of three axes, not of {np.ndim(values)}")
    charges = atoms.arrays.get("nuclear_charges", np.zeros(len(atoms)))
    header = [*lines, *[""] * (2 - len(lines)), _CORNER % (len(atoms), 0.0, 0.0, 0.0)]
    for size, vector in zip(values.shape, atoms.cell / Bohr, strict=True):
        header.append(_CORNER % (size, *(vector / size)))
    for atomic_number, charge, position in zip(atoms.numbers, charges, atoms.positions / Bohr, strict=True):
        header.append(_ATOM % (atomic_number, charge, *position))
    # Six a line, and a new line for each row, as Gaussian does.
    size = values.shape[2]
    row_format = "\n".join([" %.16E" * min(6, size - start) for start in range(0, size, 6)]) + "\n"
    with atomic_write(path, "wb") as stream, ExitStack() as stack:
        out: IO[bytes] | gzip.GzipFile = stream
        if Path(path).suffix == ".gz":  # no time stamp: the same values give the same file
            out = stack.enter_context(gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0))
        out.write("\n".join([*header, ""]).encode())
        for plane in values:
            out.write("".join([row_format % tuple(row) for row in plane.tolist()]).encode())
