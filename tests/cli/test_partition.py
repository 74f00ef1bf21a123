from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
from tests.cli.refusal import assert_refused
from tests.cp2k.runs import FIXTURES
from tests.cp2k_engine import argon_run
from tests.density.cubes import write_cube
from tests.density.gaussians import gaussians
from tests.labelling import neutral_atoms as known

import basinet
from basinet.cp2k.run_directory import read_run
from basinet.files import LOCK
from basinet.jobs import directory
from basinet.jobs.directory import _locked, prepared
from basinet.units import Bohr

pytestmark = pytest.mark.slow

__all__ = ["argon_run"]

CORES = ("--cores", known.OPTION)
LOCAL = "REF_local_hartree_energy"


@pytest.fixture
def cubes(tmp_path):
    """Three cubes in the working directory, the second of which is cut."""
    for name in ("one", "two", "three"):
        known.write_neutral_atoms(tmp_path / f"{name}.cube", shape=(21, 16, 18))
    cut = tmp_path / "two.cube"
    cut.write_text(cut.read_text()[:9000])
    return ["one.cube", "two.cube", "three.cube"]


def numbers(line):
    return [float(word) for word in re.findall(r"[-+]?\d+\.\d+(?:e[-+]\d+)?", line)]


def test_a_table_is_printed_that_adds_up(run, atoms_file):
    result = run("partition", atoms_file, *CORES)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert "ArKr, 35 x 28 x 30 points" in lines[0]
    assert lines[1].split() == ["atom", "element", "population", "charge", "volume", "energy", "+-", "distance"]
    one, two, total = (numbers(line) for line in lines[2:5])
    assert one[3] == pytest.approx(known.ENERGIES[0], rel=1e-6)
    for column in range(4):
        assert one[column] + two[column] == pytest.approx(total[column], abs=1e-4)
    assert "reading total" in lines[5]


def test_divisions_are_refused_that_are_none_or_lack_isolated_atoms(run, atoms_file):
    assert_refused(run("partition", atoms_file, "--divisions", "becke"), "--divisions becke", "voronoi, hirshfeld")
    both = run("partition", atoms_file, "--divisions", "voronoi", "hirshfeld")
    assert_refused(both, "--divisions hirshfeld", "--isolated")
    assert_refused(run("partition", atoms_file, "--isolated", atoms_file), "--isolated RUN...", "belong together")
    assert_refused(run("partition", atoms_file, "--divisions", "voronoi"), "no energy density", "LOCAL_ENERGY_CUBE")


def test_the_definition_chooses_the_energies_shown(run, atoms_file):
    shown = run("partition", atoms_file, *CORES, "--definition", "electronic")
    assert shown.exit_code == 0, shown.stderr
    found = json.loads(run("partition", atoms_file, *CORES, "--json").stdout)["frames"][0]["atoms"]
    energies = [numbers(line)[3] for line in shown.stdout.splitlines()[2:4]]
    assert energies == pytest.approx(found["hartree_energy_electronic"], abs=1e-5)
    assert "reading electronic" in shown.stdout


def test_json_is_one_document_with_what_the_frame_has(run, tmp_path, atoms_file):
    assert run("partition", atoms_file, *CORES, "--out", "out.extxyz").exit_code == 0
    (atoms,) = basinet.read_frames(tmp_path / "out.extxyz")
    result = run("partition", atoms_file, *CORES, "--json", "--out", "again.extxyz")
    document = json.loads(result.stdout)
    assert document["failed"] == []
    (frame,) = document["frames"]
    assert frame["atoms"]["hartree_energy"] == atoms.arrays[LOCAL].tolist()
    assert frame["atoms"]["population_error"] == atoms.arrays["bader_population_error"].tolist()
    assert frame["info"]["REF_electrostatic_energy"] == atoms.info["REF_electrostatic_energy"]
    assert {"read", "electrostatics", "basins", "error bars"} <= set(frame["seconds"])
    assert (tmp_path / "again.extxyz").read_bytes() == (tmp_path / "out.extxyz").read_bytes()


def test_a_bad_input_is_reported_and_the_others_are_written(run, tmp_path, cubes):
    result = run("partition", *cubes, *CORES, "--out", "out.extxyz", "--workers", "1")
    assert result.exit_code == 2
    errors = [line for line in result.stderr.splitlines() if line.startswith("basinet: error: ")]
    assert len(errors) == 2
    assert "two.cube" in errors[0]
    assert "1 of 3 inputs failed" in errors[1]
    assert "Traceback" not in result.output
    frames = basinet.read_frames(tmp_path / "out.extxyz")
    assert [atoms.info["source"] for atoms in frames] == ["one.cube", "three.cube"]
    # Mended, the two others are not done again.
    known.write_neutral_atoms(tmp_path / "two.cube", shape=(21, 16, 18))
    result = run("partition", *cubes, *CORES, "--out", "out.extxyz", "--resume")
    assert result.exit_code == 0, result.stderr
    assert "3 tasks, 2 done before" in result.stderr
    assert len(basinet.read_frames(tmp_path / "out.extxyz")) == 3


def test_failed_inputs_are_in_the_document(run, cubes):
    result = run("partition", *cubes, *CORES, "--json", "--workers", "1")
    assert result.exit_code == 2
    document = json.loads(result.stdout)
    assert [frame["info"]["frame"] for frame in document["frames"]] == [0, 2]
    assert document["failed"][0]["input"] == "two.cube"
    assert "cut" in document["failed"][0]["error"]


@pytest.mark.usefixtures("cubes")
def test_one_bad_input_is_one_line_and_leaves_nothing(run, tmp_path):
    before = sorted(path.name for path in tmp_path.iterdir())
    assert_refused(run("partition", "two.cube", *CORES, "--out", "out.extxyz"), "two.cube", "cut")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.usefixtures("cubes")
def test_nothing_is_overwritten_unasked(run, tmp_path):
    assert run("partition", "one.cube", *CORES, "--out", "out.extxyz").exit_code == 0
    before = (tmp_path / "out.extxyz").read_bytes()
    assert_refused(run("partition", "three.cube", *CORES, "--out", "out.extxyz"), "out.extxyz", "--resume")
    assert (tmp_path / "out.extxyz").read_bytes() == before
    (tmp_path / "out.extxyz").unlink()
    assert_refused(run("partition", "one.cube", *CORES, "--out", "out.extxyz"), "out.extxyz.work", "--resume")
    assert run("partition", "three.cube", *CORES, "--out", "out.extxyz", "--overwrite").exit_code == 0
    assert [atoms.info["source"] for atoms in basinet.read_frames(tmp_path / "out.extxyz")] == ["three.cube"]
    assert len(list((tmp_path / "out.extxyz.work").glob("*.json"))) == 1


@pytest.mark.usefixtures("cubes")
def test_who_comes_second_leaves_the_folder_to_the_first(run, tmp_path, monkeypatch):
    """Both found the folder free; the first has the lock, and no input is done yet."""
    with prepared(folder := tmp_path / "out.extxyz.work", resume=False, overwrite=False):
        pass
    monkeypatch.setattr(directory, "refuse_running", lambda _: None)
    with _locked(folder):
        result = run("partition", "one.cube", *CORES, "--out", "out.extxyz", "--resume")
        assert_refused(result, "another basinet", "out.extxyz.work")
        assert (folder / LOCK).is_file()
    assert run("partition", "one.cube", *CORES, "--out", "out.extxyz", "--resume").exit_code == 0


@pytest.fixture
def trajectory(tmp_path):
    """Three steps of molecular dynamics, of which the second did not converge, with a density of argon's for each."""
    folder = tmp_path / "md"
    shutil.copytree(FIXTURES / "trajectory", folder)
    text, mark = (folder / "run.out").read_text(), "  *** SCF run converged in     4 steps ***"
    assert text.count(mark) == 1
    (folder / "run.out").write_text(text.replace(mark, " *** WARNING in qs_scf.F:601 :: SCF run NOT converged ***"))
    for step in range(3):
        cube = folder / f"run-ELECTRON_DENSITY-1_{step}.cube"
        cube.touch()
        run = read_run(folder, density=cube, allow_unconverged=True)
        values = gaussians(run.grid, run.atoms.cell.array, run.atoms.positions, [8.0] * 4, [0.5] * 4, images=1)
        write_cube(cube, values * Bohr**3, run.atoms)
    return folder


@pytest.mark.usefixtures("trajectory")
def test_a_step_that_did_not_converge_costs_no_other(run, tmp_path):
    options = ("--out", "md.extxyz", "--workers", "1", "--no-error-bars", "--allow-open")  # Gaussians are not argon's
    result = run("partition", "md", *options)
    assert result.exit_code == 2
    errors = [line for line in result.stderr.splitlines() if line.startswith("basinet: error: ")]
    assert "run-ELECTRON_DENSITY-1_1.cube" in errors[0]
    assert "did NOT converge" in errors[0]
    assert "1 of 3 inputs failed" in errors[1]
    assert [atoms.info["step"] for atoms in basinet.read_frames(tmp_path / "md.extxyz")] == [0, 2]
    result = run("partition", "md", *options, "--resume", "--allow-unconverged")
    assert result.exit_code == 0, result.stderr
    assert [atoms.info["step"] for atoms in basinet.read_frames(tmp_path / "md.extxyz")] == [0, 1, 2]


def test_what_is_wrong_with_a_whole_trajectory_is_told_once(run, trajectory):
    output = trajectory / "run.out"
    output.write_text(output.read_text().replace("PROGRAM ENDED", ""))
    assert_refused(run("partition", "md", "--out", "md.extxyz"), "run.out", "cut short")


@pytest.mark.parametrize("out", [".", "..", "/", "there"])
@pytest.mark.usefixtures("cubes")
def test_an_output_that_is_a_directory_is_refused_before_anything_is_computed(run, tmp_path, out):
    (tmp_path / "there").mkdir()
    before = sorted(path.name for path in tmp_path.rglob("*"))
    for flag in ([], ["--overwrite"], ["--resume"]):
        assert_refused(run("partition", "one.cube", *CORES, "--out", out, *flag), f"--out {out}", "name a file in it")
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


@pytest.mark.usefixtures("cubes")
def test_a_structure_has_a_frame_for_each_input(run, tmp_path):
    basinet.write_frames(tmp_path / "s.extxyz", [known.neutral_atoms()] * 2)
    two = ("partition", "one.cube", "three.cube", *CORES, "--workers", "1", "--structure")
    assert run(*two, "s.extxyz", "--json").exit_code == 0
    basinet.write_frames(tmp_path / "s.extxyz", [known.neutral_atoms()])
    assert_refused(run(*two, "s.extxyz"), "s.extxyz", "1 frames for 2 inputs")


@pytest.mark.usefixtures("cubes")
def test_names_go_along(run, tmp_path):
    options = ("--system", "pair", "--config-type", "IsolatedAtom", "--field", "again=one.cube", "--no-error-bars")
    assert run("partition", "three.cube", *CORES, "--out", "out.extxyz", *options).exit_code == 0
    (atoms,) = basinet.read_frames(tmp_path / "out.extxyz")
    assert atoms.info["system"] == "pair"
    assert atoms.info["config_type"] == "IsolatedAtom"
    assert atoms.arrays["bader_again"] == pytest.approx(atoms.arrays["bader_population"], rel=1e-6)
    assert not [name for name in atoms.arrays if name.endswith("_error")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], ["nothing", "no such file"]),
        (["one.cube", "--cores", "Ar"], ["--cores", "Ar=8:0.4"]),
        (["one.cube", "--cores", "Xy=8:0.4"], ["--cores", "no element"]),
        (["one.cube", "--cores", "Ar=8:-1"], ["radius"]),
        (["one.cube", "--field", "spin"], ["--field", "spin"]),
        (["one.cube", "--resume"], ["--out"]),
        (["one.cube", "three.cube", "--potential", "v.cube"], ["--potential", "v.cube"]),
        (["one.cube", "--nuclear-radius", "-1"], ["--nuclear-radius"]),
        (["one.cube", "--definition", "half"], ["--definition", "electronic"]),
        (["one.cube", "--potential-file", "none"], ["none", "no such file"]),
    ],
)
@pytest.mark.usefixtures("cubes")
def test_misuse_is_one_line(run, arguments, words):
    assert_refused(run("partition", *arguments), *words)


@pytest.mark.long
@pytest.mark.cp2k
def test_a_real_run_can_be_related(run, tmp_path, argon_run):
    for number in range(3):
        shutil.copytree(argon_run, tmp_path / f"run-{number}")
    result = run("partition", "run-0", "run-1", "run-2", "--out", "ar.extxyz", "--workers", "1")
    assert result.exit_code == 0, result.stderr
    assert "3 frames" in result.stdout
    frames = basinet.read_frames(tmp_path / "ar.extxyz")
    assert frames[0].arrays[LOCAL].sum() - frames[0].info["REF_hartree_energy"] == pytest.approx(
        frames[0].info["closure_error"], abs=1e-9
    )
    # One frame thrice is no line; with the energies moved along one, the relation finds it.
    for number, atoms in enumerate(frames):
        atoms.info["REF_electrostatic_energy"] += 0.01 * number
        atoms.info["REF_energy"] -= 0.002 * number
    basinet.write_frames(tmp_path / "moved.extxyz", frames)
    result = run("relate", "moved.extxyz", "--out", "local.extxyz", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["ar"]["slope"] == pytest.approx(-1.2, abs=1e-6)
    local = basinet.read_frames(tmp_path / "local.extxyz")
    assert np.all(["REF_local_energy" in atoms.arrays for atoms in local])


@pytest.mark.cp2k
def test_the_closure_and_the_cross_check_are_printed(run, argon_run):
    result = run("partition", argon_run, "--cross-check")
    assert result.exit_code == 0, result.stderr
    assert "printed: 1860.5" in result.stdout
    assert "CP2K's own cubes" in result.stdout
