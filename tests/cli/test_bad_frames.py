"""Frames that cannot be used: every command that reads them refuses them, and writes nothing."""

from __future__ import annotations

import re

import pytest
from tests.cli.refusal import assert_refused

import basinet

pytestmark = pytest.mark.slow

READERS = {
    "relate": ["relate", "bad.extxyz", "--out", "out"],
    "describe": ["describe", "bad.extxyz", "--out", "out"],
    "select": ["select", "bad.extxyz", "--out", "out"],
    "train": ["train", "train.yaml", "--out", "out"],
    "evaluate": ["evaluate", "ar.basinet", "bad.extxyz", "--out", "out"],
    "reproduce": ["reproduce", "--preset", "smoke", "--data", "bad.extxyz", "--out", "out"],
}


def truncated(text):
    return text[: text.rindex("\n", 0, len(text) * 3 // 4) + 1]


def without_energy(text):
    return re.sub(r"REF_energy=\S+ ", "", text)


def nan_energy(text):
    return re.sub(r"REF_energy=\S+ ", "REF_energy=nan ", text, count=1)


def infinite_position(text):
    lines = text.split("\n")
    cells = lines[2].split()
    lines[2] = " ".join([cells[0], "inf", *cells[2:]])
    return "\n".join(lines)


def hartree_among_ev(text):
    value = float(re.search(r"REF_energy=(\S+)", text).group(1))
    return re.sub(r"REF_energy=\S+ ", f"REF_energy={value / 27.2114} ", text, count=1)


def no_cell(text):
    return re.sub(r'Lattice="[^"]+"', 'Lattice="0 0 0 0 0 0 0 0 0"', text, count=1)


DEFECTS = {
    truncated: "cut short", nan_energy: "NaN", infinite_position: "NaN or infinite", hartree_among_ev: "eV",
    no_cell: "volume",
}  # fmt: skip


@pytest.fixture
def workplace(tmp_path, argon_frames, models):
    """The directory in which `run` runs: a model, a config, and a place for bad frames."""
    (tmp_path / "ar.basinet").write_bytes(models["ar"].read_bytes())
    (tmp_path / "train.yaml").write_text("data: {frames: bad.extxyz}\n")
    basinet.write_frames(tmp_path / "good.extxyz", argon_frames)
    return lambda spoil: (tmp_path / "bad.extxyz").write_text(spoil((tmp_path / "good.extxyz").read_text()))


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__)
def test_defective_frames_are_refused(run, workplace, tmp_path, command, defect):
    workplace(defect)
    assert_refused(run(*READERS[command]), "bad.extxyz", DEFECTS[defect])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", [name for name in READERS if name != "describe"])
def test_frames_without_energies_are_refused(run, workplace, tmp_path, command):
    workplace(without_energy)
    assert_refused(run(*READERS[command]), "REF_energy", "missing")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", [name for name in READERS if name not in {"describe", "train"}])
def test_a_key_that_no_frame_has_is_refused(run, workplace, tmp_path, command):
    workplace(lambda text: text)
    assert_refused(run(*READERS[command], "--energy-key", "dft_energy"), "'dft_energy'", "found", "REF_energy")
    assert not (tmp_path / "out").exists()


def test_energies_under_another_key_are_named(run, tmp_path, argon_frames, models):
    frames = [atoms.copy() for atoms in argon_frames]
    for atoms in frames:
        atoms.info["dft_energy"] = atoms.info.pop("REF_energy")
    basinet.write_frames(tmp_path / "other.extxyz", frames)
    for command in (["relate"], ["evaluate", models["ar"]]):
        result = run(*command, "other.extxyz")
        assert_refused(result, "other.extxyz, frame 0", "REF_energy is missing", "dft_energy", "with --energy-key")
        assert run(*command, "other.extxyz", "--energy-key", "dft_energy").exit_code == 0


@pytest.mark.parametrize("command", ["select", "train", "reproduce"])
def test_too_few_frames_to_split_are_refused(run, workplace, tmp_path, argon_frames, command):
    workplace(lambda text: text)
    basinet.write_frames(tmp_path / "bad.extxyz", argon_frames[:5])
    assert_refused(run(*READERS[command]), "5 frames", "few", "split.gap")
    assert not (tmp_path / "out").exists()


def test_a_missing_file_among_several_is_named(run, workplace, tmp_path):
    workplace(lambda text: text)
    result = run("reproduce", "--data", "good.extxyz", "missing.extxyz", "--out", "out")
    assert_refused(result, "missing.extxyz")
    assert not (tmp_path / "out").exists()


def test_an_output_replaces_no_input_and_an_input_counts_once(run, tmp_path, argon_frames, models, atoms_file):
    basinet.write_frames(tmp_path / "a.extxyz", argon_frames)
    before = (tmp_path / "a.extxyz").read_bytes()
    for command in (["relate"], ["describe", "--rcut", "5", "--twojmax", "2"], ["evaluate", models["ar"]]):
        assert_refused(run(*command, "a.extxyz", "--out", "./a.extxyz"), "a.extxyz: is an input", "another --out")
    assert (tmp_path / "a.extxyz").read_bytes() == before
    assert_refused(run("partition", atoms_file, "--out", atoms_file, "--overwrite"), "is an input")
    assert_refused(run("relate", "a.extxyz", "./a.extxyz"), "a.extxyz: is named twice", "name it once")
    assert_refused(run("partition", atoms_file, atoms_file), "is named twice")
    assert_refused(run("partition", atoms_file, "--cores", "Ar=8:0.4,Ar=8:0.5"), "'Ar' stands twice")
