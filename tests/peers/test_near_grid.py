"""The near-grid method (Tang, Sanville & Henkelman, 2009) of pybader: the same basins in the limit of fine grids.

Whole grid points go to one atom there, so that agreement can only be that of two methods that converge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.peers.densities import CUBIC, HOLLOW, SMOOTH, TRICLINIC, liquid_like

from basinet.density.basins import integrate_basins

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from tests.peers.programs import Partition

pytestmark = pytest.mark.peers

kinds = pytest.mark.parametrize("gaussians", [SMOOTH, HOLLOW], ids=["smooth", "hole at the nucleus"])
cells = pytest.mark.parametrize("shape", [CUBIC, TRICLINIC], ids=["cubic", "triclinic"])


@kinds
@cells
def test_the_methods_meet_on_fine_grids(pybader: Callable[..., Partition], gaussians: tuple, shape: NDArray) -> None:
    differences = []
    for points in (24, 48, 96):
        case = liquid_like(2, (points,) * 3, shape, gaussians)
        differences.append(np.abs(integrate_basins(*case).population - pybader(case).population).max())
    assert differences[0] > 1.5 * differences[1] > 3.0 * differences[2]
    assert differences[2] < 0.01


@kinds
@cells
def test_weights_converge_faster(pybader: Callable[..., Partition], gaussians: tuple, shape: NDArray) -> None:
    fine = integrate_basins(*liquid_like(2, (144,) * 3, shape, gaussians)).population
    case = liquid_like(2, (48,) * 3, shape, gaussians)
    error = np.abs(integrate_basins(*case).population - fine).max()
    assert error < 0.1 * np.abs(pybader(case).population - fine).max()
