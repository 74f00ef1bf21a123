"""Atoms in motion, whatever integrates them: what is told of a step, and what ends a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.md.velocitydistribution import Stationary, thermalize_momenta
from numpy.typing import NDArray

from basinet.dynamics.guard import Guard, RunFailedError
from basinet.dynamics.nose_hoover import kinetic_temperature
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
        msg = f"{config.start}: has no velocities (momenta); let --temperature draw new ones"
        raise InputError(msg)
    Stationary(atoms, preserve_temperature=False)


@contextmanager
def calculating() -> Iterator[None]:
    """Let a calculator fail in ways of its own: on configurations that make no sense, they do."""
    try:
        yield
    except RunFailedError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise RunFailedError(f"the calculator fails ({type(error).__name__}: {reason})") from error


class Motion(ABC):
    """Atoms with a calculator and velocities, at some step of a run; advanced in place.

    A kind of motion says how it advances, what the potential and the thermostat hold, and which arrays decide how it
    goes on. At every multiple of the restart interval it must forget all else (a neighbour list, say, whose order
    decides how forces are rounded), so that a run that is resumed there repeats the one that was not stopped.

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
    """

    def __init__(self, atoms: Atoms, config: DynamicsConfig, guard: Guard, step: int) -> None:
        self.atoms, self.config, self.guard, self.step = atoms, config, guard, step
        self._spread, self._outside = -np.inf, -1

    @abstractmethod
    def advance(self) -> None:
        """Go on, to the next line of the log at most.

        Raises
        ------
        RunFailedError
            The calculator fails, or the guard objects.
        """

    @property
    @abstractmethod
    def state(self) -> dict[str, NDArray[Any]]:
        """All that decides how the run goes on."""

    @abstractmethod
    def potential_energy(self) -> float:
        """Energy whose gradient the forces are, eV."""

    @abstractmethod
    def bath_energy(self) -> float:
        """Energy of the thermostat, eV: with the total energy, it is conserved. 0 at constant energy."""

    @abstractmethod
    def virial_pressure(self) -> float | None:
        """Pressure of the forces alone, eV/A^3; None where there is no box, or no stress."""

    def row(self) -> dict[str, Any]:
        """Energies (eV), temperature (K), pressure (MPa) and the calculator's doubts, as a line of the log.

        ``P = 2 E_kin / 3 V + tr W / 3 V`` with the virial W.
        """
        kinetic = float(self.atoms.get_kinetic_energy())
        with calculating():
            potential, virial, bath = self.potential_energy(), self.virial_pressure(), self.bath_energy()
        if not np.isfinite(potential):
            raise RunFailedError("the potential energy is no number")
        self.look()
        pressure = None
        if virial is not None:
            pressure = (2.0 * kinetic / (3.0 * self.atoms.get_volume()) + virial) / MEGAPASCAL
        total = potential + kinetic
        values = (
            self.step, self.config.time(self.step), potential, kinetic, total, total + bath,
            kinetic_temperature(self.atoms), pressure,
            self._spread if self._spread >= 0 else None, self._outside if self._outside >= 0 else None,
        )  # fmt: skip
        self._spread, self._outside = -np.inf, -1
        return dict(zip(COLUMNS, values, strict=True))

    def look(self) -> None:
        """Note how far the ensemble's members differ, and how many atoms the training did not cover."""
        results = getattr(self.atoms.calc, "results", {})
        if "spread" in results:
            self._spread = max(self._spread, float(np.max(results["spread"])))
        if "extrapolating" in results:
            self._outside = max(self._outside, int(np.count_nonzero(results["extrapolating"])))
