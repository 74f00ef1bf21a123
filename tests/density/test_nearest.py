"""The nearest image of a nucleus, in cells where rounding does not find it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from basinet.density.facets import nearest_sites


def by_all_images(points, sites, cell, reach):
    shifts = np.array(list(np.ndindex((2 * reach + 1,) * 3))) - reach
    images = sites[None] + (shifts @ cell)[:, None]
    distance = np.linalg.norm(points[:, None, None] - images[None], axis=-1).min(axis=1)
    return distance.min(axis=1), distance


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.floats(-3.0, 3.0))
def test_every_image_has_been_looked_at(seed, n_sites, skew):
    rng = np.random.default_rng(seed)
    cell = np.diag(rng.uniform(1.0, 2.0, 3))
    cell[1, 0], cell[2, 0], cell[2, 1] = skew, rng.uniform(-1.5, 1.5), rng.uniform(-1.5, 1.5)
    points, sites = (rng.random((n, 3)) @ cell for n in (20, n_sites))
    distance, site = nearest_sites(points, sites, cell)
    expected, each = by_all_images(points, sites, cell, 6)
    np.testing.assert_allclose(distance, expected, atol=1e-12)
    np.testing.assert_allclose(each[np.arange(20), site], expected, atol=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_points_may_be_far_outside_the_cell(seed):
    rng = np.random.default_rng(seed)
    cell = np.eye(3) + rng.uniform(-0.3, 0.3, (3, 3))
    points, sites = rng.random((10, 3)) @ cell, rng.random((3, 3)) @ cell
    away = rng.integers(-50, 50, (10, 3)) @ cell
    np.testing.assert_allclose(
        nearest_sites(points + away, sites, cell)[0], nearest_sites(points, sites, cell)[0], atol=1e-11
    )


def test_the_second_nearest_of_a_lone_site_is_its_own_image():
    distance, _ = nearest_sites(np.zeros((1, 3)), np.zeros((1, 3)), np.diag([2.0, 3.0, 4.0]), rank=2)
    np.testing.assert_allclose(distance, 2.0)


def test_no_points_are_no_trouble():
    distance, site = nearest_sites(np.zeros((0, 3)), np.zeros((1, 3)), np.eye(3))
    assert len(distance) == len(site) == 0
