"""The fit of E_rest = a E_es + b: known answers, what pins the species, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st

from basinet.errors import InputError
from basinet.relation.fit import evaluate_relation, fit_relation, isolated_atom_check

SLOPE = -1.2
OFFSETS = {"Ar": -718.0, "Kr": -654.0, "Xe": -601.0}
ISOLATED_ES = {"Ar": -762.0, "Kr": -635.0, "Xe": -560.0}


def frame(counts, excess, residual=0.0, slope=SLOPE, offsets=OFFSETS):
    """A frame whose E_es is an excess over isolated atoms and whose E_tot misses the line by a residual."""
    symbols = [element for element, count in counts.items() for _ in range(count)]
    atoms = Atoms(symbols, positions=np.zeros((len(symbols), 3)))
    electrostatic = sum(count * ISOLATED_ES[element] for element, count in counts.items()) + excess
    constant = sum(count * offsets[element] for element, count in counts.items())
    atoms.info["REF_electrostatic_energy"] = electrostatic
    atoms.info["REF_energy"] = (1.0 + slope) * electrostatic + constant + residual
    return atoms


def isolated_atom(element, shift=0.0):
    atoms = frame({element: 1}, 0.0, shift)
    atoms.info["config_type"] = "IsolatedAtom"
    return atoms


def frames_of(counts, n_frames=12, residual=0.0, seed=0):
    rng = np.random.default_rng(seed)
    size = sum(counts.values())
    noise = residual * size * rng.normal(size=n_frames)
    return [frame(counts, 0.01 * size * x, e) for x, e in zip(rng.normal(size=n_frames), noise, strict=True)]


def test_exact_line_is_recovered_in_spite_of_constants_of_a_thousand_ev():
    relation = fit_relation(frames_of({"Ar": 32}))
    assert relation.slope == pytest.approx(SLOPE, abs=1e-9)
    assert relation.intercept == pytest.approx(OFFSETS["Ar"], abs=1e-6)
    assert relation.species_offsets == {"Ar": pytest.approx(relation.intercept, abs=1e-9)}
    assert relation.pinned_by == "single species"
    assert relation.rmse < 1e-10
    assert relation.pearson_r == pytest.approx(-1.0)
    assert relation.pearson_r_total_es == pytest.approx(-1.0)
    assert relation.unexplained_variance < 1e-12
    assert relation.n_frames == 12


def test_residuals_are_orthogonal_to_the_line_and_give_its_figures():
    frames = frames_of({"Ar": 10}, n_frames=60, residual=1e-3)
    relation = fit_relation(frames)
    residuals = relation.residuals(frames)
    electrostatic = np.array([atoms.info["REF_electrostatic_energy"] for atoms in frames])
    total = np.array([atoms.info["REF_energy"] for atoms in frames])
    assert abs(residuals.sum()) < 1e-8
    assert abs(residuals @ (electrostatic - electrostatic.mean())) < 1e-8
    assert relation.rmse == pytest.approx(np.sqrt(np.mean((residuals / 10) ** 2)), rel=1e-7)
    assert relation.unexplained_variance == pytest.approx(residuals.var() / total.var(), rel=1e-7)
    assert relation.unexplained_variance == pytest.approx(1 - relation.pearson_r_total_es**2, rel=1e-7)
    assert relation.pearson_r == pytest.approx(np.corrcoef(electrostatic, total - electrostatic)[0, 1])


def test_shuffled_null_is_the_part_whole_correlation():
    """With E_tot unrelated to E_es, r(E_tot - E_es, E_es) = -sigma_es / sqrt(sigma_es^2 + sigma_tot^2)."""
    relation = fit_relation(frames_of({"Ar": 10}, n_frames=4000, residual=1e-3), n_resamples=2)
    spread_es, spread_total = 0.01, np.hypot(0.2 * 0.01, 1e-3)
    expected = -spread_es / np.hypot(spread_es, spread_total)
    assert relation.null_r == pytest.approx(expected, abs=2e-3)


def test_frames_of_different_sizes_share_one_line_per_atom():
    frames = frames_of({"Ar": 32}) + frames_of({"Ar": 108}, seed=1) + frames_of({"Ar": 7}, seed=2)
    relation = fit_relation(frames)
    assert relation.slope == pytest.approx(SLOPE, abs=1e-9)
    assert relation.intercept == pytest.approx(OFFSETS["Ar"], abs=1e-6)


def test_compositions_determine_the_offsets_where_they_differ():
    frames = frames_of({"Ar": 20}) + frames_of({"Kr": 20}, seed=1) + frames_of({"Ar": 8, "Kr": 12}, seed=2)
    relation = fit_relation(frames)
    assert relation.pinned_by == "compositions"
    assert relation.slope == pytest.approx(SLOPE, abs=1e-8)
    for element in ("Ar", "Kr"):
        assert relation.species_offsets[element] == pytest.approx(OFFSETS[element], abs=1e-5)


def test_correlation_over_compositions_is_the_one_within_them():
    """Between compositions energies differ by 100 eV per atom, which says nothing about the relation."""
    pure = [frames_of({element: 10}, 200, residual=2e-3, seed=k) for k, element in enumerate(("Ar", "Kr"))]
    single = [fit_relation(frames, n_resamples=2).pearson_r_total_es for frames in pure]
    joint = fit_relation(pure[0] + pure[1], n_resamples=2).pearson_r_total_es
    assert min(single) - 0.02 < joint < max(single) + 0.02


def test_isolated_atoms_pin_the_offsets_of_one_composition():
    shift = 0.014  # eV per atom by which the line of the liquid misses both isolated atoms
    isolated = [isolated_atom("Ar", shift), isolated_atom("Kr", shift)]
    relation = fit_relation(frames_of({"Ar": 5, "Kr": 15}), isolated)
    assert relation.pinned_by == "isolated atoms"
    for element in ("Ar", "Kr"):
        assert relation.species_offsets[element] == pytest.approx(OFFSETS[element], abs=1e-6)
    check = isolated_atom_check(relation, isolated)
    assert check == {"Ar": pytest.approx(-14.0, abs=1e-3), "Kr": pytest.approx(-14.0, abs=1e-3)}


def test_what_the_line_misses_isolated_atoms_by_is_shared_equally_by_all_atoms():
    isolated = [isolated_atom("Ar", 0.03), isolated_atom("Kr", 0.01)]
    relation = fit_relation(frames_of({"Ar": 5, "Kr": 15}), isolated)
    shared = 0.03 * 0.25 + 0.01 * 0.75
    assert relation.species_offsets["Ar"] == pytest.approx(OFFSETS["Ar"] + 0.03 - shared, abs=1e-6)
    assert relation.species_offsets["Kr"] == pytest.approx(OFFSETS["Kr"] + 0.01 - shared, abs=1e-6)


def test_two_compositions_of_three_species_are_completed_by_isolated_atoms():
    frames = frames_of({"Ar": 4, "Kr": 8, "Xe": 8}) + frames_of({"Ar": 8, "Kr": 6, "Xe": 6}, seed=3)
    relation = fit_relation(frames, [isolated_atom(element) for element in OFFSETS])
    assert relation.pinned_by == "isolated atoms"
    assert relation.species_offsets == {s: pytest.approx(b, abs=1e-5) for s, b in OFFSETS.items()}


def test_isolated_atoms_are_found_among_the_frames_and_not_fitted_to():
    isolated = [isolated_atom("Ar", 1.0), isolated_atom("Kr", 1.0)]
    frames = frames_of({"Ar": 10, "Kr": 10})
    found = fit_relation([isolated[0], *frames, isolated[1]])
    assert found == fit_relation(frames, isolated)
    assert found == fit_relation(frames, {"Ar": isolated[0], "Kr": isolated[1]})
    assert found.n_frames == len(frames)


def test_a_mixture_without_isolated_atoms_says_that_its_offsets_are_equal_shares():
    relation = fit_relation(frames_of({"Ar": 10, "Kr": 10}))
    assert relation.pinned_by == "equal shares"
    assert relation.species_offsets["Ar"] == pytest.approx(relation.species_offsets["Kr"])
    assert relation.intercept == pytest.approx((OFFSETS["Ar"] + OFFSETS["Kr"]) / 2, abs=1e-6)


@given(slope=st.floats(-3.0, 3.0), shift=st.floats(-1e4, 1e4), seed=st.integers(0, 1000))
@pytest.mark.long
def test_slope_and_figures_do_not_depend_on_the_zero_of_energy(slope, shift, seed):
    rng = np.random.default_rng(seed)
    excess, noise = 0.1 * rng.normal(size=(2, 20))
    counts = {"Ar": 8}
    plain = [frame(counts, x, e, slope) for x, e in zip(excess, noise, strict=True)]
    moved = [frame(counts, x + 8 * shift, e, slope) for x, e in zip(excess, noise, strict=True)]
    first, second = (fit_relation(frames, n_resamples=2, n_shuffles=2) for frames in (plain, moved))
    assert second.slope == pytest.approx(first.slope, abs=1e-6)
    assert second.rmse == pytest.approx(first.rmse, rel=1e-6)
    assert second.pearson_r == pytest.approx(first.pearson_r, abs=1e-6)


def test_the_slope_interval_has_the_width_of_regression_theory():
    n_frames, residual = 400, 1e-3
    relation = fit_relation(frames_of({"Ar": 10}, n_frames, residual=residual), block_length=1)
    interval = relation.intervals["slope"]
    standard_error = residual / (0.01 * np.sqrt(n_frames))
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * standard_error, rel=0.15)
    assert relation.slope in interval
    assert interval.estimate == relation.slope


def test_evaluation_on_other_frames_counts_their_bias():
    relation = fit_relation(frames_of({"Ar": 32}))
    above = frames_of({"Ar": 108}, seed=5)
    for atoms in above:
        atoms.info["REF_energy"] += 108 * 3e-4
    scores = evaluate_relation(relation, above)
    assert scores.bias == pytest.approx(3e-4, rel=1e-5)
    assert scores.rmse == pytest.approx(3e-4, rel=1e-5)
    assert scores.n_frames == len(above)
    assert scores.unexplained_variance > 0.0


@pytest.mark.parametrize("key", ["REF_energy", "REF_electrostatic_energy"])
def test_a_missing_label_is_an_error_and_never_zero(key):
    frames = frames_of({"Ar": 4})
    del frames[3].info[key]
    frames[3].info["frame"] = 25
    with pytest.raises(InputError, match=rf"frame 3 \(frame=25\): label {key} is missing"):
        fit_relation(frames)


def test_frames_are_counted_with_the_isolated_atoms_among_them():
    frames = [isolated_atom("Ar"), *frames_of({"Ar": 4})]
    del frames[3].info["REF_energy"]
    with pytest.raises(InputError, match="frame 3: label REF_energy"):
        fit_relation(frames)


@pytest.mark.parametrize("value", [np.nan, np.inf, "unknown", None])
def test_a_label_that_is_no_number_is_an_error(value):
    frames = frames_of({"Ar": 4})
    frames[5].info["REF_energy"] = value
    with pytest.raises(InputError, match="frame 5: label REF_energy is"):
        fit_relation(frames)


def test_too_few_frames_are_refused():
    with pytest.raises(InputError, match="at least 3 frames"):
        fit_relation(frames_of({"Ar": 4}, n_frames=2))
    with pytest.raises(InputError, match="at least 4 frames"):
        fit_relation(frames_of({"Ar": 4}, n_frames=2) + frames_of({"Kr": 4}, n_frames=1))
    with pytest.raises(InputError, match="no frames"):
        fit_relation([isolated_atom("Ar")])


def test_a_constant_electrostatic_energy_is_refused():
    with pytest.raises(InputError, match="electrostatic energy"):
        fit_relation([frame({"Ar": 4}, 0.1, residual) for residual in (0.0, 0.1, 0.2, 0.3)])


def test_isolated_atoms_must_cover_every_species():
    with pytest.raises(InputError, match="none of Kr"):
        fit_relation(frames_of({"Ar": 4, "Kr": 4}), [isolated_atom("Ar")])
    with pytest.raises(InputError, match="given twice"):
        fit_relation(frames_of({"Ar": 4}), [isolated_atom("Ar"), isolated_atom("Ar")])
    with pytest.raises(InputError, match="4 atoms"):
        fit_relation(frames_of({"Ar": 4}), frames_of({"Ar": 4}))


def test_an_unknown_species_is_an_error():
    relation = fit_relation(frames_of({"Ar": 4}))
    with pytest.raises(InputError, match="knows no Kr"):
        relation.residuals(frames_of({"Kr": 4}))


def test_a_line_is_told_from_none_by_frames_left_out_and_by_chance():
    """r(E_rest, E_es) is below -0.99 in both; only one of them relates the energies."""
    rng = np.random.default_rng(5)
    related = fit_relation(frames_of({"Ar": 32}, n_frames=40, residual=1e-4))
    unrelated = fit_relation([frame({"Ar": 32}, 3.2 * x, 0.2 * 3.2 * x + 0.3 * e) for x, e in rng.normal(size=(40, 2))])
    assert max(related.pearson_r, unrelated.pearson_r) < -0.98
    assert related.r2_out_of_sample > 0.99
    assert related.p_value < 0.01
    assert related.doubts == ""
    assert unrelated.r2_out_of_sample < 0.1
    assert unrelated.p_value > 0.05
    assert "of frames left out" in unrelated.doubts


def test_few_blocks_have_no_p_value():
    assert np.isnan(fit_relation(frames_of({"Ar": 32}, n_frames=4)).p_value)
