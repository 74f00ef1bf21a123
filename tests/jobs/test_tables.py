"""What is written to a table is what is read from it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from basinet.errors import InputError
from basinet.jobs.tables import _parsed, read_table, write_table

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(lambda s: isinstance(_parsed(s), str))
VALUES = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), TEXT)


@given(st.lists(st.fixed_dictionaries({"a": VALUES, "b": VALUES}), max_size=6))
def test_every_value_survives_the_round_trip_with_its_type(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "table.csv"
    write_table(path, rows, ["a", "b"])
    read = read_table(path)
    assert read == rows
    assert [[type(row[c]) for c in "ab"] for row in read] == [[type(row[c]) for c in "ab"] for row in rows]


def test_missing_values_are_empty_and_never_zero(tmp_path):
    write_table(tmp_path / "t.csv", [{"a": None, "b": float("nan")}, {"c": 0.0}], ["a", "b", "c"])
    assert (tmp_path / "t.csv").read_text() == "a,b,c\n,,\n,,0.0\n"
    assert read_table(tmp_path / "t.csv")[0] == {"a": "", "b": "", "c": ""}


def test_numbers_are_written_as_short_as_they_can_be_read_back(tmp_path):
    row = {"x": np.float64(0.1), "n": np.int64(3), "t": np.bool_(True), "seed": "mean"}
    write_table(tmp_path / "t.csv", [row], list(row))
    assert (tmp_path / "t.csv").read_text() == "x,n,t,seed\n0.1,3,true,mean\n"


def test_a_value_without_a_column_is_not_dropped_silently(tmp_path):
    with pytest.raises(ValueError, match="no such column: typo"):
        write_table(tmp_path / "t.csv", [{"typo": 1}], ["a"])
    assert not (tmp_path / "t.csv").exists()


def test_a_table_cut_within_a_row_is_noticed(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3")
    with pytest.raises(InputError, match=r"t\.csv, line 3: 1 values for 2 columns"):
        read_table(tmp_path / "t.csv")


@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_an_input_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "garbage.csv"
    path.write_bytes(content)
    try:
        read_table(path)
    except InputError as refusal:
        message = str(refusal)
    else:
        return
    assert str(path) in message


@pytest.mark.parametrize("name", ["absent.csv", "."])
def test_a_file_that_is_none_is_named(tmp_path, name):
    with pytest.raises(InputError, match=r"no such file|is a directory"):
        read_table(tmp_path / name)
