"""Gaussian's cube format, as CP2K and many other programs write it.

Two comments, the number of atoms and the origin, three lines of voxel counts and voxel edges, the atoms, then the
values, the last axis fastest (https://gaussian.com/cubegen).
"""

from __future__ import annotations

import gzip
import re
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from basinet.density.text import PIECE, TextStream
from basinet.density.volume import Volume
from basinet.errors import InputError
from basinet.files import atomic_write
from basinet.units import Bohr

LOOPS = re.compile(r"OUTER LOOP:\s*(\w),\s*MIDDLE LOOP:\s*(\w),\s*INNER LOOP:\s*(\w)", flags=re.IGNORECASE)

CORNER = "%5d" + " %24.16E" * 3
ATOM = "%5d" + " %24.16E" * 4


def read_cube(path: str | Path, *, dataset: int = 0) -> Volume:
    """Read a cube file, plain or compressed with gzip.

    Lengths are in bohr in the file, or in Angstrom where its voxel counts are negative; here they are in Angstrom.
    The cell is spanned by the voxel edges times their counts, so that it is only as precise as the header: six
    decimals in CP2K's. A cube states no unit of its values. They come as they are: densities commonly in e/bohr^3,
    potentials in Hartree.

    Parameters
    ----------
    path
        The file.
    dataset
        Which of several values per voxel, for a file of several orbitals (its number of atoms is negative) or of
        several values (the fifth number of its third line).

    Returns
    -------
    Volume
        An origin other than zero is folded in: the atoms are shifted so that grid point (0, 0, 0) is at zero.

    Raises
    ------
    InputError
        The file is missing, empty, cut short, no cube or of another compression; a value is no finite number (the
        message names the line); there are more values than the header states; or there is no such data set.
    """
    with TextStream(path) as stream:
        comment = "\n".join((stream.line().strip(), stream.line().strip()))
        check_loops(stream, comment)
        count, origin, per_voxel = read_count(stream)
        shape, cell, unit = read_voxels(stream)
        atoms = read_atoms(stream, abs(count), origin, unit)
        if count < 0:
            per_voxel = read_dataset_count(stream, per_voxel)
        if not 0 <= dataset < per_voxel:
            raise InputError(
                f"{stream.path}: there is no data set {dataset}, the file holds {per_voxel} (counted from 0)"
            )
        values = read_values(stream, shape, per_voxel, dataset)
        stream.expect_end()
    atoms.set_cell(cell)
    return Volume(values, cell, atoms, comment, stream.path)


def check_loops(stream: TextStream, comment: str) -> None:
    """Refuse a file whose comment states another order of its values than x, y, z."""
    loops = LOOPS.search(comment)
    if loops and "".join(loops.groups()).upper() != "XYZ":
        raise InputError(f"{stream.path}: the comment states {loops.group()!r}, only X, Y, Z is read; write it again")


def read_count(stream: TextStream) -> tuple[int, NDArray[np.float64], int]:
    """Read the number of atoms (negative: the data sets are named), the origin, and the values per voxel."""
    row = stream.row(4, "the number of atoms and the origin (a cube file's third line)")
    count = stream.whole(row[0], "the number of atoms")
    per_voxel = stream.whole(row[4], "the number of values per voxel") if len(row) > 4 else 1
    if per_voxel < 1:
        raise stream.error(f"{per_voxel} values per voxel; check the third line")
    return count, np.array(row[1:4]), per_voxel


def read_voxels(stream: TextStream) -> tuple[tuple[int, int, int], NDArray[np.float64], float]:
    """Read the shape of the grid, the cell (Angstrom) and the header's unit of length (Angstrom)."""
    rows = [stream.row(4, "a number of voxels and a voxel's edge") for _ in range(3)]
    counts = [stream.whole(row[0], "a number of voxels") for row in rows]
    if 0 in counts or len({count > 0 for count in counts}) > 1:
        raise stream.error(f"voxel counts {counts}: expected three positive ones, or three negative ones for Angstrom")
    unit = Bohr if counts[0] > 0 else 1.0
    cell = np.array([np.array(row[1:4]) * (abs(count) * unit) for row, count in zip(rows, counts, strict=True)])
    if abs(np.linalg.det(cell)) <= 1e-9 * np.prod(np.linalg.norm(cell, axis=1)):
        raise stream.error("the voxel's edges span no volume; check lines 4 to 6")
    return (abs(counts[0]), abs(counts[1]), abs(counts[2])), cell, unit


def read_atoms(stream: TextStream, count: int, origin: NDArray[np.float64], unit: float) -> Atoms:
    """Read the atoms: number, nuclear charge, position."""
    rows = [stream.row(5, "an atom: its number, charge and position")[:5] for _ in range(count)]
    table = np.array(rows).reshape(count, 5)
    numbers = table[:, 0].astype(int)
    if np.any(numbers != table[:, 0]) or np.any((numbers < 0) | (numbers >= len(chemical_symbols))):
        raise InputError(f"{stream.path}: an atom's number is none of an element; check the header")
    atoms = Atoms(numbers=numbers, positions=(table[:, 2:] - origin) * unit, pbc=True)
    if np.any(table[:, 1] != 0.0):
        atoms.set_array("nuclear_charges", table[:, 1])
    return atoms


def read_dataset_count(stream: TextStream, per_voxel: int) -> int:
    """Read the numbers of the data sets (orbitals), which may take several lines, and tell how many they are."""
    row = stream.row(1, "the number of data sets (the number of atoms is negative)")
    count = stream.whole(row[0], "the number of data sets")
    if count < 1 or per_voxel not in (1, count):
        raise stream.error(f"{count} data sets with {per_voxel} values each; expected one value each")
    named = len(row) - 1
    while named < count:
        named += len(stream.row(1, "more numbers of data sets"))
    if named > count:
        raise stream.error(f"{named} numbers of data sets instead of {count}; check the header")
    return count


def read_values(stream: TextStream, shape: tuple[int, int, int], per_voxel: int, dataset: int) -> NDArray[np.float64]:
    """Read the values of one data set; those of all data sets stand together for each voxel."""
    values = stream.allocate(shape)
    flat = values.reshape(-1)
    stream.expected = flat.size * per_voxel
    if per_voxel == 1:
        stream.fill(flat)
        return values
    # Some voxels at a time, to keep one data set only.
    step = max(1, PIECE // (8 * per_voxel))
    for start in range(0, flat.size, step):
        some = flat[start : start + step]
        block = np.empty(some.size * per_voxel)
        stream.fill(block)
        some[:] = block[dataset::per_voxel]
    return values


def write_cube(path: str | Path, values: NDArray[np.float64], atoms: Atoms, *, comment: str = "") -> None:
    """Write a cube file in bohr, atomically; compressed with gzip where the name ends in ``.gz``.

    All numbers have 17 significant digits: the values come back bit for bit, the lengths to round-off.

    Parameters
    ----------
    path
        The file.
    values : (n1, n2, n3) array
        Written as they are: give densities in e/bohr^3 to please other programs.
    atoms
        With the cell. The array ``nuclear_charges`` goes along; the charges are zero without it.
    comment
        Two lines at most.

    Raises
    ------
    InputError
        The file cannot be written.
    ValueError
        `values` is not three-dimensional or not finite, or the comment has more than two lines.
    """
    lines = comment.split("\n")
    if len(lines) > 2:
        raise ValueError("a cube file has two lines of comment")
    if np.ndim(values) != 3 or not np.all(np.isfinite(values)):
        raise ValueError(f"a cube file holds finite values on a grid of three axes, not of {np.ndim(values)}")
    charges = atoms.arrays.get("nuclear_charges", np.zeros(len(atoms)))
    header = [*lines, *[""] * (2 - len(lines)), CORNER % (len(atoms), 0.0, 0.0, 0.0)]
    for size, vector in zip(values.shape, atoms.cell / Bohr, strict=True):
        header.append(CORNER % (size, *(vector / size)))
    for atomic_number, charge, position in zip(atoms.numbers, charges, atoms.positions / Bohr, strict=True):
        header.append(ATOM % (atomic_number, charge, *position))
    # Six a line, and a new line for each row, as Gaussian does.
    size = values.shape[2]
    row_format = "\n".join([" %.16E" * min(6, size - start) for start in range(0, size, 6)]) + "\n"
    with atomic_write(path, "wb") as stream, maybe_compressed(stream, path) as out:
        out.write("\n".join([*header, ""]).encode())
        for plane in values:
            out.write("".join([row_format % tuple(row) for row in plane.tolist()]).encode())


def maybe_compressed(stream: IO[bytes], path: str | Path) -> AbstractContextManager[Any]:
    """Compress what goes to the stream if the name asks for it."""
    if Path(path).suffix != ".gz":
        return nullcontext(stream)
    # No time stamp: the same values give the same file.
    return gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0)
