"""Fields on a grid of half as many points along each axis, every point the mean over a block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from basinet.arrays import FloatArray
from basinet.compiled import jit
from basinet.density.basins import integrate_basins

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from basinet.density.basins import Basins


class Blocks(NamedTuple):
    """Points of one axis shared out among blocks, half as many (a tuple, so that numba accepts it).

    A point lies, or begins, in the block ``first``; ``share`` of it lies there, and the rest in the next block.
    """

    number: int
    first: NDArray[np.int64]
    share: FloatArray


def blocks(points: int) -> Blocks:
    """Blocks of equal width: two points each, or with an odd number of points slightly more than two.

    >>> blocks(5).first.tolist(), blocks(5).share.tolist()
    ([0, 0, 0, 1, 1], [1.0, 1.0, 0.5, 1.0, 1.0])
    """
    number = points // 2
    point = np.arange(points)
    first = point * number // points
    share = np.minimum(1.0, (first + 1) * points / number - point)
    return Blocks(number, first, share)


def block_means(field: FloatArray) -> FloatArray:
    """Mean over each block, (n1 // 2, n2 // 2, n3 // 2); the integral over the cell stays what it is.

    Every axis needs at least two points.
    """
    one, two, three = (blocks(points) for points in field.shape)
    means = np.zeros((one.number, two.number, three.number))
    add_to_blocks(field, one, two, three, means)
    means *= means.size / field.size
    return means


@jit()
def add_to_blocks(field: FloatArray, one: Blocks, two: Blocks, three: Blocks, sums: FloatArray) -> None:
    """Add every point of a field to its blocks."""
    row = np.empty(three.number + 1)  # the last point has nothing left for the block after the last
    for i in range(field.shape[0]):
        for j in range(field.shape[1]):
            row[:] = 0.0
            for k in range(field.shape[2]):
                value = three.share[k] * field[i, j, k]
                row[three.first[k]] += value
                row[three.first[k] + 1] += field[i, j, k] - value
            for a in range(2):
                part_1 = one.share[i] if a == 0 else 1.0 - one.share[i]
                for b in range(2):
                    part = part_1 * (two.share[j] if b == 0 else 1.0 - two.share[j])
                    if part > 0.0:
                        sums[one.first[i] + a, two.first[j] + b] += part * row[:-1]


INTEGRAL_ORDER = 1.9
"""Of charges and energies. Measured in liquid argon, krypton and their mixture (128^3, 300 Ry): 1.91 to 2.06, so that
errors are 0.86 to 0.99 of the bars (root mean squares)."""
VOLUME_ORDER = 1.0
"""Of volumes, which lie where the density is flat. Measured likewise: 1.03 to 1.64; errors 0.47 to 0.96 of the bars."""
FEWEST_POINTS = 8
"""Points along an axis below which blocks tell nothing."""


@dataclass(frozen=True)
class GridErrors:
    """Error bars (one standard deviation) of integrals over basins, from the spacing of the grid alone.

    Population (e), volume (A^3) and the integral of each field, (n_atoms,), as in `Basins`.
    """

    population: FloatArray
    volume: FloatArray
    integrals: dict[str, FloatArray]


def grid_errors(
    density: FloatArray,
    cell: FloatArray,
    positions: FloatArray,
    fields: Mapping[str, FloatArray],
    basins: Basins,
    *,
    nuclear_radius: float = 1.0,
    vacuum: float | None = None,
    threads: int | None = None,
) -> GridErrors | None:
    """Error bars of a partition by repeating it on blocks of points, at a fifth of its cost.

    Blocks are 2 x 2 x 2 points; along an axis of an odd number n of points there are (n - 1) / 2 blocks of equal
    width, and points on a border count for both sides. Parameters as for `integrate_basins`, and what that returned
    for them. None if an axis has fewer than eight points.
    """
    if min(density.shape) < FEWEST_POINTS:
        return None
    means = block_means(density)
    width = np.array(density.shape) / means.shape
    shift = (width - 1.0) / (2.0 * np.array(density.shape))  # of the first block's centre from the first point
    coarse = integrate_basins(
        means,
        cell,
        positions - shift @ cell,
        {name: block_means(field) for name, field in fields.items()},
        nuclear_radius=nuclear_radius,
        vacuum=vacuum,
        threads=threads,
    )
    ratio = float(np.prod(width) ** (1.0 / 3.0))

    def error(fine: FloatArray, rough: FloatArray, order: float) -> FloatArray:
        deviation: FloatArray = np.abs(fine - rough) / (ratio**order - 1.0)
        return deviation

    return GridErrors(
        population=error(basins.population, coarse.population, INTEGRAL_ORDER),
        volume=error(basins.volume, coarse.volume, VOLUME_ORDER),
        integrals={
            name: error(basins.integrals[name], coarse.integrals[name], INTEGRAL_ORDER) for name in basins.integrals
        },
    )
