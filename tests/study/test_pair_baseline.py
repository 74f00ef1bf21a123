"""Networks on a pair potential in a study: rows of their own, and energies that hold the potential's share."""

from __future__ import annotations

import numpy as np
import pytest

import basinet
from basinet.errors import InputError
from basinet.jobs.progress import Progress
from basinet.potentials.ensemble import load_model
from basinet.potentials.training import TrainingSettings
from basinet.study.baselines import baseline_rows
from basinet.study.run import load_data, train_grid
from basinet.study.settings import DataSettings, TrainConfig
from basinet.study.store import Store
from basinet.study.systems import describe_systems


def config_of(frames, **changes):
    steps = TrainingSettings(learning_rates=[0.01], max_steps=50, evaluate_every=10)
    return TrainConfig(data=DataSettings(frames=[str(frames)]), width=[4], members=2, optimiser=steps, **changes)


@pytest.fixture(scope="module")
def argon(tmp_path_factory):
    path = tmp_path_factory.mktemp("frames") / "ar.extxyz"
    basinet.write_frames(path, [*basinet.load_reference("ar")[:24], basinet.load_isolated_atoms()["Ar"]])
    return path


@pytest.mark.long
def test_a_grid_on_a_pair_potential_scores_the_sum_of_both(argon, tmp_path):
    train_grid(tmp_path / "pairs", config_of(argon, pair_potential="literature"), Progress(), workers=1)
    train_grid(tmp_path / "plain", config_of(argon), Progress(), workers=1)
    (path,) = (tmp_path / "pairs" / "models").glob("*.basinet")
    model = load_model(path)
    assert "pairs" in path.name
    assert model.baseline is not None
    store = Store(tmp_path / "pairs")
    system = store.main("ar")
    data = store.dataset(system, model.descriptor, model.baseline)
    frames = basinet.read_frames(argon)[:24]
    ours = np.concatenate([model.local_energies(atoms) for atoms in frames], axis=1) - model.e0["Ar"]
    np.testing.assert_allclose(model.predict(data), ours, atol=1e-9)
    error = {
        name: np.mean(load_model(next((tmp_path / name / "models").glob("*.basinet"))).training["validation_rmse"])
        for name in ("pairs", "plain")
    }
    assert error["pairs"] < 0.5 * error["plain"]


def test_elements_without_a_literature_potential_are_refused(tmp_path):
    frames = [atoms.copy() for atoms in basinet.load_reference("ar")[:24]]
    for atoms in frames:
        atoms.symbols[:] = "Na"
    basinet.write_frames(tmp_path / "na.extxyz", frames)
    config = config_of(tmp_path / "na.extxyz", pair_potential="literature", descriptor={"weights": {"Na": 1.0}})
    with pytest.raises(InputError, match="no pair potential for Na"):
        load_data(config, print)


def test_no_pair_potential_is_fitted_where_isolated_atoms_are_missing(argon, tmp_path):
    frames = tmp_path / "liquid.extxyz"
    basinet.write_frames(frames, basinet.read_frames(argon)[:24])
    found, origin = {}, {}
    for name, file in {"given": argon, "missing": frames}.items():
        (system,) = load_data(config_of(file), print).systems
        store = Store(tmp_path / name)
        store.write_system(system, ["total"])
        rows = baseline_rows(store, config_of(file).descriptor.bispectrum(), untrained=0, seed=0)
        found[name] = {row["model"] for row in rows}
        origin[name] = describe_systems([system], "", 1)["systems"]["ar"]["e0"]
    assert found["given"] - found["missing"] == {"fitted_pair"}
    assert origin == {"given": "isolated atoms", "missing": "fitted to the training frames"}
