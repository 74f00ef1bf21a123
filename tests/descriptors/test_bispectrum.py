"""The bispectrum describes the surroundings of an atom: what leaves them alone leaves it alone."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from basinet.descriptors.bispectrum import Bispectrum
from basinet.errors import InputError

seeds = st.integers(0, 2**32 - 1)
DESCRIPTOR = Bispectrum(rcut=4.5, twojmax=6)
ROUND_OFF = 1e-14
"""Of an isolated atom's components, which are differences of numbers up to 7."""
CELL = np.array([[7.0, 0.0, 0.0], [1.5, 6.8, 0.0], [-2.0, 1.1, 7.4]])


def mixture(seed: int, n_atoms: int = 11) -> Atoms:
    """Argon and krypton on a distorted grid; 11 atoms fill one vector register and part of another."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(3) / 3] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    sites = rng.permutation(grid)[:n_atoms] + rng.uniform(-0.05, 0.05, (n_atoms, 3))
    atoms = Atoms(rng.choice(["Ar", "Kr"], n_atoms), cell=CELL, pbc=True)
    atoms.set_scaled_positions(sites)
    return atoms


def assert_same(actual: np.ndarray, expected: np.ndarray) -> None:
    """Equal to round-off, measured by each component's RMS."""
    scale = np.sqrt((expected**2).mean(axis=0)) + 1e-12
    np.testing.assert_allclose(actual / scale, expected / scale, rtol=0.0, atol=1e-11)


@settings(max_examples=20)
@given(seeds)
def test_permuting_atoms_permutes_rows(seed):
    atoms = mixture(seed)
    order = np.random.default_rng(seed).permutation(len(atoms))
    assert_same(DESCRIPTOR(atoms[order]), DESCRIPTOR(atoms)[order])


@settings(max_examples=20)
@given(seeds)
def test_rotation_changes_nothing(seed):
    atoms = mixture(seed)
    rotation = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    turned = Atoms(atoms.symbols, positions=atoms.positions @ rotation.T, cell=CELL @ rotation.T, pbc=True)
    assert_same(DESCRIPTOR(turned), DESCRIPTOR(atoms))


@settings(max_examples=20)
@given(seeds)
def test_inversion_changes_nothing(seed):
    atoms = mixture(seed)
    inverted = Atoms(atoms.symbols, positions=-atoms.positions, cell=CELL, pbc=True)
    assert_same(DESCRIPTOR(inverted), DESCRIPTOR(atoms))


@settings(max_examples=20)
@given(seeds, st.tuples(*[st.floats(-30.0, 30.0)] * 3))
def test_translation_changes_nothing(seed, shift):
    atoms = mixture(seed)
    moved = atoms.copy()
    moved.translate(shift)
    assert_same(DESCRIPTOR(moved), DESCRIPTOR(atoms))


@settings(max_examples=8)
@given(seeds, st.tuples(*[st.integers(1, 2)] * 3))
def test_supercell_repeats_rows(seed, repeats):
    atoms = mixture(seed, n_atoms=5)
    assert_same(DESCRIPTOR(atoms * repeats), np.tile(DESCRIPTOR(atoms), (np.prod(repeats), 1)))


def test_isolated_atom_is_zero():
    for atoms in (Atoms("Ar"), Atoms("Kr", cell=[30, 30, 30], pbc=True)):
        np.testing.assert_allclose(DESCRIPTOR(atoms), np.zeros((1, 30)), atol=ROUND_OFF)


def test_isolated_atom_beside_a_crowd():
    crowd = mixture(0)
    crowd.pbc = False
    together = crowd + Atoms("Kr", positions=[[100.0, 0.0, 0.0]])
    np.testing.assert_allclose(DESCRIPTOR(together)[-1], 0.0, atol=ROUND_OFF)
    assert_same(DESCRIPTOR(together)[:-1], DESCRIPTOR(crowd))


def test_no_atoms_no_rows():
    assert DESCRIPTOR(Atoms()).shape == (0, 30)


def test_leaving_the_cutoff_is_smooth():
    # The cutoff function and its slope vanish there: the descriptor falls with the square of the distance.
    def dimer(distance: float) -> np.ndarray:
        return np.abs(DESCRIPTOR(Atoms("Ar2", [[0, 0, 0], [0, 0, distance]]))[0]).max()

    near, nearer = dimer(4.5 - 1e-3), dimer(4.5 - 1e-4)
    assert near > 0.0
    assert nearer == pytest.approx(near / 100, rel=1e-2)
    assert dimer(4.5 + 1e-9) < ROUND_OFF
    slopes = [(dimer(4.5 - gap) - dimer(4.5 - 0.9 * gap)) / (0.1 * gap) for gap in (1e-1, 1e-2, 1e-3)]
    assert slopes[1] == pytest.approx(slopes[0] / 10, rel=0.2)
    assert slopes[2] == pytest.approx(slopes[1] / 10, rel=0.2)


def test_neighbour_weights_matter_and_the_own_element_does_not():
    atoms = mixture(1)
    light, heavy = Bispectrum(4.5, 6, {"Ar": 1.0, "Kr": 0.8}), Bispectrum(4.5, 6, {"Ar": 1.0, "Kr": 1.2})
    assert np.abs(light(atoms) - heavy(atoms)).max() > 0.1
    other = atoms.copy()
    other.symbols[0] = "Kr" if atoms.symbols[0] == "Ar" else "Ar"
    alone = Atoms(atoms.symbols[:1], cell=[30, 30, 30], pbc=True)
    np.testing.assert_array_equal(light(alone), heavy(alone))
    same = Bispectrum(4.5, 6, {"Ar": 1.0, "Kr": 1.0})
    np.testing.assert_array_equal(same(atoms), same(other))


def test_fewer_components_are_a_part_of_more():
    atoms, small, large = mixture(2), Bispectrum(4.5, 4), Bispectrum(4.5, 8)
    positions = [large.component_labels.index(label) for label in small.component_labels]
    assert_same(small(atoms), large(atoms)[:, positions])


def test_threads_change_nothing_and_input_is_left_alone():
    atoms = mixture(3)
    before = atoms.copy()
    np.testing.assert_array_equal(DESCRIPTOR(atoms, threads=3), DESCRIPTOR(atoms))
    assert atoms == before


def test_settings_survive_a_round_trip():
    descriptor = Bispectrum(5.25, 8, {"Kr": 0.8, "Ar": 1})
    assert Bispectrum.from_dict(json.loads(json.dumps(descriptor.to_dict()))) == descriptor
    assert pickle.loads(pickle.dumps(descriptor)) == descriptor  # noqa: S301
    assert hash(Bispectrum(5.25, 8, {"Ar": 1.0, "Kr": 0.8})) == hash(descriptor)
    assert list(descriptor.weights) == ["Ar", "Kr"]
    assert descriptor.n_components == len(descriptor.component_labels) == 55
    assert descriptor != Bispectrum(5.25, 8, {"Kr": 0.9, "Ar": 1})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rcut": 0.0}, "rcut is 0.0"),
        ({"rcut": float("nan")}, "rcut is nan"),
        ({"rcut": "5"}, "rcut is '5'"),
        ({"twojmax": -1}, "twojmax is -1"),
        ({"twojmax": 6.0}, "twojmax is 6.0"),
        ({"twojmax": 15}, "twojmax is 15"),
        ({"twojmax": True}, "twojmax is True"),
        ({"weights": {}}, "weights are {}"),
        ({"weights": {"Argon": 1.0}}, "'Argon'.* not a chemical symbol"),
        ({"weights": {"Ar": float("inf")}}, "weight of Ar is inf"),
    ],
)
def test_settings_out_of_range_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        Bispectrum(**settings)


def test_unknown_setting_is_an_error():
    with pytest.raises(InputError, match="radius"):
        Bispectrum.from_dict({"radius": 5.0, "twojmax": 6, "weights": {"Ar": 1.0}})


def test_element_without_a_weight_is_an_error():
    with pytest.raises(InputError, match="atom 1 is Xe, which has no weight"):
        DESCRIPTOR(Atoms("ArXe", positions=[[0, 0, 0], [0, 0, 4]]))


def test_importing_the_package_loads_neither_numba_nor_jax():
    code = "import sys, basinet.descriptors; assert not {'numba', 'jax'} & set(sys.modules), 'heavy import'"
    subprocess.run([sys.executable, "-c", code], check=True)
