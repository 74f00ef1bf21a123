"""Tables do not depend on the order of the work, and what is missing is empty."""

from __future__ import annotations

import csv
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from basinet.study.tables import RESULTS, read_rows, rounded, write_results

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


@settings(max_examples=20)
@given(order=st.permutations(range(len(ROWS))))
@pytest.mark.long
def test_the_file_is_the_same_bytes_whatever_the_order_of_the_work(tmp_path_factory, order):
    folder = tmp_path_factory.getbasetemp()
    write_results(folder / "a.csv", ROWS, "total")
    write_results(folder / "b.csv", [ROWS[i] for i in order], "total")
    assert (folder / "a.csv").read_bytes() == (folder / "b.csv").read_bytes()


def test_numbers_sort_as_numbers_and_the_mean_comes_last(tmp_path):
    write_results(tmp_path / "r.csv", ROWS[::-1], "total")
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["experiment"] == "sweep" and row["test_system"] == "ar"]
    assert [row["width"] for row in rows[::4]] == ["", "4", "16", "128"]
    assert [row["seed"] for row in rows[:4]] == ["0", "2", "10", "mean"]


def test_every_column_is_there_and_missing_values_are_empty(tmp_path):
    write_results(tmp_path / "r.csv", [{"experiment": "sweep", "pearson_r": math.nan, "transferred": False}], "total")
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert list(row) == [*RESULTS]
    filled = {name: value for name, value in row.items() if value}
    assert filled == {"experiment": "sweep", "transferred": "false", "definition": "total"}
    (back,) = read_rows(tmp_path / "r.csv", RESULTS).dropna(axis="columns").to_dict("records")
    assert back == {"experiment": "sweep", "transferred": False, "definition": "total"}


def test_the_columns_are_those_of_the_contract():
    contract = (
        "model train_system test_system n_atoms split transferred activation depth width rcut twojmax seed n_train "
        "parametrisation definition target gauge species pearson_r r2 r2_determination rmse_mev slope offset_mev "
        "pearson_r_within n_values lr epochs train_rmse_mev validation_rmse_mev"
    )
    assert set(contract.split()) <= RESULTS.keys()


def test_a_row_with_an_unknown_column_is_a_mistake(tmp_path):
    with pytest.raises(ValueError, match="no such column: pearson"):
        write_results(tmp_path / "r.csv", [{"pearson": 1.0}], "total")
    assert not (tmp_path / "r.csv").exists()


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100))
def test_rounding_keeps_ten_digits(value):
    assert rounded(value) == pytest.approx(value, rel=1e-9)
    assert rounded(rounded(value)) == rounded(value)
