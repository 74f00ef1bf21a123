"""Argon with a smooth pair potential: energies without jumps, so that the integrator's own error shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from basinet.frames.shipped import load_reference
from basinet.md.dynamics_settings import DynamicsConfig
from basinet.md.motion import _AseMotion, _Guard, set_velocities
from basinet.potentials.calculator import PairPotentialCalculator
from basinet.potentials.pair_potential import LennardJones, literature_lennard_jones


def smooth_argon():
    literature = literature_lennard_jones(8.0)
    return PairPotentialCalculator(LennardJones(literature.parameters, literature.cutoff, smooth=True))


def config(**changes):
    return DynamicsConfig(**{"start": "ar.extxyz", "temperature": 120.0, **changes})


def start(settings, calculator=None):
    """32 atoms with velocities."""
    atoms = load_reference("ar")[0]
    atoms.calc = calculator or smooth_argon()
    set_velocities(atoms, settings)
    return atoms


def motion(calculator=None, **changes):
    settings = config(**changes)
    atoms = start(settings, calculator)
    return _AseMotion.of_config(atoms, settings, _Guard.for_start(atoms, settings.temperature))


class FailingCalculator(Calculator):
    """Argon whose forces or energy are no numbers, or that raises, from some call on."""

    implemented_properties = ("energy", "forces")

    def __init__(self, after, how="forces"):
        super().__init__()
        self.inner, self.left, self.how = smooth_argon(), after, how

    def calculate(self, atoms=None, properties=("energy",), system_changes=tuple(all_changes)):
        super().calculate(atoms, properties, system_changes)
        self.left -= 1
        if self.left < 0 and self.how == "raise":
            raise RuntimeError("no convergence")
        if self.left < 0 and self.how == "exit":
            raise SystemExit(0)
        forces, energy = self.inner.get_forces(atoms), self.inner.get_potential_energy(atoms)
        self.results = {
            "energy": np.nan if self.left < 0 and self.how == "energy" else energy,
            "forces": np.full_like(forces, np.nan)
            if self.left < 0 and self.how == "forces"
            else forces[:, : 2 if self.how == "plane" else 3],
        }


class DoubtfulCalculator(PairPotentialCalculator):
    """Argon that tells spread and extrapolation, as an ensemble's calculator does."""

    def __init__(self):
        super().__init__(smooth_argon().potential)
        self.calls = 0

    def calculate(self, *arguments, **keywords):
        super().calculate(*arguments, **keywords)
        n = len(self.results["energies"])
        self.calls += 1
        self.results |= {"spread": np.linspace(0.0, 0.003, n), "extrapolating": np.arange(n) < self.calls % 4}


def contents(folder: Path):
    """Bytes of what a run writes as it goes."""
    return [(folder / name).read_bytes() for name in ("log.csv", "trajectory.extxyz")]
