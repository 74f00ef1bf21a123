"""The bispectrum is that of LAMMPS ``compute sna/atom``, to 1e-10 of each component's RMS."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from tests.lammps_engine import sna_atom

from basinet.descriptors.bispectrum import Bispectrum

pytestmark = pytest.mark.lammps

CELLS = {
    "orthorhombic": np.diag([9.1, 10.2, 11.3]),
    "triclinic": np.array([[9.4, 0.0, 0.0], [3.3, 9.8, 0.0], [-2.4, 2.9, 10.1]]),
    "triclinic, in a general orientation": np.array([[6.1, 7.0, -1.2], [-5.0, 8.1, 2.9], [1.1, -2.7, 9.9]]),
}
WEIGHTS = {"Ar": 1.0, "Kr": 0.8}


def liquid(cell: np.ndarray, elements: list[str], seed: int) -> Atoms:
    """Random frame without close pairs: 18 sites of a distorted grid in the cell."""
    rng = np.random.default_rng(seed)
    axes = [np.arange(n) / n for n in (3, 3, 2)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    atoms = Atoms([elements[i % len(elements)] for i in range(len(grid))], cell=cell, pbc=True)
    atoms.set_scaled_positions(grid + rng.uniform(-0.07, 0.07, grid.shape))
    return atoms


def deviation(
    atoms: Atoms, rcut: float, twojmax: int, weights: dict[str, float], radii: dict[str, float] | None = None
) -> float:
    """Largest deviation from LAMMPS in units of the component's RMS over the atoms."""
    reference = sna_atom(atoms, rcut, twojmax, weights, radii)
    ours = Bispectrum(rcut=rcut, twojmax=twojmax, weights=weights, radii=radii)(atoms)
    assert ours.shape == reference.shape
    return float(np.abs((ours - reference) / np.sqrt((reference**2).mean(axis=0))).max())


@pytest.mark.parametrize("twojmax", [4, 6, 8])
@pytest.mark.parametrize("elements", [["Ar"], ["Ar", "Kr"]], ids=["one species", "two species"])
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_equal_to_sna_atom(cell, elements, twojmax):
    atoms = liquid(cell, elements, seed=twojmax)
    assert deviation(atoms, 5.25, twojmax, {element: WEIGHTS[element] for element in elements}) < 1e-10


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_cutoff_beyond_the_whole_box(cell):
    assert deviation(liquid(cell, ["Ar", "Kr"], seed=1), 11.5, 6, WEIGHTS) < 1e-10


@pytest.mark.parametrize("twojmax", [1, 5, 10])
def test_odd_and_large_twojmax(twojmax):
    assert deviation(liquid(CELLS["triclinic"], ["Ar", "Kr"], seed=2), 5.25, twojmax, WEIGHTS) < 1e-10


def test_weights_of_any_sign_and_size():
    weights = {"Ar": 0.37, "Kr": -1.9, "Xe": 2.2}
    assert deviation(liquid(CELLS["triclinic"], ["Kr", "Xe", "Ar"], seed=3), 6.0, 6, weights) < 1e-10


@pytest.mark.parametrize("radii", [{"Ar": 0.5, "Kr": 0.54}, {"Ar": 0.61, "Kr": 0.37}])
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_cutoffs_by_the_size_of_the_elements(cell, radii):
    assert deviation(liquid(cell, ["Ar", "Kr", "Kr"], seed=4), 5.25, 6, WEIGHTS, radii) < 1e-10
