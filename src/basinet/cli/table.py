"""Tables on the terminal: aligned columns, nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def text_table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    """Align rows; `columns` maps keys to formats of numbers. What is missing is a dash.

    >>> print(text_table([{"system": "ar", "r": 0.98765}, {"system": "mix", "r": None}], {"system": "", "r": ".3f"}))
    system      r
    ar      0.988
    mix         -
    """
    cells = [list(columns)] + [[_cell(row.get(key), spec) for key, spec in columns.items()] for row in rows]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    right = [any(isinstance(row.get(key), int | float) for row in rows) for key in columns]
    lines = [
        "  ".join(
            cell.rjust(width) if of_numbers else cell.ljust(width)
            for cell, width, of_numbers in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in cells
    ]
    return "\n".join(lines)


def _cell(value: Any, spec: str) -> str:
    if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format(value, spec) if isinstance(value, int | float) else str(value)
