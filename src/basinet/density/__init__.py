"""An electron density on a grid: its potential, its Bader basins, and the energies of its atoms."""

from __future__ import annotations

from basinet.density.basins import Basins, GridErrors, Maxima, NonNuclear, Vacuum, grid_errors, integrate_basins
from basinet.density.cores import Core, core_overlap_energies, core_self_energies
from basinet.density.files import read_chgcar, read_cube, read_density, read_locpot, write_cube
from basinet.density.grid import Volume, electron_count, renormalise, same_grid
from basinet.density.local_energies import LocalEnergies, direct_energies, local_hartree_energies
from basinet.density.nonlocal_correlation import rvv10_correlation
from basinet.density.potential import CrossCheck, cross_check, hartree_energy, hartree_potential

__all__ = [
    "Basins",
    "Core",
    "CrossCheck",
    "GridErrors",
    "LocalEnergies",
    "Maxima",
    "NonNuclear",
    "Vacuum",
    "Volume",
    "core_overlap_energies",
    "core_self_energies",
    "cross_check",
    "direct_energies",
    "electron_count",
    "grid_errors",
    "hartree_energy",
    "hartree_potential",
    "integrate_basins",
    "local_hartree_energies",
    "read_chgcar",
    "read_cube",
    "read_density",
    "read_locpot",
    "renormalise",
    "rvv10_correlation",
    "same_grid",
    "write_cube",
]
