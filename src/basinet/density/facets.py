r"""Facets of the Wigner-Seitz cell of the grid's lattice: through which of its neighbours a grid point passes flux.

The grid points of a cell :math:`a_1, a_2, a_3` with :math:`n_1 n_2 n_3` points form the lattice
:math:`a_1/n_1, a_2/n_2, a_3/n_3`. The points of space nearest to one of them are its Wigner-Seitz (Voronoi) cell,
whose facets are shared with 6 (orthorhombic) to 14 (general) neighbours. Yu & Trinkle's flux through a facet of
area A to the neighbour at distance l is proportional to A / l (J. Chem. Phys. 134, 064111 (2011), eq. 6).

The neighbours come from an obtuse superbase :math:`v_0 + v_1 + v_2 + v_3 = 0`, :math:`v_i \cdot v_j \le 0`, found
by Selling's algorithm. The vectors to all neighbours that can share a facet are then the sums of :math:`v_i` over
the 14 proper subsets (Conway & Sloane, Proc. R. Soc. Lond. A 436, 55 (1992)).
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from basinet.arrays import FloatArray, IntArray

_NEGLIGIBLE = 1e-9
"""Share of the facet area (volume^(2/3)) below which a facet is one by rounding only, as at an orthorhombic corner."""


@dataclass(frozen=True)
class Facets:
    """Facets of a grid point's Wigner-Seitz cell; facet ``f ^ 1`` is opposite to facet ``f``.

    Steps along the three cell vectors to the neighbour behind it, (n_facets, 3), area (A^2) and distance to it (A).
    """

    steps: IntArray
    area: FloatArray
    distance: FloatArray

    @property
    def conductance(self) -> FloatArray:
        """Area over distance of each facet, Angstrom."""
        return self.area / self.distance


def obtuse_superbase(lattice: FloatArray) -> IntArray:
    """Reduce a lattice (3, 3) by Selling's algorithm to four vectors of sum zero, none at acute angles: (4, 3) int.

    >>> superbase = obtuse_superbase(np.array([[1.0, 0.0, 0.0], [5.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    >>> superbase.sum(axis=0).tolist()
    [0, 0, 0]
    """
    superbase = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, -1, -1]])
    metric = lattice @ lattice.T
    while True:
        products = superbase @ metric @ superbase.T
        np.fill_diagonal(products, -np.inf)
        i, j = np.unravel_index(np.argmax(products), products.shape)
        # Each step shortens the superbase by 4 v_i.v_j in squares; what rounding leaves is no acute angle.
        if products[i, j] <= 1e-12 * np.trace(metric):
            return superbase
        k, m = sorted({0, 1, 2, 3} - {int(i), int(j)})
        v_i, v_j = superbase[i].copy(), superbase[j].copy()
        superbase[k], superbase[m] = superbase[k] + v_i, superbase[m] + v_i
        superbase[i], superbase[j] = -v_i, v_j


def _facet_area(normal: FloatArray, others: FloatArray) -> float:
    """Area of the part of the plane x.n = n.n/2 that is not beyond the like plane of any other vector."""
    length = np.linalg.norm(normal)
    reach = 2.0 * float(np.linalg.norm(others, axis=1).max() + length)
    u = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
    u /= np.linalg.norm(u)
    v = np.cross(normal / length, u)
    corners = [0.5 * normal + reach * (s * u + t * v) for s, t in ((1, 1), (-1, 1), (-1, -1), (1, -1))]
    for other in others:
        corners = _clip(corners, other, 0.5 * float(other @ other))
    if len(corners) < 3:
        return 0.0
    polygon = np.array(corners) - corners[0]
    return 0.5 * abs(float(np.cross(polygon[1:-1], polygon[2:]).sum(axis=0) @ normal)) / float(length)


def _clip(corners: list[FloatArray], normal: FloatArray, bound: float) -> list[FloatArray]:
    """Keep the part of a convex polygon where x.n <= bound (Sutherland & Hodgman)."""
    excess = [float(corner @ normal) - bound for corner in corners]
    kept = []
    for one, (corner, here) in enumerate(zip(corners, excess, strict=True)):
        before = excess[one - 1]
        if (here > 0.0) != (before > 0.0):
            kept.append(corner + (corners[one - 1] - corner) * (here / (here - before)))
        if here <= 0.0:
            kept.append(corner)
    return kept


def grid_facets(cell: FloatArray, shape: tuple[int, int, int]) -> Facets:
    """Facets of the Wigner-Seitz cell of the lattice of a grid of some shape, for any cell (3, 3), rows in Angstrom.

    There are 6 in an orthorhombic grid, up to 14 in general; the set depends on the grid points alone, not on the
    vectors that span them. A face-centred cubic lattice has the rhombic dodecahedron:

    >>> facets = grid_facets(np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]), (1, 1, 1))
    >>> len(facets.area), round(float(facets.area @ facets.distance) / 6, 12)
    (12, 2.0)
    """
    lattice = np.asarray(cell, dtype=np.float64) / np.array(shape)[:, None]
    superbase = obtuse_superbase(lattice)
    candidates = np.array([*superbase, *(superbase[0] + superbase[1:])])  # of each opposite pair one
    half = candidates @ lattice
    both = np.concatenate([half, -half])
    areas = np.array([_facet_area(half[i], np.delete(both, [i, i + len(half)], axis=0)) for i in range(len(half))])
    volume = abs(float(np.linalg.det(lattice)))
    real = np.flatnonzero(areas > _NEGLIGIBLE * volume ** (2 / 3))
    # Near ones first, for a fixed order that does not depend on the path of the reduction.
    real = np.array(sorted(real, key=lambda i: (round(float(np.linalg.norm(half[i])), 9), *-np.abs(candidates[i]))))
    steps = np.stack([candidates[real], -candidates[real]], axis=1).reshape(-1, 3)
    distance = np.linalg.norm(half[real], axis=1).repeat(2)
    return Facets(steps, areas[real].repeat(2), distance)


def nearest_sites(
    points: FloatArray, sites: FloatArray, cell: FloatArray, rank: int = 1
) -> tuple[FloatArray, IntArray]:
    """Distance (A) from each point to the nearest periodic image of a site, (m,), and the index of that site.

    Rounding fractional coordinates finds the nearest image in rectangular cells only. Here the distances to the images
    in one cell bound how far the nearest one can be, and every image within that bound is searched. The rank 2 asks for
    the second nearest, which of a site itself is its nearest neighbour.

    >>> skewed = np.array([[1.0, 0.0, 0.0], [7.4, 1.0, 0.0], [0.0, 0.0, 1.0]])
    >>> distance, site = nearest_sites(np.array([[0.7, 0.0, 0.0]]), np.array([[0.0, 3.0, 0.0]]), skewed)
    >>> round(float(distance[0]), 12), int(site[0])
    (0.1, 0)
    """
    if not len(points):
        return np.zeros(0), np.zeros(0, dtype=np.int64)
    distance, site = _nearest_images(points, sites, cell, rank)
    return distance[:, -1], site[:, -1]


def shared_sites(
    points: FloatArray, sites: FloatArray, cell: FloatArray, tolerance: float
) -> tuple[IntArray, IntArray, FloatArray]:
    """Points, the sites nearest to them, and the share of each: in equal parts all (and images) as near as the nearest.

    Points come as often as sites share them, in no order; distances within the tolerance (A) count as equal.
    """
    point, owner, number = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)], 2
    left = np.arange(len(points))
    while left.size:
        distance, site = _nearest_images(points[left], sites, cell, number)
        near = distance - distance[:, :1] <= tolerance
        row, rank = np.nonzero(near & ~near[:, -1:])  # where the last one is as near there may be more
        point.append(left[row])
        owner.append(site[row, rank])
        left, number = left[near[:, -1]], 2 * number
    shared = np.concatenate(point)
    return shared, np.concatenate(owner), 1.0 / np.bincount(shared, minlength=len(points))[shared]


def _nearest_images(
    points: FloatArray, sites: FloatArray, cell: FloatArray, number: int
) -> tuple[FloatArray, IntArray]:
    """Distances (A) to so many nearest images of sites, nearest first, and the sites' indices: (m, number)."""
    from scipy.spatial import cKDTree

    box = obtuse_superbase(cell)[:3] @ cell
    inverse = np.linalg.inv(box)
    points_inside, sites_inside = (np.mod(x @ inverse, 1.0) for x in (points, sites))
    home = np.concatenate([sites_inside + shift for shift in range(number)])  # as many as are needed, none too near
    bound = cKDTree(home @ box).query(points_inside @ box, k=[number])[0].max() * (1.0 + 1e-9) + 1e-9
    margin = bound * np.linalg.norm(inverse, axis=0)  # the distance between lattice planes is 1 / |column|
    reach = np.ceil(margin).astype(int)
    shifts = np.array(list(product(*(range(-r, r + 1) for r in reach))))
    images = (sites_inside[None, :, :] + shifts[:, None, :]).reshape(-1, 3)
    index = np.tile(np.arange(len(sites)), len(shifts))
    kept = np.all((images >= -margin) & (images <= 1.0 + margin), axis=1)
    distance, which = cKDTree(images[kept] @ box).query(points_inside @ box, k=list(range(1, number + 1)))
    return distance, index[kept][which]
