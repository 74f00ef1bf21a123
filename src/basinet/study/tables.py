"""The tables of a study as DataFrames with stated columns, and how rows are picked from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from basinet.descriptors.bispectrum import Bispectrum
from basinet.fidelity.direct import DIRECT_COLUMNS
from basinet.files import read_table, write_table

Row = dict[str, Any]  # values of a row by the names of their columns; those that lack are missing
Schema = dict[str, str]  # type of each column, in the order of the file
_TEXT, _WHOLE, _NUMBER, _FLAG = "str", "Int64", "float64", "boolean"

_ARCHITECTURE: Schema = {"activation": _TEXT, "depth": _WHOLE, "width": _WHOLE}
_DESCRIPTOR: Schema = {"rcut": _NUMBER, "twojmax": _WHOLE, "weights": _TEXT, "radii": _TEXT}
_ERRORS: Schema = {"train_rmse_mev": _NUMBER, "validation_rmse_mev": _NUMBER}
_NETWORK: Schema = {
    "train_system": _TEXT,
    **_ARCHITECTURE,
    "parametrisation": _TEXT,
    "initial_scale": _NUMBER,
    "biases": _FLAG,
}

OF_THE_START = ("sweep", "parametrisation", "initial_scale")
"""Experiments that ask what becomes of the initial function: their networks are linearised at it, too."""
RESULT_KEYS: Schema = {
    "experiment": _TEXT, "model": _TEXT, "train_system": _TEXT, "test_system": _TEXT, "n_atoms": _WHOLE,
    "split": _TEXT, "transferred": _FLAG, **_ARCHITECTURE, **_DESCRIPTOR, "seed": _TEXT, "n_train": _WHOLE,
    "parametrisation": _TEXT, "initial_scale": _NUMBER, "biases": _FLAG, "definition": _TEXT, "target": _TEXT,
    "gauge": _TEXT, "species": _TEXT,
}  # fmt: skip
"""Columns of ``results.csv`` that tell what a row is. `seed` is that of a member, or ``mean`` of an ensemble."""
RESULTS: Schema = RESULT_KEYS | {
    "pearson_r": _NUMBER, "pearson_r_low": _NUMBER, "pearson_r_high": _NUMBER, "r2": _NUMBER,
    "r2_determination": _NUMBER, "rmse_mev": _NUMBER, "slope": _NUMBER, "offset_mev": _NUMBER,
    "pearson_r_within": _NUMBER, "agreement": _NUMBER, "n_values": _WHOLE, "lr": _NUMBER, "epochs": _NUMBER, **_ERRORS,
    "train_seconds": _NUMBER, "kernel_drift": _NUMBER, "feature_change": _NUMBER,
}  # fmt: skip
"""Columns of ``results.csv``; the last two are those of `basinet.potentials.tangent.changes_by_training`."""
PARITY: Schema = {
    "experiment": _TEXT, "model": _TEXT, "system": _TEXT, "split": _TEXT, "definition": _TEXT, "target": _TEXT,
    "species": _TEXT, "frame": _WHOLE, "reference_mev": _NUMBER, "prediction_mev": _NUMBER,
}  # fmt: skip
"""Columns of ``parity.csv``: predictions beside DFT energies, per atom."""
RELATION_POINTS: Schema = {
    "system": _TEXT, "frame": _TEXT, "n_atoms": _WHOLE, "split": _TEXT, "e_es_ev": _NUMBER, "e_rest_ev": _NUMBER,
    "e_total_ev": _NUMBER, "residual_mev": _NUMBER,
}  # fmt: skip
"""Columns of ``relation_points.csv``: energies of each frame, per atom."""
DIRECT: Schema = DIRECT_COLUMNS
"""Columns of ``direct.csv``."""
DIRECT_ATOMS: Schema = {
    "system": _TEXT, "n_atoms": _WHOLE, "species": _TEXT, "direct_mev": _NUMBER, "relation_mev": _NUMBER,
}  # fmt: skip
"""Columns of ``direct_atoms.csv``: direct local energies beside those of the relation, centred by species."""
DETERMINATION: Schema = {
    "system": _TEXT, "definition": _TEXT, "direction": _WHOLE, "singular_value": _NUMBER, "kept": _NUMBER,
    "variance_share": _NUMBER, "start_share": _NUMBER,
}  # fmt: skip
"""Columns of ``determination.csv``: see `basinet.potentials.ridge.determination`."""
SELECTION: Schema = _DESCRIPTOR | {
    "system": _TEXT, "validation_rmse_mev": _NUMBER, "validation_r": _NUMBER, "strength": _NUMBER, "score": _NUMBER,
    "chosen": _FLAG,
}  # fmt: skip
"""Columns of ``selection.csv``: the descriptors that were tried."""
CURVES: Schema = _NETWORK | {"seed": _TEXT, "epoch": _NUMBER, **_ERRORS}
"""Columns of ``curves.csv``: errors while training."""
LEARNING_RATES: Schema = {
    "experiment": _TEXT, **_NETWORK, "n_train": _WHOLE, "lr": _NUMBER, "validation_rmse_mev": _NUMBER,
    "chosen": _FLAG,
}  # fmt: skip
"""Columns of ``learning_rates.csv``."""


def as_table(rows: Iterable[Row], schema: Schema) -> pd.DataFrame:
    """Rows as a table; what a row lacks is missing, and a column that is not of the table is a ValueError.

    >>> table = as_table([{"width": 4, "seed": 0}, {"width": 8, "seed": "mean"}], RESULTS)
    >>> distinct(select(table, width=(4, 8)), "width"), len(member_rows(table)), len(select(table, split="test"))
    ((4, 8), 1, 0)
    """
    rows = list(rows)
    unknown = sorted({name for row in rows for name in row} - schema.keys())
    if unknown:
        raise ValueError(f"no such column: {', '.join(unknown)}")

    def column(name: str, kind: str) -> pd.Series[Any]:
        values = [row.get(name) for row in rows]
        return pd.Series([None if v is None else str(v) for v in values] if kind == _TEXT else values, dtype=kind)

    return pd.DataFrame({name: column(name, kind) for name, kind in schema.items()})


def write_rows(path: Path, rows: Iterable[Row], schema: Schema) -> None:
    """Write rows as a table of stated columns."""
    write_table(path, as_table(rows, schema))


def write_results(path: Path, rows: Iterable[Row], definition: str) -> None:
    """Write ``results.csv``: ordered by what rows are, whatever the order of the work, to ten significant digits."""
    table = as_table(({"definition": definition, **row} for row in rows), RESULTS)
    numbers = [name for name, kind in RESULTS.items() if kind == _NUMBER]
    table[numbers] = table[numbers].map(rounded)
    seed = table["seed"].replace("mean", "inf").astype(float)  # members by the numbers of their seeds, then the mean
    ordered = table.assign(seed=seed).sort_values([*RESULT_KEYS], na_position="first", kind="stable")
    write_table(path, table.loc[ordered.index])


def rounded(value: float) -> float:
    """Round to ten significant digits: what lies beyond is rounding of the arithmetic."""
    return float(f"{value:.10g}") if math.isfinite(value) else math.nan


def read_rows(path: Path, schema: Schema) -> pd.DataFrame:
    """Read a table; without rows if there is no such file."""
    return read_table(path, schema, "delete it and run again with --resume") if path.is_file() else as_table([], schema)


def select(table: pd.DataFrame, **conditions: Any) -> pd.DataFrame:
    """The rows whose columns equal the values given; of a tuple, list or set any will do. None is a missing value."""
    chosen = pd.Series(data=True, index=table.index)
    for name, wanted in conditions.items():
        options = [*wanted] if isinstance(wanted, (tuple, list, set, frozenset)) else [wanted]
        match = table[name].isin([value for value in options if value is not None])
        chosen &= match | table[name].isna() if None in options else match
    return table[chosen]


def distinct(table: pd.DataFrame, name: str) -> tuple[Any, ...]:
    """Values that occur in a column, sorted, without missing ones."""
    return tuple(sorted(table[name].dropna().unique().tolist()))


def most_common(table: pd.DataFrame, name: str) -> Any:
    """The value that most rows have; None if there is none."""
    return next(iter(table[name].mode().tolist()), None)


def member_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of single members of ensembles."""
    return table[table["seed"].notna() & (table["seed"] != "mean")]


def mean_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of ensemble means, and of models without seeds."""
    return select(table, seed=("mean", None))


def records(table: pd.DataFrame) -> list[Row]:
    """The rows as dictionaries; a missing value is None."""
    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]


def descriptor_columns(descriptor: Bispectrum) -> dict[str, Any]:
    """Columns that name a descriptor."""
    species = {"weights": by_element(descriptor.weights), "radii": by_element(descriptor.radii)}
    return {"rcut": descriptor.rcut, "twojmax": descriptor.twojmax, **species}


def by_element(numbers: Mapping[str, float]) -> str:
    """Numbers of elements as a cell of a table, such as ``Ar:1 Kr:1.3``."""
    return " ".join(f"{element}:{number:g}" for element, number in numbers.items())


def is_mixture(elements: Sequence[str]) -> bool:
    """Tell a system of several elements."""
    return len(elements) > 1


def system_elements(
    table: pd.DataFrame, elements: Mapping[str, Sequence[str]] | None = None
) -> dict[str, tuple[str, ...]]:
    """Elements of every test system, pure ones first; where not given, the species with rows of their own."""
    known = {name: tuple(values) for name, values in (elements or {}).items()}
    for name in distinct(table, "test_system"):
        species = tuple(s for s in distinct(select(table, test_system=name), "species") if s != "all")
        known.setdefault(str(name), species)
    return dict(sorted(known.items(), key=lambda item: (is_mixture(item[1]), item[0])))


def system_label(name: str, elements: Sequence[str] = ()) -> str:
    """How a system is called in figures and tables: its element, Mx (the paper's name) for ``mix``, else its own name.

    >>> system_label("ar", ["Ar"]), system_label("mix", ["Ar", "Kr"]), system_label("ar+kr"), system_label("brine")
    ('Ar', 'Mx', 'Ar + Kr', 'brine')
    """
    if "+" in name:
        return " + ".join(system_label(part) for part in name.split("+"))
    if name.lower() in ("mix", "mx", "mixture"):
        return "Mx"
    if len(elements) == 1 and name.lower() == elements[0].lower():
        return elements[0]
    return name.capitalize() if name.islower() and len(name) <= 2 else name
