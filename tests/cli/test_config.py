from __future__ import annotations

import json

import pytest
from tests.cli.refusal import assert_refused

from basinet.labelling.settings import CampaignConfig
from basinet.md.settings import SampleConfig
from basinet.study.settings import StudyConfig, TrainConfig


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("seed: 3\n", "reproduce --config"),
        ("members: 2\nsweep: {tanh_1: [4]}\n", "reproduce --config"),
        ("data: {frames: a.extxyz}\nwidth: [4, 8]\n", "train"),
        ("data: {frames: reference}\ndescriptor: {weights: {Ar: 1.0}}\n", "train"),
        ("", "reproduce --config"),
        ("composition: {Ar: 24, Kr: 8}\ntemperature: 120\n", "sample"),
        ("frames: start.extxyz\nmode: aimd\n", "dft run"),
    ],
)
def test_a_good_config_says_what_it_is_for(run, tmp_path, text, command):
    (tmp_path / "c.yaml").write_text(text)
    result = run("config", "validate", "c.yaml")
    assert result.exit_code == 0, result.stderr
    assert f"basinet {command} c.yaml" in result.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sweeep: {tanh_1: [4]}\n", ["c.yaml", "'sweeep'", "did you mean 'sweep'"]),
        ("width: 4\ndescriptor: {rcutt: 5}\n", ["'descriptor.rcutt'", "did you mean 'rcut'"]),
        ("width: [4, 1000]\n", ["width.1", "512", "1000"]),
        ("width: 4\nactivation: relu\n", ["activation", "'linear' or 'tanh'", "relu"]),
        ("members: many\n", ["members", "integer", "many"]),
        ("seed: 1\nseed: 2\n", ["line 2", "seed", "twice"]),
        ("a: [1\n", ["c.yaml", "line 2", "YAML"]),
        ("- 1\n", ["key: value"]),
        ("split: {fractions: [0.5, 0.5, 0.5]}\n", ["split", "1.5"]),
        ("frames: start.extxyz\nrun: {thread: 2}\n", ["'run.thread'", "did you mean 'threads'"]),
        ("optimiser: {learning_rates: [.nan]}\n", ["learning_rates", "finite"]),
    ],
)
def test_a_mistake_is_named_with_its_key(run, tmp_path, text, words):
    (tmp_path / "c.yaml").write_text(text)
    assert_refused(run("config", "validate", "c.yaml"), *words)


def test_the_kind_can_be_insisted_on(run, tmp_path):
    (tmp_path / "c.yaml").write_text("width: 4\n")
    assert_refused(run("config", "validate", "c.yaml", "--kind", "study"), "unknown key 'width'")
    assert_refused(run("config", "validate", "missing.yaml"), "missing.yaml", "no such")


@pytest.mark.parametrize(
    ("kind", "model"),
    [("study", StudyConfig), ("train", TrainConfig), ("sample", SampleConfig), ("dft", CampaignConfig)],
)
def test_the_schema_names_every_key_and_no_other(run, kind, model):
    schema = json.loads(run("config", "schema", "--kind", kind).stdout)
    assert set(schema["properties"]) == set(model.model_fields)
    assert schema["additionalProperties"] is False
