"""Clebsch-Gordan coefficients are the orthogonal change of basis that couples two angular momenta."""

from __future__ import annotations

from itertools import product
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from basinet.descriptors.clebsch_gordan import _coupling_tables, clebsch_gordan, component_labels, matrix_offsets

momenta = st.integers(min_value=0, max_value=9)


def coupled_basis(twoj1: int, twoj2: int) -> np.ndarray:
    """All couplings of two momenta: rows (j, m), columns (m1, m2)."""
    rows = []
    for twoj in range(abs(twoj1 - twoj2), twoj1 + twoj2 + 1, 2):
        shift = (twoj1 + twoj2 - twoj) // 2
        for a in range(twoj + 1):
            pairs = product(range(twoj1 + 1), range(twoj2 + 1))
            rows.append([clebsch_gordan(twoj1, twoj2, twoj, a1, a2) * (a1 + a2 - shift == a) for a1, a2 in pairs])
    return np.array(rows)


@given(momenta, momenta)
def test_coupling_is_an_orthogonal_change_of_basis(twoj1, twoj2):
    basis = coupled_basis(twoj1, twoj2)
    assert basis.shape == ((twoj1 + 1) * (twoj2 + 1),) * 2
    np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=2e-15)


@given(momenta)
def test_stretched_state_couples_with_one(twoj):
    assert clebsch_gordan(twoj, twoj, 2 * twoj, twoj, twoj) == 1.0


def test_known_values():
    # 1 x 1/2 in the tables of the Particle Data Group: <1 0, 1/2 1/2 | 3/2 1/2>, <1 1, 1/2 -1/2 | 1/2 1/2>
    assert clebsch_gordan(2, 1, 3, 1, 1) == pytest.approx(sqrt(2 / 3), rel=1e-15)
    assert clebsch_gordan(2, 1, 1, 2, 0) == pytest.approx(sqrt(2 / 3), rel=1e-15)
    assert clebsch_gordan(2, 1, 1, 1, 1) == pytest.approx(-sqrt(1 / 3), rel=1e-15)


@pytest.mark.parametrize("forbidden", [(2, 2, 6, 1, 1), (2, 1, 2, 1, 1), (2, 2, 0, 2, 2), (2, 2, 2, 3, 0)])
def test_forbidden_couplings_vanish(forbidden):
    assert clebsch_gordan(*forbidden) == 0.0


@pytest.mark.parametrize(("twojmax", "count"), [(0, 1), (4, 14), (5, 20), (6, 30), (8, 55)])
def test_number_of_components(twojmax, count):
    assert len(component_labels(twojmax)) == count
    assert len(_coupling_tables(twojmax).chosen) == count


def test_matrices_follow_each_other_without_gaps():
    assert np.diff(matrix_offsets(6)).tolist() == [1, 4, 9, 16, 25, 36, 49]
