"""Scores of forces: those of the model's mean, where frames carry some to compare with."""

from __future__ import annotations

import numpy as np
import pytest
from ase.calculators.calculator import Calculator
from tests.potentials.toys import random_ensemble

import basinet
from basinet.fidelity.scoring import score_forces
from basinet.potentials.calculator import PairPotentialCalculator
from basinet.potentials.network import Architecture
from basinet.potentials.pair_potential import literature_lennard_jones


def frames_of(system):
    return [atoms.copy() for atoms in basinet.load_reference(system)[:6]]


def test_correlation_and_error_are_those_of_all_components():
    frames = frames_of("ar")
    model = random_ensemble(("Ar",), Architecture(width=4))
    scores = score_forces(model, frames)
    (row,) = scores.to_dict("records")
    predicted = np.concatenate([model.evaluate(atoms).forces for atoms in frames]).ravel()
    reference = np.concatenate([atoms.arrays["REF_forces"] for atoms in frames]).ravel()
    assert row["target"] == "force"
    assert row["n_values"] == 6 * 32 * 3
    assert row["pearson_r"] == pytest.approx(np.corrcoef(predicted, reference)[0, 1])
    assert row["rmse_mev"] == pytest.approx(1e3 * np.std(predicted - reference))
    assert row["pearson_r_low"] <= row["pearson_r"] <= row["pearson_r_high"]


def test_a_calculators_forces_are_scored_per_element_and_systems_apart():
    calculator = PairPotentialCalculator(literature_lennard_jones())
    scores = score_forces(calculator, frames_of("mix") + frames_of("kr"))
    assert list(zip(scores["test_system"], scores["species"], strict=True)) == [
        ("mix", "all"), ("mix", "Ar"), ("mix", "Kr"), ("kr", "all"),
    ]  # fmt: skip
    assert (scores["pearson_r"] > 0.98).all()
    assert scores["n_values"][0] == scores["n_values"][1] + scores["n_values"][2]


def test_frames_without_forces_and_calculators_without_forces_give_no_row():
    frames = frames_of("ar")
    for atoms in frames:
        del atoms.arrays["REF_forces"]
    assert score_forces(PairPotentialCalculator(literature_lennard_jones()), frames).empty
    assert score_forces(Calculator(), frames_of("ar")).empty
