"""Derivatives of components: differences of the descriptor, and what forces are made of."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from basinet import files
from basinet.descriptors.bispectrum import BLOCK, Bispectrum
from basinet.errors import InputError
from basinet.potentials.dataset import frame_derivatives

DESCRIPTOR = Bispectrum(5.0, 5, {"Ar": 1.0, "Kr": 0.8}, {"Ar": 0.5, "Kr": 0.56})


def mixture(repeats=1, seed=3):
    """A sheared, shaken crystal; alone it is so small that atoms see their own images."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True).repeat(repeats)
    atoms.symbols[1::2] = "Kr"
    atoms.rattle(0.3, rng=rng)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.1 * rng.normal(size=(3, 3))), scale_atoms=True)
    return atoms


@pytest.mark.parametrize("pbc", [True, False, (True, False, True)])
def test_they_are_the_differences_of_the_components(pbc):
    atoms = mixture()
    atoms.pbc = pbc
    derivative = DESCRIPTOR.derivatives(atoms).in_places()
    assert derivative.shape == (4, DESCRIPTOR.n_components, 4, 3)
    for atom in range(4):
        for axis in range(3):
            sides = []
            for step in (-2e-3, -1e-3, 1e-3, 2e-3):
                moved = atoms.copy()
                moved.positions[atom, axis] += step
                sides.append(DESCRIPTOR(moved))
            expected = (8 * (sides[2] - sides[1]) - (sides[3] - sides[0])) / 12e-3
            assert np.allclose(derivative[:, :, atom, axis], expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("repeats", [1, 2, 5])
def test_forces_made_of_them_are_those_that_never_form_them(repeats):
    atoms = mixture(repeats)
    assert (len(atoms) > BLOCK) == (repeats == 5)
    slopes = np.random.default_rng(0).normal(size=(len(atoms), DESCRIPTOR.n_components))
    expected = DESCRIPTOR.gradient(atoms, lambda block, _: slopes[block]).forces
    pairs = DESCRIPTOR.derivatives(atoms)
    along = np.einsum("pc,pcx->px", slopes[pairs.atom], pairs.derivative)
    forces = np.zeros((len(atoms), 3))
    np.add.at(forces, pairs.atom, along)
    np.subtract.at(forces, pairs.neighbour, along)
    assert np.allclose(forces, expected, rtol=0, atol=1e-11 * np.abs(expected).max())
    if repeats < 5:
        dense = -np.einsum("ic,ickx->kx", slopes, pairs.in_places())
        assert np.allclose(dense, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


def test_moving_everything_together_changes_no_component():
    derivative = DESCRIPTOR.derivatives(mixture(2)).in_places()
    assert np.abs(derivative.sum(axis=2)).max() < 1e-11 * np.abs(derivative).max()


def test_an_atom_alone_has_no_derivatives():
    pairs = DESCRIPTOR.derivatives(Atoms("Ar"))
    assert pairs.derivative.shape == (0, DESCRIPTOR.n_components, 3)
    assert not pairs.in_places().any()


def test_what_the_descriptor_refuses_is_refused():
    with pytest.raises(InputError, match="Xe"):
        DESCRIPTOR.derivatives(Atoms("ArXe", [[0, 0, 0], [3, 0, 0]]))
    with pytest.raises(InputError, match="one place"):
        DESCRIPTOR.derivatives(Atoms("Ar2", [[0, 0, 0], [0, 0, 0]]))


def test_derivatives_of_descriptors_that_no_memory_holds(monkeypatch):
    monkeypatch.setattr(files, "free_memory", lambda: 10**8)
    atoms = Atoms("Ar", cell=[3.8] * 3, pbc=True)
    descriptor = Bispectrum(5.0, 6)
    assert len(frame_derivatives(descriptor.derivatives, [atoms] * 5)) == 5
    with pytest.raises(InputError, match=r"derivatives of the descriptors of 40000 frames needs .* choose a smaller"):
        frame_derivatives(descriptor.derivatives, [atoms] * 40_000)
    with pytest.raises(
        InputError, match=r"derivatives of \d+ pairs needs .* GB of memory, and 0.1 GB are free; choose"
    ):
        Bispectrum(105.0, 10).derivatives(atoms)
