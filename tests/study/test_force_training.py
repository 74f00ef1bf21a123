"""A grid trained on forces: recorded, named apart, and refused where frames carry no forces."""

from __future__ import annotations

import numpy as np
import pytest

import basinet
from basinet.errors import InputError
from basinet.files import read_json
from basinet.jobs.progress import Progress
from basinet.potentials.ensemble import load_model
from basinet.potentials.network import Architecture
from basinet.potentials.training import TrainingSettings
from basinet.study.run import load_data, train_grid
from basinet.study.settings import DataSettings, TrainConfig
from basinet.study.store import Store
from basinet.study.tables import RESULTS, read_rows
from basinet.study.tasks import TrainTask


def config_of(frames, **optimiser):
    steps = {"learning_rates": [0.01], "max_steps": 50, "evaluate_every": 10}
    return TrainConfig(
        data=DataSettings(frames=[str(frames)]), width=[4], members=2, optimiser=TrainingSettings(**steps | optimiser)
    )


@pytest.fixture(scope="module")
def argon(tmp_path_factory):
    path = tmp_path_factory.mktemp("frames") / "ar.extxyz"
    basinet.write_frames(path, basinet.load_reference("ar")[:24])
    return path


@pytest.mark.long
def test_a_grid_on_forces_records_their_errors(argon, tmp_path):
    train_grid(tmp_path, config_of(argon, force_weight=0.1), Progress(), workers=1)
    (model,) = (tmp_path / "models").glob("*forces*.basinet")
    training = load_model(model).training
    assert training["force_weight"] == 0.1
    result = read_json(next((tmp_path / "work" / "results").glob("sweep-*forces*.json")))["result"]
    assert result["force_rmse_mev"]["validation"] == pytest.approx(1e3 * np.mean(training["validation_force_rmse"]))
    assert not list((tmp_path / "work").rglob("*derivative*"))  # quicker made than read
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "networks that saw total energies and forces" in report
    assert "total energies only" not in report
    table = read_rows(tmp_path / "results.csv", RESULTS)
    assert table["kernel_drift"].notna().any()
    assert "linearised" not in set(table["model"])  # fitted to totals alone, it would foretell another training


def test_frames_without_forces_are_refused_before_anything_is_trained(argon, tmp_path):
    frames = basinet.read_frames(argon)
    del frames[5].arrays["REF_forces"]
    bare = tmp_path / "bare.extxyz"
    basinet.write_frames(bare, frames)
    with pytest.raises(InputError, match="REF_forces is missing"):
        load_data(config_of(bare, force_weight=0.1), print)
    assert load_data(config_of(bare), print).systems


def test_systems_keep_forces_only_where_they_are_trained_on(argon, tmp_path):
    (system,) = load_data(config_of(argon), print).systems
    for forces in (False, True):
        store = Store(tmp_path / str(forces))
        store.write_system(system, ["total"], forces=forces)
        assert ("forces" in store.main("ar").arrays) == forces


def test_names_tell_what_was_trained_on():
    def name(**optimiser):
        settings = TrainingSettings(**optimiser)
        return TrainTask("sweep", "ar", Architecture(), basinet.Bispectrum(), settings, 2, 0).name

    assert name() == name(force_weight=0.0)
    assert "forces" not in name()
    assert len({name(), name(force_weight=0.1), name(force_weight=1.0)}) == 3
