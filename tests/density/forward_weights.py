"""Yu & Trinkle's weight method as the paper has it, point by point, from the highest density to the lowest.

Slow and plain, and independent of the package: the facets are Qhull's, and each point's weights for all maxima are
kept. On plateaus the rule is the package's.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.spatial import Voronoi


class Weights(NamedTuple):
    """Indices of the maxima, and the weight of every point (rows) for each of them (columns)."""

    maxima: np.ndarray
    weights: np.ndarray


def voronoi_facets(cell, shape):
    """Steps and area over distance of the facets of a grid point, for vectors that are not too skewed."""
    lattice = np.asarray(cell) / np.array(shape)[:, None]
    steps = np.array(list(product(range(-3, 4), repeat=3)))
    points = steps @ lattice
    origin = len(steps) // 2
    diagram = Voronoi(points)
    facets = []
    for (one, other), ridge in zip(diagram.ridge_points, diagram.ridge_vertices, strict=True):
        if origin in (one, other):
            far = other if one == origin else one
            corners = diagram.vertices[ridge]
            fan = np.cross(corners[1:-1] - corners[0], corners[2:] - corners[0])
            normal = points[far] / np.linalg.norm(points[far])
            area = 0.5 * abs(float((fan @ normal).sum()))
            if area > 1e-9 * abs(np.linalg.det(lattice)) ** (2 / 3):
                facets.append((steps[far], area / np.linalg.norm(points[far])))
    return facets


def neighbours_of(shape, facets):
    """For each point, in C order, its neighbours and area over distance of the facets to them."""
    rows = []
    for place in product(*map(range, shape)):
        ends = [np.ravel_multi_index(np.add(place, step) % shape, shape) for step, _ in facets]
        rows.append([(int(end), conductance) for end, (_, conductance) in zip(ends, facets, strict=True)])
    return rows


def plateau_steps(rho, neighbours):
    """Steps from each point to where flux leaves its plateau; a plateau without exit ends at its last point."""
    steps = {p: 0 for p in range(len(rho)) if any(rho[q] > rho[p] for q, _ in neighbours[p])}
    last = len(rho)
    while True:
        reached = True
        distance = max(steps.values(), default=0)
        while reached:  # one more step from all that are known, nearest first
            reached = {}
            for level in range(distance + 1):
                for p in range(len(rho)):
                    if p in steps or p in reached:
                        continue
                    if any(rho[q] == rho[p] and steps.get(q) == level for q, _ in neighbours[p]):
                        reached[p] = level + 1
            steps |= reached
            distance = max(steps.values(), default=0)
        remaining = [p for p in range(last) if p not in steps]
        if not remaining:
            return steps
        last = remaining[-1]
        steps[last] = 0


def forward_weights(density, cell):
    """Weights of all points for all maxima."""
    rho = np.asarray(density, dtype=float).reshape(-1)
    neighbours = neighbours_of(np.shape(density), voronoi_facets(cell, np.shape(density)))
    steps = plateau_steps(rho, neighbours)
    order = sorted(range(len(rho)), key=lambda p: (-rho[p], steps[p]))
    ways = {}
    for p in order:
        flux = [(q, (rho[q] - rho[p]) * conductance) for q, conductance in neighbours[p] if rho[q] > rho[p]]
        if not flux and steps[p]:
            equal = [(q, conductance) for q, conductance in neighbours[p] if rho[q] == rho[p]]
            flux = [(q, conductance) for q, conductance in equal if steps[q] == steps[p] - 1]
        ways[p] = flux
    maxima = np.array(sorted(p for p in order if not ways[p]))
    weights = np.zeros((len(rho), len(maxima)))
    for p in order:
        if not ways[p]:
            weights[p, np.searchsorted(maxima, p)] = 1.0
        total = sum(flux for _, flux in ways[p])
        for q, flux in ways[p]:
            weights[p] += flux / total * weights[q]
    return Weights(maxima, weights)


def integrals(density, cell, field, groups, n_groups):
    """Integral of a field over the basins of groups of maxima, by their weights."""
    maxima, weights = forward_weights(density, cell)
    voxel = abs(np.linalg.det(cell)) / np.size(density)
    held = weights.T @ np.reshape(field, -1) * voxel
    return np.bincount(groups(maxima), weights=held, minlength=n_groups)
