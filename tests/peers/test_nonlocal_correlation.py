"""rVV10's non-local correlation against DFTpy 2.2 (X. Shao and others, WIREs Comput. Mol. Sci. 11, e1482 (2021)).

DFTpy takes all plane waves of the grid, ours do so with an infinite cutoff; both have Quantum ESPRESSO's mesh.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from tests.density.gaussians import gaussians
from tests.peers.conftest import require
from tests.peers.programs import output_of, python_with

from basinet.density.nonlocal_correlation import rvv10_correlation
from basinet.units import Bohr, Hartree

WORKER = Path(__file__).with_name("dftpy_worker.py")
CELL = np.array([[5.3, 0.0, 0.0], [1.2, 5.5, 0.0], [-0.8, 0.9, 5.7]])


@pytest.mark.peers
@pytest.mark.parametrize("cell", [np.diag([5.3, 5.5, 5.7]), CELL], ids=["orthorhombic", "triclinic"])
def test_energy_and_potential_are_those_of_dftpy(cell):
    require("dftpy")
    positions = np.array([[0.1, 0.2, 0.3], [0.6, 0.7, 0.8]]) @ cell
    density = gaussians((35, 36, 40), cell, positions, [8.0, 8.0], [0.6, 0.65])
    with tempfile.TemporaryDirectory() as place:
        source, target = Path(place, "in.npz"), Path(place, "out.npz")
        np.savez(source, density=density * Bohr**3, cell=cell / Bohr)
        output_of([str(python_with("dftpy")), str(WORKER), str(source), str(target)], place)
        with np.load(target) as theirs:
            energy, potential = float(theirs["energy"]) * Hartree, theirs["potential"] * Hartree
    ours = rvv10_correlation(density, cell, cutoff=np.inf)
    voxel = abs(np.linalg.det(cell)) / density.size
    assert ours[0].sum() * voxel == pytest.approx(energy, rel=1e-6)
    assert np.sum(ours[1] * density) * voxel == pytest.approx(np.sum(potential * density) * voxel, rel=1e-4)
