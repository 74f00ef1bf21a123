from __future__ import annotations

import pytest
from ase.calculators.lj import LennardJones
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


FAKE = """
import numpy as np
from ase.calculators.lj import LennardJones

class Fake(LennardJones):
    def __init__(self, change):
        super().__init__(sigma=3.405, epsilon=0.0103, rc=6.0)
        self.change, self.calls = change, 0

    def calculate(self, *arguments, **keywords):
        super().calculate(*arguments, **keywords)
        self.calls += 1
        self.change(self)

def fails(calculator):
    if calculator.calls == 2:
        raise SystemExit("the licence has expired")

def change(how):
    def of(calculator):
        energies = calculator.results["energies"]
        new = {"column": energies[:, None], "none": None, "nan": energies * np.nan, "committee": energies[:3],
               "complex": energies * 1j, "huge": energies * 1e300}
        calculator.results["energies"] = new[how]
    return of

def parts(calculator):
    calculator.results["energies"] = calculator.results["energies"] + 0.1 * calculator.calls

def make_fails(): return Fake(fails)
def make_parts(): return Fake(parts)
def make_column(): return Fake(change("column"))
def make_none(): return Fake(change("none"))
def make_nan(): return Fake(change("nan"))
def make_complex(): return Fake(change("complex"))
def make_huge(): return Fake(change("huge"))
def make_committee(): return Fake(change("committee"))
"""


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("fails", ["Fake fails", "the licence has expired"]),
        ("column", ["shape (32, 1)", "'energies'", "(32,) is expected"]),
        ("none", ["None for 'energies'"]),
        ("nan", ["not finite"]),
        ("committee", ["shape (3,)"]),
        ("complex", ["Fake fails", "complex"]),
        ("huge", ["not finite"]),
    ],
)
def test_calculators_that_misbehave_are_refused_in_one_line(run, tmp_path, argon_file, how, words):
    (tmp_path / "fake.py").write_text(FAKE)
    assert_refused(run("evaluate", argon_file, "--calculator", f"fake:make_{how}"), *words)


def test_the_total_of_a_calculator_is_its_energy_and_other_sums_are_told(run, tmp_path, argon_file):
    (tmp_path / "fake.py").write_text(FAKE)
    result = run("evaluate", argon_file, "--calculator", "fake:make_parts", "--out", "s.csv")
    assert "do not sum to the energy" in result.stdout
    assert "vary" in result.stdout
    total = next(row for row in read_rows(tmp_path / "s.csv") if row["target"] == "total")
    assert total["pearson_r"] > 0.97  # that of the sums is that of the order of the calls


def test_a_calculator_calculates_a_frame_once(argon_frames):
    calls = []

    class Counting(LennardJones):
        def calculate(self, *arguments, **keywords):
            calls.append(1)
            super().calculate(*arguments, **keywords)

    basinet.evaluate(Counting(sigma=3.405, epsilon=0.0103, rc=6.0), argon_frames[:5])
    assert len(calls) == 5


def test_forces_are_scored_where_frames_carry_them(run, tmp_path, models, argon_frames):
    some = [atoms.copy() for atoms in argon_frames[:4]]
    del some[2].arrays["REF_forces"]
    basinet.write_frames(tmp_path / "some.extxyz", some)
    result = run("evaluate", models["ar"], "some.extxyz", "--out", "s.csv")
    assert "forces: of the 3 frames of 4 that carry them" in result.stdout
    forces = next(row for row in read_rows(tmp_path / "s.csv") if row["target"] == "force")
    assert forces["n_values"] == 3 * 32 * 3


def test_two_frames_have_no_interval(run, tmp_path, models, argon_frames):
    basinet.write_frames(tmp_path / "two.extxyz", argon_frames[:2])
    assert run("evaluate", models["ar"], "two.extxyz", "--out", "s.csv").exit_code == 0
    assert all(row["pearson_r_low"] == "" for row in read_rows(tmp_path / "s.csv"))


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
