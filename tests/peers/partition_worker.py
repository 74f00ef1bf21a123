"""One partition by one Python package, in a process of its own: ``python partition_worker.py CODE INPUT OUTPUT``.

CODE is ``basinet``, ``baderkit`` (Yu & Trinkle's weight method) or ``pybader`` (its near-grid method; it has no weight
method). INPUT is an .npz with `density` (e/A^3), `cell`, `positions` and, if wanted, `vacuum` (e/A^3) and `fields`
(k, n1, n2, n3). OUTPUT gets `population`, `volume`, and what the call took: CPU time (`seconds`), highest resident
memory during it (`peak`, bytes; it counts interpreter, libraries and input) and resident memory of the idle
interpreter before it read the input (`idle`). Compilation is left out: each package first partitions a tiny grid.

The process may run in another environment than the tests', and so imports nothing but NumPy and that package.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

STATUS = Path("/proc/self/status")


def resident(entry: str) -> int:
    """Resident memory in bytes: `VmRSS`, the present one, or `VmHWM`, the highest so far (Linux; 0 elsewhere)."""
    if not STATUS.exists():
        return 0
    return next(int(line.split()[1]) * 1024 for line in STATUS.read_text().splitlines() if line.startswith(entry))


def forget_highest() -> None:
    """Let `VmHWM` start again from the present value."""
    if STATUS.exists():
        Path("/proc/self/clear_refs").write_text("5")


def run_basinet(case: dict[str, Any]) -> dict[str, Any]:
    from basinet.density.basins import integrate_basins

    fields = {str(number): field for number, field in enumerate(case.get("fields", []))}
    basins = integrate_basins(
        case["density"], case["cell"], case["positions"], fields, vacuum=case.get("vacuum"), threads=1
    )
    return {"population": basins.population, "volume": basins.volume, **basins.integrals}


def run_baderkit(case: dict[str, Any]) -> dict[str, Any]:
    from baderkit import Bader
    from baderkit.toolkit import Grid, Structure
    from pymatgen.core import Lattice

    # Fractional coordinates: Structure takes Cartesian ones modulo 1 Angstrom (version 0.10.2).
    fractional = case["positions"] @ np.linalg.inv(case["cell"])
    atoms = Structure(Lattice(case["cell"]), ["Ar"] * len(fractional), fractional)
    grid = Grid(atoms, {"total": case["density"] * abs(np.linalg.det(case["cell"]))})
    bader = Bader(charge_grid=grid, method="weight", vacuum_tol=case.get("vacuum", False))
    return {"population": bader.atom_charges, "volume": bader.atom_volumes}


def run_pybader(case: dict[str, Any]) -> dict[str, Any]:
    from pybader.interface import Bader

    place = {"filename": "density", "prefix": "", "voxel_offset": np.zeros(3)}
    bader = Bader({"charge": case["density"]}, case["cell"], case["positions"], place, threads=1)
    bader.vacuum_tol = case.get("vacuum")
    bader.method = bader.refine_method = "neargrid"
    bader.refine_mode = ("changed", 10)
    bader.volumes_init()
    bader.bader_calc()
    bader.bader_to_atom_distance()
    bader.refine_volumes(bader.atoms_volumes)
    bader.sum_volumes()
    return {"population": bader.atoms_charge, "volume": bader.atoms_volume}


RUN: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "basinet": run_basinet,
    "baderkit": run_baderkit,
    "pybader": run_pybader,
}


def tiny_case(fields: int, *, with_vacuum: bool) -> dict[str, Any]:
    """Two atoms on a grid of 12^3, to compile what the real case needs."""
    points = np.stack(np.meshgrid(*[np.arange(12) / 12] * 3, indexing="ij"))
    positions = np.array([[1.0, 1.0, 1.0], [3.1, 2.9, 3.0]])
    density = np.zeros((12, 12, 12))
    for position in positions:
        away = np.abs(4 * points - position[:, None, None, None])
        away = np.minimum(away, 4 - away)
        density += np.exp(-(away**2).sum(axis=0))
    case = {"density": density, "cell": 4 * np.eye(3), "positions": positions}
    if fields:
        case["fields"] = np.stack([density] * fields)
    return case | ({"vacuum": float(density.min())} if with_vacuum else {})


def main(code: str, source: str, target: str) -> None:
    logging.disable(logging.CRITICAL)
    run = RUN[code]
    with np.load(source) as stored:
        number, with_vacuum = len(stored["fields"]) if "fields" in stored else 0, "vacuum" in stored
    run(tiny_case(number, with_vacuum=with_vacuum))
    idle = resident("VmRSS")
    with np.load(source) as stored:
        case: dict[str, Any] = {name: stored[name] for name in stored}
    if with_vacuum:
        case["vacuum"] = float(case["vacuum"])
    forget_highest()
    start = time.process_time()
    result = run(case)
    seconds = time.process_time() - start
    np.savez(target, **result, seconds=seconds, peak=resident("VmHWM"), idle=idle)


if __name__ == "__main__":
    main(*sys.argv[1:])
