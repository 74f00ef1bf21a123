"""Every atom sees every image of every other within the cutoff, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from basinet.errors import InputError
from basinet.frames.neighbours import find_neighbours, half_list, neighbour_pairs

pytestmark = pytest.mark.slow

MORE = [(10, 1700, 1700), (11, 4000, 4000)]
TRICLINIC = np.array([[5.0, 0.0, 0.0], [2.1, 4.7, 0.0], [-1.3, 1.9, 5.5]])


def as_rows(central: np.ndarray, atom: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Pairs as rows in one order, so that two lists of the same pairs are equal."""
    rows = np.column_stack([central, atom, vector])
    return rows[np.lexsort(np.round(rows, 6).T[::-1])]


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    pbc=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    cutoff=st.floats(2.0, 9.0),
    n_atoms=st.integers(1, 6),
)
def test_same_pairs_as_ase(seed, pbc, cutoff, n_atoms):
    rng = np.random.default_rng(seed)
    atoms = Atoms(numbers=[18] * n_atoms, cell=TRICLINIC, pbc=pbc)
    atoms.set_scaled_positions(rng.uniform(-0.7, 1.7, (n_atoms, 3)))  # some outside the cell
    neighbours = find_neighbours(atoms.positions, TRICLINIC, pbc, cutoff)
    central = np.repeat(np.arange(n_atoms), np.diff(neighbours.first))
    expected = neighbor_list("ijD", atoms, cutoff)
    np.testing.assert_allclose(as_rows(central, neighbours.atom, neighbours.vector), as_rows(*expected), atol=1e-12)


def test_rock_salt_coordination_by_a_cell_smaller_than_the_cutoff():
    crystal = bulk("NaCl", "rocksalt", a=5.64)
    neighbours = find_neighbours(crystal.positions, crystal.cell.array, True, 0.51 * 5.64)
    assert np.diff(neighbours.first).tolist() == [6, 6]
    assert neighbours.atom.tolist() == [1] * 6 + [0] * 6


def test_axes_that_are_not_periodic_need_no_cell():
    dimer = [[0.0, 0.0, 0.0], [0.0, 0.0, 2.0]]
    assert find_neighbours(dimer, np.zeros((3, 3)), False, 2.5).vector.tolist() == [[0, 0, 2], [0, 0, -2]]
    chain = find_neighbours(dimer[:1], np.diag([0.0, 3.0, 0.0]), [False, True, False], 3.5)
    assert sorted(chain.vector[:, 1].tolist()) == [-3.0, 3.0]


def test_no_atoms_and_no_neighbours():
    assert find_neighbours(np.zeros((0, 3)), np.eye(3), True, 2.0).first.tolist() == [0]
    assert find_neighbours([[0.0, 0.0, 0.0]], np.eye(3), False, 2.0).first.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("positions", "cell", "message"),
    [
        ([[0, 0, 0], [0, np.nan, 0]], [4, 4, 4], "atom 1 .*finite"),
        ([[0, 0, 0], [4, 0, 0]], [4, 4, 4], r"atoms (0 and 1|1 and 0) are in one place"),
        ([0, 0, 0], [4, 4, 4], "one row x, y, z"),
        ([[0, 0, 0]], [4, 4, 0], "cell vector 2 is zero"),
        ([[0, 0, 0]], [[4, 0, 0], [0, 4, 0], [4, 4, 0]], "no volume"),
        ([[0, 0, 0]], [[4, 0, 0], [0, 4, 0]], "three finite vectors"),
        ([[0, 0, 0]], [4, 4, np.inf], "three finite vectors"),
    ],
)
def test_mistakes_are_named(positions, cell, message):
    with pytest.raises(InputError, match=message):
        find_neighbours(positions, cell, True, 3.0)


@pytest.mark.parametrize("cutoff", [0.0, -1.0, np.nan, np.inf])
def test_cutoff_is_positive(cutoff):
    with pytest.raises(InputError, match="cutoff"):
        find_neighbours([[0, 0, 0]], [4, 4, 4], True, cutoff)


@pytest.mark.parametrize("pbc", [True, False, (True, False, True)], ids=str)
@pytest.mark.parametrize(
    "lengths",
    [(1700, 1700, 10), (10, 10, 1e6), *(pytest.param(wide, marks=pytest.mark.long) for wide in MORE)],
    ids=str,
)
def test_thin_wide_frames_have_all_their_neighbours(lengths, pbc):
    """Where vesin itself divides by zero, which ends the process."""
    rng = np.random.default_rng(1)
    one = rng.uniform(0.3, 0.7, (40, 3)) * lengths
    apart = rng.normal(size=one.shape)
    apart *= np.linspace(1.0, 6.0, 40)[:, None] / np.linalg.norm(apart, axis=1)[:, None]
    atoms = Atoms("Ar80", np.concatenate([one, one + apart]), cell=lengths, pbc=pbc)
    neighbours = find_neighbours(atoms.positions, atoms.cell.array, atoms.pbc, 4.0)
    first, *_, squared = neighbour_pairs(atoms, half_list(4.0))
    within = np.linalg.norm(apart, axis=1) < 4.0
    assert len(neighbours.atom) == 2 * len(first)
    assert np.count_nonzero(np.diff(neighbours.first)[:40][within]) == np.count_nonzero(within)
    np.testing.assert_allclose(squared.max(), np.square(neighbours.vector).sum(axis=1).max(), rtol=1e-9)


@pytest.mark.parametrize(
    ("positions", "cell", "words"),
    [
        ([[0, 0, 0], [0, 0, 1e200]], [10, 10, 10], "atom 1 .* check the unit"),
        ([[0, 0, 0], [3e6, 4e6, 4]], [3e6, 4e6, 8], "too thin"),
    ],
)
def test_frames_in_no_sensible_unit_are_refused(positions, cell, words):
    with pytest.raises(InputError, match=words):
        find_neighbours(positions, cell, True, 5.25)
    atoms = Atoms("Ar2", positions, cell=cell, pbc=True)
    with pytest.raises(InputError, match=words):
        neighbour_pairs(atoms, half_list(5.25))
