"""Atoms whose electrons are Gaussians around Gaussian cores, too far apart to feel each other: all is known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from ase import Atoms
from tests.density.cubes import write_cube
from tests.density.gaussians import gaussians

from basinet.density.cores import COULOMB, Core
from basinet.units import Bohr

CELL = np.diag([7.0, 5.6, 6.0])
SHAPE = (35, 28, 30)
FRACTIONS = np.array([[0.26, 0.21, 0.33], [0.74, 0.69, 0.81]])
SYMBOLS, CHARGES, WIDTHS = ["Ar", "Kr"], (8.0, 6.0), (0.5, 0.45)
RADII = (0.36, 0.33)
CORES = {symbol: Core(charge, radius) for symbol, charge, radius in zip(SYMBOLS, CHARGES, RADII, strict=True)}
PAIRS = {symbol: (core.charge, core.radius) for symbol, core in CORES.items()}
OPTION = ",".join(f"{symbol}={core.charge!r}:{core.radius / Bohr!r}" for symbol, core in CORES.items())
"""The cores as the command line takes them."""


def neutral_atoms() -> Atoms:
    """The atoms, in the cell."""
    return Atoms(SYMBOLS, positions=FRACTIONS @ CELL, cell=CELL, pbc=True)


def density(shape=SHAPE, shift=(0.0, 0.0, 0.0)) -> np.ndarray:
    """Electrons, e/A^3; the atoms may be shifted (A)."""
    return gaussians(shape, CELL, FRACTIONS @ CELL + shift, CHARGES, WIDTHS, images=1)


def write_neutral_atoms(path: Path, shape=SHAPE, shift=(0.0, 0.0, 0.0), factor=1.0) -> Path:
    """Write the electrons as a cube, in e/bohr^3."""
    atoms = neutral_atoms()
    atoms.positions += shift
    write_cube(path, factor * density(shape, shift) * Bohr**3, atoms)
    return path


def hartree_energy(charge: float, width: float, radius: float) -> float:
    """1/2 int rho V_H of one atom's Gaussians, eV."""
    inverse = 1 / width + 1 / radius - 2 * math.sqrt(2) / math.hypot(width, radius)
    return COULOMB * charge**2 / (2 * math.sqrt(math.pi)) * inverse


ENERGIES = np.array([hartree_energy(*of) for of in zip(CHARGES, WIDTHS, RADII, strict=True)])
