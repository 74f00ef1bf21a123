"""How fast basins converge with the grid: weights, on-grid and near-grid, like atoms and unlike ones.

    python benchmarks/basin_order.py          # near-grid wants pybader, see benchmarks/bader.py

Four atoms of one Gaussian each (width 0.8 A) in cells of some 165 A^3, the grid at four random offsets; against weights
on 160 points an axis. Root mean square over atoms and offsets of the error of populations (e) and volumes (A^3);
`order` is the exponent of the spacing fitted to all grids.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the densities and the peers are the tests'

import numpy as np
from numpy.typing import NDArray
from tests.density.test_order import CELLS, GRIDS, by_steepest_ascent, by_weights, errors, order
from tests.peers import programs
from tests.peers.densities import Case

Pair = tuple[NDArray[np.float64], NDArray[np.float64]]
CHARGES = {"like": (8.0, 8.0), "unlike": (8.0, 5.0)}


def by_near_grid(density: NDArray[np.float64], cell: NDArray[np.float64], positions: NDArray[np.float64]) -> Pair:
    """Volumes and populations of pybader."""
    found = programs.run_python("pybader", Case(density, cell, positions))
    return found.volume, found.population


def main() -> None:
    """Print the table."""
    methods: dict[str, Callable[..., Any]] = {"weights": by_weights, "on-grid": by_steepest_ascent}
    if programs.is_present("pybader"):
        methods["near-grid"] = by_near_grid
    grids = "".join(f"{points:>10d}" for points in GRIDS)
    print(f"{'cell':>13} {'atoms':>7} {'method':>10} {'error of':>11}{grids}  order")
    for name, cell in CELLS.items():
        for atoms, charges in CHARGES.items():
            found = errors(cell, charges, *methods.values())
            for method, rms in zip(methods, found, strict=True):
                for quantity, column in zip(("volume", "population"), rms.T, strict=True):
                    values = "".join(f"{value:10.1e}" for value in column)
                    print(f"{name:>13} {atoms:>7} {method:>10} {quantity:>11}{values} {order(GRIDS, column):6.2f}")


if __name__ == "__main__":
    main()
