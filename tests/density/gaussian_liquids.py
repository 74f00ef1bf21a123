"""Liquids of atoms that are Gaussians: densities known at every point, so a finer grid is the truth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class GaussianLiquid(NamedTuple):
    """Atoms in a cube, each of two Gaussians (electrons, width in Angstrom) around a core."""

    length: float
    positions: np.ndarray
    shells: list[list[tuple[float, float]]]

    @property
    def cell(self):
        return self.length * np.eye(3)

    @property
    def cores(self):
        """Of eight electrons' charge, wide enough for a coarse grid."""
        return [(sum(charge for charge, _ in shells), 0.35) for shells in self.shells]

    def density(self, points):
        """e/A^3 on points^3, with all periodic images that matter."""
        total = np.zeros((points, points, points))
        grid = np.arange(points) / points * self.length
        images = self.length * np.arange(-2, 3)
        for position, shells in zip(self.positions, self.shells, strict=True):
            for charge, width in shells:
                offsets = grid[:, None, None] - position[None, :, None] + images
                along = np.exp(-(offsets**2) / (2 * width**2)).sum(axis=2) / (np.sqrt(2 * np.pi) * width)
                total += charge * np.einsum("i,j,k->ijk", *along.T)
        return total


def gaussian_liquid(seed, n_atoms=8, length=9.0, closest=2.9):
    """Atoms of two kinds at random, none closer to another than ``closest``."""
    rng, positions = np.random.default_rng(seed), []
    while len(positions) < n_atoms:
        place = rng.uniform(0.0, length, 3)
        offsets = np.array(positions).reshape(-1, 3) - place
        offsets -= length * np.rint(offsets / length)
        if np.all(np.linalg.norm(offsets, axis=1) > closest):
            positions.append(place)
    kinds = [[(5.0, 0.6), (3.0, 0.95)], [(6.0, 0.5), (2.0, 0.8)]]
    return GaussianLiquid(length, np.array(positions), [kinds[i % 2] for i in range(n_atoms)])
