from __future__ import annotations

import pytest
from tests.cli.refusal import assert_refused
from tests.tables import read_rows

import basinet

PAIR = "basinet.potentials.pair_potential:literature_lennard_jones"


def test_table_and_file_tell_the_same(run, tmp_path, models, argon_file):
    result = run("evaluate", models["ar"], argon_file, "--out", "s.csv")
    assert result.exit_code == 0, result.stderr
    rows = read_rows(tmp_path / "s.csv")
    assert [row["seed"] for row in rows if row["target"] == "total"] == ["0", "1", "2", "mean"]
    mean = next(row for row in rows if row["seed"] == "mean" and row["target"] == "local")
    line = next(line for line in result.stdout.splitlines() if " local " in line)
    assert f"{mean['pearson_r']:.4f}" in line.split()


def test_models_of_other_species_compose(run, models, mixture_file):
    result = run("evaluate", models["kr"], models["ar"], mixture_file)
    assert result.exit_code == 0, result.stderr
    assert {"all", "Ar", "Kr"} <= set(result.stdout.split())


def test_any_calculator_with_energies_is_scored(run, tmp_path, argon_file):
    (tmp_path / "mine.py").write_text(
        "from basinet.potentials.pair_potential import literature_lennard_jones\n"
        "from basinet.potentials.calculator import PairPotentialCalculator\n"
        "def make():\n    return PairPotentialCalculator(literature_lennard_jones())\n"
    )
    result = run("evaluate", argon_file, "--calculator", "mine:make", "--out", "s.csv")
    assert result.exit_code == 0, result.stderr
    rows = read_rows(tmp_path / "s.csv")
    assert {row["seed"] for row in rows} == {"mean"}
    assert all(row["pearson_r"] > 0.97 for row in rows)


def test_frames_with_totals_only_say_so(run, tmp_path, models, argon_frames):
    plain = [atoms.copy() for atoms in argon_frames[:2]]
    for atoms in plain:
        del atoms.info["REF_electrostatic_energy"]
    basinet.write_frames(tmp_path / "a.extxyz", plain)
    result = run("evaluate", models["ar"], "a.extxyz")
    assert "totals only" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["AR"], ["no frames"]),
        (["FRAMES"], ["no model"]),
        (["AR", "MIX"], ["no network for Kr"]),
        (["AR", "AR", "FRAMES"], ["both hold a network for Ar"]),
        (["AR", "WIDE", "MIX"], ["architecture"]),
        (["missing.basinet", "FRAMES"], ["missing.basinet", "no such file"]),
        (["fake.basinet", "FRAMES"], ["fake.basinet", "not a model"]),
        (["cut.basinet", "FRAMES"], ["cut.basinet", "cut short"]),
        (["altered.basinet", "FRAMES"], ["altered.basinet", "altered"]),
        (["FRAMES", "--calculator", "nothing"], ["MODULE:CALLABLE"]),
        (["FRAMES", "--calculator", "no_such_module:make"], ["no_such_module"]),
        (["FRAMES", "--calculator", "ase.calculators.lj:Nothing"], ["Nothing"]),
        (["FRAMES", "--calculator", PAIR], ["energies"]),
        (["FRAMES", "--calculator", "ase.calculators.emt:EMT"], ["EMT", "Ar"]),
        (["AR", "FRAMES", "--calculator", "ase.calculators.lj:LennardJones"], ["exclude"]),
    ],
)
def test_wrong_models_are_refused(run, tmp_path, models, argon_file, mixture_file, arguments, words):
    content = models["ar"].read_bytes()
    (tmp_path / "fake.basinet").write_text("weights: none\n")
    (tmp_path / "cut.basinet").write_bytes(content[:-10])
    (tmp_path / "altered.basinet").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    names = {"AR": models["ar"], "WIDE": models["wide"], "FRAMES": argon_file, "MIX": mixture_file}
    result = run("evaluate", *[names.get(argument, argument) for argument in arguments], "--out", "s.csv")
    assert_refused(result, *words)
    assert not (tmp_path / "s.csv").exists()
