"""Files of values on a grid: densities and potentials of any program that writes cubes, and of VASP."""

from __future__ import annotations

from basinet.io.densities.cube import read_cube, write_cube
from basinet.io.densities.density import read_density
from basinet.io.densities.vasp import read_chgcar, read_locpot
from basinet.io.densities.volume import Volume, same_grid

__all__ = ["Volume", "read_chgcar", "read_cube", "read_density", "read_locpot", "same_grid", "write_cube"]
