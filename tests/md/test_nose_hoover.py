"""The chain keeps the liquid at its temperature, with the fluctuations of the canonical ensemble."""

from __future__ import annotations

import numpy as np
import pytest
from ase import units
from ase.md.velocitydistribution import Stationary, thermalize_momenta
from scipy.stats import chi2, kstest

from basinet.frames.shipped import load_reference
from basinet.md.motion import _kinetic_temperature, _NoseHooverChain
from basinet.potentials.calculator import PairPotentialCalculator
from basinet.potentials.pair_potential import literature_lennard_jones


def argon(cutoff=11.0, temperature=120.0):
    atoms = load_reference("ar")[0]
    atoms.calc = PairPotentialCalculator(literature_lennard_jones(cutoff))
    thermalize_momenta(atoms, temperature, rng=np.random.default_rng(0))
    Stationary(atoms, preserve_temperature=False)
    return atoms


def record(atoms, timestep, steps, quantity):
    chain = _NoseHooverChain(atoms, timestep, 120.0, 100.0)
    values = []
    chain.attach(lambda: values.append(quantity(chain)))
    chain.run(steps)
    return np.array(values)


@pytest.fixture(scope="module")
def temperatures():
    return record(argon(), 5.0, 8000, lambda chain: _kinetic_temperature(chain.atoms))


@pytest.mark.long
def test_the_mean_temperature_is_the_one_asked_for(temperatures):
    """With three degrees of freedom too many it would be 123.9 K."""
    assert temperatures.mean() == pytest.approx(120.0, abs=1.0)


@pytest.mark.long
def test_the_kinetic_energy_fluctuates_as_in_the_canonical_ensemble(temperatures):
    assert temperatures.std() / temperatures.mean() == pytest.approx(np.sqrt(2.0 / 93.0), rel=0.08)


@pytest.mark.long
def test_the_kinetic_energy_has_the_distribution_of_the_canonical_ensemble(temperatures):
    """2 E_kin / k_B T is chi-squared with 3 N - 3 degrees of freedom; half its width would be 0.16 away from it."""
    assert kstest(93.0 * temperatures / 120.0, chi2(93).cdf).statistic < 0.06


@pytest.mark.long
def test_momenta_are_those_of_maxwell_and_boltzmann():
    momenta = record(
        argon(), 5.0, 4000, lambda chain: chain.atoms.get_momenta() / np.sqrt(chain.atoms.get_masses())[:, None]
    )
    squared = (momenta[500:] ** 2).mean()
    assert squared == pytest.approx(units.kB * 120.0 * 31 / 32, rel=0.02)
    assert (momenta[500:] ** 4).mean() / squared**2 == pytest.approx(3.0, rel=0.03)


@pytest.mark.long
def test_a_cold_start_warms_up():
    temperatures = record(argon(temperature=20.0), 5.0, 2000, lambda chain: _kinetic_temperature(chain.atoms))
    assert temperatures[0] < 25.0
    assert temperatures[1000:].mean() == pytest.approx(120.0, abs=6.0)


def test_the_centre_of_mass_stays_at_rest():
    atoms = argon()
    _NoseHooverChain(atoms, 5.0, 120.0, 100.0).run(200)
    assert np.abs(atoms.get_momenta().sum(axis=0)).max() < 1e-12


def test_what_the_chain_conserves_it_conserves_better_by_the_square_of_the_step():
    """A long cutoff, so that pairs that cross it do not hide the integrator's own error."""
    coarse = record(argon(cutoff=18.0), 8.0, 100, _NoseHooverChain.get_conserved_energy)
    fine = record(argon(cutoff=18.0), 4.0, 200, _NoseHooverChain.get_conserved_energy)
    assert coarse.std() / fine[::2].std() == pytest.approx(4.0, rel=0.25)
    assert fine.std() < 2e-4
