"""Rows of the results table have known answers where the prediction is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.potentials.toys import gas, toy_dataset

from basinet.fidelity.gauge import stack_pair_features
from basinet.fidelity.scoring import ScoredFrames, evaluation_rows, fitted_gauges, with_mean, without_gauges
from basinet.potentials.dataset import Dataset

PURE = toy_dataset(12, {"Ar": 6}, system="ar")
MIXED = toy_dataset(12, {"Ar": 3, "Kr": 3}, system="mix")


def frames_of(data: Dataset, split: str = "test") -> ScoredFrames:
    return ScoredFrames(data, np.empty((len(data.frame), 0)), split)


def rows_of(prediction, data, **other):
    rows = list(evaluation_rows(np.atleast_2d(prediction), frames_of(data), other.pop("seeds", [0]), {}, **other))
    return {(row["target"], row["gauge"], row["species"], row["seed"]): row for row in rows}


def test_a_perfect_prediction_scores_one():
    rows = rows_of(PURE.local_energy, PURE)
    assert set(rows) == {("total", "raw", "all", 0), ("local", "raw", "all", 0)}
    for row in rows.values():
        assert row["pearson_r"] == pytest.approx(1, abs=1e-12)
        assert row["r2_determination"] == pytest.approx(1, abs=1e-12)
        assert row["slope"] == pytest.approx(1, abs=1e-12)
        assert row["rmse_mev"] == pytest.approx(0, abs=1e-9)
        assert row["offset_mev"] == pytest.approx(0, abs=1e-9)


def test_twice_the_energies_correlate_perfectly_and_are_wrong():
    local = rows_of(2 * PURE.local_energy, PURE)["local", "raw", "all", 0]
    assert local["pearson_r"] == pytest.approx(1, abs=1e-12)
    assert local["slope"] == pytest.approx(2, abs=1e-12)
    assert local["r2_determination"] == pytest.approx(0, abs=1e-9)
    assert local["rmse_mev"] == pytest.approx(1e3 * PURE.local_energy.std(), rel=1e-9)


def test_a_constant_shift_is_taken_off_and_reported():
    rows = rows_of(PURE.local_energy + 0.003, PURE)
    for row in rows.values():
        assert row["offset_mev"] == pytest.approx(3, abs=1e-9)
        assert row["rmse_mev"] == pytest.approx(0, abs=1e-9)


def test_totals_are_per_atom_and_local_energies_sum_to_them():
    noise = np.random.default_rng(1).normal(scale=0.01, size=len(PURE.frame))
    row = rows_of(PURE.local_energy + noise, PURE)["total", "raw", "all", 0]
    error = PURE.sum_over_atoms(noise) / 6
    assert row["rmse_mev"] == pytest.approx(1e3 * error.std(), rel=1e-9)
    assert row["n_values"] == 12
    assert row["n_atoms"] == 6


def test_an_offset_between_species_neither_helps_nor_harms():
    apart = MIXED.local_energy + np.where(MIXED.species == 0, 1.0, -1.0)
    honest, shifted = rows_of(MIXED.local_energy[::-1], MIXED), rows_of(MIXED.local_energy[::-1] + apart, MIXED)
    assert {key[2] for key in honest if key[0] == "local"} == {"all", "Ar", "Kr"}
    assert rows_of(apart, MIXED)["local", "raw", "all", 0]["pearson_r"] == pytest.approx(1, abs=1e-12)
    assert shifted["local", "raw", "all", 0]["pearson_r"] != pytest.approx(1, abs=1e-2)
    # What only tells the species apart explains nothing.
    labels = rows_of(np.where(MIXED.species == 0, 1.0, -1.0) + 1e-3 * honest_noise(), MIXED)
    assert abs(labels["local", "raw", "all", 0]["pearson_r"]) < 0.4


def honest_noise():
    return np.random.default_rng(3).normal(size=len(MIXED.frame))


def test_without_local_energies_only_totals_are_scored():
    rows = rows_of(PURE.local_energy, replace(PURE, local_energy=None))
    assert set(rows) == {("total", "raw", "all", 0)}


def test_the_ensembles_mean_carries_the_interval():
    members = PURE.local_energy + np.random.default_rng(0).normal(scale=5e-3, size=(3, len(PURE.frame)))
    prediction, seeds = with_mean(members, 7)
    assert seeds == [7, 8, 9, "mean"]
    assert np.allclose(prediction[-1], members.mean(0))
    rows = rows_of(prediction, PURE, seeds=seeds)
    for (_, _, _, seed), row in rows.items():
        assert ("pearson_r_low" in row) == (seed == "mean")
    mean = rows["local", "raw", "all", "mean"]
    assert mean["pearson_r_low"] <= mean["pearson_r"] <= mean["pearson_r_high"]
    alone = [rows["local", "raw", "all", seed]["pearson_r"] for seed in (7, 8, 9)]
    assert mean["pearson_r"] > max(alone)  # independent errors average out


def shifted_pairs(n_frames: int = 8) -> tuple[ScoredFrames, np.ndarray]:
    """Random mixtures and a prediction that is right but for the split of every Ar-Kr pair."""
    atoms = [gas("Ar6Kr6", seed, box=10.5, closest=3.2) for seed in range(n_frames)]
    features = stack_pair_features(atoms, ("Ar", "Kr"))
    data = toy_dataset(n_frames, {"Ar": 6, "Kr": 6}, system="mix")
    signs = np.where(data.species == 0, 1.0, -1.0)
    h = np.linspace(0.03, -0.02, features.shape[1])
    return ScoredFrames(data, features, "test"), data.local_energy + signs * (features @ h)


def test_the_pair_gauge_is_removed_the_control_is_not_and_totals_stay():
    frames, wrong = shifted_pairs()
    data = frames.dataset
    assert np.allclose(data.sum_over_atoms(wrong), data.energy, atol=1e-9)
    gauges = fitted_gauges(wrong[None], frames)
    rows = {
        (row["gauge"], row["species"]): row
        for row in evaluation_rows(wrong[None], frames, [0], {}, without_gauges(wrong[None], frames, gauges))
        if row["target"] == "local"
    }
    assert set(rows) == {(gauge, species) for gauge in ("raw", "pair", "control") for species in ("all", "Ar", "Kr")}
    for species in ("all", "Ar", "Kr"):
        assert rows["pair", species]["pearson_r"] > 0.999
        assert rows["raw", species]["pearson_r"] < 0.9
        assert rows["control", species]["pearson_r"] < rows["pair", species]["pearson_r"] - 0.03


def test_pure_liquids_have_no_gauge():
    assert fitted_gauges(PURE.local_energy[None], frames_of(PURE)) == {}
    frames, _ = shifted_pairs(3)
    blind = replace(frames, dataset=replace(frames.dataset, local_energy=None))
    assert fitted_gauges(np.zeros((1, 36)), blind) == {}
