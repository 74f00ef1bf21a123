from __future__ import annotations

import pytest

from basinet.config.loading import validated
from basinet.errors import InputError
from basinet.study.settings import StudyConfig, TrainConfig, load_study_config, load_train_config, preset_names


def refusal(model, values):
    with pytest.raises(InputError) as caught:
        validated(model, values, "f.yaml")
    message = str(caught.value)
    assert message.startswith("f.yaml: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["smoke", "quick", "paper", "as_published"])
def test_presets_are_valid_and_say_what_they_are(name):
    assert name in preset_names()
    assert load_study_config(name).members >= 1


def test_a_file_lies_over_the_preset_and_options_over_the_file(tmp_path):
    (tmp_path / "c.yaml").write_text("members: 5\noptimiser: {max_steps: 7}\n")
    config = load_study_config("smoke", tmp_path / "c.yaml", {"seed": 9})
    assert (config.members, config.optimiser.max_steps, config.seed) == (5, 7, 9)
    assert config.optimiser.learning_rates == load_study_config("smoke").optimiser.learning_rates


def test_a_single_value_is_a_grid_of_one(tmp_path):
    (tmp_path / "c.yaml").write_text("width: 16\nsystem: ar\nseed: 4\ndata: {frames: a.extxyz}\n")
    config = load_train_config(tmp_path / "c.yaml")
    assert (config.width, config.system, config.seed) == ([16], ["ar"], [4])
    assert config.data.frames == ["a.extxyz"]


def test_the_schema_knows_both_a_value_and_a_list():
    width = TrainConfig.model_json_schema()["properties"]["width"]
    assert {entry["type"] for entry in width["anyOf"]} == {"integer", "array"}


def test_the_resolved_config_is_read_back_as_itself():
    for config in (load_study_config("smoke"), TrainConfig(width=[4, 8])):
        assert type(config).model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"widht": 4}, ["unknown key 'widht'", "did you mean 'width'"]),
        ({"descriptor": {"weight": {}}}, ["'descriptor.weight'", "did you mean 'weights'"]),
        ({"[": None}, ["unknown key '['"]),
        ({"zzz": 1}, ["unknown key 'zzz'", "known keys", "width"]),
        ({"width": "wide"}, ["width", "integer", "'wide'"]),
        ({"width": []}, ["width", "at least 1"]),
        ({"depth": [1, 3]}, ["depth.1", "3"]),
        ({"n_train": 1}, ["n_train", "2"]),
        ({"seed": -1}, ["seed", "0"]),
        ({"seed": [0, 4], "members": 8}, ["0 and 4", "members"]),
        ({"descriptor": {"rcut": float("nan")}}, ["descriptor.rcut", "finite"]),
        ({"data": {"frames": []}}, ["data.frames", "no files"]),
        ({"data": {"frames": 3}}, ["data.frames", "reference"]),
        ({"descriptor": 4}, ["descriptor"]),
        ({"width": 4, "members": 0, "depth": 9}, ["and 1 more"]),
    ],
)
def test_mistakes_are_named_by_key(values, words):
    message = refusal(TrainConfig, values)
    for word in words:
        assert word in message


def test_shares_of_a_split_sum_to_one():
    assert "1.5" in refusal(StudyConfig, {"split": {"fractions": [0.5, 0.5, 0.5]}})


def test_settings_are_fixed_once_read():
    with pytest.raises(ValueError, match="frozen"):
        TrainConfig().members = 3


def test_an_unknown_preset_names_those_there_are():
    with pytest.raises(InputError, match="as_published, paper, quick, smoke"):
        load_study_config("huge")
