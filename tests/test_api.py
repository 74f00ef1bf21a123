from __future__ import annotations

import numpy as np
import pytest

import basinet
from basinet.errors import InputError
from basinet.potentials.calculator import PairPotentialCalculator
from basinet.potentials.pair_potential import literature_lennard_jones

pytestmark = pytest.mark.slow

QUICK = {"width": 4, "members": 2, "learning_rates": [0.01], "max_steps": 100}
DESCRIPTOR = {"rcut": 4.5, "twojmax": 2, "weights": {"Ar": 1.0, "Kr": 1.3}}


@pytest.fixture(scope="module")
def frames():
    return basinet.load_reference("ar")[:30]


@pytest.fixture(scope="module")
def ensemble(frames):
    isolated = basinet.load_isolated_atoms()["Ar"]
    return basinet.train([*frames, isolated], basinet.Bispectrum(**DESCRIPTOR), **QUICK)


def pair_calculator():
    return PairPotentialCalculator(literature_lennard_jones())


def mean_rows(scores):
    rows = scores[(scores["seed"] == "mean") & (scores["gauge"] == "raw")].to_dict("records")
    return {(row["target"], row["species"]): row for row in rows}


def test_isolated_atoms_give_e0(ensemble):
    assert ensemble.e0 == {"Ar": basinet.load_isolated_atoms()["Ar"].info["REF_energy"]}


def test_local_energies_sum_to_energies_near_the_label(ensemble, frames):
    totals = ensemble.local_energies(frames[0]).sum(1)
    assert totals == pytest.approx(frames[0].info["REF_energy"], abs=0.2)


def test_training_is_a_function_of_its_seed(ensemble, frames):
    again = basinet.train([*frames, basinet.load_isolated_atoms()["Ar"]], basinet.Bispectrum(**DESCRIPTOR), **QUICK)
    assert np.array_equal(again.local_energies(frames[0]), ensemble.local_energies(frames[0]))


def test_e0_only_shifts_when_it_is_fitted(frames):
    fitted = basinet.train(frames, basinet.Bispectrum(**DESCRIPTOR), **QUICK)
    per_atom = np.mean([atoms.info["REF_energy"] / len(atoms) for atoms in frames])
    assert fitted.e0["Ar"] == pytest.approx(per_atom, abs=0.01)


def test_validation_frames_may_be_given(frames):
    held = basinet.train(frames[:23], basinet.Bispectrum(**DESCRIPTOR), validation=frames[24:], **QUICK)
    assert held.training["n_train"] == 23
    share = basinet.train(frames[:20], basinet.Bispectrum(**DESCRIPTOR), validation=0.25, **QUICK)
    assert share.training["n_train"] == 14  # five to validate on, one between


def test_every_member_and_the_mean_are_scored_on_totals_and_local_energies(ensemble, frames):
    scores = basinet.evaluate(ensemble, frames)
    assert list(zip(scores["seed"], scores["target"], strict=True)) == [
        (0, "total"), (1, "total"), ("mean", "total"), (0, "local"), (1, "local"), ("mean", "local"),
    ]  # fmt: skip
    assert mean_rows(scores)["local", "all"]["n_values"] == 30 * 32


def test_evaluation_is_the_correlation_of_predicted_with_dft_energies(ensemble, frames):
    row = mean_rows(basinet.evaluate(ensemble, frames))["total", "all"]
    predicted = [ensemble.local_energies(atoms).mean(0).sum() for atoms in frames]
    expected = [atoms.info["REF_energy"] for atoms in frames]
    assert row["pearson_r"] == pytest.approx(np.corrcoef(predicted, expected)[0, 1], abs=1e-6)


def test_a_calculator_is_scored_like_a_model():
    rows = mean_rows(basinet.evaluate(pair_calculator(), basinet.load_reference("mix")[:40]))
    assert set(rows) == {("total", "all"), ("local", "all"), ("local", "Ar"), ("local", "Kr")}
    assert all(row["pearson_r"] > 0.97 for row in rows.values())


def test_exact_local_energies_are_reproduced_exactly():
    from basinet.md.sampling import synthetic_liquid
    from basinet.md.settings import _LiquidSettings

    settings = _LiquidSettings(melt_steps=400, equilibration_steps=200, spacing_steps=20)
    liquid = synthetic_liquid("ar", 6, seed=1, settings=settings)
    rows = mean_rows(basinet.evaluate(pair_calculator(), liquid))
    assert rows["local", "all"]["pearson_r"] == pytest.approx(1.0, abs=1e-10)
    assert rows["local", "all"]["rmse_mev"] == pytest.approx(0.0, abs=1e-6)


def test_frames_without_local_labels_are_scored_on_totals(ensemble, frames):
    bare = [atoms.copy() for atoms in frames[:5]]
    for atoms in bare:
        del atoms.info["REF_electrostatic_energy"]
    assert set(basinet.evaluate(ensemble, bare)["target"]) == {"total"}


def test_one_frame_has_an_error_but_no_correlation(ensemble, frames):
    (row,) = mean_rows(basinet.evaluate(ensemble, frames[:1])).values()
    assert np.isnan(row["pearson_r"])


def test_sizes_are_scored_apart(ensemble, frames):
    scores = basinet.evaluate(ensemble, [*frames[:4], *basinet.load_reference("ar", 108)[:4]])
    assert scores.query("seed == 'mean' and target == 'total'")["n_atoms"].tolist() == [32, 108]


def test_frames_are_left_as_they_were(ensemble, frames):
    before = [atoms.copy() for atoms in frames]
    basinet.evaluate(ensemble, frames)
    basinet.evaluate(pair_calculator(), frames[:2])
    assert all(atoms == old and atoms.calc is None for atoms, old in zip(frames, before, strict=True))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"learning_rate": [0.1]}, "did you mean 'learning_rates'"),
        ({"activation": "relu"}, "relu"),
        ({"width": 0}, "width"),
        ({"members": 0}, "members"),
        ({"validation": 0.0}, "validation"),
        ({"max_steps": 0}, "max_steps"),
    ],
)
def test_impossible_settings_are_refused(frames, settings, words):
    with pytest.raises(InputError, match=words):
        basinet.train(frames, **settings)


def test_too_few_frames_are_refused(frames):
    with pytest.raises(InputError, match="too few"):
        basinet.train(frames[:3])


def test_isolated_atoms_alone_are_refused():
    with pytest.raises(InputError, match="isolated"):
        basinet.train(list(basinet.load_isolated_atoms().values()))


def test_validation_frames_of_other_elements_are_refused(frames):
    with pytest.raises(InputError, match="Kr"):
        basinet.train(frames, validation=basinet.load_reference("kr")[:5])


def test_a_missing_label_is_not_zero(frames):
    bare = [atoms.copy() for atoms in frames]
    del bare[4].info["REF_energy"]
    with pytest.raises(InputError, match="REF_energy"):
        basinet.train(bare)
    with pytest.raises(InputError, match="REF_energy"):
        basinet.evaluate(pair_calculator(), bare)


def test_a_species_without_a_network_is_refused(ensemble):
    with pytest.raises(InputError, match="no network for Kr:"):
        basinet.evaluate(ensemble, basinet.load_reference("mix")[:3])
