"""Ridge on summed descriptors: the closed form, its limits, and local energies that sum to the totals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.potentials.toys import toy_dataset

from basinet.potentials.dataset import fit_scaling
from basinet.potentials.ridge import STRENGTHS, determination, fit_ridge, out_of_fold_errors

COUNTS = {"Ar": 4, "Kr": 3}


def design(data, scaling):
    """Sums over atoms, one atom at a time: (n_frames, n_elements * n_components)."""
    rows = np.zeros((data.n_frames, len(data.elements), data.descriptors.shape[1]))
    for atom, frame in enumerate(data.frame):
        s = data.species[atom]
        rows[frame, s] += (data.descriptors[atom] - scaling.mean[s]) / scaling.std[s]
    return rows.reshape(data.n_frames, -1)


@given(strength=st.floats(1e-3, 1e3), seed=st.integers(0, 100))
@settings(max_examples=15)
def test_weights_are_those_of_the_normal_equations(strength, seed):
    data = toy_dataset(9, COUNTS, seed=seed, curved=1e-3)  # fewer frames than components: ridge decides
    model = fit_ridge(data, strength)
    x = design(data, model.scaling)
    y = data.energy - data.composition() @ model.scaling.offset
    closed = np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ y)
    assert np.allclose(model.weights.ravel(), closed, rtol=1e-7, atol=1e-12)


def test_a_tiny_strength_is_plain_least_squares():
    data = toy_dataset(60, COUNTS, curved=1e-4)
    model = fit_ridge(data, 1e-10)
    x = design(data, model.scaling)
    y = data.energy - data.composition() @ model.scaling.offset
    assert np.allclose(model.weights.ravel(), np.linalg.lstsq(x, y, rcond=None)[0], rtol=1e-8, atol=1e-12)


def test_a_strong_ridge_predicts_the_mean():
    data = toy_dataset(20, COUNTS)
    model = fit_ridge(data, 1e12)
    assert np.abs(model.weights).max() < 1e-9
    assert np.allclose(model.predict(data), (data.energy / data.n_atoms).mean(), atol=1e-8)


def test_a_linear_law_is_found_from_totals_alone():
    train, test = toy_dataset(80, COUNTS), toy_dataset(10, COUNTS, seed=1)
    local = fit_ridge(train, 1e-8).predict(test)
    assert np.allclose(test.sum_over_atoms(local), test.energy, atol=1e-6)
    for species in (0, 1):
        own = test.species == species
        offset = (local - test.local_energy)[own]
        # One constant per species stays open at one composition.
        assert offset.std() < 1e-6 * test.local_energy[own].std() + 1e-9


def test_one_species_at_a_time_is_what_a_mixture_of_one_species_means():
    data = toy_dataset(30, {"Ar": 5})
    assert np.allclose(fit_ridge(data, 1e-8).predict(data), data.local_energy, atol=1e-7)


def test_strength_is_chosen_by_out_of_fold_totals():
    data = toy_dataset(24, COUNTS, curved=3e-3)
    errors, mean_squares = out_of_fold_errors(data)
    assert errors.shape == (len(STRENGTHS), 24)
    assert np.allclose(mean_squares, (errors**2).mean(1))
    assert fit_ridge(data).strength == STRENGTHS[int(np.argmin(mean_squares))]


def test_out_of_fold_errors_do_not_see_the_frame_they_judge():
    from dataclasses import replace

    data = toy_dataset(24, COUNTS, curved=1e-3)
    energy = data.energy.copy()
    energy[:4] += 100.0  # the first of five folds (4 or 5 frames)
    before, after = out_of_fold_errors(data)[0], out_of_fold_errors(replace(data, energy=energy))[0]
    assert np.allclose(after[:, :4] + 100.0, before[:, :4], atol=1e-7)


def test_short_trajectories_are_cut_into_fewer_folds():
    assert out_of_fold_errors(toy_dataset(6, COUNTS))[0].shape == (len(STRENGTHS), 6)


def test_scaling_standardises_each_species_by_itself():
    data = toy_dataset(12, COUNTS)
    scaling = fit_scaling(data)
    standard = scaling.standardise(data)
    for species in (0, 1):
        own = standard[data.species == species]
        assert np.allclose(own.mean(0), 0, atol=1e-12)
        assert np.allclose(own.std(0), 1, atol=1e-12)
    assert scaling.offset == pytest.approx(np.full(2, (data.energy / 7).mean()))


def test_a_component_that_never_varies_stays_harmless():
    from dataclasses import replace

    data = toy_dataset(12, COUNTS)
    descriptors = data.descriptors.copy()
    descriptors[:, 2] = 3.0
    model = fit_ridge(replace(data, descriptors=descriptors), 1e-6)
    assert np.isfinite(model.weights).all()
    assert np.isfinite(model.predict(replace(data, descriptors=descriptors))).all()


@pytest.mark.parametrize(("strength", "n_frames"), [(1e-2, 60), (10.0, 60), (1e3, 60), (10.0, 6)])
def test_ridge_keeps_of_an_exact_linear_potential_what_the_singular_values_say(strength, n_frames):
    """Along every direction of the summed descriptors, of two elements; six frames see six of ten directions."""
    data = toy_dataset(n_frames, COUNTS)
    found, model = determination(data, strength), fit_ridge(data, strength)
    sums, energy = design(data, model.scaling), data.energy - data.composition() @ model.scaling.offset
    _, _, right = np.linalg.svd(sums)
    exact = right @ np.linalg.lstsq(sums, energy, rcond=None)[0]
    assert np.allclose(right @ model.weights.ravel(), found["kept"] * exact, rtol=0, atol=1e-9)
    assert found["variance_share"].sum() == pytest.approx(1.0, abs=1e-9)
    assert found["start_share"].sum() == pytest.approx(1.0)
