"""Displacements tell walkers from atoms that are bound to a place."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

from basinet.md.statistics import _growth_exponent, _mean_square_displacement, _self_diffusion, _travelled

COEFFICIENT = 0.3  # A^2/ps, that is 3e-5 cm^2/s


def walk(n_times, n_atoms, interval, seed=0):
    steps = np.random.default_rng(seed).normal(scale=np.sqrt(2 * COEFFICIENT * interval), size=(n_times, n_atoms, 3))
    return steps.cumsum(axis=0)


def test_a_random_walk_grows_linearly_with_its_coefficient():
    positions = walk(2000, 60, 0.5)
    found = _self_diffusion(positions, 0.5)
    assert found["coefficient"] == pytest.approx(COEFFICIENT * 1e-4, rel=0.05)
    assert abs(found["coefficient"] - COEFFICIENT * 1e-4) < 4 * found["error"]
    assert _mean_square_displacement(positions, [1, 4]) == pytest.approx([3 * COEFFICIENT, 12 * COEFFICIENT], rel=0.05)
    assert _growth_exponent(positions[:400]) == pytest.approx(1.0, abs=0.1)


def test_atoms_bound_to_their_places_do_not_travel():
    positions = np.random.default_rng(0).normal(size=(20, 32, 3))
    assert abs(_growth_exponent(positions)) < 0.05
    assert abs(_self_diffusion(np.random.default_rng(0).normal(size=(200, 32, 3)), 1.0)["coefficient"]) < 1e-7


def test_free_flight_grows_with_the_square_of_time():
    velocities = np.random.default_rng(0).normal(size=(32, 3))
    assert _growth_exponent(np.arange(20)[:, None, None] * velocities) == pytest.approx(2.0)


def test_a_drift_of_all_atoms_together_is_no_travel():
    positions = np.random.default_rng(0).normal(size=(20, 8, 3))
    drifting = positions + 5.0 * np.arange(20)[:, None, None]
    still, moved = (_travelled([Atoms("Ar4Kr4", positions=p) for p in run]) for run in (positions, drifting))
    assert moved == pytest.approx(still)
