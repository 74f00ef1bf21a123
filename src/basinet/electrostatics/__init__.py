"""Electrostatics of Gaussian cores and a valence density, from the density alone."""

from __future__ import annotations

from basinet.electrostatics.cores import Core, core_overlap_energies, core_self_energies
from basinet.electrostatics.cross_check import CrossCheck, cross_check
from basinet.electrostatics.poisson import hartree_energy, hartree_potential
from basinet.electrostatics.renormalise import electron_count, renormalise

__all__ = [
    "Core",
    "CrossCheck",
    "core_overlap_energies",
    "core_self_energies",
    "cross_check",
    "electron_count",
    "hartree_energy",
    "hartree_potential",
    "renormalise",
]
