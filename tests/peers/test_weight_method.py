"""The weight method of other programs: the same populations and volumes, to the last digit that they print.

Two of them deviate on some grids, each for a reason that is shown here by making the same mistake: bader 1.05 takes
the Wigner-Seitz cell of the transposed lattice matrix, and critic2 1.3 leaves the distance to the neighbour out of
the flux. They are compared where that makes no difference, which includes grids that are not orthogonal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.peers.densities import CUBIC, HOLLOW, ORTHORHOMBIC, SMOOTH, TRICLINIC, Case, liquid_like
from tests.peers.programs import Partition

from basinet.density import basins as basins_module
from basinet.density.basins import integrate_basins
from basinet.density.facets import Facets, grid_facets
from basinet.units import Bohr

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Peer = Callable[..., Partition]

pytestmark = pytest.mark.peers

ROUNDING = 1e-9
"""What two orders of summation, and their values times the volume, may add to half a unit of the last digit."""

GRID = (48, 50, 52)
FACE_CENTRED = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
"""Its grid with as many points along each vector has twelve facets, all at one distance."""

kinds = pytest.mark.parametrize("gaussians", [SMOOTH, HOLLOW], ids=["smooth", "hole at the nucleus"])
cells = pytest.mark.parametrize("shape", [ORTHORHOMBIC, TRICLINIC], ids=["orthorhombic", "triclinic"])


def ours(case: Case) -> Partition:
    basins = integrate_basins(case.density, case.cell, case.positions)
    assert len(basins.non_nuclear.population) == 0
    return Partition(basins.population, basins.volume)


def assert_agree(mine: Partition, theirs: Partition, population: float, volume: float) -> None:
    """Within half of the last printed digit, given for each quantity."""
    np.testing.assert_allclose(mine.population, theirs.population, rtol=0, atol=0.5 * population + ROUNDING)
    np.testing.assert_allclose(mine.volume, theirs.volume, rtol=0, atol=0.5 * volume + ROUNDING)


def in_five_digits(case: Case) -> Case:
    """The case as a cube of CP2K keeps it, where neighbours tie."""
    unit = 10.0 ** (np.floor(np.log10(case.density)) - 4)
    return case._replace(density=np.round(case.density / unit) * unit)


def turned_to_symmetry(case: Case) -> Case:
    """The same crystal, turned until the matrix of its grid vectors is symmetric (polar decomposition)."""
    grid = np.array(case.density.shape)[:, None]
    left, stretch, right = np.linalg.svd(case.cell / grid)
    symmetric = left @ np.diag(stretch) @ left.T
    return Case(case.density, symmetric * grid, case.positions @ (left @ right).T)


@kinds
@cells
def test_baderkit_finds_the_same_atoms(baderkit: Peer, gaussians: tuple, shape: NDArray) -> None:
    case = liquid_like(2, GRID, shape, gaussians)
    theirs = baderkit(case)
    np.testing.assert_allclose(ours(case).population, theirs.population, rtol=1e-10)
    np.testing.assert_allclose(ours(case).volume, theirs.volume, rtol=1e-10)


@kinds
@cells
def test_baderkit_finds_the_same_atoms_in_five_digits(baderkit: Peer, gaussians: tuple, shape: NDArray) -> None:
    case = in_five_digits(liquid_like(2, GRID, shape, gaussians))
    assert (case.density == np.roll(case.density, 1, axis=0)).any()
    theirs = baderkit(case)
    np.testing.assert_allclose(ours(case).population, theirs.population, rtol=1e-10)
    np.testing.assert_allclose(ours(case).volume, theirs.volume, rtol=1e-10)


@kinds
@cells
def test_bader_finds_the_same_atoms(bader: Peer, gaussians: tuple, shape: NDArray) -> None:
    case = turned_to_symmetry(liquid_like(2, GRID, shape, gaussians))
    assert_agree(ours(case), bader(case), population=1e-6, volume=1e-6 * Bohr**3)


@kinds
@pytest.mark.parametrize("shape", [CUBIC, FACE_CENTRED], ids=["cubic", "face-centred"])
def test_critic2_finds_the_same_atoms(critic2: Peer, gaussians: tuple, shape: NDArray) -> None:
    case = liquid_like(2, (48, 48, 48), shape, gaussians)
    assert len(set(grid_facets(case.cell, case.density.shape).distance.round(9))) == 1
    assert_agree(ours(case), critic2(case), population=1e-8, volume=1e-6 * Bohr**3)


@kinds
@cells
def test_bader_leaves_the_same_points_to_the_vacuum(bader: Peer, gaussians: tuple, shape: NDArray) -> None:
    case = turned_to_symmetry(liquid_like(2, GRID, shape, gaussians))
    threshold = float(np.quantile(case.density, 0.2))
    basins = integrate_basins(*case, vacuum=threshold)
    assert basins.vacuum is not None
    assert basins.vacuum.volume == pytest.approx(0.2 * abs(np.linalg.det(case.cell)), rel=1e-4)
    mine = Partition(basins.population, basins.volume)
    assert_agree(mine, bader(case, vacuum=threshold), population=1e-6, volume=1e-6 * Bohr**3)


def test_bader_differs_in_a_triclinic_cell_by_transposing_its_lattice(
    bader: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = liquid_like(2, GRID, TRICLINIC, SMOOTH)
    theirs = bader(case)
    assert np.abs(ours(case).population - theirs.population).max() > 1e-4
    # A rotation of everything changes no population, but it changes theirs.
    assert np.abs(bader(turned_to_symmetry(case)).population - theirs.population).max() > 1e-4

    def transposed(cell: NDArray, shape: tuple[int, int, int]) -> Facets:
        return grid_facets((cell / np.array(shape)[:, None]).T, (1, 1, 1))

    monkeypatch.setattr(basins_module, "grid_facets", transposed)
    assert_agree(ours(case), theirs, population=1e-6, volume=1e-6 * Bohr**3)


@cells
def test_critic2_differs_where_distances_differ_by_leaving_them_out(
    critic2: Peer, monkeypatch: pytest.MonkeyPatch, shape: NDArray
) -> None:
    case = liquid_like(2, GRID, shape, SMOOTH)
    theirs = critic2(case)
    assert np.abs(ours(case).population - theirs.population).max() > 1e-4

    def without_distances(cell: NDArray, shape: tuple[int, int, int]) -> Facets:
        facets = grid_facets(cell, shape)
        return Facets(facets.steps, facets.area, np.ones_like(facets.distance))

    monkeypatch.setattr(basins_module, "grid_facets", without_distances)
    assert_agree(ours(case), theirs, population=1e-8, volume=1e-6 * Bohr**3)
