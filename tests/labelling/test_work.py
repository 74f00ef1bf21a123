"""What a worker does with one unit, whatever goes wrong; and the bookkeeping of what is left."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tests.labelling.campaigns import fake, journal, write_campaign

from basinet.cp2k.program import _check_end
from basinet.errors import DensityError, InputError
from basinet.frames.reading import read_frames
from basinet.labelling import work
from basinet.labelling.campaign import Unit, create_campaign, load_inputs
from basinet.labelling.driver import _schedule_of
from basinet.labelling.partition import partition_input
from basinet.labelling.partition_settings import PartitionInput, PartitionSettings
from basinet.labelling.settings import load_campaign_config, with_own_files
from basinet.labelling.verification import _well_numbered
from basinet.labelling.work import Outcome, _failure_kind, _labelled_frames, _running, run_unit

pytestmark = [pytest.mark.usefixtures("no_workers"), pytest.mark.slow]

TRAJECTORY = Path(__file__).parents[1] / "cp2k" / "fixtures" / "trajectory"


@pytest.fixture
def prepare(tmp_path):
    """Make a campaign that is not begun."""

    def make(count=1, **settings):
        how = {"command": fake(tmp_path)} | settings.pop("run", {})
        config = load_campaign_config(write_campaign(tmp_path, count, run=how, **settings))
        return create_campaign(tmp_path / "argon", config, *load_inputs(config))

    return make


def test_an_error_that_nobody_thought_of_costs_its_frame_alone(prepare, monkeypatch):
    def exhausted(*_):
        raise MemoryError("no room for the grid")

    campaign = prepare()
    monkeypatch.setattr(work, "_labelled_frames", exhausted)
    outcome = run_unit(str(campaign.root), "00000", 1)
    assert (outcome.kind, outcome.message) == ("unusable", "MemoryError: no room for the grid")
    assert [failure.kind for failure in campaign.failures("00000")] == ["unusable"]


def test_cubes_that_are_kept_can_be_partitioned_again(prepare):
    campaign = prepare(run={"keep_cubes": True})
    assert run_unit(str(campaign.root), "00000", 1).kind is None
    again = partition_input(PartitionInput(campaign.root / "cubes" / "00000"), PartitionSettings())
    (labelled,) = campaign.result("00000").frames
    for name, values in labelled.arrays.items():
        assert np.array_equal(again.atoms.arrays[name], values), name
    assert again.atoms.info["REF_energy"] == labelled.info["REF_energy"]


def test_a_try_that_a_worker_died_over_is_counted_by_the_next_worker(prepare, tmp_path):
    """Dask hands it on without telling, as often as its scheduler likes."""
    campaign = prepare()
    left = campaign.root / "running" / "00000.json"
    with _running(campaign.root, "00000", "driver-1"):
        text = left.read_text()
    left.write_text(text)
    outcome = run_unit(str(campaign.root), "00000", 1, "driver")
    assert outcome.kind == "killed"
    assert "its worker died" in outcome.message
    assert not journal(tmp_path)
    left.write_text(text)  # of another driver's try, that is
    assert run_unit(str(campaign.root), "00000", 1, "other").kind is None


def test_a_scratch_directory_that_cannot_be_made_is_told(prepare, tmp_path):
    (tmp_path / "file").write_text("")
    campaign = prepare(run={"scratch": str(tmp_path / "file")})
    outcome = run_unit(str(campaign.root), "00000", 1)
    assert outcome.kind == "unusable"
    assert "Not a directory" in outcome.message


def test_scratch_and_files_of_the_users_own_do_not_depend_on_where_cp2k_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "MINE").write_text("")
    config = write_campaign(tmp_path, 1, run={"scratch": "fast"}, cp2k={"potential_file": "MINE"})
    settings = with_own_files(load_campaign_config(config))
    assert settings.run.scratch == str(tmp_path / "fast")
    assert settings.cp2k.potential_file == str(tmp_path / "MINE")
    assert settings.cp2k.basis_set_file == "BASIS_MOLOPT"


@pytest.mark.parametrize("text", ["[]", "{}", '{"fingerprint": 1, "result": {}}', "not JSON"])
def test_files_that_are_not_ours_are_no_results(prepare, text):
    campaign = prepare()
    for folder in ("results", "failures"):
        (campaign.root / folder).mkdir()
        (campaign.root / folder / "00000.json").write_text(text)
    assert campaign.result("00000") is None
    assert campaign.failures("00000") == []


def test_numbers_of_frames_that_are_no_numbers_are_counted_anew(prepare):
    frames = list(prepare(2).frames)
    assert _well_numbered(frames)
    frames[0].info["frame"] = np.array([1, 2])
    assert not _well_numbered(frames)


def test_what_is_done_is_not_given_up_however_often_it_failed(prepare):
    schedule = _schedule_of(prepare(mode="aimd", aimd={"steps": 20, "segment": 10}))
    schedule.failures["00000-0000"] = Counter(crash=5)
    assert schedule.given_up("00000-0000")
    assert schedule.blocked(schedule.units["00000-0001"])
    schedule.settle(Outcome("00000-0000", 1.0))
    assert not schedule.given_up("00000-0000")
    assert [unit.name for unit in schedule.remaining()] == ["00000-0001"]


def test_a_trajectory_keeps_one_worker_busy(prepare):
    assert _schedule_of(prepare(3)).concurrency() == 3
    assert _schedule_of(prepare(3, wavefunction_chain=2)).concurrency() == 2
    assert _schedule_of(prepare(2, mode="aimd", aimd={"steps": 40, "segment": 10})).concurrency() == 2


@pytest.mark.parametrize(
    ("code", "kind"), [(-9, "killed"), (137, "killed"), (139, "crash"), (-11, "crash"), (1, "crash")]
)
def test_a_wrapper_that_tells_the_signal_by_its_exit_code_is_understood(tmp_path, code, kind):
    with pytest.raises(InputError) as caught:
        _check_end(code, tmp_path)
    assert _failure_kind(caught.value) == kind


@pytest.fixture
def dynamics(tmp_path):
    """A finished run of two steps as a worker has it, without densities."""
    folder = tmp_path / "run"
    folder.mkdir()
    for file in TRAJECTORY.iterdir():
        text = file.read_text().replace("PROJECT run", "PROJECT basinet")
        (folder / file.name.replace("run", "basinet")).write_text(text)
    return folder


def test_dynamics_without_densities_give_each_step_its_own_positions(prepare, dynamics):
    campaign = prepare(mode="aimd", partition=False, aimd={"steps": 2, "density_every": 1, "segment": 2})
    frames, _ = _labelled_frames(dynamics, Unit("00000-0000", 0, 0, 2), campaign.config, campaign.frames[0])
    assert [atoms.info["step"] for atoms in frames] == [0, 1, 2]
    written = read_frames(dynamics / "basinet-pos-1.xyz")
    for atoms, step in zip(frames, written, strict=True):
        assert np.array_equal(atoms.positions, step.positions)
        assert atoms.info["REF_energy"] == pytest.approx(27.211386245988 * step.info["E"], abs=1e-7)
        assert atoms.arrays["REF_forces"].shape == (4, 3)
    later, _ = _labelled_frames(
        dynamics, Unit("00000-0001", 0, 0, 2, "00000-0000"), campaign.config, campaign.frames[0]
    )
    assert [atoms.info["step"] for atoms in later] == [1, 2]


def test_a_step_whose_density_is_lost_is_missed(prepare, dynamics, monkeypatch):
    campaign = prepare(mode="aimd", aimd={"steps": 2, "density_every": 1, "segment": 2})
    monkeypatch.setattr("basinet.labelling.work.expanded", lambda _jobs: [])
    with pytest.raises(DensityError, match="no density of step 0, of 3 in all"):
        _labelled_frames(dynamics, Unit("00000-0000", 0, 0, 2), campaign.config, campaign.frames[0])


def test_resuming_or_overwriting_takes_nothing_that_is_not_the_campaigns(run, tmp_path):
    config = write_campaign(tmp_path, 1, run={"workers": 1, "command": fake(tmp_path)})
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "thesis.tex").write_text("mine\n")
    for flags in ([], ["--resume"], ["--overwrite"]):
        result = run("dft", "run", config, "--out", ".", *flags)
        assert result.exit_code == 2
        assert "basinet: error: " in result.stderr
    assert (tmp_path / "scratch" / "thesis.tex").exists()

    assert run("dft", "run", config).exit_code == 0
    shutil.copy(tmp_path / "argon" / "labelled.extxyz", tmp_path / "kept")
    config.write_text(config.read_text().replace("start.extxyz", "argon/labelled.extxyz"))
    result = run("dft", "run", config, "--overwrite")
    assert "lies in the output directory" in result.stderr
    assert (tmp_path / "argon" / "labelled.extxyz").read_bytes() == (tmp_path / "kept").read_bytes()
    assert json.loads((tmp_path / "argon" / "labelled.json").read_text())["done"] == 1
