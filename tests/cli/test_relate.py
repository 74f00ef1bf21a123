from __future__ import annotations

import json

import numpy as np
import pytest
from tests.cli.refusal import assert_refused

import basinet
from basinet.study.run import load_data
from basinet.study.settings import load_study_config


def test_local_energies_sum_to_the_fitted_energy(run, tmp_path, argon_file, argon_frames):
    result = run("relate", argon_file, "--out", "local.extxyz")
    assert result.exit_code == 0, result.stderr
    written = basinet.read_frames(tmp_path / "local.extxyz")
    relation = basinet.fit_relation(argon_frames, [basinet.load_isolated_atoms()["Ar"]])
    residuals = relation.residuals(argon_frames)
    for atoms, residual in zip(written[:-1], residuals, strict=True):
        fitted = atoms.info["REF_energy"] - residual
        assert atoms.arrays["REF_local_energy"].sum() == pytest.approx(fitted, abs=1e-8)
    assert "REF_local_energy" not in written[-1].arrays  # the isolated atom


def test_json_is_the_entry_of_relation_json(run, argon_file, mixture_file):
    result = run("relate", argon_file, mixture_file, "--json")
    record = json.loads(result.stdout)
    assert set(record) == {"ar", "mix"}
    assert record["ar"]["pinned_by"] == "single species"
    assert record["mix"]["pinned_by"] == "isolated atoms"
    assert record["ar"]["n_frames"] == 16


def test_offsets_that_nothing_pins_are_warned_of(run, tmp_path, mixture_file):
    assert "warning" not in run("relate", mixture_file).stderr
    basinet.write_frames(tmp_path / "alone.extxyz", basinet.read_frames(mixture_file)[:-2])
    result = run("relate", "alone.extxyz")
    assert result.exit_code == 0
    assert "warning: mix: nothing tells the elements' offsets apart; add isolated atoms" in result.stderr


def test_the_other_definition_gives_other_local_energies(run, tmp_path, argon_file):
    for definition in ("total", "electronic"):
        assert run("relate", argon_file, "--out", f"{definition}.extxyz", "--definition", definition).exit_code == 0
    total, electronic = (
        basinet.read_frames(tmp_path / f"{name}.extxyz")[0].arrays["REF_local_energy"]
        for name in ("total", "electronic")
    )
    assert not np.allclose(total, electronic)


def test_frames_that_show_no_relation_get_no_local_energies_unless_forced(run, tmp_path, argon_frames, models):
    rng = np.random.default_rng(0)
    frames = [atoms.copy() for atoms in argon_frames]
    for atoms, energy in zip(frames, rng.permutation([atoms.info["REF_energy"] for atoms in frames]), strict=True):
        atoms.info["REF_energy"] = energy
    basinet.write_frames(tmp_path / "shuffled.extxyz", frames)
    words = ["system ar shows no relation", "of frames left out", "--force"]
    assert_refused(run("relate", "shuffled.extxyz", "--out", "local.extxyz"), *words)
    assert not (tmp_path / "local.extxyz").exists()
    assert "warning: system ar shows no relation" in run("relate", "shuffled.extxyz").stderr
    little = "local energies of ar mean little"
    assert f"note: {little}" in run("evaluate", models["ar"], "shuffled.extxyz").stdout
    changes = {"data": {"frames": [str(tmp_path / "shuffled.extxyz")]}, "cross_validation": {"folds": 0}}
    notes: list[str] = []
    load_data(load_study_config("smoke", changes=changes), notes.append)  # as `reproduce` and `train` do first
    assert [note for note in notes if little in note]
    assert run("relate", "shuffled.extxyz", "--out", "local.extxyz", "--force").exit_code == 0
    assert (tmp_path / "local.extxyz").exists()


def test_a_full_disk_is_one_line_and_leaves_nothing(run, tmp_path, argon_file, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert_refused(run("relate", argon_file, "--out", "local.extxyz"), "local.extxyz", "disk full")
    assert list(tmp_path.iterdir()) == []


def test_frames_without_electrostatic_labels_are_refused(run, tmp_path, argon_frames):
    frames = [atoms.copy() for atoms in argon_frames]
    del frames[3].info["REF_electrostatic_energy"]
    basinet.write_frames(tmp_path / "a.extxyz", frames)
    assert_refused(run("relate", "a.extxyz"), "frame 3", "REF_electrostatic_energy")


def test_isolated_atoms_alone_are_no_frames(run, tmp_path):
    basinet.write_frames(tmp_path / "iso.extxyz", list(basinet.load_isolated_atoms().values()))
    assert_refused(run("relate", "iso.extxyz"), "isolated atoms")
