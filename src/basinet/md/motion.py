"""Atoms that move, what they say of themselves on the way, and when their motion is given up."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import CalculatorError
from ase.md.langevin import Langevin
from ase.md.nose_hoover_chain import NoseHooverChainNVT, NoseHooverChainThermostat
from ase.md.velocitydistribution import Stationary, thermalize_momenta
from ase.md.verlet import VelocityVerlet
from numpy.typing import NDArray

from basinet.arrays import FloatArray
from basinet.errors import InputError
from basinet.frames.neighbours import half_list, neighbour_pairs
from basinet.md.dynamics_settings import DynamicsConfig

SHARE = 0.6  # of the shortest distance at the start: two atoms of a liquid at equilibrium never come that close
ALONE = 0.5  # A: distance at which a run is given up where no two atoms are neighbours at the start
NEIGHBOURS = 6.0  # A: how far neighbours are looked for at the start
HEATING = 10.0  # times the first temperature
HOT = 1000.0  # K: what no run is given up below, so that a start at rest may warm up


class _RunFailedError(Exception):
    """The run cannot go on; the message says why, without the step."""


@dataclass
class _Guard:
    """Bounds of a run: distance of two atoms (A; 0: not looked at) and temperature (K) at which it is given up."""

    closest: float
    hottest: float

    @classmethod
    def for_start(
        cls, atoms: Atoms, temperature: float | None, closest: float | None = None, hottest: float | None = None
    ) -> Self:
        """Set the bounds that are not given by the start: its distances and its temperature, or the thermostat's."""
        if closest is None:
            *_, squared = neighbour_pairs(atoms, half_list(NEIGHBOURS))
            closest = SHARE * float(np.sqrt(squared.min())) if squared.size else ALONE
        if hottest is None:
            hottest = max(HEATING * max(_kinetic_temperature(atoms), temperature or 0.0), HOT)
        return cls(closest, hottest)

    def check(self, atoms: Atoms, *, distances: bool) -> None:
        """Refuse a state that is out of bounds after a step; at distances, which take longer, look only if asked to."""
        for name, values in (("position", atoms.positions), ("momentum", atoms.get_momenta())):
            if not np.isfinite(values).all():
                atom = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
                raise _RunFailedError(f"the {name} of atom {atom} is no number")
        temperature = _kinetic_temperature(atoms)
        if temperature > self.hottest:
            raise _RunFailedError(f"the temperature is {temperature:.0f} K, above {self.hottest:.0f} K")
        if not (distances and self.closest > 0.0):
            return
        try:
            first, second, _, squared = neighbour_pairs(atoms, half_list(self.closest))
        except InputError as error:
            raise _RunFailedError(str(error)) from error
        if squared.size:
            k = int(np.argmin(squared))
            msg = f"atoms {first[k]} and {second[k]} are {np.sqrt(squared[k]):.2f} A apart, below {self.closest:.2f} A"
            raise _RunFailedError(msg)


class _ChainThermostat(NoseHooverChainThermostat):
    """The thermostats of a chain, whose state can be kept and put back."""

    @property
    def state(self) -> FloatArray:
        """Positions and momenta of the thermostats: (2, length), in ASE's units."""
        return np.array([self._eta, self._p_eta])

    @state.setter
    def state(self, value: FloatArray) -> None:
        self._eta, self._p_eta = np.array(value)


CHAIN = 3  # thermostats of a chain


class _NoseHooverChain(NoseHooverChainNVT):
    """Nose-Hoover chain for atoms whose centre of mass is at rest; timestep and time scale `damping` in fs.

    Forces of pairs never move the centre of mass, so that N atoms have 3 N - 3 degrees of freedom. ASE counts 3 N,
    which would hold 32 atoms at N / (N - 1) = 1.032 times the temperature asked for: 124 K for 120 K. The chain is
    otherwise ASE's (G. J. Martyna, M. L. Klein and M. Tuckerman, J. Chem. Phys. 97, 2635 (1992)).
    """

    def __init__(self, atoms: Atoms, timestep: float, temperature: float, damping: float) -> None:
        super().__init__(atoms, timestep * units.fs, temperature_K=temperature, tdamp=damping * units.fs, tchain=CHAIN)
        self.temperature = temperature
        self.thermostat = _ChainThermostat(
            # The number of atoms enters the thermostat as three degrees of freedom each, and nowhere else.
            num_atoms_global=len(atoms) - 1,
            masses=self.masses,
            temperature_K=temperature,
            tdamp=damping * units.fs,
            tchain=CHAIN,
        )
        self._thermostat = self.thermostat


def _kinetic_temperature(atoms: Atoms) -> float:
    """Temperature in K of atoms whose centre of mass is at rest: ``2 E_kin / ((3 N - 3) k_B)``."""
    return float(2.0 * atoms.get_kinetic_energy() / (3.0 * (len(atoms) - 1) * units.kB))


MEGAPASCAL = units.GPa / 1000.0

COLUMNS = (
    "step", "time_ps", "potential_ev", "kinetic_ev", "total_ev", "conserved_ev", "temperature_k", "pressure_mpa",
    "spread_ev", "extrapolating",
)  # fmt: skip
"""Of the log. `conserved_ev` is the total energy, at constant temperature with the thermostat's; `spread_ev` and
`extrapolating` are the largest since the line before."""
State = Mapping[str, NDArray[Any]]


def set_velocities(atoms: Atoms, config: DynamicsConfig) -> None:
    """Draw velocities of Maxwell and Boltzmann, or take those that the start must have; the centre of mass rests."""
    if config.draws_velocities and config.temperature is not None:
        thermalize_momenta(atoms, config.temperature, rng=np.random.default_rng(config.seed))
    elif not atoms.has("momenta"):
        raise InputError(f"{config.start}: has no velocities (momenta); let --temperature draw new ones")
    Stationary(atoms, preserve_temperature=False)


@contextmanager
def _calculating() -> Iterator[None]:
    """Let a calculator fail in ways of its own: on configurations that make no sense, they do."""
    try:
        yield
    except _RunFailedError:
        raise
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).split())
        raise _RunFailedError(f"the calculator fails ({type(error).__name__}: {reason})") from error


class _Motion(ABC):
    """Atoms with a calculator and velocities, at some step of a run; advanced in place by `_drive`.

    A kind of motion says how it advances, what the potential and the thermostat hold, and which arrays decide how it
    goes on. At every multiple of the restart interval (None: never resumed) it must forget all else (a neighbour list,
    say, whose order decides how forces are rounded), so that a run that is resumed there repeats the one that was not
    stopped.
    """

    def __init__(
        self, atoms: Atoms, timestep: float, guard: _Guard, step: int = 0, restart_interval: int | None = None
    ) -> None:
        self.atoms, self.timestep, self.guard, self.step = atoms, timestep, guard, step
        self._restart_interval = restart_interval
        self._spread, self._outside = -np.inf, -1

    @abstractmethod
    def advance(self, steps: int = 1) -> None:
        """Go on by some steps; `_RunFailedError` where the calculator fails, or the guard objects."""

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
        with _calculating():
            potential, virial, bath = self.potential_energy(), self.virial_pressure(), self.bath_energy()
        if not np.isfinite(potential):
            raise _RunFailedError("the potential energy is no number")
        self.look()
        pressure = None
        if virial is not None:
            pressure = (2.0 * kinetic / (3.0 * self.atoms.get_volume()) + virial) / MEGAPASCAL
        total = potential + kinetic
        values = (
            self.step, self.step * self.timestep / 1000.0, potential, kinetic, total, total + bath,
            _kinetic_temperature(self.atoms), pressure,
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

    def _at_restart_point(self) -> bool:
        return self._restart_interval is not None and self.step % self._restart_interval == 0


def _drive(motion: _Motion, steps: int, every: int, observe: Callable[[], None]) -> None:
    last = motion.step + steps
    while motion.step < last:
        motion.advance(min(every - motion.step % every, last - motion.step))
        if motion.step % every == 0:
            observe()


DISTANCE_STRIDE = 10  # steps from one look at the distances to the next


def _gives_stress(atoms: Atoms) -> bool:
    """Try for the stress that a pressure needs; some calculators name it and do not give it."""
    if not atoms.pbc.all():
        return False
    try:
        return bool(np.isfinite(atoms.get_stress()).all())
    except (CalculatorError, NotImplementedError, AttributeError, KeyError, RuntimeError, ValueError):
        return False


Integrator = VelocityVerlet | _NoseHooverChain | Langevin


class _AseMotion(_Motion):
    """Motion by one of ASE's integrators, step by step; the other parameters as of `_Motion`.

    `integrator` may be replaced between two advances, by one of another temperature.
    """

    def __init__(
        self,
        atoms: Atoms,
        integrator: Integrator,
        timestep: float,
        guard: _Guard,
        step: int = 0,
        restart_interval: int | None = None,
    ) -> None:
        super().__init__(atoms, timestep, guard, step, restart_interval)
        self.integrator = integrator
        self._has_stress = _gives_stress(atoms)
        self._forget()

    @classmethod
    def of_config(
        cls, atoms: Atoms, config: DynamicsConfig, guard: _Guard, step: int = 0, state: State | None = None
    ) -> Self:
        """Set atoms in motion as a config says, from what `state` gave at that step if it is given."""
        if state is not None:
            atoms.set_positions(state["positions"])
            atoms.set_momenta(state["momenta"])
        integrator: Integrator
        if config.ensemble == "nvt":
            integrator = chain = _NoseHooverChain(atoms, config.timestep, config.temperature or 0.0, config.damping)
            if state is not None:
                chain.thermostat.state = state["thermostat"]
        else:
            integrator = VelocityVerlet(atoms, config.timestep * units.fs)
        return cls(atoms, integrator, config.timestep, guard, step, config.restart_interval)

    @property
    def state(self) -> dict[str, FloatArray]:
        """Positions, momenta, and the thermostats'."""
        arrays = {"positions": self.atoms.get_positions(), "momenta": self.atoms.get_momenta()}
        if isinstance(self.integrator, _NoseHooverChain):
            arrays["thermostat"] = self.integrator.thermostat.state
        return arrays

    def advance(self, steps: int = 1) -> None:
        for _ in range(steps):
            with _calculating(), np.errstate(all="ignore"):
                self.integrator.step()
            self.step += 1
            self.guard.check(self.atoms, distances=self.step % DISTANCE_STRIDE == 0)
            self.look()
            if self._at_restart_point():
                self._forget()

    def potential_energy(self) -> float:
        """By the calculator; the free energy, where it tells that apart."""
        energy = self.atoms.get_potential_energy()
        return float(self.atoms.calc.results.get("free_energy", energy))

    def bath_energy(self) -> float:
        """Of the chain of thermostats."""
        if isinstance(self.integrator, _NoseHooverChain):
            return self.integrator.thermostat.get_thermostat_energy()
        return 0.0

    def virial_pressure(self) -> float | None:
        """A third of the stress' trace, of opposite sign."""
        return -float(np.trace(self.atoms.get_stress(voigt=False))) / 3.0 if self._has_stress else None

    def _forget(self) -> None:
        reset = getattr(self.atoms.calc, "reset", None)
        if reset is not None:
            reset()
