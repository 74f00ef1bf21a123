"""One run at constant temperature: cooled in steps, and recorded as it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.md.velocitydistribution import Stationary, thermalize_momenta
from numpy.typing import NDArray

from basinet.dynamics.nose_hoover import NoseHooverChain, kinetic_temperature
from basinet.errors import InputError
from basinet.sampling.calculator import PairPotentialCalculator
from basinet.sampling.potentials import noble_gas_potential
from basinet.sampling.start import DALTON_PER_CUBIC_ANGSTROM, box_edges, perturbed_lattice

if TYPE_CHECKING:
    from basinet.sampling.settings import SampleConfig

Progress = Callable[[str, int, int], None]
"""Called with what is done, and with the steps done and in all."""

STRIDE = 0.05
"""ps between two records of energies: half of the fastest correlation time measured."""

SNAPSHOT_STRIDES = 20
"""Records from one snapshot of the positions to the next: about 1 ps."""

BLOWN_UP = 50.0
"""Times the temperature asked for at which a run is given up."""

STAGES = 20
"""Temperatures on the way down from the melt."""


@dataclass
class Record:
    """What a run leaves behind, every stride; snapshots every 20 strides."""

    energy: list[float] = field(default_factory=list)
    local_energies: list[NDArray[np.float64]] = field(default_factory=list)
    temperature: list[float] = field(default_factory=list)
    conserved: list[float] = field(default_factory=list)
    snapshots: list[Atoms] = field(default_factory=list)


class ChainRun:
    """Dynamics of a noble-gas liquid with a Nose-Hoover chain, from a perturbed lattice on.

    Parameters
    ----------
    config
        What to run.
    progress
        Told of every stride.
    """

    def __init__(self, config: SampleConfig, progress: Progress | None = None) -> None:
        self.config, self.progress = config, progress
        self.stride = max(1, round(1000.0 * STRIDE / config.timestep))
        self.interval = self.stride * config.timestep / 1000.0
        self.stage, self.done, self.total, self.again = "", 0, 0, 0
        self.record = Record()
        # The system is part of the seed, or liquids of one seed would share their noise.
        rng = np.random.default_rng([config.seed, *config.name.encode()])
        symbols = [element for element, count in sorted(config.composition.items()) for _ in range(count)]
        edges = box_edges(config.composition, config.temperature, config.density, config.cell)
        self.atoms = perturbed_lattice(symbols, edges, rng)
        self.atoms.calc = PairPotentialCalculator(noble_gas_potential(symbols, config.cutoff))
        self.temperature = config.hot if config.melting else config.temperature
        thermalize_momenta(self.atoms, self.temperature, rng=rng)
        Stationary(self.atoms, preserve_temperature=False)
        self._chain = self._new_chain(self.temperature)

    def steps(self, picoseconds: float) -> int:
        """Convert a time to steps, rounded up to whole strides."""
        return self.stride * int(np.ceil(picoseconds / self.interval - 1e-9))

    def begin(self, stage: str, steps: int) -> None:
        """Name what comes next, and its steps."""
        self.stage, self.done, self.total = stage, 0, steps

    def expect(self, steps: int) -> None:
        """Begin the stage anew, with so many steps."""
        self.again += 1
        self.begin(f"{self.stage.partition(' (')[0]} (attempt {self.again + 1})", steps)

    def advance(self, steps: int, temperature: float) -> None:
        """Run some steps at a temperature, K; a change of it takes the time of cooling first."""
        if not steps:
            return
        if temperature < self.temperature:
            ramp = min(self.steps(self.config.cooling), steps)
            for stage, part in enumerate(np.diff(np.linspace(0, ramp // self.stride, STAGES + 1).astype(int))):
                share = (stage + 1) / STAGES
                self._use(self.temperature ** (1 - share) * temperature**share if share < 1 else temperature)
                self._run(int(part) * self.stride)
            steps -= ramp
        self._use(temperature)
        self.temperature = temperature
        self._run(steps)

    def watch(self, steps: int, temperature: float) -> list[Atoms]:
        """Record some steps, from nothing, and give the snapshots."""
        self._use(temperature)
        self.record = Record()
        self.advance(steps, temperature)
        return self.record.snapshots

    def _use(self, temperature: float) -> None:
        if temperature != self._chain.temperature:
            self._chain = self._new_chain(temperature)

    def _new_chain(self, temperature: float) -> NoseHooverChain:
        return NoseHooverChain(self.atoms, self.config.timestep, temperature, self.config.damping)

    def _run(self, steps: int) -> None:
        for _ in range(steps // self.stride):
            self._stride()
            self._note()
            self.done += self.stride
            if self.progress is not None:
                self.progress(self.stage, min(self.done, self.total), self.total)

    def _stride(self) -> None:
        """Run one stride, and refuse atoms that fly apart: a timestep too long heats them without end."""
        try:
            with np.errstate(all="ignore"):
                self._chain.run(self.stride)
        except RuntimeError:
            if np.isfinite(self.atoms.positions).all():
                raise
        temperature = kinetic_temperature(self.atoms)
        if not temperature < BLOWN_UP * self._chain.temperature:
            times = f"{self.config.timestep:g} fs with a damping of {self.config.damping:g} fs"
            raise InputError(f"timestep: the run blew up at {times}; lower the timestep or lengthen the damping")

    def _note(self) -> None:
        record = self.record
        record.energy.append(float(self.atoms.get_potential_energy()))
        record.local_energies.append(self.atoms.get_potential_energies())
        record.temperature.append(kinetic_temperature(self.atoms))
        record.conserved.append(self._chain.get_conserved_energy())
        if len(record.energy) % SNAPSHOT_STRIDES == 0:
            record.snapshots.append(
                Atoms(self.atoms.numbers, positions=self.atoms.positions, cell=self.atoms.cell, pbc=True)
            )


def density_of(atoms: Atoms) -> float:
    """Density in g/cm3."""
    return float(atoms.get_masses().sum() / atoms.get_volume() / DALTON_PER_CUBIC_ANGSTROM)
