"""A saved model comes back bit for bit, or not at all."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from basinet.errors import InputError
from basinet.jobs import arrays as checkpoint
from basinet.jobs.arrays import _VERSION, load_arrays, save_arrays

DTYPES = st.sampled_from([np.float32, np.float64, np.int32, np.int64, np.bool_, np.dtype(">f8")])
ARRAYS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, max_side=3))),
    max_size=3,
)


@given(ARRAYS)
def test_arrays_come_back_bit_for_bit(tmp_path_factory, arrays):
    path = tmp_path_factory.getbasetemp() / "model"
    save_arrays(path, {"width": 32, "mean": np.array([0.1, 0.2])}, arrays)
    header, loaded = load_arrays(path)
    assert header == {"width": 32, "mean": [0.1, 0.2]}
    assert list(loaded) == list(arrays)
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype.newbyteorder("=")
        assert loaded[name].shape == array.shape
        assert loaded[name].tobytes() == array.astype(array.dtype.newbyteorder("=")).tobytes()
        assert loaded[name].flags.writeable


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model"
    save_arrays(path, {"width": 32}, {"w": np.linspace(0, 1, 7), "b": np.zeros((2, 1), np.float32)})
    return path


def test_the_file_is_one_line_of_json_and_then_little_endian_numbers(saved):
    line, _, payload = saved.read_bytes().partition(b"\n")
    header = json.loads(line)
    assert header["format"] == "basinet-model"
    assert header["arrays"][0] == {"name": "w", "dtype": "<f8", "shape": [7]}
    assert np.array_equal(np.frombuffer(payload[:56], "<f8"), np.linspace(0, 1, 7))


def test_a_file_cut_at_any_byte_is_refused(saved):
    content = saved.read_bytes()
    for stop in range(len(content)):
        saved.write_bytes(content[:stop])
        with pytest.raises(InputError, match=r"cut short|not a model saved by basinet"):
            load_arrays(saved)


def test_any_altered_byte_is_refused(saved):
    content = saved.read_bytes()
    for place in range(len(content)):
        altered = bytearray(content)
        altered[place] ^= 0x11
        saved.write_bytes(altered)
        with pytest.raises(InputError, match=str(saved)):
            load_arrays(saved)


def test_an_altered_hyperparameter_is_refused(saved):
    saved.write_bytes(saved.read_bytes().replace(b'"width": 32', b'"width": 64'))
    with pytest.raises(InputError, match="does not match its checksum"):
        load_arrays(saved)


def test_appended_bytes_are_refused(saved):
    saved.write_bytes(saved.read_bytes() + b"\0")
    with pytest.raises(InputError, match="does not match its checksum"):
        load_arrays(saved)


def test_a_newer_format_asks_for_an_upgrade(tmp_path, monkeypatch):
    newest = _VERSION
    monkeypatch.setattr(checkpoint, "_VERSION", newest + 1)
    save_arrays(tmp_path / "model", {}, {})
    monkeypatch.setattr(checkpoint, "_VERSION", newest)
    with pytest.raises(
        InputError, match=f"format version {newest + 1} is unknown, {newest} is the newest; upgrade basinet"
    ):
        load_arrays(tmp_path / "model")


@given(st.one_of(st.binary(max_size=100), st.binary(max_size=100).map(lambda b: b'{"format":"basinet-model"' + b)))
def test_any_bytes_are_refused_in_one_line(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "garbage"
    path.write_bytes(content)
    with pytest.raises(InputError, match="garbage") as caught:
        load_arrays(path)
    assert "\n" not in str(caught.value)


def test_a_pickle_is_not_opened(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="not a model saved by basinet"):
        load_arrays(tmp_path / "a.npy")


def test_what_the_format_cannot_hold_is_refused_before_writing(tmp_path):
    with pytest.raises(ValueError, match="dtype complex128"):
        save_arrays(tmp_path / "m", {}, {"z": np.zeros(1, complex)})
    with pytest.raises(ValueError, match="format's own: sha256"):
        save_arrays(tmp_path / "m", {"sha256": ""}, {})
    assert not (tmp_path / "m").exists()
