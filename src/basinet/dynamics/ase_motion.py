"""Motion by ASE's integrators, with any ASE calculator: velocity Verlet, and the Nose-Hoover chain."""

from __future__ import annotations

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import CalculatorError
from ase.md.verlet import VelocityVerlet
from numpy.typing import NDArray

from basinet.dynamics.guard import Guard
from basinet.dynamics.motion import Motion, State, calculating
from basinet.dynamics.nose_hoover import NoseHooverChain
from basinet.dynamics.settings import DynamicsConfig

DISTANCE_STRIDE = 10
"""Steps from one look at the distances to the next."""


def gives_stress(atoms: Atoms) -> bool:
    """Whether the calculator gives the stress that a pressure needs; some name it and do not."""
    if not atoms.pbc.all():
        return False
    try:
        return bool(np.isfinite(atoms.get_stress()).all())
    except (CalculatorError, NotImplementedError, AttributeError, KeyError, RuntimeError, ValueError):
        return False


class AseMotion(Motion):
    """Motion by ASE, step by step; parameters as in `Motion`, and what `state` gave at that step."""

    def __init__(
        self, atoms: Atoms, config: DynamicsConfig, guard: Guard, step: int = 0, state: State | None = None
    ) -> None:
        super().__init__(atoms, config, guard, step)
        if state is not None:
            atoms.set_positions(state["positions"])
            atoms.set_momenta(state["momenta"])
        self._has_stress = gives_stress(atoms)
        self._forget()
        self._integrator: VelocityVerlet | NoseHooverChain
        if config.ensemble == "nvt":
            self._integrator = NoseHooverChain(atoms, config.timestep, config.temperature or 0.0, config.damping)
            if state is not None:
                self._integrator.thermostat.state = state["thermostat"]
        else:
            self._integrator = VelocityVerlet(atoms, config.timestep * units.fs)

    @property
    def state(self) -> dict[str, NDArray[np.float64]]:
        """Positions, momenta, and the thermostats'."""
        arrays = {"positions": self.atoms.get_positions(), "momenta": self.atoms.get_momenta()}
        if isinstance(self._integrator, NoseHooverChain):
            arrays["thermostat"] = self._integrator.thermostat.state
        return arrays

    def advance(self) -> None:
        """Do one step."""
        with calculating(), np.errstate(all="ignore"):
            self._integrator.step()
        self.step += 1
        self.guard.check(self.atoms, distances=self.step % DISTANCE_STRIDE == 0)
        self.look()
        if self.step % self.config.restart_interval == 0:
            self._forget()

    def potential_energy(self) -> float:
        """By the calculator; the free energy, where it tells that apart."""
        energy = self.atoms.get_potential_energy()
        return float(self.atoms.calc.results.get("free_energy", energy))

    def bath_energy(self) -> float:
        """Of the chain of thermostats."""
        if isinstance(self._integrator, NoseHooverChain):
            return self._integrator.thermostat.get_thermostat_energy()
        return 0.0

    def virial_pressure(self) -> float | None:
        """A third of the stress' trace, of opposite sign."""
        return -float(np.trace(self.atoms.get_stress(voigt=False))) / 3.0 if self._has_stress else None

    def _forget(self) -> None:
        reset = getattr(self.atoms.calc, "reset", None)
        if reset is not None:
            reset()
