"""Cell and atoms of a CP2K input, at the full precision of the input.

CP2K's output gives positions to 6 decimals and cell vectors to 3, and the headers of its cubes 6; the input is
what the calculation was done with.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from basinet.dft.cp2k_language import Line, Section
from basinet.dft.cp2k_text import parse_number, read_cp2k_text
from basinet.dft.cp2k_units import length_unit
from basinet.errors import InputError

Array = NDArray[np.float64]
ANGLES = {"deg": 1.0, "rad": 180.0 / math.pi}


def read_cell(cell: Section) -> Array:
    """Cell vectors (3, 3), rows in Å, from ``ABC`` with ``ALPHA_BETA_GAMMA``, or from ``A``, ``B`` and ``C``.

    ``ABC`` goes before the vectors, a along x and b in the xy plane, as in CP2K (``set_cell_param`` in
    ``cell_methods.F``).
    """
    refuse_copies(cell)
    file = cell.value("CELL_FILE_NAME")
    if file is not None:
        raise InputError(f"{file.where}: basinet does not read cells from files; write ABC or A, B, C in &CELL")
    lengths = cell.value("ABC")
    if lengths is not None:
        a, b, c = quantities(lengths)
        angles = cell.value("ALPHA_BETA_GAMMA", "ANGLES")
        vectors = from_angles((a, b, c), (90.0, 90.0, 90.0) if angles is None else quantities(angles, ANGLES, "deg"))
    else:
        rows = [cell.value(name) for name in "ABC"]
        if any(row is None for row in rows):
            raise InputError(f"{cell.where}: &CELL has neither ABC nor all of A, B and C; write the cell there")
        vectors = np.array([quantities(row) for row in rows if row is not None])
    if not np.abs(np.linalg.det(vectors)) > 1e-3 * np.prod(np.linalg.norm(vectors, axis=1)):
        raise InputError(f"{cell.where}: the cell has no sensible volume; mend &CELL")
    return vectors


def from_angles(lengths: tuple[float, ...], angles: tuple[float, ...]) -> Array:
    """Cell vectors, rows, a along x and b in the xy plane; right angles are exact, impossible ones give NaN or 0."""
    cosines = [0.0 if angle == 90.0 else math.cos(math.radians(angle)) for angle in angles]
    a, b, c = lengths
    alpha, beta, gamma = cosines
    sine = math.sqrt(max(1.0 - gamma**2, 0.0))
    y = (alpha - beta * gamma) / sine if sine else math.nan
    z = math.sqrt(max(1.0 - beta**2 - y**2, 0.0))
    return np.array([[a, 0.0, 0.0], [b * gamma, b * sine, 0.0], [c * beta, c * y, c * z]])


def quantities(line: Line, table: dict[str, float] | None = None, unit: str = "angstrom") -> tuple[float, ...]:
    """Three numbers in Å (or degrees), each unit in brackets holding for the numbers after it."""
    numbers = []
    for word in line.text.replace("[", " [").replace("]", "] ").split():
        if word.startswith("["):
            unit = word.strip("[]")
        elif table is not None and unit.lower() in table:
            numbers.append(parse_number(word, line.where) * table[unit.lower()])
        else:
            numbers.append(parse_number(word, line.where) * length_unit(unit, line.where))
    if len(numbers) != 3:
        raise InputError(f"{line.where}: expected three numbers, found {line.text!r}; mend the input")
    return tuple(numbers)


def read_atoms(subsys: Section, cell: Array, directory: Path) -> tuple[tuple[str, ...], Array]:
    """Names and positions (n, 3) in Å of the atoms, from ``&COORD`` or the XYZ file that ``&TOPOLOGY`` names."""
    topology = subsys.first("TOPOLOGY")
    refuse_copies(topology)
    name = topology.text("COORD_FILE_NAME", "COORD_FILE")
    form = topology.text("COORD_FILE_FORMAT", "COORDINATE").upper()
    if name and form != "OFF":
        if form not in ("XYZ", "") or not (form or name.lower().endswith(".xyz")):
            raise InputError(
                f"{topology.where}: basinet reads COORD_FILE_FORMAT XYZ, not {form or 'this'}; "
                "write the atoms to &COORD or an XYZ file"
            )
        return read_xyz_file(directory / name)
    coord = subsys.first("COORD")
    rows = [line for line in coord.lines if line.text.partition(" ")[0].upper() not in ("UNIT", "SCALED")]
    if not rows:
        raise InputError(f"{subsys.where}: no atoms in &COORD and no COORD_FILE_NAME; basinet reads either")
    names, numbers = parse_atoms(rows)
    if coord.flag("SCALED"):
        return names, numbers @ cell
    unit = coord.text("UNIT").strip("[]") or "angstrom"
    return names, numbers * length_unit(unit, coord.where)


def read_xyz_file(path: Path) -> tuple[tuple[str, ...], Array]:
    """Atoms of an XYZ file, of its last frame if it has several, as CP2K takes them (``topology_xyz.F``)."""
    if not path.is_file():
        raise InputError(f"{path}: no such file, yet the CP2K input takes its atoms from it; put it there")
    lines = read_cp2k_text(path).split("\n")
    start = 0
    rows: list[Line] = []
    while start < len(lines) and lines[start].strip():
        where = f"{path}, line {start + 1}"
        count = lines[start].split()[0]
        if not count.isdecimal() or int(count) == 0:
            raise InputError(f"{where}: expected the number of atoms, found {lines[start].strip()[:40]!r}")
        stop = start + 2 + int(count)
        block = enumerate(lines[start + 2 : stop], start=start + 3)
        rows = [Line(line.strip(), f"{path}, line {number}") for number, line in block if line.strip()]
        if len(rows) != int(count):
            raise InputError(f"{where}: the file is cut short, {len(rows)} of {count} atoms; write it again")
        start = stop
    if not rows:
        raise InputError(f"{path}, line 1: expected the number of atoms, found a blank line; write the file again")
    return parse_atoms(rows)


def parse_atoms(rows: list[Line]) -> tuple[tuple[str, ...], Array]:
    """Names and coordinates of lines ``name x y z``; a number for a name is the atomic number."""
    names, positions = [], []
    for row in rows:
        words = row.text.split()
        if len(words) < 4:
            raise InputError(f"{row.where}: expected an atom and three coordinates, found {row.text[:40]!r}")
        is_number = words[0].isdecimal() and int(words[0]) < len(chemical_symbols)
        names.append(chemical_symbols[int(words[0])] if is_number else words[0])
        positions.append([parse_number(word, row.where) for word in words[1:4]])
    return tuple(names), np.array(positions)


def refuse_copies(section: Section) -> None:
    """Refuse ``MULTIPLE_UNIT_CELL``, which makes CP2K's cell another than the one written."""
    line = section.value("MULTIPLE_UNIT_CELL")
    if line is not None and line.text.split() != ["1", "1", "1"]:
        raise InputError(f"{line.where}: basinet does not read MULTIPLE_UNIT_CELL; write out the whole cell")
