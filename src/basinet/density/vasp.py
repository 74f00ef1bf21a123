"""The header that all of VASP's files of values share: that of a POSCAR (https://vasp.at/wiki/POSCAR)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray

from basinet.density.text import TextStream
from basinet.density.volume import Volume

UNKNOWN = "X"


def read_poscar(stream: TextStream) -> tuple[str, Atoms]:
    """Read comment, cell and atoms, of VASP 4 (which has no line of symbols) or later.

    Parameters
    ----------
    stream
        At the beginning of the file.

    Returns
    -------
    comment : str
    atoms : Atoms
        Periodic, not wrapped. Without a line of symbols the comment's words are taken if they are as many elements
        as there are species; the symbols are ``X`` otherwise.

    Raises
    ------
    InputError
        The header is none of a POSCAR, or cut short. The message names the line.
    """
    comment = stream.line().strip()
    cell, factors = read_cell(stream)
    symbols = read_species(stream, comment)
    mode = stream.line().strip().lower()
    if mode.startswith("s"):  # selective dynamics: flags follow the positions
        mode = stream.line().strip().lower()
    positions = np.array([stream.row(3, "a position")[:3] for _ in symbols])
    if mode.startswith(("c", "k")):  # Cartesian, in the unit of the cell vectors
        return comment, Atoms(symbols, positions=positions * factors, cell=cell, pbc=True)
    return comment, Atoms(symbols, positions=positions @ cell, cell=cell, pbc=True)


def read_cell(stream: TextStream) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read the cell vectors, scaled (Angstrom), and the scaling factors of the axes x, y and z."""
    row = stream.row(1, "a scaling factor (the second line of a VASP file)")
    factors = np.array(row[:3] if len(row) >= 3 else row[:1])
    if np.any(factors == 0.0) or (len(factors) == 3 and np.any(factors < 0.0)):
        raise stream.error(f"scaling factor {row}: expected one number, or three positive ones")
    cell = np.array([stream.row(3, "a cell vector")[:3] for _ in range(3)])
    volume = abs(np.linalg.det(cell))
    if volume <= 1e-9 * np.prod(np.linalg.norm(cell, axis=1)):
        raise stream.error("the cell vectors span no volume; check lines 3 to 5")
    if factors[0] < 0.0:
        # Minus the volume of the cell is stated.
        factors = np.cbrt(-factors / volume)
    return cell * factors, np.broadcast_to(factors, 3)


def read_species(stream: TextStream, comment: str) -> list[str]:
    """Read the symbols, if there are any, and the counts; gives each atom's symbol."""
    words = stream.line().split()
    species = [element(word) for word in comment.split()]
    named = bool(words) and not words[0].isdigit()
    if named:
        species = [element(word) for word in words]
        if UNKNOWN in species:
            raise stream.error(f"expected symbols of elements, found {' '.join(words)[:60]!r}; check the format")
        words = stream.line().split()
    elif UNKNOWN in species or len(species) != len(words):
        species = [UNKNOWN] * len(words)
    # Behind the counts there may be a comment.
    counts = [int(word) for word in words[: len(species)] if re.fullmatch("[0-9]{1,7}", word)]
    if not counts or len(counts) != len(species):
        raise stream.error(f"expected numbers of atoms, found {' '.join(words)[:60]!r}; check the format")
    return [symbol for symbol, count in zip(species, counts, strict=True) for _ in range(count)]


def element(word: str) -> str:
    """Element that a VASP file names.

    Examples
    --------
    >>> [element(word) for word in ("Si", "Ti_pv", "O/7a8b91", "water")]
    ['Si', 'Ti', 'O', 'X']
    """
    symbol = re.split("[_/.]", word)[0]
    return symbol if symbol in atomic_numbers else UNKNOWN


PLANES = 16
"""Planes of constant third index that are turned together: their values then fill whole cache lines (64 bytes)."""


def read_chgcar(path: str | Path) -> Volume:
    """Read the total density of a CHGCAR, CHG, AECCAR or PARCHG, plain or compressed with gzip.

    The file holds the density times the volume of the cell, which is divided by here.

    Parameters
    ----------
    path
        The file, of VASP 4 (whose comment may name the elements; the atoms are ``X`` otherwise) or later.

    Returns
    -------
    Volume
        e/A^3, electrons positive.

    Raises
    ------
    InputError
        The file is missing, empty, cut short, of another format or compression; a value is no finite number (the
        message names the line).
    """
    return read_vasp(path, times_volume=True)


def read_locpot(path: str | Path) -> Volume:
    """Read the potential of a LOCPOT, plain or compressed with gzip.

    Returns
    -------
    Volume
        eV: the potential energy of an electron. With ``LVHAR = .TRUE.`` it is the ionic and Hartree potential, with
        ``LVTOT = .TRUE.`` the exchange-correlation potential comes on top. Of a spin-polarised calculation, that of
        spin up.

    Raises
    ------
    InputError
        As `read_chgcar`.
    """
    return read_vasp(path, times_volume=False)


def read_vasp(path: str | Path, *, times_volume: bool) -> Volume:
    """Read the first set of values, which are those looked for, or those times the cell's volume."""
    with TextStream(path) as stream:
        comment, atoms = read_poscar(stream)
        a, b, c = np.array(atoms.cell)
        divisor = abs(a @ np.cross(b, c)) if times_volume else 1.0
        values = read_values(stream, read_shape(stream), divisor)
        stream.expect_line_end()
        stream.check_compressed()
    return Volume(values, np.array(atoms.cell), atoms, comment, stream.path)


def read_shape(stream: TextStream) -> tuple[int, int, int]:
    """Read the size of the grid, behind an empty line."""
    line = stream.line()
    while not line.strip():
        line = stream.line()
    words = line.split()
    if len(words) != 3 or not all(re.fullmatch("[0-9]{1,9}", word) and int(word) > 0 for word in words):
        raise stream.error(
            f"expected the three sizes of the grid, found {line.strip()[:60]!r}; is this a CHGCAR or LOCPOT?"
        )
    return int(words[0]), int(words[1]), int(words[2])


def read_values(stream: TextStream, shape: tuple[int, int, int], divisor: float) -> NDArray[np.float64]:
    """Read the values, the first axis fastest, and divide them, into a C-ordered array: some planes at a time."""
    values = stream.allocate(shape)
    n1, n2, n3 = shape
    stream.expected = values.size
    step = max(1, min(PLANES, n3 // 4))
    block = np.empty((step, n2, n1))
    for start in range(0, n3, step):
        planes = block[: min(step, n3 - start)]
        stream.fill(planes.reshape(-1))
        np.divide(planes.transpose(2, 1, 0), divisor, out=values[:, :, start : start + step])
    return values
