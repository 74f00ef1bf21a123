"""An ensemble's forces belong to its energies."""

from dataclasses import replace

import numpy as np
import pytest
from tests.potentials.toys import gas, random_ensemble

from basinet.errors import InputError
from basinet.potentials.network import Architecture
from basinet.potentials.pair_potential import LennardJones, literature_lennard_jones

ARCHITECTURES = [
    Architecture("tanh", 1, 8), Architecture("tanh", 2, 5), Architecture("linear", 1, 3), Architecture("linear", 2, 4)
]  # fmt: skip


BASELINE = LennardJones(literature_lennard_jones().parameters, 6.0, smooth=True)


@pytest.mark.parametrize("baseline", [None, BASELINE], ids=["network", "pair potential and network"])
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_forces_are_minus_the_gradient_of_the_mean_energy(architecture, baseline):
    ensemble = replace(random_ensemble(("Ar", "Kr"), architecture), baseline=baseline)
    atoms = gas("Ar4Kr3")
    forces = ensemble.evaluate(atoms).forces
    step = 1e-3

    def energy(atom, axis, by):
        moved = atoms.copy()
        moved.positions[atom, axis] += by
        return (ensemble.local_energies(moved) - ensemble.local_energies(atoms)).mean(axis=0).sum()

    for atom in (0, 5):
        for axis in range(3):
            one = energy(atom, axis, step) - energy(atom, axis, -step)
            two = energy(atom, axis, 2 * step) - energy(atom, axis, -2 * step)
            expected = -(8 * one - two) / (12 * step)
            assert forces[atom, axis] == pytest.approx(expected, rel=1e-6, abs=1e-6 * np.abs(forces).max())


@pytest.mark.parametrize("baseline", [None, BASELINE], ids=["network", "pair potential and network"])
def test_local_energies_are_those_of_the_plain_route(baseline):
    ensemble = replace(random_ensemble(("Ar", "Kr")), baseline=baseline)
    atoms = gas("Ar4Kr3")
    np.testing.assert_allclose(ensemble.evaluate(atoms).local_energies, ensemble.local_energies(atoms), rtol=1e-14)


def test_forces_of_chosen_members_average_to_those_of_all():
    ensemble = random_ensemble(("Ar", "Kr"), members=3)
    atoms = gas("Ar4Kr3")
    single = [ensemble.evaluate(atoms, mean_over=[m]).forces for m in range(3)]
    np.testing.assert_allclose(np.mean(single, axis=0), ensemble.evaluate(atoms).forces, atol=1e-15)
    np.testing.assert_allclose(single[1], ensemble.member(1).evaluate(atoms).forces, atol=1e-15)


@pytest.mark.parametrize("members", [[], [3], [-1], [0, 0]])
def test_members_that_are_not_there_have_no_mean(members):
    with pytest.raises(InputError, match="members 0 to 2, each once"):
        random_ensemble(("Ar", "Kr"), members=3).evaluate(gas("Ar4Kr3"), mean_over=members)


def test_the_pair_potential_adds_its_own_energies_forces_and_virial():
    alone = random_ensemble(("Ar", "Kr"))
    atoms = gas("Ar4Kr3")
    both, network, pairs = replace(alone, baseline=BASELINE).evaluate(atoms), alone.evaluate(atoms), BASELINE
    np.testing.assert_allclose(both.forces - network.forces, pairs.forces(atoms), atol=1e-12)
    np.testing.assert_allclose(both.virial - network.virial, pairs.evaluate(atoms).virial, atol=1e-12)
    added = both.local_energies - network.local_energies
    np.testing.assert_allclose(added, np.tile(pairs.local_energies(atoms), (3, 1)), atol=1e-12)
