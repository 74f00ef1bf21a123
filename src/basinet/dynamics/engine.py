"""The atoms in motion: ASE's integrators, the guard, and what is told of a step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import CalculatorError
from ase.md.velocitydistribution import Stationary, thermalize_momenta
from ase.md.verlet import VelocityVerlet
from numpy.typing import NDArray

from basinet.dynamics.guard import Guard, RunFailedError
from basinet.dynamics.nose_hoover import NoseHooverChain, kinetic_temperature
from basinet.dynamics.settings import DynamicsConfig
from basinet.errors import InputError

MEGAPASCAL = units.GPa / 1000.0

COLUMNS = (
    "step", "time_ps", "potential_ev", "kinetic_ev", "total_ev", "conserved_ev", "temperature_k", "pressure_mpa",
    "spread_ev", "extrapolating",
)  # fmt: skip
"""Of the log. `conserved_ev` is the total energy, at constant temperature with the thermostat's; `spread_ev` and
`extrapolating` are the largest since the line before."""

State = Mapping[str, NDArray[Any]]


def set_velocities(atoms: Atoms, config: DynamicsConfig) -> None:
    """Draw velocities of Maxwell and Boltzmann, or take those of the start; the centre of mass rests.

    Raises
    ------
    InputError
        The start has no velocities to take.
    """
    if config.draws_velocities and config.temperature is not None:
        thermalize_momenta(atoms, config.temperature, rng=np.random.default_rng(config.seed))
    elif not atoms.has("momenta"):
        msg = f"{config.start}: has no velocities (momenta); give --temperature to draw them"
        raise InputError(msg)
    Stationary(atoms, preserve_temperature=False)


def gives_stress(atoms: Atoms) -> bool:
    """Whether the calculator gives the stress that a pressure needs; some name it and do not."""
    if not atoms.pbc.all():
        return False
    try:
        return bool(np.isfinite(atoms.get_stress()).all())
    except (CalculatorError, NotImplementedError, AttributeError, KeyError, RuntimeError, ValueError):
        return False


@contextmanager
def calculating() -> Iterator[None]:
    """Let a calculator fail in ways of its own: on configurations that make no sense, they do."""
    try:
        yield
    except Exception as error:
        raise RunFailedError(f"the calculator fails ({type(error).__name__}: {error})") from error


class Engine:
    """Atoms with a calculator, advanced step by step.

    Every `restart_interval` steps the calculator forgets what it keeps from step to step (a neighbour list, say, whose
    order decides how forces are rounded), so that a run that is resumed there repeats the one that was not stopped.

    Parameters
    ----------
    atoms
        With calculator and momenta; changed in place.
    config
        Settings.
    guard
        Bounds of the run.
    step
        Step that the atoms are at.
    state
        What `state` gave at that step.
    """

    def __init__(
        self, atoms: Atoms, config: DynamicsConfig, guard: Guard, step: int = 0, state: State | None = None
    ) -> None:
        self.atoms, self.config, self.guard, self.step = atoms, config, guard, step
        if state is not None:
            atoms.set_positions(state["positions"])
            atoms.set_momenta(state["momenta"])
        self.has_stress = gives_stress(atoms)
        self._forget()
        self._integrator: VelocityVerlet | NoseHooverChain
        if config.ensemble == "nvt":
            self._integrator = NoseHooverChain(atoms, config.timestep, config.temperature or 0.0, config.damping)
            if state is not None:
                self._integrator.thermostat.state = state["thermostat"]
        else:
            self._integrator = VelocityVerlet(atoms, config.timestep * units.fs)
        self._spread, self._outside = -np.inf, -1

    @property
    def state(self) -> dict[str, NDArray[np.float64]]:
        """All that decides how the run goes on."""
        arrays = {"positions": self.atoms.get_positions(), "momenta": self.atoms.get_momenta()}
        if isinstance(self._integrator, NoseHooverChain):
            arrays["thermostat"] = self._integrator.thermostat.state
        return arrays

    def advance(self) -> None:
        """Do one step.

        Raises
        ------
        RunFailedError
            The calculator fails, or the guard objects.
        """
        with calculating(), np.errstate(all="ignore"):
            self._integrator.step()
        self.step += 1
        self.guard.check(self.atoms, self.step)
        self._look()
        if self.step % self.config.restart_interval == 0:
            self._forget()

    def row(self) -> dict[str, Any]:
        """Energies (eV), temperature (K), pressure (MPa) and the calculator's doubts, as a line of the log."""
        atoms = self.atoms
        kinetic = float(atoms.get_kinetic_energy())
        with calculating():
            potential = self.potential_energy()
            pressure = self.pressure(kinetic) if self.has_stress else None
        self._look()
        total = potential + kinetic
        bath = 0.0
        if isinstance(self._integrator, NoseHooverChain):
            bath = self._integrator.thermostat.get_thermostat_energy()
        values = (
            self.step, self.config.time(self.step), potential, kinetic, total, total + bath,
            kinetic_temperature(atoms), pressure,
            self._spread if self._spread >= 0 else None, self._outside if self._outside >= 0 else None,
        )  # fmt: skip
        self._spread, self._outside = -np.inf, -1
        return dict(zip(COLUMNS, values, strict=True))

    def potential_energy(self) -> float:
        """Energy whose gradient the forces are, eV."""
        energy = self.atoms.get_potential_energy()
        return float(self.atoms.calc.results.get("free_energy", energy))

    def pressure(self, kinetic: float) -> float:
        """``(2 E_kin / 3 + tr W / 3) / V`` with the virial W = -V stress, MPa."""
        stress = self.atoms.get_stress(voigt=False)
        return float(2.0 * kinetic / (3.0 * self.atoms.get_volume()) - np.trace(stress) / 3.0) / MEGAPASCAL

    def _look(self) -> None:
        """Note how far the ensemble's members differ, and how many atoms the training did not cover."""
        results = getattr(self.atoms.calc, "results", {})
        if "spread" in results:
            self._spread = max(self._spread, float(np.max(results["spread"])))
        if "extrapolating" in results:
            self._outside = max(self._outside, int(np.count_nonzero(results["extrapolating"])))

    def _forget(self) -> None:
        reset = getattr(self.atoms.calc, "reset", None)
        if reset is not None:
            reset()
