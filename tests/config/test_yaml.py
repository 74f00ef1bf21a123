from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from basinet.config.loading import read_yaml, validated
from basinet.errors import InputError
from basinet.labelling.settings import load_campaign_config
from basinet.md.sampling import load_sample_config
from basinet.study.settings import StudyConfig, TrainConfig, load_study_config, load_train_config

FRAGMENTS = st.sampled_from([
    *("a: 1", "- ", "{", "}", "[", "]", ": ", "? ", "'", '"', "|", ">", "#", "&a ", "*a", "<<: ", "---", "%YAML 9"),
    *("!!set ", "!!map ", "!!int x", "!!timestamp q", "!!python/object:os.system ", "2024-99-99", "1e9999", "width"),
    *("\n", "  ", "\t", "\x00", "é"),
])  # fmt: skip


def read(text: str | bytes):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "c.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
        return read_yaml(path)


@given(st.one_of(st.text(max_size=60), st.binary(max_size=40), st.lists(FRAGMENTS, max_size=12).map("".join)))
@example("? !!set {a}\n: 1")
@example("!!map [1]")
@example("a: !!int x")
@example("? [a]\n: 1")
@example("a: &x [*x]")
@example("2024-99-99: 1")
@example("!!python/object/apply:os.system ['true']")
def test_any_text_is_a_mapping_or_one_readable_line(text):
    values, refusal = attempt(read, text)
    assert isinstance(values, dict) or ("c.yaml" in refusal and "\n" not in refusal)


def attempt(function, *arguments):
    """What a function returns, and the message with which it refuses."""
    try:
        return function(*arguments), ""
    except InputError as error:
        return None, str(error)


@given(
    st.dictionaries(
        st.one_of(
            st.sampled_from([*StudyConfig.model_fields, *TrainConfig.model_fields]), st.text(max_size=5), st.integers()
        ),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
            ),
            max_leaves=5,
        ),
        max_size=4,
    )
)
def test_any_mapping_is_a_config_or_one_readable_line(values):
    for model in (StudyConfig, TrainConfig):
        config, refusal = attempt(validated, model, values, "c.yaml")
        assert isinstance(config, model) or (refusal.startswith("c.yaml: ") and "\n" not in refusal)


def test_an_empty_file_is_an_empty_config():
    assert read("# nothing\n") == {}


@pytest.mark.parametrize(("text", "word"), [("a: 1\nb:\n  c: 1\n  c: 2\n", "line 4"), ("x: 1\nx: 1\n", "twice")])
def test_a_key_given_twice_is_refused(text, word):
    with pytest.raises(InputError, match=word):
        read(text)


@pytest.mark.parametrize(
    "text", ["a: !!bool x\n", "a: !!int x\n", "a: !!timestamp x\n", "a: !!python/object:os.system x\n"]
)
def test_values_that_are_not_of_their_tag_are_refused(text):
    with pytest.raises(InputError, match="not valid YAML"):
        read(text)


@pytest.mark.parametrize(
    ("load", "text", "key"),
    [
        (load_campaign_config, "frames: a.extxyz\nrun: {command: ''}\n", "run.command"),
        (load_campaign_config, "frames: a.extxyz\nrun: {scratch: '  '}\n", "run.scratch"),
        (load_campaign_config, "frames: ['']\n", "frames.0"),
        (load_campaign_config, "frames: a.extxyz\ntemplate: ''\n", "template"),
        (load_train_config, "data: {frames: ''}\n", "data.frames"),
        (partial(load_study_config, "quick"), "data: {energy_key: ''}\n", "data.energy_key"),
        (load_sample_config, "name: ''\n", "name"),
    ],
)
def test_an_empty_text_does_not_stand_for_a_default(tmp_path, load, text, key):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(InputError, match=rf"c\.yaml: {key}: is empty; give a value, or leave the key out"):
        load(tmp_path / "c.yaml")


def test_a_directory_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such"):
        read_yaml(tmp_path / "missing.yaml")
    with pytest.raises(InputError, match="is a directory"):
        read_yaml(tmp_path)


def test_aliases_that_multiply_or_hold_themselves_are_refused():
    bomb = "a0: &a0 [x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    with pytest.raises(InputError, match=r"c.yaml: line 6: aliases .* multiply"):
        read(bomb)
    with pytest.raises(InputError, match=r"line 1: aliases .* multiply"):
        read("a: &a [*a]\n")
    assert read("a: &a [1, 2]\nb: *a\n") == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize("number", ["010", "1_0", "1:30", "0x1F", "0b11", "1_0.5", "1:30.5"])
def test_a_number_that_yaml_alone_reads_so_is_refused(number):
    with pytest.raises(InputError, match=f"line 2: '{number}' is an odd number"):
        read(f"a: 1\nb: {number}\n")


def test_plain_numbers_are_read():
    found = read("a: [0, -1, +2, 1.5, 1., .5, 1.5e-3, -1.0E+2, .inf, '010']\n")["a"]
    assert found == [0, -1, 2, 1.5, 1.0, 0.5, 1.5e-3, -100.0, float("inf"), "010"]


@pytest.mark.parametrize(
    ("values", "key"),
    [({"width": [True]}, "width.0"), ({"width": True}, "width"), ({"split": {"gap": False}}, "split.gap")],
)
def test_a_truth_value_is_no_number(values, key):
    with pytest.raises(InputError, match=f"c.yaml: {key}.*: expected a number, not true or false"):
        validated(TrainConfig, {"data": {"frames": ["a"]}, **values}, "c.yaml")
