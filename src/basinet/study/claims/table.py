"""The results of a study as columns that can be selected from: what ``results.csv`` holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from basinet.arrays import FloatArray

ObjectArray = NDArray[np.object_]

MIXTURE_LABEL = "Mx"
"""The paper's name of its mixture."""


class ResultsTable:
    """Rows of results, stored by column; a missing value is None. A selection shares the columns.

    Columns that a study did not write are missing everywhere, so asking for them selects nothing.

    Examples
    --------
    >>> table = ResultsTable([{"width": 4, "pearson_r": 0.9}, {"width": 8, "pearson_r": ""}])
    >>> table.distinct("width")
    (4, 8)
    >>> table.select(width=8).floats("pearson_r")
    array([nan])
    >>> len(table.select(width=(4, 8), split="test"))
    0
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        rows = list(rows)
        names = dict.fromkeys(name for row in rows for name in row)
        self.columns: dict[str, ObjectArray] = {name: column([row.get(name) for row in rows]) for name in names}
        self.index: NDArray[np.intp] = np.arange(len(rows))

    def __len__(self) -> int:
        """Number of rows."""
        return self.index.size

    def at(self, index: NDArray[np.intp]) -> ResultsTable:
        """The rows at ``index`` of the stored columns, which are shared, not copied."""
        table = ResultsTable([])
        table.columns, table.index = self.columns, index
        return table

    def column(self, name: str) -> ObjectArray:
        """(n_rows,) values of a column; None where missing."""
        stored = self.columns.get(name)
        return np.full(len(self), None, dtype=object) if stored is None else stored[self.index]

    def select(self, **conditions: object) -> ResultsTable:
        """The rows whose columns equal the values given; of a tuple, list or set any value will do."""
        table = self
        for name, wanted in conditions.items():
            values = table.column(name)
            options = tuple(wanted) if isinstance(wanted, (tuple, list, set, frozenset)) else (wanted,)
            match = np.zeros(len(table), dtype=bool)
            for option in options:
                match |= np.asarray(values == option, dtype=bool)
            table = table.at(table.index[match])
        return table

    def floats(self, name: str) -> FloatArray:
        """(n_rows,) a column as numbers; nan where missing or text."""
        return np.array(
            [float(value) if isinstance(value, (int, float)) else np.nan for value in self.column(name)],
            dtype=np.float64,
        )

    def distinct(self, name: str) -> tuple[Any, ...]:
        """Values that occur, sorted, without missing ones."""
        return tuple(sorted({value for value in self.column(name) if value is not None}, key=order))

    def most_common(self, name: str) -> Any:
        """The value that most rows have; None if there is none."""
        values = [value for value in self.column(name) if value is not None]
        return max(self.distinct(name), key=values.count, default=None)

    def members(self) -> ResultsTable:
        """Rows of single members: those whose seed is a number."""
        chosen = np.array([isinstance(value, (int, float)) for value in self.column("seed")], dtype=bool)
        return self.at(self.index[chosen])

    def means(self) -> ResultsTable:
        """Rows of ensemble means, and of models without seeds."""
        chosen = np.array([value in ("mean", None) for value in self.column("seed")], dtype=bool)
        return self.at(self.index[chosen])

    def rows(self) -> list[dict[str, Any]]:
        """The rows as dictionaries."""
        names = list(self.columns)
        values = [self.column(name) for name in names]
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def column(values: Sequence[Any]) -> ObjectArray:
    """Values as an array of objects, empty text and nan as None, the text true and false as booleans."""
    cells = np.empty(len(values), dtype=object)
    cells[:] = [cell(value) for value in values]
    return cells


def cell(value: Any) -> Any:
    """One normalised value."""
    if isinstance(value, str):
        text = value.strip()
        return {"": None, "true": True, "True": True, "false": False, "False": False}.get(text, text)
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and np.isnan(value) else value


def order(value: Any) -> tuple[bool, Any]:
    """Sorting key for numbers before text."""
    return isinstance(value, str), value


def system_elements(
    table: ResultsTable, elements: Mapping[str, Sequence[str]] | None = None
) -> dict[str, tuple[str, ...]]:
    """Elements of every test system, pure ones first.

    What ``elements`` does not say is taken from the species that have rows of their own, which only mixtures
    have.
    """
    known = {name: tuple(values) for name, values in (elements or {}).items()}
    for name in table.distinct("test_system"):
        species = tuple(s for s in table.select(test_system=name).distinct("species") if s != "all")
        known.setdefault(str(name), species)
    return dict(sorted(known.items(), key=lambda item: (len(item[1]) > 1, item[0])))


def is_mixture(elements: Sequence[str]) -> bool:
    """Whether a system of these elements is a mixture."""
    return len(elements) > 1


def system_label(name: str, elements: Sequence[str] = ()) -> str:
    """How a system is called in figures and tables: its element, Mx for ``mix``, else its own name.

    Examples
    --------
    >>> (
    ...     system_label("ar", ["Ar"]),
    ...     system_label("mix", ["Ar", "Kr"]),
    ...     system_label("ar+kr"),
    ...     system_label("brine"),
    ... )
    ('Ar', 'Mx', 'Ar + Kr', 'brine')
    """
    if "+" in name:
        return " + ".join(system_label(part) for part in name.split("+"))
    if name.lower() in ("mix", "mx", "mixture"):
        return MIXTURE_LABEL
    if len(elements) == 1 and name.lower() == elements[0].lower():
        return elements[0]
    return name.capitalize() if name.islower() and len(name) <= 2 else name
