"""Configurations of liquids: a lattice is melted, cooled, found to be liquid, and sampled.

`sample` gives frames as far apart as the liquid is measured to remember, under a chain of Nose-Hoover thermostats.
`synthetic_liquid` gives frames with exact labels of the potential that moved them, by Langevin dynamics: whatever a
network learns from their totals can be checked against local energies without any density-functional theory.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import Stationary, thermalize_momenta

from basinet.arrays import FloatArray
from basinet.config.loading import read_settings, validated
from basinet.errors import InputError
from basinet.frames.neighbours import species_pairs
from basinet.frames.splits import elements_of
from basinet.md.liquids import (
    DALTON_PER_CUBIC_ANGSTROM,
    WINDOW,
    _box_edges,
    _fault_of,
    _judge,
    _Judgement,
    _melt_and_cool,
    _perturbed_lattice,
    _Schedule,
    _starting_lattice,
)
from basinet.md.motion import Integrator, _AseMotion, _drive, _Guard, _NoseHooverChain, _RunFailedError
from basinet.md.settings import SampleConfig, _LiquidSettings
from basinet.md.statistics import _correlation_time, _self_diffusion, _travelled, autocorrelation, effective_number
from basinet.md.structure import CRYSTALLINE, _lattice_order, pair_distribution
from basinet.potentials.calculator import PairPotentialCalculator
from basinet.potentials.pair_potential import LennardJones, literature_lennard_jones, noble_gas_potential


def load_sample_config(path: str | Path, changes: Mapping[str, Any] | None = None) -> SampleConfig:
    """Settings of a sampling run from a file, with changes from the command line laid over it."""
    return validated(SampleConfig, {**read_settings(path), **(changes or {})}, str(path))


Progress = Callable[[str, int, int], None]  # called with what is done, and with the steps done and in all
STRIDE = 0.05  # ps between two records of energies: half of the fastest correlation time measured
SNAPSHOT_STRIDES = 20  # records from one snapshot of the positions to the next: about 1 ps
BLOWN_UP = 50.0  # times the temperature asked for at which a run is given up
STAGES = 20  # temperatures on the way down from the melt


@dataclass
class _Record:
    """What a liquid leaves behind: energies and temperature every stride, and snapshots every few strides."""

    energy: list[float] = field(default_factory=list)
    local_energies: list[FloatArray] = field(default_factory=list)
    temperature: list[float] = field(default_factory=list)
    conserved: list[float] = field(default_factory=list)
    snapshots: list[Atoms] = field(default_factory=list)


class _Liquid:
    """Atoms in motion under a thermostat whose temperature may be changed, with a record of what they do.

    `integrator` gives the integrator for a temperature, K. There is a record every `stride` steps, and a snapshot every
    `snapshot_strides` records; a fall of the temperature takes `cooling_steps`. `progress` is told of every stride.
    """

    def __init__(
        self,
        atoms: Atoms,
        integrator: Callable[[float], Integrator],
        temperature: float,
        timestep: float,
        *,
        stride: int,
        snapshot_strides: int,
        progress: Progress | None = None,
    ) -> None:
        self.atoms, self.temperature, self.progress = atoms, temperature, progress
        self.stride, self.snapshot_strides, self.cooling_steps = stride, snapshot_strides, 0
        self.interval = stride * timestep / 1000.0
        self.stage, self.done, self.total, self.again = "", 0, 0, 0
        self.record = _Record()
        self._integrator, self._set = integrator, temperature
        self._motion = _AseMotion(atoms, integrator(temperature), timestep, _Guard(0.0, BLOWN_UP * temperature))

    def steps(self, picoseconds: float) -> int:
        return self.stride * int(np.ceil(picoseconds / self.interval - 1e-9))

    def begin(self, stage: str, steps: int) -> None:
        self.stage, self.done, self.total = stage, 0, steps

    def expect(self, steps: int) -> None:
        self.again += 1
        self.begin(f"{self.stage.partition(' (')[0]} (attempt {self.again + 1})", steps)

    def advance(self, steps: int, temperature: float) -> None:
        """Run some steps at a temperature, K; a fall of it takes the time of cooling first.

        InputError where the atoms fly apart: a time step too long heats them without end.
        """
        if not steps:
            return
        if temperature < self.temperature and self.cooling_steps:
            ramp = min(self.cooling_steps, steps)
            for stage, part in enumerate(np.diff(np.linspace(0, ramp // self.stride, STAGES + 1).astype(int))):
                share = (stage + 1) / STAGES
                self._run(
                    int(part) * self.stride,
                    self.temperature ** (1 - share) * temperature**share if share < 1 else temperature,
                )
            steps -= ramp
        self._run(steps, temperature)
        self.temperature = temperature

    def watch(self, steps: int, temperature: float) -> list[Atoms]:
        """Record some steps, from nothing, and give the snapshots."""
        self._thermostat(temperature)
        self.record = _Record()
        self.advance(steps, temperature)
        return self.record.snapshots

    def _thermostat(self, temperature: float) -> None:
        if temperature != self._set:
            self._set = temperature
            self._motion.integrator = self._integrator(temperature)
            self._motion.guard = _Guard(0.0, BLOWN_UP * temperature)

    def _run(self, steps: int, temperature: float) -> None:
        self._thermostat(temperature)
        try:
            _drive(self._motion, steps, self.stride, self._note)
        except _RunFailedError as error:
            timestep = self._motion.timestep
            msg = f"timestep: the run blew up at {timestep:g} fs ({error}); lower the timestep, or couple the bath less"
            raise InputError(msg) from error

    def _note(self) -> None:
        record, row = self.record, self._motion.row()
        record.energy.append(row["potential_ev"])
        record.local_energies.append(self.atoms.get_potential_energies())
        record.temperature.append(row["temperature_k"])
        record.conserved.append(row["conserved_ev"])
        if len(record.energy) % self.snapshot_strides == 0:
            record.snapshots.append(
                Atoms(self.atoms.numbers, positions=self.atoms.positions, cell=self.atoms.cell, pbc=True)
            )
        self.done += self.stride
        if self.progress is not None:
            self.progress(self.stage, min(self.done, self.total), self.total)


def _noble_gas_liquid(config: SampleConfig, progress: Progress | None = None) -> _Liquid:
    # The system is part of the seed, or liquids of one seed would share their noise.
    rng = np.random.default_rng([config.seed, *config.name.encode()])
    symbols = [element for element, count in sorted(config.composition.items()) for _ in range(count)]
    edges = _box_edges(config.composition, config.temperature, config.density, config.cell)
    atoms = _perturbed_lattice(symbols, edges, rng)
    atoms.calc = PairPotentialCalculator(noble_gas_potential(symbols, config.cutoff))
    temperature = config.hot if config.melting else config.temperature
    thermalize_momenta(atoms, temperature, rng=rng)
    Stationary(atoms, preserve_temperature=False)
    stride = max(1, round(1000.0 * STRIDE / config.timestep))
    liquid = _Liquid(
        atoms,
        lambda kelvin: _NoseHooverChain(atoms, config.timestep, kelvin, config.damping),
        temperature,
        config.timestep,
        stride=stride,
        snapshot_strides=SNAPSHOT_STRIDES,
        progress=progress,
    )
    liquid.cooling_steps = liquid.steps(config.cooling)
    return liquid


MEMORY = 5.0  # correlation times after which frames count as decorrelated; an exponential has fallen to 0.7 % by then


@dataclass(frozen=True)
class Sample:
    """Frames wrapped into the box, ``system`` and ``frame`` in ``info``; what was measured (``docs/sampling.md``)."""

    frames: list[Atoms]
    diagnostics: dict[str, Any]
    config: SampleConfig


def sample(composition: Mapping[str, int], *, progress: Progress | None = None, **settings: Any) -> Sample:
    """Sample decorrelated configurations of a liquid of noble gases by classical molecular dynamics.

    The composition are the atoms of each element, of Ne, Ar, Kr and Xe; the settings are keys of a config of
    ``basinet sample``, such as ``temperature=120``, ``frames=10`` or ``seed=1``. `progress` is called with what is
    done, and with the steps done and in all. InputError where a setting is unknown or impossible, or what was sampled
    is no liquid: a Bragg peak survives, or the atoms do not travel.

    >>> short = {"melting": 1, "cooling": 2, "equilibration": 1, "measurement": 20, "timestep": 10}
    >>> liquid = sample({"Ar": 12, "Kr": 4}, frames=3, **short)
    >>> len(liquid.frames), liquid.frames[0].info["system"]
    (3, 'ar3kr')
    """
    return run_sampling(validated(SampleConfig, {"composition": dict(composition), **settings}, "sample()"), progress)


def run_sampling(config: SampleConfig, progress: Progress | None = None) -> Sample:
    """Melt, cool, check, measure how long the liquid remembers, and take frames that far apart; see `sample`."""
    liquid = _noble_gas_liquid(config, progress)
    schedule = _Schedule(
        melt_steps=liquid.steps(config.melting),
        melt_temperature=config.hot,
        settle_steps=liquid.steps(config.cooling if config.melting else 0) + liquid.steps(config.equilibration),
        check_steps=liquid.steps(config.measurement),
        temperature=config.temperature,
    )
    liquid.begin("melting, cooling, measuring" if config.melting else "measuring", schedule.steps)
    attempts, _ = _melt_and_cool(liquid, schedule)
    times = [_correlation_time(values, liquid.interval) for values in _correlations(liquid).values()]
    spacing = liquid.steps(MEMORY * max(times) if config.spacing == "auto" else config.spacing)
    liquid.begin("sampling", spacing * config.frames)
    frames = []
    for index in range(config.frames):
        liquid.advance(spacing, config.temperature)
        frames.append(_wrapped_copy(liquid.atoms, config.name, index))
    # The record goes on from the measurement, so that every frame lies in a window that is judged.
    judgements = _judge(liquid.record.snapshots)
    fault = _fault_of(judgements)
    if fault is not None:
        raise InputError(f"sampling {config.name}: the liquid froze: {fault}; raise the temperature or change the seed")
    found = {
        **_describe_state(liquid, config),
        "melting_attempts": attempts,
        "frames": len(frames),
        **_describe_memory(liquid, spacing / liquid.stride * liquid.interval, len(frames)),
        **_describe_order(liquid, judgements),
        "pair_distribution": _describe_peaks(frames),
    }
    return Sample(frames, found, config)


def _wrapped_copy(atoms: Atoms, system: str, index: int) -> Atoms:
    frame = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    frame.wrap()
    frame.info["system"], frame.info["frame"] = system, index
    return frame


def _correlations(liquid: _Liquid) -> dict[str, FloatArray]:
    """Autocorrelations of the potential energy, and of the atoms' own (half of each pair, less its species' mean)."""
    local = np.array(liquid.record.local_energies)
    means = np.empty(local.shape[1])
    for number in np.unique(liquid.atoms.numbers):
        means[liquid.atoms.numbers == number] = local[:, liquid.atoms.numbers == number].mean()
    total = autocorrelation(np.array(liquid.record.energy))
    return {"potential_energy": total, "local_energy": autocorrelation(local, means)}


def _describe_state(liquid: _Liquid, config: SampleConfig) -> dict[str, Any]:
    """State point as it was: temperature and its fluctuations, density, and how well the chain is integrated."""
    atoms, record = liquid.atoms, liquid.record
    temperature = np.array(record.temperature)
    energy = np.array(record.energy) / len(atoms)
    times = liquid.interval * np.arange(len(energy))
    return {
        "system": config.name,
        "composition": dict(sorted(config.composition.items())),
        "cell": atoms.cell.array,
        "density_g_cm3": float(atoms.get_masses().sum() / atoms.get_volume() / DALTON_PER_CUBIC_ANGSTROM),
        "temperature_k": float(temperature.mean()),
        "temperature_fluctuation": float(temperature.std() / temperature.mean()),
        "canonical_fluctuation": float(np.sqrt(2.0 / (3 * (len(atoms) - 1)))),
        "potential_energy_ev_per_atom": float(energy.mean()),
        "conserved_drift_mev_per_ps": 1000.0 * float(np.polyfit(times, record.conserved, 1)[0]),
        "time_ps": len(energy) * liquid.interval,
    }


def _describe_memory(liquid: _Liquid, spacing: float, count: int) -> dict[str, Any]:
    """How long the liquid remembers, and how many independent frames the frames are worth."""
    found = _correlations(liquid)
    return {
        "spacing_ps": spacing,
        "correlation_time_ps": {name: _correlation_time(values, liquid.interval) for name, values in found.items()},
        "effective_frames": {
            name: effective_number(values, liquid.interval, spacing, count) for name, values in found.items()
        },
    }


def _describe_order(liquid: _Liquid, judgements: list[_Judgement]) -> dict[str, Any]:
    """Bragg peak, growth of the mean-square displacement, and diffusion coefficients."""
    interval = liquid.interval * SNAPSHOT_STRIDES
    positions, numbers = _travelled(liquid.record.snapshots), liquid.atoms.numbers
    symbols = np.array(liquid.atoms.get_chemical_symbols())
    return {
        "structure_factor": {
            "largest": len(numbers) * max(judgement.order for judgement in judgements),
            "mean": len(numbers) * float(np.mean([judgement.order for judgement in judgements])),
            "crystal": float(len(numbers)),
        },
        "displacement_exponent": {
            "smallest": min(judgement.exponent for judgement in judgements),
            "mean": float(np.mean([judgement.exponent for judgement in judgements])),
        },
        "diffusion_cm2_s": {
            element: _self_diffusion(positions[:, symbols == element], interval) for element in np.unique(symbols)
        },
    }


def _describe_peaks(frames: list[Atoms]) -> dict[str, Any]:
    peaks = {}
    for a, b in species_pairs(elements_of(frames[:1])):
        position, height = pair_distribution(frames, a, b).first_peak()
        if height > 0.0:  # a single atom of an element meets no other within reach
            peaks[f"{a}-{b}"] = {"peak_angstrom": position, "height": height}
    return peaks


DEFAULTS = _LiquidSettings()


def synthetic_liquid(
    system: str,
    n_frames: int,
    *,
    n_atoms: int = 32,
    seed: int = 0,
    settings: _LiquidSettings = DEFAULTS,
    potential: LennardJones | None = None,
    progress: Progress | None = None,
) -> list[Atoms]:
    """Frames of a Lennard-Jones liquid with exact total and local energies.

    A cubic box holds `n_atoms` of ``ar``, ``kr`` or ``mix`` (half argon, half krypton) at the density of the reference
    frames. The seed determines the frames, together with the system and the settings. The potential, by which they are
    sampled and labelled, is `literature_lennard_jones` unless given. `progress` is called with what is done, and with
    the steps done and in all. Returns info: ``system``, ``frame``, ``REF_energy`` (eV, relative to isolated atoms);
    arrays: ``REF_local_energy`` (eV, sums to ``REF_energy``) and ``REF_forces`` (eV/A). There are no electrostatic
    labels. InputError: unknown system, too few atoms or frames, or the liquid froze.
    """
    if n_frames < 1:
        raise InputError(f"sampling: {n_frames} frames asked for; give at least 1")
    # The system is part of the seed, or the three liquids would share their noise.
    rng = np.random.default_rng([seed, *system.encode()])
    atoms = _starting_lattice(system, n_atoms, rng)
    potential = potential or literature_lennard_jones(settings.cutoff)
    atoms.calc = PairPotentialCalculator(potential)
    thermalize_momenta(atoms, settings.melt_temperature, rng=rng)
    langevin = Langevin(
        atoms,
        timestep=settings.timestep * units.fs,
        temperature_K=settings.melt_temperature,
        friction=settings.friction / units.fs,
        fixcm=False,
        rng=rng,
    )

    def at(temperature: float) -> Langevin:
        langevin.set_temperature(temperature_K=temperature)
        return langevin

    half = settings.equilibration_steps // 2
    schedule = _Schedule(
        melt_steps=settings.melt_steps,
        melt_temperature=settings.melt_temperature,
        settle_steps=settings.equilibration_steps - half,
        check_steps=half,
        temperature=settings.temperature,
    )
    snapshot = max(half // WINDOW, 1)
    stride = gcd(settings.melt_steps, schedule.settle_steps, half, snapshot, settings.spacing_steps)
    liquid = _Liquid(
        atoms, at, settings.melt_temperature, settings.timestep,
        stride=stride, snapshot_strides=snapshot // stride, progress=progress,
    )  # fmt: skip
    liquid.begin("melting, cooling", schedule.steps)
    _melt_and_cool(liquid, schedule)
    liquid.begin("sampling", settings.spacing_steps * n_frames)
    frames = []
    for index in range(n_frames):
        liquid.advance(settings.spacing_steps, settings.temperature)
        frame = _wrapped_copy(atoms, system, index)
        evaluation = potential.evaluate(frame)
        frame.info["REF_energy"] = float(evaluation.local_energies.sum())
        frame.arrays["REF_forces"], frame.arrays["REF_local_energy"] = evaluation.forces, evaluation.local_energies
        frames.append(frame)
    _refuse_frozen(frames, system)
    return frames


def _refuse_frozen(frames: list[Atoms], system: str) -> None:
    """InputError where a window of frames keeps the order of a lattice."""
    for first in range(0, len(frames) - WINDOW + 1, WINDOW):
        if _lattice_order(frames[first : first + WINDOW]) >= CRYSTALLINE:
            raise InputError(
                f"sampling {system}: the liquid froze between frames {first} and {first + WINDOW - 1}; "
                "raise the temperature or change the seed"
            )
