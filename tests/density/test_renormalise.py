"""Densities that almost have the right number of electrons are scaled; others are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from basinet.density.grid import electron_count, renormalise
from basinet.errors import InputError

CELL = np.array([[7.0, 0.0, 0.0], [2.1, 6.4, 0.0], [-1.7, 1.9, 7.3]])


def noise(electrons):
    density = np.random.default_rng(0).uniform(0.0, 1.0, (5, 6, 7))
    return density * electrons / (density.mean() * np.linalg.det(CELL))


@given(st.floats(-9e-4, 9e-4), st.floats(1.0, 1e4))
def test_the_count_is_exact_afterwards(error, electrons):
    density = noise(electrons * (1 + error))
    scaled, factor = renormalise(density, CELL, electrons)
    assert electron_count(scaled, CELL) == pytest.approx(electrons, rel=1e-14)
    assert factor == pytest.approx(1 / (1 + error), rel=1e-12)
    np.testing.assert_allclose(scaled, factor * density, rtol=1e-15)


def test_input_is_left_alone():
    density = noise(8.001)
    before = density.copy()
    renormalise(density, CELL, 8.0)
    np.testing.assert_array_equal(density, before)


@pytest.mark.parametrize("electrons", [7.9, 8.1, 1.0])
def test_another_count_is_refused_and_told(electrons):
    with pytest.raises(InputError, match=f"integrates to {electrons:g} electrons instead of 8"):
        renormalise(noise(electrons), CELL, 8.0)
    renormalise(noise(electrons), CELL, 8.0, tolerance=1.0)


def test_nothing_to_scale_is_refused():
    with pytest.raises(InputError, match="integrates to 0 electrons"):
        renormalise(np.zeros((3, 3, 3)), CELL, 8.0)
    with pytest.raises(InputError, match="must be positive"):
        renormalise(noise(8.0), CELL, 0.0)
    with pytest.raises(InputError, match="must be a finite number"):
        renormalise(np.full((3, 3, 3), np.nan), CELL, 8.0)
