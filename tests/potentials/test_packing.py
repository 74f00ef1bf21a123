"""Packing keeps every atom and every joule; minibatches visit every frame once an epoch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.potentials.toys import toy_dataset

from basinet.errors import InputError
from basinet.potentials.dataset import fit_scaling, minibatches, pack

DATA = toy_dataset(7, {"Ar": 3, "Kr": 2})
SCALING = fit_scaling(DATA)


def test_one_row_per_atom_or_one_per_species_hold_the_same_sums():
    atoms, sums = pack(DATA, SCALING, summed=False), pack(DATA, SCALING, summed=True)
    assert atoms.rows.shape == (2, 7, 3, DATA.descriptors.shape[1])
    assert sums.rows.shape == (2, 7, 1, DATA.descriptors.shape[1])
    assert np.allclose(atoms.rows.sum(2), sums.rows[:, :, 0], atol=1e-12)
    assert np.array_equal(atoms.count.sum(2), sums.count[..., 0])
    assert np.array_equal(sums.count[..., 0], DATA.composition().T)
    assert np.array_equal(atoms.target, sums.target)


def test_rows_without_an_atom_are_zeros_with_count_zero():
    packed = pack(DATA, SCALING, summed=False)
    empty = packed.count == 0
    assert empty.sum() == 7  # one slot of krypton in each frame
    assert np.all(packed.rows[empty] == 0)


def test_targets_are_the_energies_in_the_networks_unit():
    packed = pack(DATA, SCALING, summed=True)
    energy = packed.target * SCALING.scale[0] * np.sqrt(5) + DATA.composition() @ SCALING.offset
    assert np.allclose(energy, DATA.energy, atol=1e-12)
    local = pack(DATA, SCALING, summed=False, target="local")
    filled = local.count > 0
    assert local.target[filled].sum() * SCALING.scale[0] + SCALING.offset[0] * 35 == pytest.approx(
        DATA.local_energy.sum()
    )
    assert np.array_equal(local.weight, local.count)


def test_targets_of_frames_are_smaller_by_the_root_of_the_atoms_and_raw_descriptors_as_they_are():
    per_frame = fit_scaling(DATA, targets="per_frame")
    assert np.allclose(per_frame.scale, np.sqrt(5) * SCALING.scale)
    assert np.allclose(pack(DATA, per_frame, summed=True).target * np.sqrt(5), pack(DATA, SCALING, summed=True).target)
    assert np.array_equal(fit_scaling(DATA, descriptors="raw").standardise(DATA), DATA.descriptors)


def test_padded_frames_weigh_nothing():
    for target in ("total", "local"):
        packed = pack(DATA, SCALING, summed=False, target=target)
        padded = packed.padded(11)
        assert padded.rows.shape[1] == 11
        assert padded.weight.sum() == packed.weight.sum()
        assert padded.rows[:, 7:].any() == padded.count[:, 7:].any() == False  # noqa: E712 - three are compared
        assert packed.padded(3).rows.shape[1] == 7


def test_frames_need_not_list_one_species_after_the_other():
    order = np.concatenate([5 * f + np.array([3, 0, 4, 2, 1]) for f in range(7)])
    mixed = replace(
        DATA, species=DATA.species[order], descriptors=DATA.descriptors[order], local_energy=DATA.local_energy[order]
    )
    for target in ("total", "local"):
        first, second = (pack(d, SCALING, summed=False, target=target) for d in (DATA, mixed))
        assert np.allclose(np.sort(first.rows, axis=2), np.sort(second.rows, axis=2))
        assert np.allclose(np.sort(first.target, axis=-1), np.sort(second.target, axis=-1))


def test_local_targets_need_local_energies():
    with pytest.raises(InputError, match="toy"):
        pack(replace(DATA, local_energy=None), SCALING, summed=False, target="local")


@given(n_frames=st.integers(1, 40), batch=st.integers(1, 12), blocks=st.integers(1, 6), steps=st.integers(1, 9))
def test_every_epoch_visits_every_frame_once(n_frames, batch, blocks, steps):
    order = minibatches(np.random.default_rng(0), n_frames, batch, blocks, steps)
    assert order.shape == (blocks, steps, batch)
    flat = order.ravel()
    for start in range(0, len(flat) - n_frames + 1, n_frames):
        assert np.array_equal(np.sort(flat[start : start + n_frames]), np.arange(n_frames))
