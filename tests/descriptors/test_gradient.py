"""Forces are the gradient, whatever the cell, the species and the sizes."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from basinet.descriptors.bispectrum import Bispectrum
from basinet.errors import InputError

WEIGHTS, RADII = {"Ar": 1.0, "Kr": 0.8}, {"Ar": 0.5, "Kr": 0.56}


def sheared_mixture(pbc=True, seed=3):
    rng = np.random.default_rng(seed)
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True)
    atoms.symbols[[1, 2]] = "Kr"
    atoms.rattle(0.3, rng=rng)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.1 * rng.normal(size=(3, 3))), scale_atoms=True)
    atoms.pbc = pbc
    return atoms


def curved_energy(descriptor, seed=0):
    """A sum over atoms of a quadratic function of their components, and its slopes."""
    rng = np.random.default_rng(seed)
    linear, square = rng.normal(size=(2, descriptor.n_components))

    def energy(atoms):
        rows = descriptor(atoms)
        return float((rows @ linear + 0.005 * rows**2 @ square).sum())

    def gradient(atoms, threads=1):
        return descriptor.gradient(atoms, lambda _, rows: linear + 0.01 * rows * square, threads=threads)

    return energy, gradient


def central_difference(energy_at, step):
    """Fourth-order central difference of a function of one displacement, at 0."""
    one, two = energy_at(step) - energy_at(-step), energy_at(2 * step) - energy_at(-2 * step)
    return (8 * one - two) / (12 * step)


@pytest.mark.parametrize("twojmax", [0, 1, 2, 5, 6, 8])
@pytest.mark.parametrize("pbc", [True, False, (True, False, True)])
def test_forces_are_minus_the_gradient_of_the_energy(twojmax, pbc):
    atoms = sheared_mixture(pbc)
    energy, gradient = curved_energy(Bispectrum(5.0, twojmax, WEIGHTS, RADII))
    forces = gradient(atoms).forces

    def moved(atom, axis, by):
        shifted = atoms.copy()
        shifted.positions[atom, axis] += by
        return energy(shifted)

    for atom in range(len(atoms)):
        for axis in range(3):
            expected = -central_difference(lambda by, atom=atom, axis=axis: moved(atom, axis, by), 1e-3)
            assert forces[atom, axis] == pytest.approx(expected, rel=1e-6, abs=1e-6 * np.abs(forces).max())


def test_the_virial_is_minus_the_derivative_in_the_strain():
    atoms = sheared_mixture()
    energy, gradient = curved_energy(Bispectrum(5.0, 6, WEIGHTS, RADII))
    virial = gradient(atoms).virial
    for i in range(3):
        for k in range(3):

            def strained(by, i=i, k=k):
                strain = np.eye(3)
                strain[i, k] += by
                other = atoms.copy()
                other.set_cell(atoms.cell.array @ strain, scale_atoms=True)
                return energy(other)

            assert virial[i, k] == pytest.approx(-central_difference(strained, 1e-4), rel=1e-6, abs=1e-5)


def test_without_a_field_forces_cancel_and_exert_no_torque():
    atoms = sheared_mixture(pbc=False)
    _, gradient = curved_energy(Bispectrum(5.0, 6, WEIGHTS, RADII))
    found = gradient(atoms)
    size = np.abs(found.forces).max()
    assert np.abs(found.forces.sum(axis=0)).max() < 1e-12 * size
    assert np.abs(np.cross(atoms.positions, found.forces).sum(axis=0)).max() < 1e-11 * size
    np.testing.assert_allclose(found.virial, found.virial.T, atol=1e-11 * size)


def test_forces_turn_with_the_atoms():
    atoms = sheared_mixture()
    _, gradient = curved_energy(Bispectrum(5.0, 6, WEIGHTS, RADII))
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ turn, scale_atoms=True)
    straight, rotated = gradient(atoms), gradient(turned)
    np.testing.assert_allclose(rotated.forces, straight.forces @ turn, atol=1e-10 * np.abs(straight.forces).max())


def test_an_atom_that_crosses_the_cutoff_changes_energy_and_forces_smoothly():
    """Energy and force of a neighbour vanish at the cutoff as the square and the first power of the distance to it."""
    descriptor = Bispectrum(5.0, 6, WEIGHTS)
    energy, gradient = curved_energy(descriptor)

    def pair(distance):
        atoms = Atoms("Ar2", positions=[[0, 0, 0], [0.6 * distance, 0.0, 0.8 * distance]])
        return energy(atoms), np.abs(gradient(atoms).forces).max()

    beyond = pair(5.0 + 1e-9)
    near, nearer = pair(5.0 - 2e-4), pair(5.0 - 1e-4)
    assert beyond[1] == 0.0
    assert (near[0] - beyond[0]) / (nearer[0] - beyond[0]) == pytest.approx(4.0, rel=1e-2)
    assert near[1] / nearer[1] == pytest.approx(2.0, rel=1e-2)


def test_neither_threads_nor_blocks_change_anything(monkeypatch):
    atoms = sheared_mixture() * (4, 4, 2)
    _, gradient = curved_energy(Bispectrum(5.0, 6, WEIGHTS, RADII))
    whole = gradient(atoms)
    monkeypatch.setattr("basinet.descriptors.bispectrum.BLOCK", 8)
    for found in (gradient(atoms), gradient(atoms, threads=2)):
        scale = np.abs(whole.forces).max()
        np.testing.assert_allclose(found.forces, whole.forces, atol=1e-13 * scale)
        np.testing.assert_allclose(found.descriptors, whole.descriptors, rtol=1e-13, atol=1e-13)


def test_descriptors_are_those_of_the_bispectrum():
    atoms = sheared_mixture()
    descriptor = Bispectrum(5.0, 6, WEIGHTS, RADII)
    np.testing.assert_array_equal(curved_energy(descriptor)[1](atoms).descriptors, descriptor(atoms))


def test_no_atoms_have_no_forces():
    found = Bispectrum(5.0, 4).gradient(Atoms(), lambda _, rows: rows)
    assert found.forces.shape == (0, 3)


def test_bad_geometry_is_refused():
    with pytest.raises(InputError, match="atom 1 is at"):
        Bispectrum(5.0, 4).gradient(Atoms("Ar2", [[0, 0, 0], [0, np.nan, 0]]), lambda _, rows: rows)
