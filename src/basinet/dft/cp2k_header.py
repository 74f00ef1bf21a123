"""What CP2K prints of a run before its first SCF cycle: cell, kinds with their cores, atoms, grid."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from basinet import units
from basinet.dft.cp2k_potentials import Core
from basinet.dft.cp2k_structure import from_angles
from basinet.dft.cp2k_text import parse_number
from basinet.dft.cp2k_units import length_unit
from basinet.errors import InputError

Array = NDArray[np.float64]

VECTOR = re.compile(r"^ CELL\| Vector [abc] \[(.+?)\]: +(\S+) +(\S+) +(\S+) +\|[abc]\| = +(\S+)", re.MULTILINE)
ANGLE = re.compile(r"^ CELL\| Angle .*: +(\S+)$", re.MULTILINE)
COORDINATES = re.compile(r"^ MODULE [\w ]+: +ATOMIC COORDINATES IN (\S+)\s+.*\n((?:[ ]*\d.*\n|[ ]*\n)+)", re.MULTILINE)
KIND = re.compile(r"^ *\d+\. Atomic kind: (\S+) +Number of atoms: +(\d+)", re.MULTILINE)
POTENTIAL = re.compile(r"^ +(\w+) Potential information for +(\S+)$", re.MULTILINE)
EXPONENT = re.compile(r"Gaussian exponent of the core charge distribution: +(\S+)$", re.MULTILINE)
CONFIGURATION = re.compile(r"Electronic configuration \(s p d \.\.\.\): +(\d[\d ]*)$", re.MULTILINE)
RADIUS = re.compile(r"^ +rloc +C1.*\n +(\S+)", re.MULTILINE)
GRID = re.compile(
    r"^ PW_GRID\| Information for grid number +1\n(?: PW_GRID\|.*\n)+?((?: PW_GRID\| +Bounds.*\n){3})", re.MULTILINE
)
SPIN_ELECTRONS = re.compile(r"^ Number of electrons: +(\d+)$", re.MULTILINE)

VECTOR_DIGITS = 6e-4
"""Vectors are printed with 3 decimals."""


@dataclass(frozen=True)
class PrintedKind:
    """A kind as the output lists it; core (Z in e, r_loc in Å) to 6 or 7 digits, None where it is not printed."""

    name: str
    count: int
    potential: str | None
    potential_type: str | None
    core: Core | None


@dataclass(frozen=True)
class CoordinateTable:
    """The table of atoms: kinds (from 0), elements, positions (Å, 6 decimals), charges of the cores (e)."""

    kinds: tuple[int, ...]
    symbols: tuple[str, ...]
    positions: Array
    charges: Array


def read_cell(text: str, where: str) -> Array | None:
    r"""Cell vectors (3, 3) in Å from the last ``CELL|`` lines; None if the cell is not printed.

    Lengths and angles are printed with 6 decimals, components with 3. So the shape is taken from the former,
    and the orientation, if a is not along x and b not in the xy plane, is the rotation that comes closest to
    the components (W. Kabsch, Acta Cryst. A 32, 922 (1976)).
    """
    vectors, angles = VECTOR.findall(text)[-3:], ANGLE.findall(text)[-3:]
    if len(vectors) < 3 or len(angles) < 3:
        return None
    scale = length_unit(vectors[0][0], where)
    printed = np.array([[parse_number(word, where) for word in row[1:4]] for row in vectors]) * scale
    lengths = tuple(parse_number(row[4], where) * scale for row in vectors)
    shape = from_angles(lengths, tuple(parse_number(angle, where) for angle in angles))
    if np.abs(shape - printed).max() <= VECTOR_DIGITS * scale or not np.isfinite(shape).all():
        return shape
    left, _, right = np.linalg.svd(shape.T @ printed)
    oriented: Array = shape @ (left @ right)
    return oriented


def read_coordinates(text: str, where: str) -> CoordinateTable | None:
    """The table of atoms at the start of the run; None if it is not printed."""
    table = COORDINATES.search(text)
    if table is None:
        return None
    rows = [line.split() for line in table[2].split("\n") if line.strip()]
    if not rows or any(len(row) != 9 for row in rows):
        raise InputError(f"{where}: the table of atomic coordinates is damaged; run CP2K again")
    numbers = np.array([[parse_number(word, where) for word in (row[1], *row[4:8])] for row in rows])
    return CoordinateTable(
        kinds=tuple(int(kind) - 1 for kind in numbers[:, 0]),
        symbols=tuple(row[2] for row in rows),
        positions=numbers[:, 1:4] * length_unit(table[1], where),
        charges=numbers[:, 4],
    )


def read_kinds(text: str, where: str) -> tuple[PrintedKind, ...]:
    """The kinds in order, with their cores where the print level shows them."""
    heads = list(KIND.finditer(text))
    ends = [*(head.start() for head in heads[1:]), len(text)]
    kinds = []
    for head, end in zip(heads, ends, strict=False):
        block = text[head.end() : end]
        potential = POTENTIAL.search(block)
        core = None if potential is None or potential[1] != "GTH" else read_core(block[potential.end() :], where)
        kinds.append(
            PrintedKind(
                name=head[1],
                count=int(head[2]),
                potential=None if potential is None else potential[2],
                potential_type=None if potential is None else potential[1],
                core=core,
            )
        )
    return tuple(kinds)


def read_core(block: str, where: str) -> Core | None:
    r"""Core of a GTH potential as printed.

    Both :math:`r_{loc}` and :math:`\alpha = 1 / (2 r_{loc}^2)` have 6 decimals. The radius is as printed if the
    exponent agrees with it to the last digit; otherwise the exponent has more digits of it.
    """
    exponent, configuration, radius = EXPONENT.search(block), CONFIGURATION.search(block), RADIUS.search(block)
    if exponent is None or configuration is None or radius is None:
        return None
    alpha, printed = parse_number(exponent[1], where), parse_number(radius[1], where)
    exact = abs(0.5 / printed**2 - alpha) < 1e-6
    return float(sum(map(int, configuration[1].split()))), (printed if exact else (0.5 / alpha) ** 0.5) * units.Bohr


def read_grid(text: str) -> tuple[int, int, int] | None:
    """Points of the finest grid; None if grids are not printed."""
    match = GRID.search(text)
    if match is None:
        return None
    points = re.findall(r"Points: +(\d+)", match[1])
    return (int(points[0]), int(points[1]), int(points[2])) if len(points) == 3 else None


def count_electrons(text: str) -> int | None:
    """Number of electrons, summed over spins; None if it is not printed."""
    spins = 2 if re.search(r"^ DFT\| Number of spin states +2$", text, re.MULTILINE) else 1
    found = SPIN_ELECTRONS.findall(text)[:spins]
    return sum(map(int, found)) if len(found) == spins else None


def count_warnings(text: str) -> int | None:
    """Number of warnings that CP2K counted; None if the run did not come to that."""
    match = re.search(r"^ The number of warnings for this run is : (\d+)", text, re.MULTILINE)
    return None if match is None else int(match[1])
