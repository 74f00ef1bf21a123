"""Densities of Gaussians, written down straight from the formula: slow, and no part of the package."""

from __future__ import annotations

from itertools import product

import numpy as np

CUBIC = 9.0 * np.eye(3)
TRICLINIC = np.array([[7.0, 0.0, 0.0], [2.1, 6.4, 0.0], [-1.7, 1.9, 7.3]])


def grid_points(shape, cell):
    """Positions of the grid points, (n1, n2, n3, 3)."""
    fractions = np.stack(np.meshgrid(*[np.arange(n) / n for n in shape], indexing="ij"), axis=-1)
    return fractions @ cell


def gaussians(shape, cell, positions, charges, radii, images=2):
    """Sum of normalised Gaussians and their periodic images at the grid points, but for tails below exp(-80)."""
    points, density = grid_points(shape, cell), np.zeros(shape)
    inverse = np.linalg.inv(cell)
    heights = 1 / np.linalg.norm(inverse, axis=0)
    for position, charge, radius in zip(positions, charges, radii, strict=True):
        for image in product(range(-images, images + 1), repeat=3):
            centre = position + image @ cell
            beyond = np.abs(centre @ inverse - 0.5) - 0.5  # the faces of the cell
            if (beyond * heights).max() > radius * np.sqrt(160.0):
                continue
            square = ((points - centre) ** 2).sum(axis=-1)
            density += charge * np.exp(-square / (2 * radius**2)) / (2 * np.pi * radius**2) ** 1.5
    return density


def laplacian(values, cell):
    """Laplacian of the trigonometric interpolant: along each pair of axes, derivative after derivative."""
    transform = np.fft.fftn(values)
    vectors = 2 * np.pi * np.linalg.inv(cell).T
    result = np.zeros(values.shape)
    for a, b in product(range(3), repeat=2):
        derived = transform * (vectors[a] @ vectors[b])
        for axis, partner in ((a, b), (b, a)):
            n = values.shape[axis]
            waves = np.fft.fftfreq(n, 1 / n)
            if n % 2 == 0 and axis != partner:
                waves[n // 2] = 0.0  # the slope of cos(n x / 2) is zero on the grid, its curvature is not
            shape = [1, 1, 1]
            shape[axis] = n
            derived = derived * (1j * waves.reshape(shape))
        result += np.fft.ifftn(derived).real
    return result
