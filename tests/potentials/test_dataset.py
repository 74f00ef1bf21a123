"""Flat arrays keep what the frames said: sums close, selection keeps atoms with their frame."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.potentials.toys import toy_dataset

COUNTS = {"Ar": 3, "Kr": 2}


@given(chosen=st.lists(st.integers(0, 7), min_size=1, max_size=12))
def test_selected_frames_are_those_frames_in_order(chosen):
    data = toy_dataset(8, COUNTS, curved=1e-4)
    part = data.select(chosen)
    wanted = sorted(set(chosen))
    assert part.n_frames == len(wanted)
    assert np.array_equal(part.energy, data.energy[wanted])
    for new, old in enumerate(wanted):
        mine, theirs = part.frame == new, data.frame == old
        assert np.array_equal(part.descriptors[mine], data.descriptors[theirs])
        assert np.array_equal(part.local_energy[mine], data.local_energy[theirs])
        assert np.array_equal(part.species[mine], data.species[theirs])
    assert np.all(np.diff(part.frame) >= 0)


def test_local_energies_sum_to_the_totals_they_came_from():
    data = toy_dataset(6, COUNTS)
    assert np.allclose(data.sum_over_atoms(data.local_energy), data.energy, rtol=0, atol=1e-13)
    members = np.stack([data.local_energy, 2 * data.local_energy])
    assert np.allclose(data.sum_over_atoms(members), [data.energy, 2 * data.energy], rtol=0, atol=1e-13)


def test_composition_counts_every_atom_of_every_frame():
    data = toy_dataset(6, COUNTS)
    assert np.array_equal(data.composition(), np.tile([3, 2], (6, 1)))
    assert np.array_equal(data.composition().sum(1), data.n_atoms)


def test_summed_descriptors_are_the_sums_over_atoms_of_each_species():
    data = toy_dataset(4, COUNTS)
    summed = data.summed_descriptors()
    for frame in range(4):
        for species in range(2):
            own = (data.frame == frame) & (data.species == species)
            assert np.allclose(summed[frame, species], data.descriptors[own].sum(0), rtol=1e-14)


def test_a_linear_model_needs_summed_descriptors_only():
    data = toy_dataset(5, COUNTS)
    w = np.random.default_rng(1).normal(size=(2, data.descriptors.shape[1]))
    per_atom = data.sum_over_atoms(np.einsum("ic,ic->i", data.descriptors, w[data.species]))
    assert np.allclose(np.einsum("fsc,sc->f", data.summed_descriptors(), w), per_atom, rtol=1e-13)


def test_a_selection_without_local_energies_has_none():
    from dataclasses import replace

    assert replace(toy_dataset(3, COUNTS), local_energy=None).select([0, 2]).local_energy is None
