"""VASP's files of values on a grid: CHGCAR and its relatives, and LOCPOT.

The header is that of a POSCAR, then come an empty line, the grid's size, and the values with the first axis fastest
(https://vasp.at/wiki/CHGCAR, https://vasp.at/wiki/POSCAR, https://vasp.at/wiki/LOCPOT). What follows the first set,
PAW occupancies and sets of the magnetisation, is not read.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from basinet.io.densities.header import allocate
from basinet.io.densities.poscar import read_poscar
from basinet.io.densities.text_stream import TextStream
from basinet.io.densities.volume import Volume

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
    values = allocate(stream, shape)
    n1, n2, n3 = shape
    stream.expected = values.size
    step = max(1, min(PLANES, n3 // 4))
    block = np.empty((step, n2, n1))
    for start in range(0, n3, step):
        planes = block[: min(step, n3 - start)]
        stream.fill(planes.reshape(-1))
        np.divide(planes.transpose(2, 1, 0), divisor, out=values[:, :, start : start + step])
    return values
