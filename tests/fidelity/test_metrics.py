"""Fidelity of energies: known answers, and what must not matter."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from basinet.fidelity.metrics import agreement, local_metrics, local_metrics_by_species, total_metrics


def one_total(prediction, *reference):
    """Metrics of a single prediction of totals."""
    return total_metrics(np.asarray(prediction)[None], *reference)[0]


def one_local(prediction, *reference):
    """Metrics of a single prediction of local energies."""
    return local_metrics(np.asarray(prediction)[None], *reference)[0]


def mixture(seed=0, n_frames=10, n_atoms=8):
    """Prediction, reference, frame and species of a mixture, eV; r is about 0.9."""
    rng = np.random.default_rng(seed)
    frame = np.repeat(np.arange(n_frames), n_atoms)
    species = np.tile(np.arange(n_atoms) % 2, n_frames)
    reference = 0.008 * rng.normal(size=frame.size)
    prediction = reference + 0.004 * rng.normal(size=frame.size)
    return prediction, reference, frame, species


def test_every_figure_of_a_small_example():
    """In meV per atom p = (1, 2, 6), q = (0, 1, 2); centred (-2, -1, 3) and (-1, 0, 1)."""
    metrics = one_total(np.array([1, 2, 6]) * 4e-3, np.array([0, 1, 2]) * 4e-3, [4, 4, 4])
    r = 5 / math.sqrt(14 * 2)
    assert metrics.pearson_r == pytest.approx(r)
    assert metrics.r2 == pytest.approx(r * r)
    assert metrics.r2_determination == pytest.approx(1 - (1 + 1 + 4) / 2)
    assert metrics.rmse_mev == pytest.approx(math.sqrt(6 / 3))
    assert metrics.slope == pytest.approx(2.5)
    assert metrics.offset_mev == pytest.approx(2.0)
    assert metrics.pearson_r_within is None
    assert metrics.n_values == 3


def test_the_agreement_of_members_tells_how_faithful_their_common_part_is():
    """Of a part in common and scatter of one variance, a member's r over the root of its agreement is that part's r."""
    rng = np.random.default_rng(4)
    reference, error, scatter = rng.normal(size=20_000), rng.normal(size=20_000), rng.normal(size=(5, 20_000))
    common = reference + 0.5 * error
    members, where = common + 2.0 * scatter, np.arange(20_000) // 10
    same = np.zeros_like(where)
    q = agreement(members, where, same)
    assert q == pytest.approx(1.25 / (1.25 + 4.0), abs=0.02)
    r = [metrics.pearson_r for metrics in local_metrics(members, reference, where)]
    assert np.mean(r) / np.mean(q) ** 0.5 == pytest.approx(1.25**-0.5, abs=0.02)
    assert agreement(np.stack([common, common + 3.0]), where, same) == pytest.approx(1.0)
    assert math.isnan(agreement(members[:1], where, same)[0])


def test_a_row_names_the_columns_of_the_results_table():
    assert set(asdict(one_local(*mixture()))) == {
        "pearson_r",
        "r2",
        "r2_determination",
        "rmse_mev",
        "slope",
        "offset_mev",
        "pearson_r_within",
        "n_values",
    }


@given(scale=st.floats(0.01, 100.0), shift=st.floats(-1e3, 1e3), seed=st.integers(0, 100))
def test_correlation_is_blind_to_an_affine_map_of_the_prediction(scale, shift, seed):
    prediction, reference, frame, species = mixture(seed)
    plain = one_local(prediction, reference, frame, species)
    mapped = one_local(scale * prediction + shift, reference, frame, species)
    assert mapped.pearson_r == pytest.approx(plain.pearson_r, abs=1e-7)
    assert mapped.pearson_r_within == pytest.approx(plain.pearson_r_within, abs=1e-7)
    assert mapped.slope == pytest.approx(scale * plain.slope, rel=1e-6)


@given(shifts=st.tuples(st.floats(-50.0, 50.0), st.floats(-50.0, 50.0)), seed=st.integers(0, 100))
def test_offsets_between_species_change_nothing_but_the_offset(shifts, seed):
    prediction, reference, frame, species = mixture(seed)
    plain = one_local(prediction, reference, frame, species)
    moved = one_local(prediction + np.array(shifts)[species], reference, frame, species)
    for name in ("pearson_r", "r2_determination", "rmse_mev", "slope", "pearson_r_within"):
        assert getattr(moved, name) == pytest.approx(getattr(plain, name), rel=1e-6)
    assert moved.offset_mev == pytest.approx(plain.offset_mev + 1e3 * np.mean(shifts), abs=1e-6)


@given(seed=st.integers(0, 100))
def test_the_order_of_atoms_does_not_matter(seed):
    prediction, reference, frame, species = mixture(seed)
    order = np.random.default_rng(seed).permutation(frame.size)
    shuffled = one_local(prediction[order], reference[order], frame[order], species[order])
    for name, value in asdict(one_local(prediction, reference, frame, species)).items():
        assert getattr(shuffled, name) == pytest.approx(value, rel=1e-9, abs=1e-12)


def test_least_squares_identity():
    """The best affine map of a prediction has R^2 = r^2, and regresses on the reference with slope r^2."""
    prediction, reference, frame, _ = mixture()
    r = one_local(prediction, reference, frame).pearson_r
    coefficient = np.polyfit(prediction, reference, 1)
    best = one_local(np.polyval(coefficient, prediction), reference, frame)
    assert best.r2_determination == pytest.approx(r * r)
    assert best.slope == pytest.approx(r * r)


def test_total_energies_are_centred_per_size():
    """A model that is 5 meV per atom off in large boxes only is perfect within each size."""
    rng = np.random.default_rng(0)
    n_atoms = np.repeat([32, 108], 6)
    reference = n_atoms * 0.001 * rng.normal(size=12)
    metrics = one_total(reference + np.where(n_atoms == 108, 0.005, 0.0) * n_atoms, reference, n_atoms)
    assert metrics.pearson_r == pytest.approx(1.0)
    assert metrics.rmse_mev == pytest.approx(0.0, abs=1e-9)
    assert metrics.offset_mev == pytest.approx(2.5)


def test_local_energies_are_centred_per_size():
    rng = np.random.default_rng(0)
    frame = np.concatenate([np.repeat(np.arange(3), 4), np.repeat([3, 4], 9)])
    reference = rng.normal(size=frame.size)
    metrics = one_local(reference + np.where(frame > 2, 7.0, 0.0), reference, frame)
    assert metrics.pearson_r == pytest.approx(1.0)


def test_drifts_between_frames_do_not_help_the_correlation_within_them():
    rng = np.random.default_rng(1)
    frame = np.repeat(np.arange(40), 16)
    drift = rng.normal(size=40)[frame]
    metrics = one_local(drift + 0.1 * rng.normal(size=640), drift + 0.1 * rng.normal(size=640), frame)
    assert metrics.pearson_r > 0.98
    assert abs(metrics.pearson_r_within) < 0.15


def test_members_are_scored_like_single_predictions():
    prediction, reference, frame, species = mixture()
    members = prediction * np.array([[1.0], [-2.0], [0.3]])
    together = local_metrics(members, reference, frame, species)
    for member, metrics in zip(members, together, strict=True):
        alone = one_local(member, reference, frame, species)
        assert asdict(metrics) == pytest.approx(asdict(alone), rel=1e-10)
    assert len(total_metrics(np.ones((2, 3)), [1.0, 2.0, 3.0], 32)) == 2


def test_species_are_scored_one_by_one_and_pooled():
    prediction, reference, frame, species = mixture()
    tables = local_metrics_by_species(prediction[None], reference, frame, species, ("Ar", "Kr"))
    assert list(tables) == ["all", "Ar", "Kr"]
    for index, element in enumerate(("Ar", "Kr")):
        chosen = species == index
        expected = np.corrcoef(prediction[chosen], reference[chosen])[0, 1]
        assert tables[element][0].pearson_r == pytest.approx(expected)
        assert tables[element][0].n_values == chosen.sum()
    pure = local_metrics_by_species(prediction[None], reference, frame, 0 * species, ("Ar",))
    assert list(pure) == ["all"]


@pytest.mark.parametrize("level", [0.0, -574.2365192305856, 1e9])
def test_a_constant_prediction_has_no_correlation_and_no_warning(level):
    _, reference, frame, species = mixture()
    metrics = one_local(np.full(frame.size, level), reference, frame, species)
    assert math.isnan(metrics.pearson_r)
    assert math.isnan(metrics.r2)
    assert math.isnan(metrics.pearson_r_within)
    assert metrics.slope == pytest.approx(0.0, abs=1e-4)
    if abs(level) < 1e6:
        assert metrics.rmse_mev == pytest.approx(8.0, rel=0.2)
        assert metrics.r2_determination == pytest.approx(0.0, abs=1e-9)


def test_a_constant_reference_leaves_only_the_error():
    metrics = one_total([0.0, 1.0], [5.0, 5.0], 10)
    assert math.isnan(metrics.pearson_r)
    assert math.isnan(metrics.slope)
    assert math.isnan(metrics.r2_determination)
    assert metrics.rmse_mev == pytest.approx(50.0)


def test_one_frame_alone_is_nan_and_not_an_exception():
    metrics = one_total([1.0], [2.0], [32])
    assert math.isnan(metrics.pearson_r)
    assert metrics.n_values == 1


def test_a_diverged_does_not_disturb_the_others():
    prediction, reference, frame, species = mixture()
    members = np.stack([prediction, np.full_like(prediction, np.nan), np.full_like(prediction, np.inf)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sound, nan, infinite = local_metrics(members, reference, frame, species)
    assert sound.pearson_r > 0.8
    assert math.isnan(nan.pearson_r)
    assert math.isnan(nan.rmse_mev)
    assert math.isnan(infinite.pearson_r)


def test_a_tiny_prediction_keeps_its_correlation():
    prediction, reference, frame, species = mixture()
    plain = one_local(prediction, reference, frame, species)
    assert one_local(1e-100 * prediction, reference, frame, species).pearson_r == pytest.approx(plain.pearson_r)


def test_wrong_shapes_and_missing_references_are_refused():
    with pytest.raises(ValueError, match="do not go together"):
        one_total([1.0, 2.0], [1.0, 2.0, 3.0], 32)
    with pytest.raises(ValueError, match="reference value 1 is not finite"):
        one_total([1.0, 2.0], [1.0, np.nan], 32)
    with pytest.raises(ValueError, match="energies have shape"):
        one_local([1.0, 2.0], [1.0, 2.0], [0])


def test_a_row_of_a_study_takes_less_than_a_millisecond():
    prediction, reference, frame, species = mixture(n_frames=25, n_atoms=32)
    members = np.stack([prediction] * 8)
    best = math.inf
    for _ in range(5):
        start = time.process_time()
        for _ in range(10):
            local_metrics(members, reference, frame, species)
        best = min(best, (time.process_time() - start) / 80)
    assert best < 1e-3
