"""Nearest nuclei under periodic boundaries, exact in any cell."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from basinet.qtaim.facets import obtuse_superbase

if TYPE_CHECKING:
    from numpy.typing import NDArray


def nearest_sites(
    points: NDArray[np.float64], sites: NDArray[np.float64], cell: NDArray[np.float64], rank: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Find the periodic image of a site that is nearest to each point.

    Rounding fractional coordinates finds the nearest image in rectangular cells only. Here the distances to
    the images in one cell bound how far the nearest one can be, and every image within that bound is searched.

    Parameters
    ----------
    points : (m, 3) float64
        Angstrom, anywhere.
    sites : (n, 3) float64
        Angstrom, anywhere.
    cell : (3, 3) float64
        Cell vectors as rows, Angstrom.
    rank
        1 for the nearest; 2 for the second nearest, which of a site itself is its nearest neighbour.

    Returns
    -------
    distance : (m,) float64
        Angstrom.
    site : (m,) int64
        Index of the site.

    Examples
    --------
    >>> import numpy as np
    >>> skewed = np.array([[1.0, 0.0, 0.0], [7.4, 1.0, 0.0], [0.0, 0.0, 1.0]])
    >>> distance, site = nearest_sites(np.array([[0.7, 0.0, 0.0]]), np.array([[0.0, 3.0, 0.0]]), skewed)
    >>> round(float(distance[0]), 12), int(site[0])
    (0.1, 0)
    """
    from scipy.spatial import cKDTree

    if not len(points):
        return np.zeros(0), np.zeros(0, dtype=np.int64)
    box = obtuse_superbase(cell)[:3] @ cell
    inverse = np.linalg.inv(box)
    points_inside, sites_inside = (np.mod(x @ inverse, 1.0) for x in (points, sites))
    home = np.concatenate([sites_inside, sites_inside + 1.0]) if rank > 1 else sites_inside
    bound = cKDTree(home @ box).query(points_inside @ box, k=[rank])[0].max() * (1.0 + 1e-9) + 1e-9
    margin = bound * np.linalg.norm(inverse, axis=0)  # the distance between lattice planes is 1 / |column|
    reach = np.ceil(margin).astype(int)
    shifts = np.array(list(product(*(range(-r, r + 1) for r in reach))))
    images = (sites_inside[None, :, :] + shifts[:, None, :]).reshape(-1, 3)
    index = np.tile(np.arange(len(sites)), len(shifts))
    kept = np.all((images >= -margin) & (images <= 1.0 + margin), axis=1)
    distance, which = cKDTree(images[kept] @ box).query(points_inside @ box, k=[rank])
    return distance[:, 0], index[kept][which[:, 0]]
