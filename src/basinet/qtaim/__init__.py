"""The quantum theory of atoms in molecules on a grid: Bader basins, and what they hold."""

from __future__ import annotations

from basinet.qtaim.basins import integrate_basins
from basinet.qtaim.convergence import GridErrors, grid_errors
from basinet.qtaim.local_energies import LocalEnergies, local_electronic_energies, local_hartree_energies
from basinet.qtaim.results import Basins, Maxima, NonNuclear, Vacuum

__all__ = [
    "Basins",
    "GridErrors",
    "LocalEnergies",
    "Maxima",
    "NonNuclear",
    "Vacuum",
    "grid_errors",
    "integrate_basins",
    "local_electronic_energies",
    "local_hartree_energies",
]
