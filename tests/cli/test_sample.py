"""`basinet sample`: what it writes, what it refuses, and that a run that is stopped leaves nothing behind."""

from __future__ import annotations

import json
import signal
import time

import pytest
import yaml
from ase import Atoms
from tests.cli.process import start
from tests.cli.refusal import assert_refused

import basinet
from basinet.frames.reading import format_frame, parse_frames
from basinet.md import sampling as sampler
from basinet.md.sampling import load_sample_config
from basinet.md.settings import SampleConfig

pytestmark = pytest.mark.slow

SHORT = "{melting: 1, cooling: 2, equilibration: 1, measurement: 20, timestep: 10, frames: 3, "


@pytest.fixture
def config(tmp_path):
    """Write a config beside the working directory's other files."""

    def written(text="composition: {Ar: 12, Kr: 4}}", head=SHORT):
        path = tmp_path / "liquid.yaml"
        path.write_text(head + text)
        return path.name

    return written


@pytest.fixture(scope="module")
def liquid():
    """A sampled liquid."""
    return sampler.sample(
        {"Ar": 12, "Kr": 4}, frames=3, melting=1, cooling=2, equilibration=1, measurement=20, timestep=10
    )


@pytest.fixture
def sampled(liquid, monkeypatch):
    """The command takes this liquid for its own: where it is written is the question."""
    monkeypatch.setattr(sampler, "run_sampling", lambda *_, **__: liquid)


@pytest.mark.long
def test_frames_settings_and_measurements_lie_beside_each_other(run, tmp_path, config):
    result = run("sample", config(), "--out", "out.extxyz", "--seed", 4)
    assert result.exit_code == 0, result.stderr
    frames = basinet.read_frames(tmp_path / "out.extxyz")
    found = json.loads((tmp_path / "out.json").read_text())
    settings = yaml.safe_load((tmp_path / "out.yaml").read_text())
    assert [atoms.info["frame"] for atoms in frames] == [0, 1, 2]
    assert {atoms.info["system"] for atoms in frames} == {"ar3kr"} == {found["system"]}
    assert not [name for atoms in frames for name in (*atoms.info, *atoms.arrays) if name.startswith("REF_")]
    assert settings["seed"] == 4
    assert found["frames"] == 3
    assert "provenance" in found
    assert "out.extxyz: 3 frames of ar3kr" in result.stdout
    assert f"{found['spacing_ps']:.2f} ps apart" in result.stdout


@pytest.mark.long
def test_the_resolved_settings_sample_the_same_frames_again(run, tmp_path, config):
    assert run("sample", config("composition: {Ar: 16}, spacing: 0.5}"), "--out", "one.extxyz").exit_code == 0
    assert load_sample_config(tmp_path / "one.yaml") == load_sample_config(tmp_path / "liquid.yaml")
    assert run("sample", "one.yaml", "--out", "two.extxyz").exit_code == 0
    assert (tmp_path / "one.extxyz").read_bytes() == (tmp_path / "two.extxyz").read_bytes()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("composition: {Ar: 16}, temprature: 90}", ["unknown key 'temprature'", "did you mean 'temperature'"]),
        ("temperature: 120}", ["composition", "required"]),
        ("composition: {Fe: 16}}", ["composition", "no pair potential for Fe", "Ne, Ar, Kr, Xe"]),
        ("composition: {Ar: 4}}", ["composition", "4 atoms are no liquid"]),
        ("composition: {Ar: many}}", ["composition.Ar", "'many'"]),
        ("composition: {Ar: 16, Kr: 0}}", ["composition.Kr", "0"]),
        ("composition: Ar16}", ["composition", "'Ar16'"]),
        ("composition: {Xe: 16}}", ["density", "Xe at 120 K", "give density"]),
        ("composition: {Ar: 16}, temperature: 90}", ["density", "Ar at 90 K"]),
        ("composition: {Ar: 16}, density: 4}", ["density", "overlap", "lower the density"]),
        ("composition: {Ar: 16}, density: 0.02}", ["density", "are a gas", "0.012", "raise the density"]),
        ("composition: {Ar: 16, Kr: 16}, density: {Kr: 0.1, Ar: 1.2}}", ["density", "are a gas"]),
        ("composition: {Ar: 16}, cell: [20, 20, 20]}", ["density", "are a gas", "shrink the cell"]),
        ("composition: {Ar: 16}, density: {Kr: 2.4}}", ["density", "Kr is not in the composition"]),
        ("composition: {Ar: 16}, cell: [10, 10]}", ["cell", "three edges"]),
        ("composition: {Ar: 16}, cell: [3, 30, 30]}", ["cell", "3 A is too short"]),
        ("composition: {Ar: 16}, cell: [10, 10, 10], density: 1.1}", ["cell and density"]),
        ("composition: {Ar: 16}, melt_temperature: 100}", ["melt_temperature", "100 K is not above"]),
        ("composition: {Ar: 16}, cutoff: 1.1}", ["cutoff 1.1 A is below 6.8 A", "in A"]),
        ("composition: {Ar: 15, Kr: 1}, cutoff: 7.2}", ["cutoff 7.2 A is below 7.3 A"]),
        ("composition: {Ar: 16}, seed: -1}", ["seed", "0"]),
        ("composition: {Ar: 16}, system: a/b}", ["system", "letters"]),
        ("composition: {Ar: 16}, frames: 5}", ["frames", "twice"]),
        ("composition: {Ar: 16", ["not valid YAML"]),
    ],
)
def test_impossible_settings_name_file_and_key(run, tmp_path, config, text, words):
    assert_refused(run("sample", config(text), "--out", "out.extxyz"), "liquid.yaml", *words)
    assert [path.name for path in tmp_path.iterdir()] == ["liquid.yaml"]


@pytest.mark.parametrize(
    "name", ["T", "F", "t", "f", "True", "TRUE", "false", "1e5", "12", "1.5", "_1", "nan", "Inf", "infinity"]
)
def test_a_name_that_would_come_back_as_something_else_is_refused(run, config, name):
    result = run("sample", config(f"composition: {{Ar: 16}}, system: '{name}'}}"), "--out", "out.extxyz")
    assert_refused(result, "liquid.yaml", "system", "begin with a letter")


@pytest.mark.parametrize("name", ["ar", "A", "Tr", "fluid.2", "e5", "no", "None", "true-argon", "argon+kr_1"])
def test_other_names_come_back_as_they_are(name):
    frame = Atoms("Ar", info={"system": SampleConfig(composition={"Ar": 16}, system=name).name})
    (read,) = parse_frames(format_frame(frame), "frames")
    assert read.info["system"] == name


def test_a_missing_config_is_named(run):
    assert_refused(run("sample", "no.yaml"), "no.yaml", "no such file")


@pytest.mark.usefixtures("sampled")
@pytest.mark.parametrize("name", ["out.extxyz", "out.yaml", "out.json"])
def test_what_is_there_is_kept_unless_it_may_be_replaced(run, tmp_path, config, name):
    (tmp_path / name).write_text("mine")
    assert_refused(run("sample", config(), "--out", "out.extxyz"), name, "--overwrite")
    assert (tmp_path / name).read_text() == "mine"
    assert run("sample", config(), "--out", "out.extxyz", "--overwrite").exit_code == 0
    assert (tmp_path / name).read_text() != "mine"


def test_the_config_is_never_replaced(run, tmp_path, config):
    text = (tmp_path / config()).read_text()
    assert_refused(run("sample", "liquid.yaml", "--out", "liquid.extxyz", "--overwrite"), "is the config")
    assert (tmp_path / "liquid.yaml").read_text() == text


def test_only_extended_xyz_is_written(run, config):
    assert_refused(run("sample", config(), "--out", "out.xyz"), "--out out.xyz", ".extxyz")


@pytest.mark.parametrize("place", ["/proc", "/proc/new", "notes.txt", "notes.txt/new"])
def test_a_place_that_cannot_be_written_to_is_refused_before_the_run(run, tmp_path, config, monkeypatch, place):
    monkeypatch.setattr(sampler, "run_sampling", None)
    (tmp_path / "notes.txt").write_text("mine")
    assert_refused(run("sample", config(), "--out", f"{place}/out.extxyz"), f"{place}/out.extxyz: cannot write")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["liquid.yaml", "notes.txt"]


@pytest.mark.parametrize("name", ["out.extxyz", "out.yaml", "out.json"])
def test_a_directory_is_never_replaced(run, tmp_path, config, monkeypatch, name):
    monkeypatch.setattr(sampler, "run_sampling", None)
    (tmp_path / name).mkdir()
    assert_refused(run("sample", config(), "--out", "out.extxyz", "--overwrite"), f"{name}: is a directory")


@pytest.mark.usefixtures("sampled")
def test_a_new_folder_is_made(run, tmp_path, config):
    assert run("sample", config(), "--out", "new/folder/out.extxyz").exit_code == 0
    assert len(list((tmp_path / "new" / "folder").iterdir())) == 3


@pytest.mark.long
def test_a_lattice_that_is_not_melted_writes_nothing(run, tmp_path, config):
    """Far below freezing, so that whichever way the momenta are drawn the lattice lives."""
    text = "composition: {Kr: 32}, density: 2.8, temperature: 60, melting: 0, equilibration: 0, measurement: 20, "
    result = run("sample", config(text + "timestep: 10}", head="{"), "--out", "out.extxyz")
    assert result.exit_code == 2
    assert "a Bragg peak of 0." in result.stderr
    assert "melt it" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["liquid.yaml"]


@pytest.mark.parametrize(
    ("how", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, -15, marks=pytest.mark.long),
        pytest.param(signal.SIGKILL, -9, marks=pytest.mark.long),
    ],
)
def test_a_run_that_is_stopped_leaves_nothing_half_written(tmp_path, config, how, code):
    process = start("sample", config("composition: {Ar: 32}}"), "--out", "out.extxyz", cwd=tmp_path)
    assert "melting" in process.stderr.readline()
    time.sleep(0.3)
    process.send_signal(how)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in stderr
    if how == signal.SIGINT:
        assert stderr.splitlines()[-1].startswith("basinet: interrupted; nothing was written to out.extxyz")
    assert [path.name for path in tmp_path.iterdir()] == ["liquid.yaml"]


@pytest.mark.parametrize(
    ("composition", "name"),
    [({"Ar": 32}, "ar"), ({"Ar": 16, "Kr": 16}, "mix"), ({"Kr": 8, "Ar": 24}, "ar3kr"), ({"Ar": 9, "Kr": 7}, "ar9kr7")],
)
def test_systems_are_named_as_the_reference_frames_are(composition, name):
    assert SampleConfig(composition=composition).name == name
