"""`basinet score`: what it prints and writes, what it refuses, and that nothing is calculated twice."""

from __future__ import annotations

import pytest
from tests.cli.refusal import assert_refused
from tests.cli.test_evaluate import FAKE
from tests.tables import read_rows

from basinet.errors import InputError
from basinet.fidelity.named import open_potential

LITERATURE = """
from basinet.fidelity.named import open_potential
def good(): return open_potential("lj")
"""

NO_KRYPTON = """
from ase.calculators.lj import LennardJones
class NoKrypton(LennardJones):
    def calculate(self, atoms=None, *arguments, **keywords):
        if "Kr" in atoms.symbols:
            raise RuntimeError("krypton is not for sale")
        super().calculate(atoms, *arguments, **keywords)
def no_krypton(): return NoKrypton(sigma=3.405, epsilon=0.0103, rc=6.0)
"""


@pytest.fixture
def score(run, tmp_path, argon_file):
    """Score potentials on argon in this process, with calculators at hand that work and that do not."""
    (tmp_path / "scored.py").write_text(FAKE + LITERATURE)
    return lambda *arguments: run("score", *arguments, argon_file, "--workers", "1")


def errors(result):
    return [line for line in result.stderr.splitlines() if line.startswith("basinet: error")]


def test_a_line_a_table_and_a_page_that_needs_nothing_else(score, tmp_path):
    result = score("scored:good")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "score/score.html"
    row = next(row for row in read_rows(tmp_path / "score/scores.csv") if row["target"] == "local")
    assert row["model"] == "scored:good"
    assert f"{row['pearson_r']:.3f}" in result.stdout
    page = (tmp_path / "score/score.html").read_text(encoding="utf-8")
    assert (
        page.index("The answer")
        < page.index("Real everywhere: scored:good")
        < page.index("Scores")
        < page.index("data:image/png")
    )
    assert "://" not in page
    assert "nan" not in page.split("<main>")[1].split("data:image")[0]


MISBEHAVING = {
    "nan": "not finite",
    "committee": "shape (3,)",
    "none": "None for 'energies'",
    "fails": "the licence has expired",
    "parts": "do not sum to the energy",
    "missing": "has no attribute 'make_missing'",
}


def test_potentials_that_misbehave_are_a_line_each_and_the_others_are_kept(score, tmp_path):
    result = score(*(f"scored:make_{how}" for how in MISBEHAVING), "scored:good")
    assert result.exit_code == 2
    lines = errors(result)
    assert len(lines) == len(MISBEHAVING)
    for how, words in MISBEHAVING.items():
        (line,) = [line for line in lines if f"scored:make_{how}" in line]
        assert words in line
    models = {row["model"] for row in read_rows(tmp_path / "score/scores.csv")}
    assert models == {"scored:good", "lj", "floor"}


def test_a_potential_without_its_package_names_what_to_install(score, monkeypatch):
    monkeypatch.setattr("basinet.fidelity.named.find_spec", lambda _: None)
    (line,) = errors(score("gfn2-xtb"))
    assert "pip install 'basinet[xtb]'" in line


def test_an_element_that_a_potential_does_not_know_is_told(run, mixture_file, models):
    result = run("score", models["ar"], mixture_file, "--workers", "1")
    assert result.exit_code == 2
    assert "knows Ar and lacks Kr" in errors(result)[0]


def test_a_model_of_argon_is_scored_on_the_frames_of_argon(run, tmp_path, models, argon_file, mixture_file):
    result = run("score", models["ar"], argon_file, mixture_file, "--most", 3, "--workers", "1")
    assert result.exit_code == 0, result.stderr
    assert "lacks Kr, so that it has no scores for Ar16Kr16" in result.stdout
    rows = read_rows(tmp_path / "score/scores.csv")
    assert {row["composition"] for row in rows} == {"Ar32"}
    assert {row["model"] for row in rows} == {str(models["ar"]), "lj", "floor"}


def test_an_error_in_one_system_keeps_the_scores_of_the_others(run, tmp_path, argon_file, mixture_file):
    (tmp_path / "scored_in_part.py").write_text(NO_KRYPTON)
    result = run("score", "scored_in_part:no_krypton", argon_file, mixture_file, "--most", 3, "--workers", "1")
    assert result.exit_code == 2
    assert ["krypton is not for sale" in line for line in errors(result)] == [True]
    rows = read_rows(tmp_path / "score/scores.csv")
    assert {row["composition"] for row in rows} == {"Ar32"}


def test_a_mark_that_fails_is_a_note(score, monkeypatch):
    def opened(name):
        if name == "lj":
            raise InputError("no pairs today")
        return open_potential(name)

    monkeypatch.setattr("basinet.fidelity.score._opened", opened)
    result = score("scored:good", "--most", 3)
    assert result.exit_code == 0, result.stderr
    assert "note: lj: no pairs today" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chgnt"], "did you mean 'chgnet'"),
        (["chgnet-0.3.0"], "did you mean 'chgnet-0.2.0'"),
        (["a:b.c"], "no potential given"),
        (["ar.extxyz"], "no potential given"),
        (["lj", "no.xyz"], "no.xyz"),
    ],
)
def test_what_is_neither_potential_nor_file_is_refused(run, tmp_path, arguments, words):
    assert_refused(run("score", *arguments), words)
    assert not (tmp_path / "score").exists()


def test_a_run_goes_on_without_calculating_anything_again(score, tmp_path):
    first = score("scored:good")
    (tmp_path / "score/scores.csv").unlink()
    again = score("scored:good", "--resume")
    assert again.stdout == first.stdout
    assert "8 done before" in again.stderr
