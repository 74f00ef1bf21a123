"""g(r) counts the neighbours of a crystal, is one in an ideal gas, and tells liquids apart by more than their noise."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from basinet.errors import InputError
from basinet.frames.shipped import load_reference
from basinet.md.structure import _refuse_other_system, half_box, pair_distribution, structures


def gas(n_atoms, n_frames, seed=0):
    rng = np.random.default_rng(seed)
    return [
        Atoms(f"Ar{n_atoms}", positions=rng.uniform(0, 20.0, (n_atoms, 3)), cell=[20, 20, 20], pbc=True)
        for _ in range(n_frames)
    ]


def test_a_crystal_has_its_shells():
    """Face-centred cubic: 12 neighbours at a / sqrt(2), 6 at a, 24 at sqrt(3/2) a."""
    crystal = bulk("Ar", "fcc", a=5.31, cubic=True) * (3, 3, 3)
    found = pair_distribution([crystal], "Ar", "Ar", reach=7.0, width=0.1)
    shells = 4 * np.pi * 0.1 * (found.distances**2 + 0.1**2 / 12) * found.values * len(crystal) / crystal.get_volume()
    for distance, count in ((5.31 / np.sqrt(2), 12), (5.31, 6), (5.31 * np.sqrt(1.5), 24)):
        assert shells[np.abs(found.distances - distance) < 0.11].sum() == pytest.approx(count, rel=0.02)
    assert shells.sum() == pytest.approx(42, rel=0.02)


def test_an_ideal_gas_has_no_structure():
    frames = gas(60, 100)
    (found,) = structures(frames)
    far = found.measured.distances > 3.0
    deviations = (found.measured.values[far] - 1.0) / found.measured.errors[far]
    assert np.mean(deviations**2) == pytest.approx(9 / 7, abs=0.5)  # Student's t of ten blocks
    assert found.measured.distances[-1] == pytest.approx(9.95)


def test_repeated_frames_tell_nothing_new():
    """Each frame written ten times: blocks see it, and independent frames would not."""
    frames = gas(60, 20)
    again = [frame for frame in frames for _ in range(10)]
    true = np.mean(pair_distribution(frames, "Ar", "Ar", reach=8.0, blocks=10).errors[20:])
    blocks = np.mean(pair_distribution(again, "Ar", "Ar", reach=8.0, blocks=10).errors[20:])
    naive = np.mean(pair_distribution(again, "Ar", "Ar", reach=8.0).errors[20:])
    assert blocks == pytest.approx(true, rel=1e-9)
    assert naive < 0.5 * true


def test_two_halves_of_one_liquid_differ_by_their_noise():
    frames = load_reference("ar")
    half = len(frames) // 2
    (found,) = structures(frames[:half], frames[half:])
    assert 0.5 * found.noise < found.difference < 1.6 * found.noise
    (same,) = structures(frames, frames)
    assert same.difference == 0.0


def test_a_liquid_that_is_stretched_differs_by_more():
    frames = load_reference("ar")
    stretched = [frame.copy() for frame in frames]
    for frame in stretched:
        frame.set_cell(1.03 * frame.cell, scale_atoms=True)
    (found,) = structures(frames, stretched)
    assert found.difference > 3.0 * found.noise


def test_every_pair_of_elements_has_its_own():
    found = structures(load_reference("mix")[:10])
    assert [one.pair for one in found] == [("Ar", "Ar"), ("Ar", "Kr"), ("Kr", "Kr")]
    assert [one.difference for one in found] == [None] * 3


def test_half_of_a_slanted_box_is_half_of_its_smallest_height():
    slanted = Atoms("Ar", cell=[[10, 0, 0], [6, 8, 0], [0, 0, 20]], pbc=True)
    assert half_box([slanted]) == pytest.approx(4.0)


def test_a_reference_of_something_else_is_refused():
    argon, krypton = load_reference("ar")[0], load_reference("kr")[0]
    with pytest.raises(InputError, match=r"r\.extxyz, frame 0: has no Ar"):
        _refuse_other_system([krypton], argon, "r.extxyz")
    with pytest.raises(InputError, match=r"r\.extxyz, frame 1: is not periodic"):
        _refuse_other_system([argon, Atoms("Ar")], argon, "r.extxyz")


def test_a_box_that_holds_no_pair_within_its_half_has_no_structure():
    primitive = bulk("Ar", "fcc", a=5.3)
    assert structures([primitive], [primitive]) == []
