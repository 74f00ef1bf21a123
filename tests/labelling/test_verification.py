"""Frames calculated again, beside the stored ones: what agrees, what does not, and what other settings change."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import yaml
from ase import Atoms
from tests.cli.refusal import assert_refused
from tests.labelling.campaigns import fake, write_campaign

from basinet.frames.reading import read_frames, write_frames
from basinet.labelling.settings import _resolved
from basinet.labelling.verification import Stored, changes, choose, compare

pytestmark = [pytest.mark.usefixtures("no_workers"), pytest.mark.slow]

LOCAL = "REF_local_hartree_energy"


def labelled(symbols: str, energy: float, system: str) -> Atoms:
    atoms = Atoms(symbols, positions=np.arange(3.0 * len(Atoms(symbols))).reshape(-1, 3), cell=[20, 20, 20], pbc=True)
    atoms.info.update(system=system, REF_energy=energy, REF_electrostatic_energy=-energy)
    atoms.arrays[LOCAL] = np.linspace(1, 2, len(atoms))
    atoms.arrays["REF_forces"] = np.zeros((len(atoms), 3))
    return atoms


def stored(frames: list[Atoms], slope: float | None = 0.25) -> Stored:
    config = _resolved({"frames": ["x.extxyz"]}, "test")
    return Stored(frames, list(range(len(frames))), config, {"ar": slope, "mix": slope})


def test_deviations_are_in_mev_and_judged_by_the_tolerances():
    old = [labelled("Ar4", -10.0, "ar"), labelled("Ar4", -11.0, "ar"), labelled("Ar4", -12.0, "ar")]
    new = [atoms.copy() for atoms in old]
    new[0].info["REF_energy"] += 3e-5  # 0.0075 meV per atom
    new[0].arrays[LOCAL][2] += 3.9e-4  # 0.0975 meV of a local DFT energy
    new[1].info["REF_electrostatic_energy"] -= 5e-5  # 0.0125 meV per atom
    new[2].arrays[LOCAL][0] -= 4.1e-4
    first, second, third = compare(stored(old), new)
    assert first.energy == pytest.approx(0.0075)
    assert first.local == pytest.approx(0.0975)
    assert first.local_hartree == pytest.approx(0.39)
    assert [item.agrees for item in (first, second, third)] == [True, False, False]


def test_without_a_relation_local_hartree_energies_are_judged():
    old = [labelled("Ar4", -10.0, "ar")]
    new = [old[0].copy()]
    new[0].arrays[LOCAL][2] += 2e-4
    (item,) = compare(stored(old, None), new)
    assert item.local == item.local_hartree == pytest.approx(0.2)
    assert not item.agrees


def test_frames_are_drawn_equally_from_systems_and_sizes(tmp_path):
    frames = [labelled("Ar4", -1.0 - number, "ar") for number in range(20)]
    frames += [labelled("Ar2Kr2", -1.0 - number, "mix") for number in range(4)] + [labelled("Ar", -1.0, "ar")]
    write_frames(tmp_path / "all.extxyz", frames)
    config = _resolved({"frames": ["x.extxyz"]}, "test")
    chosen = choose(str(tmp_path / "all.extxyz"), 6, 0, config, 4)
    assert [atoms.info["system"] for atoms in chosen.frames] == ["ar"] * 3 + ["mix"] * 3
    assert len(set(chosen.numbers)) == 6
    assert choose(str(tmp_path / "all.extxyz"), 99, 0, config).numbers == list(range(25))
    assert chosen.numbers != choose(str(tmp_path / "all.extxyz"), 6, 1, config, 4).numbers


def test_other_settings_are_judged_apart_from_constants():
    rng = np.random.default_rng(0)
    old = [labelled("Ar2Kr2", -10.0 - number, "mix") for number in range(3)]
    new = [atoms.copy() for atoms in old]
    noise = 1e-4 * rng.normal(size=(3, 4))
    for number, atoms in enumerate(new):
        atoms.info["REF_energy"] += 4 * (0.5e-3 + (0, 5e-6, -5e-6)[number])
        atoms.arrays[LOCAL] += [0.02, 0.02, -0.05, -0.05] + noise[number]
    found = changes(stored(old), new)
    assert [item.energy for item in found] == pytest.approx([0.5, 0.505, 0.495])
    assert [item.energy_centred for item in found] == pytest.approx([0, 0.005, -0.005], abs=1e-9)
    for species in (slice(0, 2), slice(2, 4)):
        noise[:, species] -= noise[:, species].mean()
    for item, expected in zip(found, 250 * noise, strict=True):
        assert item.local == pytest.approx(np.sqrt(np.mean(expected**2)), rel=1e-6)
        assert item.local_largest == pytest.approx(np.abs(expected).max(), rel=1e-6)
        assert item.agrees
    new[1].arrays[LOCAL][0] += 2e-3
    assert not changes(stored(old), new)[1].agrees


def test_a_single_frame_of_its_kind_has_no_centred_energy():
    old = [labelled("Ar4", -10.0, "ar")]
    (item,) = changes(stored(old), [old[0].copy()])
    assert item.energy_centred is None
    assert item.local == pytest.approx(0.0, abs=1e-12)


@pytest.mark.usefixtures("program")
def test_nothing_that_came_with_frames_decides_what_is_executed(finished, run):
    sent = {
        "run": {"command": f"touch {finished}/executed", "scratch": str(finished / "elsewhere")},
        "cluster": {"prologue": [f"touch {finished}/executed"], "directives": ["--x"]},
    }
    beside, config = finished / "argon" / "labelled.json", finished / "argon" / "config.yaml"
    values = json.loads(beside.read_text())
    beside.write_text(json.dumps(values | {"config": values["config"] | sent}))
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | sent))
    for source in ("argon/labelled.extxyz", "argon"):
        result = run("dft", "verify", source, "1", "--workers", "1")
        assert result.exit_code == 0, result.stderr
    assert run("dft", "status", "argon").exit_code == run("dft", "collect", "argon").exit_code == 0
    result = run("dft", "run", "argon.yaml", "--resume")
    assert result.exit_code == 0, result.stderr
    assert not (finished / "executed").exists()
    assert not (finished / "elsewhere").exists()
    template = values["config"] | {"template": str(finished / "argon.yaml")}
    beside.write_text(json.dumps({"config": template}))
    assert_refused(run("dft", "verify", "argon/labelled.extxyz", "1"), "template", "--config")
    config.write_text(yaml.safe_dump(template))
    (finished / "argon" / "template.inp").write_text("&GLOBAL\n&END\n")
    assert_refused(run("dft", "verify", "argon", "1"), "template", "--config")


@pytest.fixture
def finished(tmp_path, run):
    """A finished campaign of four frames, in the directory ``argon``."""
    write_campaign(tmp_path, 4, run={"workers": 1, "command": fake(tmp_path)})
    result = run("dft", "run", "argon.yaml")
    assert result.exit_code == 0, result.stderr
    return tmp_path


@pytest.fixture
def program(tmp_path, monkeypatch):
    """The stand-in for CP2K on the PATH."""
    place = tmp_path / "bin" / "cp2k"
    place.parent.mkdir()
    place.write_text(f'#!/bin/sh\nexec {fake(tmp_path)} "$@"\n')
    place.chmod(0o755)
    monkeypatch.setenv("PATH", str(place.parent), prepend=os.pathsep)


@pytest.mark.usefixtures("finished", "program")
def test_a_campaign_and_a_file_with_its_settings_verify(run):
    result = run("dft", "verify", "argon", "2", "--workers", "1", "--json")
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)
    assert len(rows) == 2
    assert all(row["energy"] == row["local"] == row["forces"] == 0.0 and row["agrees"] for row in rows)
    assert run("dft", "verify", "argon/labelled.extxyz", "1", "--workers", "1").exit_code == 0


@pytest.mark.usefixtures("program")
def test_a_frame_that_does_not_verify_is_told(finished, run):
    frames = read_frames(finished / "argon" / "labelled.extxyz")
    for atoms in frames:
        atoms.info["REF_energy"] += 1e-3
    write_frames(finished / "argon" / "labelled.extxyz", frames)
    result = run("dft", "verify", "argon/labelled.extxyz", "1", "--workers", "1")
    assert result.exit_code == 1
    assert "1 of 1 frames differ" in result.stderr
    assert "-2.5e-01" in result.stdout


def test_a_table_of_convergence_is_made_by_a_command(finished, run):
    config = finished / "finer.yaml"
    config.write_text(f"preset: paper\nrun: {{command: {fake(finished)}}}\n")
    result = run("dft", "verify", "argon", "3", "--convergence", "--config", config, "--workers", "1")
    assert result.exit_code == 0, result.stderr
    assert "energy_centred" in result.stdout
    assert result.stdout.count("yes") == 3


def test_what_cannot_be_verified_is_refused(finished, run):
    assert_refused(run("dft", "verify", "argon", "1", "--convergence"), "--convergence", "--config")
    assert_refused(run("dft", "verify", "argon", "1", "--atoms", "5"), "--atoms 5", "but of 4 atoms")
    (finished / "argon" / "labelled.json").unlink()
    assert_refused(run("dft", "verify", "argon/labelled.extxyz", "1"), "says nothing of its settings", "--config")
    assert_refused(
        run("dft", "verify", "start.extxyz", "1", "--config", "argon.yaml"), "no periodic frame has REF_energy"
    )
