"""Tables do not depend on the order of the work, and what is missing is empty."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from basinet.study.tables import KEY_COLUMNS, VALUE_COLUMNS, rounded, sort_key, write_results

ROWS = [
    {
        "experiment": experiment,
        "model": "network",
        "test_system": system,
        "width": width,
        "seed": seed,
        "pearson_r": 0.5,
    }
    for experiment in ("baseline", "sweep")
    for system in ("ar", "mix")
    for width in (None, 4, 16, 128)
    for seed in (0, 2, 10, "mean")
]


@given(st.permutations(range(len(ROWS))))
def test_any_order_of_the_work_gives_the_same_order_of_rows(order):
    assert sorted((ROWS[i] for i in order), key=sort_key) == sorted(ROWS, key=sort_key)


def test_numbers_sort_as_numbers_and_the_mean_comes_last():
    rows = [row for row in sorted(ROWS, key=sort_key) if row["experiment"] == "sweep" and row["test_system"] == "ar"]
    assert [row["width"] for row in rows[::4]] == [None, 4, 16, 128]
    assert [row["seed"] for row in rows[:4]] == [0, 2, 10, "mean"]


def test_the_file_is_the_same_bytes_whatever_the_order(tmp_path):
    write_results(tmp_path / "a.csv", ROWS, "total")
    write_results(tmp_path / "b.csv", ROWS[::-1], "total")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_every_column_is_there_and_missing_values_are_empty(tmp_path):
    write_results(tmp_path / "r.csv", [{"experiment": "sweep", "pearson_r": math.nan, "transferred": False}], "total")
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert list(row) == [*KEY_COLUMNS, *VALUE_COLUMNS]
    filled = {name: value for name, value in row.items() if value}
    assert filled == {"experiment": "sweep", "transferred": "false", "definition": "total"}


def test_the_columns_are_those_of_the_contract():
    contract = (
        "model train_system test_system n_atoms split transferred activation depth width rcut twojmax seed n_train "
        "parametrisation definition target gauge species pearson_r r2 r2_determination rmse_mev slope offset_mev "
        "pearson_r_within n_values lr epochs train_rmse_mev validation_rmse_mev"
    )
    assert set(contract.split()) <= {*KEY_COLUMNS, *VALUE_COLUMNS}


def test_a_row_with_an_unknown_column_is_a_mistake(tmp_path):
    with pytest.raises(ValueError, match="pearson"):
        write_results(tmp_path / "r.csv", [{"pearson": 1.0}], "total")


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100))
def test_rounding_keeps_ten_digits(value):
    assert rounded(value) == pytest.approx(value, rel=1e-9)
    assert rounded(rounded(value)) == rounded(value)


def test_what_is_no_float_is_left_alone():
    assert rounded(np.nan) is None
    assert rounded(3) == 3
    assert rounded("mean") == "mean"
