"""Tables of results as CSV: one header line, one row per result, missing values empty."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from basinet.errors import InputError
from basinet.files import atomic_write, read_text

_Value = str | float | int | bool

_SPECIAL = re.compile(r'[",\r\n]')
_INTEGER = re.compile(r"[+-]?[0-9]+\Z")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")
_INFINITY = re.compile(r"[+-]?inf\Z")
_LONGEST_INTEGER = 300
"""Digits up to which a whole number is read as one; Python refuses to convert much longer ones."""


def write_table(path: str | Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write rows as CSV, atomically.

    Numbers are written with the fewest digits that give the same number back, booleans as ``true`` and
    ``false``. A column that a row lacks, None, and NaN (a statistic that is not defined) are missing values:
    empty.

    Parameters
    ----------
    path
        The file.
    rows
        One mapping per row, from column names to values.
    columns
        The columns, in order.

    Raises
    ------
    ValueError
        A row has a key that is no column, or a column appears twice.
    InputError
        The file cannot be written.
    """
    if len(set(columns)) != len(columns):
        raise ValueError("a column appears twice")
    known = set(columns)
    with atomic_write(path) as stream:
        stream.write(line(columns))
        for row in rows:
            if not known.issuperset(row):
                raise ValueError(f"no such column: {', '.join(sorted(set(row) - known))}")
            stream.write(line([formatted(row.get(column)) for column in columns]))


def line(cells: Sequence[str]) -> str:
    """Join cells to a line, quoting where a reader would stumble.

    Python's own writer leaves a lone carriage return bare, which its reader takes for the end of the line.
    """
    if len(cells) == 1 and not cells[0]:
        return '""\n'
    return ",".join('"' + cell.replace('"', '""') + '"' if _SPECIAL.search(cell) else cell for cell in cells) + "\n"


def formatted(value: Any) -> str:
    """Spell one value."""
    if value is None:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        number = float(value)
        return "" if math.isnan(number) else repr(number)
    return str(value)


def read_table(path: str | Path) -> list[dict[str, _Value]]:
    """Read a CSV table; what spells a number, ``true`` or ``false`` becomes a number or a boolean.

    The rest stays text, and a missing value is the empty string. Text that spells a number comes back as a
    number: the file does not tell them apart.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    list of dict
        One per row, from column names to values.

    Raises
    ------
    InputError
        The file is missing, empty, not text, or a row has too few or too many values; the message names the
        line.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    rows: list[dict[str, _Value]] = []
    header: list[str] | None = None
    try:
        for cells in reader:
            if not cells:
                continue
            if header is None:
                header = cells
                if len(set(header)) != len(header):
                    raise InputError(f"{path}, line {reader.line_num}: a column name appears twice; rename one")
                continue
            if len(cells) != len(header):
                raise InputError(
                    f"{path}, line {reader.line_num}: {len(cells)} values for {len(header)} columns; "
                    "the file may be cut short, write it again"
                )
            rows.append({column: _parsed(cell) for column, cell in zip(header, cells, strict=True)})
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not a CSV table ({error}); write it again") from error
    if header is None:
        raise InputError(f"{path}: the table is empty; write it again")
    return rows


def _parsed(cell: str) -> _Value:
    """Read one cell: as a number or boolean if it spells one, else as it is."""
    if cell in ("true", "false"):
        return cell == "true"
    if _INTEGER.match(cell) and len(cell) <= _LONGEST_INTEGER:
        return int(cell)
    if _DECIMAL.match(cell) or _INFINITY.match(cell):
        return float(cell)
    return cell


def _by_element(numbers: Mapping[str, float]) -> str:
    """Numbers of elements as a cell of a table, such as ``Ar:1 Kr:1.3``."""
    return " ".join(f"{element}:{number:g}" for element, number in numbers.items())
