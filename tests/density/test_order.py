"""How fast basins converge with the grid, and what assigning whole points costs instead.

The paper calls the method quadratic. So it is where a dividing surface lies along the grid. A surface at an angle is
smeared by the walk along facets, as an upwind scheme smears a front, over a width that falls with the root of the
spacing. Between like atoms the surface is a plane of symmetry, and what is smeared out on one side comes in on the
other; between unlike ones it is curved, and a difference remains: orders of about 1.5.
"""

import numpy as np
import pytest
from tests.peers.densities import gaussian_density

from basinet.density.basins import integrate_basins
from basinet.density.facets import nearest_sites

pytestmark = pytest.mark.slow

CELLS = {
    "orthorhombic": np.diag([5.0, 5.5, 6.0]),
    "triclinic": np.array([[5.0, 0.0, 0.0], [1.5, 5.2, 0.0], [-1.0, 1.2, 5.5]]),
}
FRACTIONS = np.array([[0.13, 0.10, 0.08], [0.57, 0.14, 0.53], [0.15, 0.63, 0.61], [0.60, 0.62, 0.07]])
GRIDS = (20, 28, 40, 56)

cells = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)


def by_weights(density, cell, positions):
    basins = integrate_basins(density, cell, positions)
    return np.array([basins.volume, basins.population])


def by_steepest_ascent(density, cell, positions):
    """Volumes and populations when each point goes with its steepest neighbour (Henkelman et al., 2006)."""
    best, index = np.zeros(density.size), np.arange(density.size)
    upward = index.copy()
    for step in np.array(list(np.ndindex(3, 3, 3))) - 1:
        if step.any():
            away = tuple(-step)
            rise = (np.roll(density, away, axis=(0, 1, 2)) - density).reshape(-1)
            rise /= np.linalg.norm(step / density.shape @ cell)
            to = np.roll(index.reshape(density.shape), away, axis=(0, 1, 2)).reshape(-1)
            upward, best = np.where(rise > best, to, upward), np.maximum(rise, best)
    while np.any(upward != upward[upward]):
        upward = upward[upward]
    places = np.stack(np.unravel_index(upward, density.shape), axis=1) / density.shape @ cell
    _, atom = nearest_sites(places, positions, cell)
    voxel = abs(np.linalg.det(cell)) / density.size
    return np.array([np.bincount(atom, weights=w) * voxel for w in (np.ones(density.size), density.reshape(-1))])


def errors(cell, charges, *methods):
    """RMS errors over atoms and offsets of the grid: for each method (n_grids, 2), of volume and population."""
    rng = np.random.default_rng(1)

    def case(points, shift):
        positions, grid = (FRACTIONS + shift) @ cell, (points,) * 3
        halves = [gaussian_density(cell, positions[i::2], grid, ((charges[i], 0.8),)) for i in (0, 1)]
        return sum(halves), cell, positions

    reference = by_weights(*case(160, np.zeros(3)))
    cases = [[case(points, rng.random(3) / points) for _ in range(4)] for points in GRIDS]
    return [
        np.array([np.sqrt(np.mean([(method(*one) - reference) ** 2 for one in row], axis=(0, 2))) for row in cases])
        for method in methods
    ]


def order(grids, rms):
    """Exponent of the spacing."""
    return -np.polyfit(np.log(grids), np.log(rms), 1)[0]


def test_a_dividing_surface_along_the_grid_converges_quadratically():
    # rho'(x) is proportional to (cos(x - c) - cos d) sin(x - c): minima at c - d and c + d, maxima at c and c + pi.
    d, cell, grids = 1.2345, np.diag([2 * np.pi, 1.0, 1.0]), (30, 60, 120, 240)

    def error(n, c):
        x = np.arange(n) / n * 2 * np.pi
        rho = 3.0 + np.cos(2 * (x - c)) / 4 - np.cos(d) * np.cos(x - c)
        density = rho[:, None, None] + 0.01 * np.cos(np.pi / 2 * np.arange(4)) + np.zeros((n, 4, 4))
        return integrate_basins(density, cell, [[c, 0, 0], [c + np.pi, 0, 0]]).volume - [2 * d, 2 * np.pi - 2 * d]

    rms = [np.sqrt(np.mean([error(n, 0.7 + i / 8 * 2 * np.pi / n) ** 2 for i in range(8)])) for n in grids]
    assert rms[-1] < 2e-4
    assert order(grids, rms) == pytest.approx(2.0, abs=0.03)


@pytest.mark.parametrize(
    "cell",
    [CELLS["triclinic"], pytest.param(CELLS["orthorhombic"], marks=pytest.mark.long)],
    ids=sorted(CELLS, reverse=True),
)
def test_curved_dividing_surfaces_between_unlike_atoms_converge_with_an_order_of_one_and_a_half(cell):
    (weights,) = errors(cell, (8.0, 5.0), by_weights)
    for rms in weights.T:
        assert 1.3 < order(GRIDS, rms) < 1.9


@pytest.mark.long
@cells
def test_planes_between_like_atoms_are_far_better_met_than_by_whole_points(cell):
    weights, whole_points = errors(cell, (8.0, 8.0), by_weights, by_steepest_ascent)
    assert np.all(weights < 0.1 * whole_points)
