"""What a pair potential takes away, and what it gives back, is the same."""

import numpy as np
import pytest
from ase import Atoms

import basinet
from basinet.errors import InputError
from basinet.md.sampling import synthetic_liquid
from basinet.md.settings import _LiquidSettings
from basinet.potentials.dataset import build_dataset
from basinet.potentials.pair_potential import (
    _fitted_pair_potential,
    chosen_pair_potential,
    literature_lennard_jones,
    noble_gas_potential,
)

pytestmark = pytest.mark.slow

POTENTIAL = literature_lennard_jones()
ISOLATED = [Atoms(e, info={"REF_energy": 0.0, "config_type": "IsolatedAtom"}) for e in ("Ar", "Kr")]
E0 = {"Ar": 0.0, "Kr": 0.0}
SMALL = {"width": 2, "members": 2, "max_steps": 25, "learning_rates": [1e-3]}


@pytest.fixture(scope="module")
def liquid():
    """Frames whose energies are those of the very pair potential."""
    return synthetic_liquid(
        "mix", 14, seed=3, settings=_LiquidSettings(melt_steps=600, equilibration_steps=400, spacing_steps=20)
    )


@pytest.fixture(scope="module")
def model(liquid):
    return basinet.train(liquid[:12] + ISOLATED, pair_potential=POTENTIAL, **SMALL)


def test_nothing_is_left_of_a_liquid_of_pairs(liquid):
    data = build_dataset(
        "mix", liquid, lambda atoms: np.zeros((len(atoms), 0)), E0, lambda atoms: atoms.arrays["REF_local_energy"],
        pair_potential=POTENTIAL,
    )  # fmt: skip
    left = data.select([1, 5]).without_pairs()
    assert np.abs(left.energy).max() < 1e-9 * np.abs(data.energy).max()
    assert np.abs(left.local_energy).max() < 1e-9
    assert left.pairs is None
    assert left.without_pairs() is left


def test_a_model_on_the_right_pair_potential_has_its_local_energies_and_forces(liquid, model):
    assert model.baseline == POTENTIAL
    exact = liquid[13].arrays["REF_local_energy"]
    assert np.abs(model.local_energies(liquid[13]) - exact).max() < 1e-6
    assert np.abs(model.evaluate(liquid[13]).forces - POTENTIAL.forces(liquid[13])).max() < 1e-6
    plain = basinet.train(liquid[:12] + ISOLATED, **SMALL)
    assert np.abs(plain.local_energies(liquid[13]) - exact).max() > 1e-3


def test_fitted_to_total_energies_it_finds_the_potential_of_the_liquid(liquid):
    found = _fitted_pair_potential(liquid, E0, ISOLATED)
    assert found.smooth
    for pair, true in POTENTIAL.parameters.items():
        assert (found.parameters[pair].c6, found.parameters[pair].c12) == pytest.approx((true.c6, true.c12), rel=1e-6)


def test_the_literatures_is_the_one_that_samples():
    found = chosen_pair_potential("literature", ["Ar", "Kr"])
    for pair, own in noble_gas_potential(["Ar", "Kr"]).parameters.items():
        assert found.parameters[pair] == own


def test_predictions_ask_for_the_share_of_their_own_potential(liquid, model):
    frames = liquid[12:]
    other = chosen_pair_potential("literature", ["Ar", "Kr"])
    for wrong in (None, other):
        data = build_dataset("mix", frames, model.descriptor, E0, pair_potential=wrong)
        with pytest.raises(ValueError, match="pair potential"):
            model.predict(data)
    data = build_dataset("mix", frames, model.descriptor, E0, pair_potential=model.baseline)
    expected = np.concatenate([model.local_energies(atoms) for atoms in frames], axis=1)
    np.testing.assert_allclose(model.predict(data), expected, rtol=1e-12)


@pytest.mark.parametrize(("choice", "message"), [("morse", "choose literature or fitted"), ("fitted", "give .* alone")])
def test_what_cannot_be_a_pair_potential_is_refused(liquid, choice, message):
    with pytest.raises(InputError, match=message):
        basinet.train(liquid, pair_potential=choice)
