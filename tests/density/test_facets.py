"""Wigner-Seitz facets: shapes known from crystallography, and what holds for every lattice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.density.forward_weights import voronoi_facets

from basinet.density.facets import grid_facets, obtuse_superbase

FCC = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
BCC = np.array([[-1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])

elements = st.floats(-4.0, 4.0)
cells = (
    st.lists(elements, min_size=9, max_size=9)
    .map(lambda values: np.array(values).reshape(3, 3))
    .filter(lambda cell: abs(np.linalg.det(cell)) > 0.02 * np.prod(np.linalg.norm(cell, axis=1)) > 1e-3)
)
shapes = st.tuples(*[st.integers(1, 12)] * 3)


def canonical(facets, cell, shape):
    """Facets as the vectors behind them and A / l, in a fixed order."""
    vectors = facets.steps @ (cell / np.array(shape)[:, None])
    table = np.column_stack([vectors, facets.conductance])
    return table[np.lexsort(np.round(table.T, 6))]


def test_a_cube_has_six_faces():
    facets = grid_facets(np.diag([2.0, 3.0, 4.0]), (2, 3, 4))
    assert sorted(map(tuple, np.abs(facets.steps))) == [(0, 0, 1)] * 2 + [(0, 1, 0)] * 2 + [(1, 0, 0)] * 2
    np.testing.assert_allclose(facets.area, 1.0, rtol=1e-14)
    np.testing.assert_allclose(facets.distance, 1.0, rtol=1e-14)


def test_face_centred_cubic_has_a_rhombic_dodecahedron():
    facets = grid_facets(FCC, (1, 1, 1))
    np.testing.assert_allclose(facets.distance, [np.sqrt(2.0)] * 12)
    np.testing.assert_allclose(facets.area, [np.sqrt(2.0) / 2.0] * 12)


def test_body_centred_cubic_has_a_truncated_octahedron():
    facets = grid_facets(BCC, (1, 1, 1))
    edge = 2.0 / (2.0 * np.sqrt(2.0))  # of a truncated octahedron in a cube of side 2
    np.testing.assert_allclose(facets.distance, [np.sqrt(3.0)] * 8 + [2.0] * 6)
    np.testing.assert_allclose(facets.area, [1.5 * np.sqrt(3.0) * edge**2] * 8 + [edge**2] * 6)


def test_a_hexagonal_grid_has_a_prism():
    cell = np.array([[1.0, 0.0, 0.0], [-0.5, np.sqrt(0.75), 0.0], [0.0, 0.0, 1.5]])
    facets = grid_facets(cell, (1, 1, 1))
    np.testing.assert_allclose(facets.area, [1.5 / np.sqrt(3.0)] * 6 + [np.sqrt(0.75)] * 2)


@given(cells, shapes)
def test_the_cones_over_the_facets_fill_the_cell(cell, shape):
    facets = grid_facets(cell, shape)
    volume = abs(np.linalg.det(cell)) / np.prod(shape)
    assert 6 <= len(facets.area) <= 14
    np.testing.assert_allclose(facets.area @ facets.distance / 6.0, volume, rtol=1e-8)


@given(cells, shapes)
def test_facets_come_in_opposite_pairs(cell, shape):
    facets = grid_facets(cell, shape)
    np.testing.assert_array_equal(facets.steps[::2], -facets.steps[1::2])
    np.testing.assert_array_equal(facets.conductance[::2], facets.conductance[1::2])


@given(cells, shapes)
def test_a_uniform_gradient_flows_as_its_vector_says(cell, shape):
    # sum over facets of (A / l) v v^T = 2 V: fluxes A / l (g . v) leave no error for a linear density.
    facets = grid_facets(cell, shape)
    vectors = facets.steps @ (cell / np.array(shape)[:, None])
    volume = abs(np.linalg.det(cell)) / np.prod(shape)
    tensor = np.einsum("f,fi,fj->ij", facets.conductance, vectors, vectors)
    np.testing.assert_allclose(tensor, 2.0 * volume * np.eye(3), atol=1e-7 * volume)


@given(cells, st.integers(1, 9), st.integers(0, 2), st.integers(0, 2), st.integers(-3, 3))
def test_vectors_that_span_the_same_lattice_give_the_same_facets(cell, n, onto, added, times):
    sheared = cell.copy()
    if onto != added:
        sheared[onto] += times * cell[added]
    one, other = (canonical(grid_facets(box, (n, n, n)), box, (n, n, n)) for box in (cell, sheared))
    volume = abs(np.linalg.det(cell)) / n**3
    scale = volume ** (1 / 3)
    big = [table[table[:, 3] > 1e-6 * scale] for table in (one, other)]
    assert len(big[0]) == len(big[1])
    for row in big[0]:
        assert np.abs(big[1] - row).max(axis=1).min() < 1e-6 * max(scale, np.abs(row).max())


@given(cells)
def test_a_superbase_is_obtuse_and_spans_the_lattice(cell):
    superbase = obtuse_superbase(cell)
    products = superbase @ cell @ cell.T @ superbase.T
    assert np.all(products[~np.eye(4, dtype=bool)] <= 1e-10 * np.trace(cell @ cell.T))
    assert abs(round(np.linalg.det(superbase[:3]))) == 1
    assert not superbase.sum(axis=0).any()


@pytest.mark.parametrize("seed", range(8))
def test_qhull_finds_the_same_facets(seed):
    cell = np.eye(3) + np.random.default_rng(seed).uniform(-0.4, 0.4, (3, 3))
    facets = grid_facets(cell, (3, 4, 5))
    expected = {tuple(step): conductance for step, conductance in voronoi_facets(cell, (3, 4, 5))}
    assert {tuple(step) for step in facets.steps} == set(expected)
    for step, conductance in zip(facets.steps, facets.conductance, strict=True):
        assert conductance == pytest.approx(expected[tuple(step)], rel=1e-9)
