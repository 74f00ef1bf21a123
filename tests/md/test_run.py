"""A run that is stopped anywhere and taken up again is the run that was not; a run that fails keeps what it has."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from tests.md.liquids import FailingCalculator, config, contents, start
from tests.tables import read_rows

from basinet.errors import InputError
from basinet.frames.reading import read_frames
from basinet.jobs.arrays import load_arrays, save_arrays
from basinet.md import run as run_module
from basinet.md.dynamics_settings import DynamicsConfig
from basinet.md.motion import _Guard, _RunFailedError
from basinet.md.run import simulate

pytestmark = pytest.mark.slow


class StoppedError(Exception):
    """Stands for whatever ends a process."""


def stopping_at(step):
    def report(now, _row):
        if now == step:
            raise StoppedError

    return report


@pytest.fixture(autouse=True)
def every_restart_point(monkeypatch):
    """However little time has passed since the last one."""
    monkeypatch.setattr(run_module, "PAUSE", 0.0)


def folder(tmp_path, name):
    (tmp_path / name).mkdir(exist_ok=True)
    return tmp_path / name


@pytest.mark.parametrize("ensemble", ["nve", "nvt"])
@pytest.mark.parametrize(
    "stops", [[130, 260, 310], *(pytest.param([one], marks=pytest.mark.long) for one in (40, 100, 290))]
)
def test_a_resumed_run_repeats_the_uninterrupted_one_to_the_last_bit(tmp_path, ensemble, stops):
    """The potential keeps a neighbour list between steps, which decides how its forces are rounded."""
    settings = config(ensemble=ensemble, steps=400, every=20)
    simulate(folder(tmp_path, "whole"), start(settings), settings)
    for stop in stops:
        with pytest.raises(StoppedError):
            simulate(folder(tmp_path, "parts"), start(settings), settings, report=stopping_at(stop))
    simulate(folder(tmp_path, "parts"), start(settings), settings)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_trajectory_and_log_have_no_gap_and_no_duplicate(tmp_path):
    settings = config(steps=300, every=50)
    with pytest.raises(StoppedError):
        simulate(folder(tmp_path, "md"), start(settings), settings, report=stopping_at(270))
    simulate(tmp_path / "md", start(settings), settings)
    assert [row["step"] for row in read_rows(tmp_path / "md" / "log.csv")] == list(range(0, 301, 10))
    assert [frame.info["step"] for frame in read_frames(tmp_path / "md" / "trajectory.extxyz")] == [
        0, 50, 100, 150, 200, 250, 300,
    ]  # fmt: skip


def test_half_a_line_that_was_being_written_is_cut_off(tmp_path):
    settings = config(steps=200)
    simulate(folder(tmp_path, "whole"), start(settings), settings)
    with pytest.raises(StoppedError):
        simulate(folder(tmp_path, "md"), start(settings), settings, report=stopping_at(150))
    with (tmp_path / "md" / "log.csv").open("a") as stream:
        stream.write("160,0.32,-1.5")
    simulate(tmp_path / "md", start(settings), settings)
    assert contents(tmp_path / "md") == contents(tmp_path / "whole")


def test_a_finished_run_grows_longer(tmp_path):
    simulate(folder(tmp_path, "whole"), start(config(steps=300)), config(steps=300))
    for steps in (200, 300):
        simulate(folder(tmp_path, "md"), start(config(steps=steps)), config(steps=steps))
    assert contents(tmp_path / "md") == contents(tmp_path / "whole")
    with pytest.raises(InputError, match="has 300 steps already"):
        simulate(tmp_path / "md", start(config(steps=200)), config(steps=200))


def test_the_trajectory_holds_all_that_decides_the_motion(tmp_path):
    settings = config(steps=100)
    atoms = start(settings)
    first = atoms.copy()
    simulate(folder(tmp_path, "md"), atoms, settings)
    frames = read_frames(tmp_path / "md" / "trajectory.extxyz")
    assert np.array_equal(frames[0].positions, first.positions)
    assert np.array_equal(frames[0].get_momenta(), first.get_momenta())
    assert np.array_equal(frames[-1].positions, atoms.positions)
    assert [frame.get_potential_energy() for frame in frames[::2]] == [
        row["potential_ev"] for row in read_rows(tmp_path / "md" / "log.csv") if row["step"] in (0, 100)
    ]


def test_masses_of_the_users_go_along(tmp_path):
    """A run that goes on from the trajectory of isotopes has the same velocities, thus the same temperature."""
    settings = config(steps=20, every=10)
    atoms = start(settings)
    atoms.set_masses(np.linspace(36.0, 80.0, len(atoms)))
    simulate(folder(tmp_path, "md"), atoms, settings)
    last = read_frames(tmp_path / "md" / "trajectory.extxyz")[-1]
    np.testing.assert_array_equal(last.get_masses(), atoms.get_masses())
    np.testing.assert_array_equal(last.get_velocities(), atoms.get_velocities())


def test_results_go_along_where_they_are_asked_for(tmp_path):
    settings = config(steps=50, results=True)
    atoms = start(settings)
    simulate(folder(tmp_path, "md"), atoms, settings)
    last = read_frames(tmp_path / "md" / "trajectory.extxyz")[-1]
    assert np.array_equal(last.get_forces(), atoms.get_forces())
    assert last.get_potential_energies().sum() == pytest.approx(last.get_potential_energy(), abs=1e-12)


def test_another_model_does_not_go_on_with_a_run(tmp_path):
    settings = config(steps=100)
    simulate(folder(tmp_path, "md"), start(settings), settings, inputs={"ar.basinet": "1"})
    with pytest.raises(InputError, match=r"ar\.basinet: changed since"):
        simulate(tmp_path / "md", start(settings), settings, inputs={"ar.basinet": "2"})


def test_a_trajectory_that_lost_its_end_is_refused(tmp_path):
    settings = config(steps=100)
    simulate(folder(tmp_path, "md"), start(settings), settings)
    path = tmp_path / "md" / "trajectory.extxyz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"trajectory\.extxyz: has 1000 bytes, and had"):
        simulate(tmp_path / "md", start(settings), settings)


def test_a_restart_point_that_was_altered_is_refused(tmp_path):
    settings = config(steps=100)
    simulate(folder(tmp_path, "md"), start(settings), settings)
    path = tmp_path / "md" / "restart.checkpoint"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"restart\.checkpoint: the restart point is cut short or altered"):
        simulate(tmp_path / "md", start(settings), settings)


def test_forces_that_are_no_numbers_end_the_run_and_what_was_written_stays(tmp_path):
    settings = config(steps=100, every=10)
    ending = simulate(folder(tmp_path, "md"), start(settings, FailingCalculator(after=35)), settings)
    assert 30 <= ending.step <= 36
    assert "is no number" in ending.failure
    assert [row["step"] for row in read_rows(tmp_path / "md" / "log.csv")] == [0, 10, 20, 30]
    assert len(read_frames(tmp_path / "md" / "trajectory.extxyz")) == 4


def test_an_energy_that_is_no_number_is_never_written(tmp_path):
    settings = config(steps=100, every=10)
    ending = simulate(folder(tmp_path, "md"), start(settings, FailingCalculator(35, "energy")), settings)
    assert ending.failure == "the potential energy is no number"
    assert [row["step"] for row in read_rows(tmp_path / "md" / "log.csv")] == [0, 10, 20, 30]
    assert len(read_frames(tmp_path / "md" / "trajectory.extxyz")) == 4


def test_a_calculator_that_raises_ends_the_run(tmp_path):
    settings = config(steps=100)
    ending = simulate(folder(tmp_path, "md"), start(settings, FailingCalculator(35, "raise")), settings)
    assert ending.failure == "the calculator fails (RuntimeError: no convergence)"
    assert len(read_frames(tmp_path / "md" / "failure.extxyz")) == 1
    ending = simulate(folder(tmp_path, "left"), start(settings, FailingCalculator(35, "exit")), settings)
    assert ending.failure == "the calculator fails (SystemExit: 0)"


def test_a_time_step_that_is_too_long_ends_the_run(tmp_path):
    settings = config(steps=1000, timestep=100.0)
    ending = simulate(folder(tmp_path, "md"), start(settings), settings)
    assert ending.step < 1000
    assert "temperature" in ending.failure or "apart" in ending.failure


def test_two_atoms_that_meet_are_named():
    atoms = Atoms("Ar3", positions=[[0, 0, 0], [0, 0, 9.0], [0, 5.0, 0]], cell=[10, 10, 10], pbc=True)
    with pytest.raises(_RunFailedError, match=r"atoms 0 and 1 are 1\.00 A apart, below 2\.00 A"):
        _Guard(2.0, 1000.0).check(atoms, distances=True)


def test_atoms_that_have_flown_away_end_the_run():
    atoms = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 1e9]])
    with pytest.raises(_RunFailedError, match="atom 1 is at"):
        _Guard(1.0, 1000.0).check(atoms, distances=True)


def test_bounds_follow_from_the_start():
    atoms = start(config())
    guard = _Guard.for_start(atoms, 120.0)
    assert guard.hottest == 1200.0
    assert 1.7 < guard.closest < 2.2
    apart = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 20]])
    assert _Guard.for_start(apart, None).closest == 0.5
    assert _Guard.for_start(apart, None).hottest == 1000.0


def test_settings_that_do_not_fit_are_refused():
    for wrong in (
        {"every": 25, "log_every": 10},
        {"steps": 100, "equilibration": 100},
        {"ensemble": "nvt", "temperature": None},
        {"velocities": "new", "temperature": None},
    ):
        with pytest.raises(ValueError, match=r"multiple|leaves nothing|needs? a temperature"):
            DynamicsConfig(**{"start": "ar.extxyz", "temperature": 120.0, **wrong})
    assert config(every=50).log_interval == 10
    assert config(every=7).log_interval == 7
    assert config(every=30).restart_interval == 120


@pytest.mark.parametrize(
    "changes",
    [
        {"sizes": {"../precious": 0}},
        {"trajectory": -1},
        {"log": "many"},
        {"inputs": []},
        {"step": None},
        {"hottest": {}},
    ],
)
def test_a_restart_point_of_other_contents_is_refused_and_cuts_no_other_file(tmp_path, changes):
    settings = config(steps=100, ensemble="nvt")
    simulate(folder(tmp_path, "md"), start(settings), settings)
    precious = tmp_path / "precious"
    precious.write_text("mine")
    path = tmp_path / "md" / "restart.checkpoint"
    header, arrays = load_arrays(path)
    save_arrays(path, header | changes, arrays)
    with pytest.raises(InputError, match=r"restart\.checkpoint: .*; start anew with --overwrite"):
        simulate(tmp_path / "md", start(settings), settings)
    for name, crafted in {
        "positions": np.zeros((3, 3)),
        "momenta": np.full((32, 3), np.inf),
        "thermostat": np.zeros(6),
    }.items():
        save_arrays(path, header, arrays | {name: crafted})
        with pytest.raises(
            InputError, match=rf"restart\.checkpoint: the array '{name}' is not .* finite numbers; start"
        ):
            simulate(tmp_path / "md", start(settings), settings)
    assert precious.read_text() == "mine"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_in_one_line(tmp_path, monkeypatch):
    settings = config(steps=100)
    real = Path.open

    class FullDisk(io.FileIO):
        def truncate(self, _size=None):
            return 0

    def full(path, *arguments, **options):
        if path.name == "trajectory.extxyz":
            return io.BufferedWriter(FullDisk("/dev/full", "a"))
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(InputError, match=r"trajectory\.extxyz: disk full") as caught:
        simulate(folder(tmp_path, "md"), start(settings), settings)
    assert isinstance(caught.value.__cause__, OSError)
