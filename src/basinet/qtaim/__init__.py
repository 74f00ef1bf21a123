"""The quantum theory of atoms in molecules on a grid: Bader basins, and what they hold."""

from __future__ import annotations

from basinet.qtaim.basins import integrate_basins
from basinet.qtaim.results import Basins, Maxima, NonNuclear, Vacuum

__all__ = ["Basins", "Maxima", "NonNuclear", "Vacuum", "integrate_basins"]
