"""`basinet md`: what it writes, what it refuses, and that a run killed at any moment goes on as if it had not been."""

from __future__ import annotations

import json
import signal
import time

import numpy as np
import pytest
import yaml
from tests.cli.process import start
from tests.cli.refusal import assert_refused
from tests.tables import read_rows

import basinet
from basinet.cli.app import app
from basinet.md import run as run_module
from basinet.md.run import _RunFiles

pytestmark = pytest.mark.slow

POTENTIALS = """
from basinet.potentials.pair_potential import LennardJones, literature_lennard_jones
from basinet.potentials.calculator import PairPotentialCalculator

def argon():
    literature = literature_lennard_jones(8.0)
    return PairPotentialCalculator(LennardJones(literature.parameters, 8.0, smooth=True))
"""
ODD = """
from tests.md.liquids import DoubtfulCalculator, FailingCalculator

def failing():
    return FailingCalculator(after=35)

def at_once():
    return FailingCalculator(after=4)

def useless():
    return FailingCalculator(after=0)

def raising():
    return FailingCalculator(after=0, how="raise")

def leaving():
    return FailingCalculator(after=0, how="exit")

def flat():
    return FailingCalculator(after=9, how="plane")

doubtful = DoubtfulCalculator
"""
LJ = ("--calculator", "potentials:argon", "--temperature", 120)
FILES = {
    "trajectory.extxyz", "log.csv", "restart.checkpoint", "rdf.csv", "summary.json", "config.yaml", "provenance.json",
    ".basinet",
}  # fmt: skip
FIGURES = {"figure.png", "figure.pdf"}


@pytest.fixture
def place(tmp_path, argon_frames):
    """A working directory with a start and potentials of the user's own."""
    basinet.write_frames(tmp_path / "ar.extxyz", argon_frames)
    (tmp_path / "potentials.py").write_text(POTENTIALS)
    (tmp_path / "odd.py").write_text(ODD)
    return tmp_path


@pytest.fixture
def drawn():
    """Ask for this to have the figure drawn."""


@pytest.fixture(autouse=True)
def mostly_undrawn(request, monkeypatch):
    """Drawing takes longer than these short runs."""
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr("basinet.md.analysis.write_figure", lambda _results, _folder: None)


def names(folder):
    return {path.name for path in folder.iterdir()}


@pytest.mark.usefixtures("drawn")
def test_a_run_writes_what_it_did_and_what_was_measured(run, place):
    result = run("md", "ar.extxyz", *LJ, "--steps", 300, "--every", 10, "--reference", "ar.extxyz", "--seed", 3)
    assert result.exit_code == 0, result.stderr
    assert names(place / "md") == FILES | FIGURES
    found = json.loads((place / "md" / "summary.json").read_text())
    settings = yaml.safe_load((place / "md" / "config.yaml").read_text())
    rows, curve = (read_rows(place / "md" / name) for name in ("log.csv", "rdf.csv"))
    frames = basinet.read_frames(place / "md" / "trajectory.extxyz")
    record = json.loads((place / "md" / "provenance.json").read_text())
    assert len(rows) == len(frames) == 31
    assert found["failure"] is None
    assert found["time_ps"] == pytest.approx(0.6)
    assert settings["seed"] == 3
    assert set(record["inputs"]) == {"ar.extxyz"}
    assert {row["pair"] for row in curve} == {"Ar-Ar"}
    assert 3.3 < found["pair_distribution"]["Ar-Ar"]["reference_peak_angstrom"] < 4.1
    assert "md: 32 atoms, NVE, 300 steps, 0.6 ps" in result.stdout
    assert "% apart" in result.stdout
    assert (place / "md" / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert (place / "md" / "figure.pdf").read_bytes().startswith(b"%PDF")


def test_a_model_moves_atoms_and_conserves_energy(run, place, models):
    result = run("md", models["ar"], "ar.extxyz", "--temperature", 120, "--steps", 40, "--every", 2, "--results")
    assert result.exit_code == 0, result.stderr
    total = np.array([row["total_ev"] for row in read_rows(place / "md" / "log.csv")])
    assert np.ptp(total) < 1e-3
    last = basinet.read_frames(place / "md" / "trajectory.extxyz")[-1]
    assert np.abs(last.get_forces().sum(axis=0)).max() < 1e-10
    assert last.arrays["spread"].shape == (32,)


def test_models_of_several_elements_compose_and_a_member_may_be_chosen(run, place, models):
    basinet.write_frames(place / "mix.extxyz", basinet.load_reference("mix")[:2])
    files = (models["ar"], models["kr"], "mix.extxyz")
    for more in ((), ("--member", 1)):
        result = run("md", *files, "--temperature", 120, "--steps", 10, "--every", 5, "--out", f"md{len(more)}", *more)
        assert result.exit_code == 0, result.stderr
    mean, one = (read_rows(place / name / "log.csv")[0]["potential_ev"] for name in ("md0", "md2"))
    assert mean != one
    pairs = {row["pair"] for row in read_rows(place / "md0" / "rdf.csv")}
    assert pairs == {"Ar-Ar", "Ar-Kr", "Kr-Kr"}


@pytest.mark.lammps
def test_lammps_moves_a_model_and_leaves_its_input(run, place, models):
    result = run("md", models["ar"], "ar.extxyz", "--temperature", 120, "--steps", 40, "--engine", "lammps")
    assert result.exit_code == 0, result.stderr
    assert names(place / "md") == FILES | {"lammps"}
    assert np.ptp([row["total_ev"] for row in read_rows(place / "md" / "log.csv")]) < 1e-3
    assert_refused(run("md", "ar.extxyz", *LJ, "--engine", "lammps", "--out", "pairs"), "leave out the calculator")


def test_what_the_calculator_doubts_is_told_once_and_counted(run, place):
    result = run("md", "ar.extxyz", "--calculator", "odd:doubtful", "--temperature", 120, "--steps", 40)
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count("outside the model's training range") == 1
    assert "up to 3 atoms" in result.stdout
    assert [row["extrapolating"] for row in read_rows(place / "md" / "log.csv")][1:] == [3, 3, 3, 3]


@pytest.mark.long
def test_nvt_holds_its_temperature_after_equilibration(run, place):
    result = run(
        "md", "ar.extxyz", *LJ, "--ensemble", "nvt", "--steps", 2000, "--timestep", 5, "--equilibration", 400,
        "--every", 20,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    found = json.loads((place / "md" / "summary.json").read_text())
    assert found["measured_lines"] == 161
    assert found["temperature_k"]["value"] == pytest.approx(120.0, abs=5.0)
    assert "thermostat" not in result.stderr


def test_a_run_can_begin_with_the_velocities_of_another(run, place):
    assert run("md", "ar.extxyz", *LJ, "--steps", 100, "--out", "one").exit_code == 0
    assert run("md", "ar.extxyz", *LJ, "--steps", 200, "--out", "whole").exit_code == 0
    second = run(
        "md", "one/trajectory.extxyz", "--calculator", "potentials:argon", "--steps", 100, "--out", "two"
    )  # fmt: skip
    assert second.exit_code == 0, second.stderr
    last, whole = (
        basinet.read_frames(place / name / "trajectory.extxyz")[-1].positions for name in ("two", "whole")
    )  # fmt: skip
    assert last == pytest.approx(whole, abs=1e-10)


def test_a_run_that_fails_says_when_and_why_and_keeps_what_was_written(run, place):
    command = ("md", "ar.extxyz", "--calculator", "odd:failing", "--temperature", 120, "--steps", 200)
    result = run(*command)
    assert result.exit_code == 2
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("basinet: error: md: given up at step 3")
    assert "is no number" in last
    found = json.loads((place / "md" / "summary.json").read_text())
    assert found["time_to_failure_ps"] == pytest.approx(0.07, abs=0.01)
    assert [row["step"] for row in read_rows(place / "md" / "log.csv")] == [0, 10, 20, 30]
    assert names(place / "md") >= FILES - {"restart.checkpoint"}


@pytest.mark.usefixtures("drawn")
def test_a_run_that_fails_at_once_is_analysed_too(run, place):
    result = run("md", "ar.extxyz", "--calculator", "odd:at_once", "--temperature", 120)
    assert result.exit_code == 2
    assert "given up at step" in result.stderr.splitlines()[-1]
    assert json.loads((place / "md" / "summary.json").read_text())["measured_lines"] == 1


@pytest.mark.usefixtures("drawn")
def test_a_cluster_moves_without_a_box(run, place):
    cluster = 'Properties=species:S:1:pos:R:3 pbc="F F F"\nAr 0 0 0\nAr 0 0 3.8\nAr 0 3.3 1.9\n'
    (place / "cluster.extxyz").write_text(f"3\n{cluster}")
    result = run("md", "cluster.extxyz", "--calculator", "potentials:argon", "--temperature", 10, "--steps", 100)
    assert result.exit_code == 0, result.stderr
    assert read_rows(place / "md" / "rdf.csv") == []
    assert read_rows(place / "md" / "log.csv")[0]["pressure_mpa"] == ""
    assert json.loads((place / "md" / "summary.json").read_text())["pair_distribution"] == {}


def test_a_reference_of_another_density_is_told(run, place, argon_frames):
    thin = [frame.copy() for frame in argon_frames]
    for frame in thin:
        frame.set_cell(1.1 * frame.cell, scale_atoms=True)
    basinet.write_frames(place / "thin.extxyz", thin)
    result = run("md", "ar.extxyz", *LJ, "--steps", 100, "--reference", "thin.extxyz")
    assert "the reference is of another density: 0.0132 atoms per A3, the run 0.0175" in result.stdout


def test_an_unsuitable_start_or_calculator_leaves_nothing(run, place):
    odd = {"useless": "no finite energy", "raising": "no convergence", "leaving": "SystemExit: 0", "flat": "no finite"}
    for name, words in odd.items():
        result = run("md", "ar.extxyz", "--calculator", f"odd:{name}", "--temperature", 120)
        assert_refused(result, "ar.extxyz", words)
    assert not (place / "md").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ar.extxyz"], ["no model given", "--calculator"]),
        (["ar.basinet"], ["no start given"]),
        (["ar.extxyz", "kr.extxyz"], ["give one START", "--reference"]),
        (["no.extxyz", *LJ], ["no.extxyz", "no such file"]),
        (["no.basinet", "ar.extxyz", "--temperature", 120], ["no.basinet", "no such file"]),
        (["ar.basinet", "ar.extxyz", *LJ], ["exclude each other"]),
        (["ar.extxyz", *LJ, "--ensemble", "npt"], ["npt"]),
        (["ar.extxyz", "--calculator", "potentials:argon"], ["has no velocities", "--temperature"]),
        (["ar.extxyz", "--calculator", "potentials:argon", "--ensemble", "nvt"], ["nvt needs a temperature"]),
        (["ar.extxyz", *LJ, "--timestep", 0], ["timestep", "greater than 0"]),
        (["ar.extxyz", *LJ, "--steps", 0], ["steps"]),
        (["ar.extxyz", *LJ, "--every", 25, "--log-every", 10], ["multiple of log_every"]),
        (["ar.extxyz", *LJ, "--equilibration", 9999], ["equilibration", "leaves nothing"]),
        (["ar.extxyz", *LJ, "--frame", 99], ["no frame 99", "--frame"]),
        (["ar.extxyz", *LJ, "--reference", "kr.extxyz"], ["kr.extxyz", "has no Ar"]),
        (["ar.extxyz", *LJ, "--out", "."], ["lies in the output directory"]),
        (["fe.extxyz", *LJ], ["no parameters for Fe"]),
        (["one.extxyz", *LJ], ["one atom alone"]),
        (["held.extxyz", *LJ], ["move_mask"]),
        (["open.extxyz", *LJ, "--reference", "ar.extxyz"], ["open.extxyz", "not periodic"]),
    ],
)
def test_a_mistake_is_told_in_one_line(run, place, arguments, words):
    header = 'Properties=species:S:1:pos:R:3 pbc="F F F"'
    basinet.write_frames(place / "kr.extxyz", basinet.load_reference("kr")[:2])
    (place / "fe.extxyz").write_text(f"2\n{header}\nFe 0 0 0\nFe 0 0 3\n")
    (place / "one.extxyz").write_text(f"1\n{header}\nAr 0 0 0\n")
    (place / "open.extxyz").write_text(f"2\n{header}\nAr 0 0 0\nAr 0 0 4\n")
    (place / "held.extxyz").write_text(
        '2\nProperties=species:S:1:pos:R:3:move_mask:L:1 pbc="F F F"\nAr 0 0 0 T\nAr 0 0 4 F\n'
    )
    before = names(place)
    assert_refused(run("md", *arguments), *words)
    assert names(place) - {"__pycache__"} == before - {"__pycache__"}


def test_another_setting_or_a_changed_start_does_not_go_on(run, place, argon_frames):
    assert run("md", "ar.extxyz", *LJ, "--steps", 100).exit_code == 0
    assert_refused(run("md", "ar.extxyz", *LJ, "--steps", 100), "--resume", "--overwrite")
    again = run("md", "ar.extxyz", *LJ, "--steps", 100, "--timestep", 1, "--resume")
    assert_refused(again, "begun with timestep = 2.0, now 1.0")
    basinet.write_frames(place / "ar.extxyz", argon_frames[:3])
    assert "ar.extxyz: changed since" in run("md", "ar.extxyz", *LJ, "--steps", 200, "--resume").stderr
    assert len(read_rows(place / "md" / "log.csv")) == 11


def test_a_finished_run_can_be_compared_anew_and_made_longer(run, place):
    assert run("md", "ar.extxyz", *LJ, "--steps", 100).exit_code == 0
    log = (place / "md" / "log.csv").read_bytes()
    result = run("md", "ar.extxyz", *LJ, "--steps", 100, "--resume", "--reference", "ar.extxyz")
    assert result.exit_code == 0, result.stderr
    assert "% apart" in result.stdout
    assert (place / "md" / "log.csv").read_bytes() == log
    assert run("md", "ar.extxyz", *LJ, "--steps", 200, "--resume").exit_code == 0
    assert run("md", "ar.extxyz", *LJ, "--steps", 200, "--out", "whole").exit_code == 0
    assert (place / "md" / "log.csv").read_bytes() == (place / "whole" / "log.csv").read_bytes()


def test_a_disk_that_fills_up_costs_nothing_that_was_written(run, place, monkeypatch):
    monkeypatch.setattr(run_module, "PAUSE", 0.0)

    def full(_files, atoms, row):
        if row["step"] >= 150:
            raise basinet.InputError("md/trajectory.extxyz: disk full; free some space and run again")
        return write_frame(_files, atoms, row)

    write_frame = _RunFiles.write_frame
    with monkeypatch.context() as broken:
        broken.setattr(_RunFiles, "write_frame", full)
        result = run("md", "ar.extxyz", *LJ, "--steps", 200)
        assert result.exit_code == 2
        assert "disk full" in result.stderr
    assert run("md", "ar.extxyz", *LJ, "--steps", 200, "--resume").exit_code == 0
    assert len(basinet.read_frames(place / "md" / "trajectory.extxyz")) == 5


def kill_at(process, log, lines, how):
    """Wait for so many lines of the log, then end the process."""
    deadline = time.monotonic() + 60
    while not log.exists() or log.read_bytes().count(b"\n") < lines:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(how)
    return process.communicate(timeout=60)


@pytest.mark.long
def test_a_run_killed_at_any_moment_is_the_uninterrupted_one(run, place):
    arguments = ["md", "ar.extxyz", *LJ, "--steps", 1500, "--every", 20, "--out", "killed"]
    for lines, how in ((20, signal.SIGINT), (90, signal.SIGKILL)):
        process = start(*arguments, "--resume", cwd=place)
        _, stderr = kill_at(process, place / "killed" / "log.csv", lines, how)
        assert "Traceback" not in stderr
        if how == signal.SIGINT:
            assert process.returncode == 130
            assert "--resume goes on" in stderr.splitlines()[-1]
    assert run(*arguments, "--resume").exit_code == 0
    assert run(*arguments[:-1], "whole").exit_code == 0
    for name in ("log.csv", "trajectory.extxyz", "summary.json", "rdf.csv"):
        assert (place / "killed" / name).read_bytes() == (place / "whole" / name).read_bytes()


def test_the_command_is_listed():
    assert "md" in {command.name for command in app.registered_commands}
