"""The potentials are those of the reference frames, and what corresponding states make of them."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

from basinet.errors import InputError
from basinet.potentials.pair_potential import (
    _corresponding_states,
    literature_lennard_jones,
    noble_gas_potential,
    pair_parameters,
)


def test_argon_and_krypton_are_those_of_the_reference_frames():
    ours, literature = noble_gas_potential(["Ar", "Kr"]), literature_lennard_jones()
    assert ours.parameters == literature.parameters
    assert ours.cutoff == literature.cutoff == 11.0


def test_corresponding_states_give_krypton_back():
    epsilon, sigma = _corresponding_states("Kr")
    assert (epsilon, sigma) == pytest.approx((0.0143, 3.633), rel=2e-3)


@pytest.mark.parametrize("element", ["Ne", "Ar", "Kr", "Xe"])
def test_a_dimer_has_its_minimum_where_the_parameters_put_it(element):
    epsilon, sigma = pair_parameters(element, element)
    dimer = Atoms([element] * 2, positions=[[0, 0, 0], [0, 0, 2 ** (1 / 6) * sigma]])
    potential = noble_gas_potential([element])
    assert potential.energy(dimer) == pytest.approx(-epsilon, rel=1e-12)
    assert np.abs(potential.forces(dimer)).max() < 1e-12


# Of the solids at zero temperature: N. Bernardes, Phys. Rev. 112, 1534 (1958), as in table 20.1 of N. W. Ashcroft and
# N. D. Mermin, Solid State Physics (1976). Epsilon in eV, sigma in A.
SOLIDS = {"Ne": (0.0031, 2.74), "Ar": (0.0104, 3.40), "Kr": (0.0140, 3.65), "Xe": (0.0200, 3.98)}


@pytest.mark.parametrize("element", SOLIDS)
def test_liquids_and_solids_ask_for_nearly_the_same_potential(element):
    epsilon, sigma = pair_parameters(element, element)
    assert epsilon == pytest.approx(SOLIDS[element][0], rel=0.03)
    assert sigma == pytest.approx(SOLIDS[element][1], rel=0.035)


def test_heavier_atoms_are_larger_and_stick_together_more():
    parameters = np.array([pair_parameters(element, element) for element in ("Ne", "Ar", "Kr", "Xe")])
    assert np.all(np.diff(parameters, axis=0) > 0)


def test_unlike_pairs_follow_lorentz_and_berthelot():
    (a, s), (b, t) = (pair_parameters(element, element) for element in ("Ar", "Xe"))
    assert pair_parameters("Xe", "Ar") == pytest.approx((np.sqrt(a * b), (s + t) / 2))
    assert pair_parameters("Ar", "Kr") == pytest.approx((np.sqrt(0.0103 * 0.0143), (3.405 + 3.633) / 2), rel=4e-4)


def test_an_element_without_a_potential_is_refused():
    with pytest.raises(InputError, match="no pair potential for Fe; there are Ne, Ar, Kr, Xe"):
        noble_gas_potential(["Ar", "Fe"])
