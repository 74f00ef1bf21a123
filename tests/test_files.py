"""Files appear complete or not at all, and say what they hold."""

from __future__ import annotations

import bz2
import errno
import gzip
import json
import os
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from basinet import files
from basinet.errors import InputError
from basinet.files import (
    atomic_write,
    read_json,
    read_table,
    read_text,
    refuse_cut_number,
    write_json,
    write_table,
    write_yaml,
)


def listing(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def test_a_file_appears_under_its_name_only_when_complete(tmp_path):
    target = tmp_path / "table.csv"
    with atomic_write(target) as stream:
        stream.write("whole")
        stream.flush()
        assert not target.exists()
    assert target.read_text() == "whole"
    assert listing(tmp_path) == ["table.csv"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")

    def write_half() -> None:
        with atomic_write(target) as stream:
            stream.write("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert target.read_text() == "old"
    assert listing(tmp_path) == ["table.csv"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_is_one_clear_line(tmp_path, monkeypatch, failing):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*((files.os, "fsync", full) if failing == "fsync" else (Path, "replace", full)))
    target = tmp_path / "table.csv"
    with (
        pytest.raises(InputError, match=r"table\.csv: disk full; free some space") as caught,
        atomic_write(target) as f,
    ):
        f.write("text")
    assert "\n" not in str(caught.value)
    assert listing(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_while_writing_is_explained(tmp_path, monkeypatch):
    real = os.open
    monkeypatch.setattr(
        files.os,
        "open",
        lambda path, flags, *mode: real(
            "/dev/full" if flags & os.O_CREAT else path, flags & ~os.O_EXCL & ~os.O_CREAT, *mode
        ),
    )
    with pytest.raises(InputError, match="disk full"), atomic_write(tmp_path / "big", "wb") as stream:
        stream.write(b"x" * 10_000_000)


def test_other_errors_of_the_writer_pass_through_unchanged(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "out"):
        (tmp_path / "absent").read_text()


def test_places_that_cannot_be_written_to_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    for bad in (tmp_path / "file" / "below", tmp_path, Path("/dev/null")):
        with pytest.raises(InputError, match=str(bad)), atomic_write(bad):
            pass


def test_a_new_file_has_the_permissions_of_the_umask_and_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    old = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "link", "wb") as stream:
            stream.write(b"1")
    finally:
        os.umask(old)
    assert (tmp_path / "link").is_symlink()
    assert stat.S_IMODE((tmp_path / "target").stat().st_mode) == 0o640


def test_json_holds_arrays_and_says_null_where_a_number_is_undefined(tmp_path):
    write_json(tmp_path / "a.json", {"r": np.float64(0.1), "x": np.arange(3), "no": float("nan"), "at": Path("b")})
    assert read_json(tmp_path / "a.json") == {"r": 0.1, "x": [0, 1, 2], "no": None, "at": "b"}


def test_yaml_keeps_the_order_and_is_read_safely(tmp_path):
    write_yaml(tmp_path / "a.yaml", {"z": (1, 2.5), "a": np.int64(3)})
    assert list(yaml.safe_load((tmp_path / "a.yaml").read_text()).items()) == [("z", [1, 2.5]), ("a", 3)]


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_an_input_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "garbage.json"
    path.write_bytes(content)
    try:
        value = read_json(path)
    except InputError as refusal:
        message = str(refusal)
    else:
        assert isinstance(value, float) or value == json.loads(content)
        return
    assert str(path) in message


TABLE = {"x": "float64", "n": "Int64", "known": "boolean", "name": "str"}


@given(
    st.lists(
        st.tuples(
            st.none() | st.floats(allow_nan=False),
            st.none() | st.integers(-(2**53), 2**53),
            st.none() | st.booleans(),
            st.none() | st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12),
        ),
        max_size=6,
    )
)
def test_every_value_of_a_table_survives_the_round_trip(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "table.csv"
    columns = zip(*rows, strict=True) if rows else [()] * 4
    table = pd.DataFrame({name: pd.Series(list(c), dtype=TABLE[name]) for name, c in zip(TABLE, columns, strict=True)})
    write_table(path, table)
    pd.testing.assert_frame_equal(read_table(path, TABLE), table, check_exact=True)


def test_a_table_is_written_short_and_what_is_missing_is_empty(tmp_path):
    table = pd.DataFrame({"x": [0.1, np.nan], "n": pd.array([3, None], "Int64"), "t": [True, False], "s": ["NA", None]})
    write_table(tmp_path / "t.csv", table)
    assert (tmp_path / "t.csv").read_text() == "x,n,t,s\n0.1,3,true,NA\n,,false,\n"
    assert read_table(tmp_path / "t.csv")["s"].tolist()[0] == "NA"  # sodium, not a missing value


def test_columns_that_a_table_lacks_are_missing(tmp_path):
    (tmp_path / "t.csv").write_text("other,x\n1,2\n")
    table = read_table(tmp_path / "t.csv", TABLE)
    assert [*table.columns] == [*TABLE]
    assert table.loc[0, "x"] == 2.0
    assert table[["n", "known", "name"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a,x\n1,2\n3", r"t\.csv, line 3: 1 values for 2 columns"),
        ("x,x\n1,2\n", "appears twice"),
        ("", "empty"),
        ("x\nnought\n", "not the table expected"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, text, fault):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=fault):
        read_table(tmp_path / "t.csv", TABLE)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "garbage.csv"
    path.write_bytes(content)
    try:
        read_table(path)
    except InputError as refusal:
        message = str(refusal)
    else:
        return
    assert str(path) in message


def test_a_pipe_and_compressed_text_are_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a.extxyz.gz").write_bytes(gzip.compress(b"text"))
    (tmp_path / "a.extxyz.bz2").write_bytes(bz2.compress(b"text"))
    for name, words in (("pipe", "a pipe"), ("a.extxyz.gz", "with gzip"), ("a.extxyz.bz2", "with bzip2")):
        with pytest.raises(InputError, match=rf"{name}: .*{words}"):
            read_text(tmp_path / name)
    with pytest.raises(InputError, match=r"/dev/zero: a pipe or device, not a file"):
        read_text("/dev/zero")


def test_a_loop_of_links_is_no_place_to_write_to(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(InputError, match="a loop of symbolic links"), atomic_write(tmp_path / "a"):
        pass


def test_a_key_of_json_stands_once(tmp_path):
    (tmp_path / "a.json").write_text('{"a": {"b": 1, "c": 2, "b": 3}}')
    with pytest.raises(InputError, match=r"a.json: not valid JSON .the key 'b' stands twice.; delete it"):
        read_json(tmp_path / "a.json", "delete it")


def test_a_whole_number_of_json_that_no_float_can_hold_is_refused(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(f'{{"a": 1{"0" * 400}}}')
    with pytest.raises(InputError, match=r"a.json: not valid JSON .the number 1000.* is too large"):
        read_json(path)


@pytest.mark.parametrize(
    ("last", "fellows", "whole"),
    [
        ("0.12345E+01", ["0.54321E+01", "-.54321E+01"], True),
        ("0.123", ["0.54321E+01"], False),
        ("0.5", ["0.25", "0.125"], False),  # numbers of many lengths: it may be cut
        ("10.125", ["0.25", "0.125"], True),
        ("12", ["123"], False),
        ("12", ["1.5"], False),
        ("1.5", [], True),
    ],
)
def test_the_last_number_of_a_file_without_its_last_line_break(last, fellows, whole):
    if whole:
        refuse_cut_number("a", last, fellows)
    else:
        with pytest.raises(InputError, match=f"a: the file ends without a line break and the last number '{last}'"):
            refuse_cut_number("a", last, fellows)
