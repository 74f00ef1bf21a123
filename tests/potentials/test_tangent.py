"""Networks linearised at their start: exact gradients, ridge regression by brute force, and what training gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.potentials.toys import DESCRIPTOR, E0, toy_dataset

from basinet.fidelity.metrics import local_metrics
from basinet.potentials.dataset import Dataset
from basinet.potentials.network import Architecture, Layer
from basinet.potentials.tangent import LinearisedEnsemble, changes_by_training, linearise
from basinet.potentials.training import TrainingSettings, train_ensemble, untrained_ensemble

COUNTS = {"Ar": 3, "Kr": 2}
DATA = toy_dataset(40, COUNTS, curved=2e-5)
TRAIN, VALIDATION, TEST = DATA.select(np.arange(20)), DATA.select(np.arange(20, 30)), DATA.select(np.arange(30, 40))


def start_of(architecture, members=2):
    return untrained_ensemble(TRAIN, DESCRIPTOR, E0, architecture, members=members, seed=0)


def moved_by(start, change, size):
    """The ensemble with its parameters changed."""
    layers = zip(start.networks, change, strict=True)
    moved = tuple(Layer(a.weight + size * b.weight, a.bias + size * b.bias) for a, b in layers)
    return replace(start, networks=moved)


def numerical_gradients(start, member, data):
    """Derivatives of totals in all parameters of a member by central differences, eV, and the parameters' places."""
    columns, places = [], []
    for number, layer in enumerate(start.networks):
        for kind in ("weight", "bias"):
            for index in np.ndindex(*getattr(layer, kind).shape[1:]):
                change = [Layer(np.zeros_like(one.weight), np.zeros_like(one.bias)) for one in start.networks]
                getattr(change[number], kind)[(member, *index)] = 1e-4
                ahead, behind = (moved_by(start, change, sign).predict(data)[member] for sign in (1.0, -1.0))
                columns.append(data.sum_over_atoms(ahead - behind) / 2e-4)
                places.append((number, kind))
    return np.array(columns).T, places


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture("tanh", 1, 4),
        Architecture("tanh", 2, 3, "mup"),
        Architecture("tanh", 2, 3, "ntk", 2.0),
        Architecture("linear", 2, 3, "pytorch"),
        Architecture("tanh", 1, 4, "ntk", biases=False),
    ],
    ids=str,
)
def test_the_closed_form_is_ridge_regression_on_numerical_gradients(architecture):
    start = start_of(architecture)
    linearised = linearise(start, TRAIN, VALIDATION)
    found, expected, errors = [], [], []
    rules, scale = architecture.rules(DESCRIPTOR.n_components), start.scaling.scale[0]
    for member in range(start.members):
        jacobians = []
        for data in (TRAIN, VALIDATION, TEST):
            jacobian, places = numerical_gradients(start, member, data)
            of_bias = float(architecture.biases)
            factors = [
                rules[number].rate_factor ** 0.5 * (rules[number].multiplier if kind == "weight" else of_bias)
                for number, kind in places
            ]
            jacobians.append(jacobian * np.array(factors) / scale)
        missed = TRAIN.energy - TRAIN.sum_over_atoms(start.predict(TRAIN)[member])
        kernel = jacobians[0] @ jacobians[0].T
        strengths = np.linalg.eigvalsh(kernel)[-1] * np.logspace(-10, 1, 23)
        solutions = [np.linalg.solve(kernel + strength * np.eye(len(kernel)), missed) for strength in strengths]
        fits = [[jacobian @ jacobians[0].T @ one for one in solutions] for jacobian in jacobians[1:]]
        missed_held = VALIDATION.energy - VALIDATION.sum_over_atoms(start.predict(VALIDATION)[member])
        errors.append([np.mean((fit - missed_held) ** 2) for fit in fits[0]])
        expected.append(fits[1])
        found.append(TEST.sum_over_atoms(linearised.predict(TEST)[member] - start.predict(TEST)[member]))
    best = int(np.argmin(np.mean(errors, 0)))
    for member, energies in enumerate(found):
        assert np.abs(energies - expected[member][best]).max() < 1e-6 * np.abs(energies).max()


@pytest.mark.parametrize("architecture", [Architecture("tanh", 2, 5, "mup"), Architecture("linear", 1, 6)], ids=str)
def test_a_small_change_of_parameters_changes_energies_as_the_linearisation_says(architecture):
    linearised = linearise(start_of(architecture), TRAIN, VALIDATION)
    exact = moved_by(linearised.start, linearised.change, 1e-4).predict(TEST)
    small = tuple(Layer(1e-4 * layer.weight, 1e-4 * layer.bias) for layer in linearised.change)
    first = LinearisedEnsemble(linearised.start, small, 0.0).predict(TEST)
    start = linearised.start.predict(TEST)
    assert np.abs(first - start).max() > 0.0
    assert np.allclose(exact - start, first - start, rtol=0, atol=2e-3 * np.abs(first - start).max())


def test_the_error_of_validation_totals_is_that_of_the_prediction():
    linearised = linearise(start_of(Architecture("tanh", 1, 16)), TRAIN, VALIDATION)
    error = (VALIDATION.sum_over_atoms(linearised.predict(VALIDATION)) - VALIDATION.energy) / VALIDATION.n_atoms
    assert linearised.validation_rmse == pytest.approx(np.sqrt((error**2).mean()))
    assert linearised.validation_rmse < np.std(VALIDATION.energy / VALIDATION.n_atoms)


def test_elements_are_those_of_the_dataset_whatever_its_order():
    """Of krypton alone, the network is krypton's."""
    linearised = linearise(start_of(Architecture("tanh", 1, 8)), TRAIN, VALIDATION)
    krypton = TEST.species == 1
    species, energy = np.zeros(krypton.sum(), dtype=np.int64), TEST.energy
    alone = Dataset("kr", ("Kr",), TEST.frame[krypton], species, TEST.descriptors[krypton], energy, None)
    assert np.allclose(linearised.predict(alone), linearised.predict(TEST)[:, krypton], rtol=0, atol=1e-12)


def test_changes_by_training_are_none_for_the_start_and_large_where_features_are_learnt():
    start = start_of(Architecture("tanh", 1, 4))
    unmoved = changes_by_training(start, start, TRAIN)
    assert all(np.abs(values).max() < 1e-12 for values in unmoved.values())
    # Twice the readout weights: another share of the hidden weights in the kernel, and the same features.
    readout = start.networks[-1]
    other = replace(start, networks=(*start.networks[:-1], Layer(2.0 * readout.weight, readout.bias)))
    found = changes_by_training(start, other, TRAIN)
    assert found["feature_change"].max() == 0.0
    assert found["kernel_drift"].min() > 1e-3


@pytest.mark.slow
def test_trained_networks_are_as_faithful_to_the_atoms_as_their_linearisation_foretells():
    """Small and large initial functions: r of local energies from the start and the totals, without training."""
    settings = TrainingSettings(learning_rates=(1e-3,), search_members=3, max_steps=2000, patience=2000, batch_size=20)
    foretold, trained = [], []
    for scale in (1.0, 10.0, 30.0):
        start = start_of(Architecture("tanh", 1, 64, "standard", scale), members=3)
        networks = train_ensemble(TRAIN, VALIDATION, DESCRIPTOR, E0, start.architecture, settings, members=3, seed=0)
        for model, found in ((linearise(start, TRAIN, VALIDATION), foretold), (networks.ensemble, trained)):
            scores = local_metrics(model.predict(TEST), TEST.local_energy, TEST.frame, TEST.species)
            found.append(np.mean([one.pearson_r for one in scores]))
    assert np.allclose(trained, foretold, rtol=0, atol=0.03)
    assert trained[0] > 0.9
    assert trained[2] < 0.2
