"""Settings of `basinet sample`: which liquid, how it is melted, and which frames are taken."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from math import gcd
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms
from ase.md.velocitydistribution import Stationary, thermalize_momenta
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from basinet.config.loading import Count, Positive, Section, read_yaml, validated
from basinet.errors import InputError
from basinet.md.liquids import DALTON_PER_CUBIC_ANGSTROM, box_edges, perturbed_lattice, refuse_no_liquid
from basinet.md.melting import Judgement, Schedule, fault_of, judge, melt_and_cool
from basinet.md.motion import NoseHooverChain, kinetic_temperature
from basinet.md.statistics import autocorrelation, correlation_time, effective_number, self_diffusion, travelled
from basinet.md.structure import pair_distribution
from basinet.potentials.calculator import PairPotentialCalculator
from basinet.potentials.pair_potential import LITERATURE_CUTOFF, largest_sigma, noble_gas_potential

FEWEST_ATOMS = 8
NO_NAMES = ("t", "f", "true", "false", "nan", "inf", "infinity")
"""Words that come back from extended XYZ as truth values or numbers."""
SHORTEST_CUTOFF = 2.0
"""Times the largest sigma: at 2 sigma a pair has a sixteenth of its deepest energy left."""


class SampleConfig(Section):
    """Configurations of a liquid of noble gases (`basinet sample`)."""

    composition: dict[str, Count] = Field(min_length=1, description="atoms of each element, such as {Ar: 24, Kr: 8}")
    temperature: Positive = Field(120.0, description="K")
    density: Positive | dict[str, Positive] | None = Field(
        None,
        description="g/cm3: of the liquid, or of each pure liquid, whose volumes are added; near 120 K argon and "
        "krypton need none",
    )
    cell: Literal["cubic"] | tuple[Positive, Positive, Positive] = Field(
        "cubic", description="cubic at the density, or three edges in A in its place"
    )
    system: str | None = Field(None, description="name of the liquid in the frames; by composition unless given")
    frames: int = Field(100, ge=1, description="configurations to take")
    spacing: Literal["auto"] | Positive = Field(
        "auto", description="ps between frames; auto: as long as the liquid is measured to remember"
    )
    melting: float = Field(10.0, ge=0, description="ps at the melt temperature; 0 leaves melting out")
    melt_temperature: Literal["auto"] | Positive = Field("auto", description="K; auto: four times the temperature")
    cooling: float = Field(10.0, ge=0, description="ps from the melt temperature to the temperature")
    equilibration: float = Field(40.0, ge=0, description="ps at the temperature before anything is measured")
    measurement: float = Field(
        60.0, ge=20, description="ps in which melting is checked and the memory is measured, before the first frame"
    )
    timestep: float = Field(2.0, gt=0, le=20, description="fs")
    damping: Positive = Field(100.0, description="fs, time scale of the Nose-Hoover chain")
    cutoff: float = Field(11.0, gt=0, le=50, description="A, cutoff of the pair potential")
    seed: int = Field(0, ge=0, description="seed of lattice, species' order and momenta")

    @field_validator("composition")
    @classmethod
    def _known_elements(cls, value: dict[str, int]) -> dict[str, int]:
        noble_gas_potential(value)
        if sum(value.values()) < FEWEST_ATOMS:
            msg = f"{sum(value.values())} atoms are no liquid; give at least {FEWEST_ATOMS}"
            raise ValueError(msg)
        return value

    @field_validator("cell", mode="before")
    @classmethod
    def _a_box(cls, value: Any) -> Any:
        if value != "cubic" and not (isinstance(value, list | tuple) and len(value) == 3):
            msg = "give cubic, or three edges in A such as [12, 12, 24]"
            raise ValueError(msg)
        return value

    @field_validator("system")
    @classmethod
    def _names_files(cls, value: str | None) -> str | None:
        if value is None:
            return value
        if not re.fullmatch(r"\w[\w.+-]*", value):
            msg = "use letters, digits and . + - _ only, it names files"
            raise ValueError(msg)
        if not value[0].isalpha() or value.lower() in NO_NAMES:
            msg = "begin with a letter, and avoid T, F, true, false, nan, inf: read back, it would be no text"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _possible(self) -> SampleConfig:
        """Refuse a melt colder than the liquid, too short a cutoff, and a box of no liquid or not determined."""
        if self.melting > 0 and self.hot <= self.temperature:
            msg = f"melt_temperature {self.hot:g} K is not above temperature {self.temperature:g} K; raise it"
            raise ValueError(msg)
        least = SHORTEST_CUTOFF * largest_sigma(self.composition)
        if self.cutoff < least:
            msg = (
                f"cutoff {self.cutoff:g} A is below {least:.1f} A, twice the size (sigma) of the largest atoms, and "
                f"leaves out what holds a liquid together; give some {LITERATURE_CUTOFF:g}, in A"
            )
            raise ValueError(msg)
        if self.cell != "cubic" and self.density is not None:
            msg = "cell and density are both given, and either fixes the volume; leave one out"
            raise ValueError(msg)
        refuse_no_liquid(self.composition, box_edges(self.composition, self.temperature, self.density, self.cell))
        return self

    @property
    def hot(self) -> float:
        """Melt temperature, K."""
        return 4.0 * self.temperature if self.melt_temperature == "auto" else self.melt_temperature

    @property
    def name(self) -> str:
        """Name of the system: as given, or ``ar``, ``mix`` (argon and krypton, equimolar), ``ar3kr`` by composition."""
        if self.system is not None:
            return self.system
        shares = dict(sorted(self.composition.items()))
        common = gcd(*shares.values())
        if shares.keys() == {"Ar", "Kr"} and len(set(shares.values())) == 1:
            return "mix"
        parts = [f"{element}{count // common if count > common else ''}" for element, count in shares.items()]
        return "".join(parts).lower()


def load_sample_config(path: str | Path, changes: Mapping[str, Any] | None = None) -> SampleConfig:
    """Settings of a sampling run from a file, with changes from the command line laid over it."""
    return validated(SampleConfig, {**read_yaml(path), **(changes or {})}, str(path))


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


MEMORY = 5.0
"""Correlation times after which frames count as decorrelated; an exponential has fallen to 0.7 % by then."""


@dataclass(frozen=True)
class Sample:
    """What a sampling run gives.

    Attributes
    ----------
    frames
        Wrapped into the box, with ``system`` and ``frame`` in ``info``; no labels.
    diagnostics
        What was measured: see ``docs/sampling.md``.
    config
        Every setting.
    """

    frames: list[Atoms]
    diagnostics: dict[str, Any]
    config: SampleConfig


def sample(composition: Mapping[str, int], *, progress: Progress | None = None, **settings: Any) -> Sample:
    """Sample decorrelated configurations of a liquid of noble gases by classical molecular dynamics.

    Parameters
    ----------
    composition
        Atoms of each element, of Ne, Ar, Kr and Xe.
    progress
        Called with what is done, and with the steps done and in all.
    **settings
        Any key of a config of ``basinet sample``, such as ``temperature=120``, ``frames=10`` or ``seed=1``.

    Raises
    ------
    InputError
        A setting is unknown or impossible, or what was sampled is no liquid.

    Examples
    --------
    >>> short = {"melting": 2, "cooling": 2, "equilibration": 2, "measurement": 20, "timestep": 10}
    >>> liquid = sample({"Ar": 12, "Kr": 4}, frames=3, **short)
    >>> len(liquid.frames), liquid.frames[0].info["system"]
    (3, 'ar3kr')
    """
    return run_sampling(validated(SampleConfig, {"composition": dict(composition), **settings}, "sample()"), progress)


def run_sampling(config: SampleConfig, progress: Progress | None = None) -> Sample:
    """Melt, cool, check, measure how long the liquid remembers, and take frames that far apart.

    Raises
    ------
    InputError
        What was sampled is no liquid: a Bragg peak survives, or the atoms do not travel.
    """
    run = ChainRun(config, progress)
    schedule = Schedule(
        melt_steps=run.steps(config.melting),
        melt_temperature=config.hot,
        settle_steps=run.steps(config.cooling if config.melting else 0) + run.steps(config.equilibration),
        check_steps=run.steps(config.measurement),
        temperature=config.temperature,
    )
    run.begin("melting, cooling, measuring" if config.melting else "measuring", schedule.steps)
    attempts, _ = melt_and_cool(run, schedule)
    times = correlation_times(run)
    spacing = run.steps(MEMORY * max(times.values()) if config.spacing == "auto" else config.spacing)
    run.begin("sampling", spacing * config.frames)
    frames = []
    for index in range(config.frames):
        run.advance(spacing, config.temperature)
        frames.append(frame_of(run.atoms, config.name, index))
    # The record goes on from the measurement, so that every frame lies in a window that is judged.
    judgements = judge(run.record.snapshots)
    fault = fault_of(judgements)
    if fault is not None:
        raise InputError(f"sampling {config.name}: the liquid froze: {fault}; raise the temperature or change the seed")
    found = {
        **describe_state(run),
        "melting_attempts": attempts,
        "frames": len(frames),
        **describe_memory(run, spacing / run.stride * run.interval, len(frames)),
        **describe_order(run, judgements),
        "pair_distribution": describe_peaks(frames),
    }
    return Sample(frames, found, config)


def frame_of(atoms: Atoms, system: str, index: int) -> Atoms:
    """Copy species, wrapped positions and cell."""
    frame = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    frame.wrap()
    frame.info["system"], frame.info["frame"] = system, index
    return frame


def correlations(run: ChainRun) -> dict[str, NDArray[np.float64]]:
    """Autocorrelations of the potential energy, and of the atoms' own (half of each pair, less its species' mean)."""
    local = np.array(run.record.local_energies)
    means = np.empty(local.shape[1])
    for number in np.unique(run.atoms.numbers):
        means[run.atoms.numbers == number] = local[:, run.atoms.numbers == number].mean()
    return {
        "potential_energy": autocorrelation(np.array(run.record.energy)),
        "local_energy": autocorrelation(local, means),
    }


def correlation_times(run: ChainRun) -> dict[str, float]:
    """Integrated correlation times, ps."""
    return {name: correlation_time(values, run.interval) for name, values in correlations(run).items()}


def describe_state(run: ChainRun) -> dict[str, Any]:
    """State point as it was: temperature and its fluctuations, density, and how well the chain is integrated."""
    record, n_free = run.record, 3 * (len(run.atoms) - 1)
    temperature = np.array(record.temperature)
    energy = np.array(record.energy) / len(run.atoms)
    return {
        "system": run.config.name,
        "composition": dict(sorted(run.config.composition.items())),
        "cell": run.atoms.cell.array,
        "density_g_cm3": density_of(run.atoms),
        "temperature_k": float(temperature.mean()),
        "temperature_fluctuation": float(temperature.std() / temperature.mean()),
        "canonical_fluctuation": float(np.sqrt(2.0 / n_free)),
        "potential_energy_ev_per_atom": float(energy.mean()),
        "conserved_drift_mev_per_ps": 1000.0 * drift(record, run.interval),
        "time_ps": len(energy) * run.interval,
    }


def drift(record: Record, interval: float) -> float:
    """Slope of the chain's conserved energy, eV/ps."""
    times = interval * np.arange(len(record.conserved))
    return float(np.polyfit(times, record.conserved, 1)[0])


def describe_memory(run: ChainRun, spacing: float, count: int) -> dict[str, Any]:
    """How long the liquid remembers, and how many independent frames the frames are worth."""
    found = correlations(run)
    return {
        "spacing_ps": spacing,
        "correlation_time_ps": {name: correlation_time(values, run.interval) for name, values in found.items()},
        "effective_frames": {
            name: effective_number(values, run.interval, spacing, count) for name, values in found.items()
        },
    }


def describe_order(run: ChainRun, judgements: list[Judgement]) -> dict[str, Any]:
    """Bragg peak, growth of the mean-square displacement, and diffusion coefficients."""
    interval = run.interval * SNAPSHOT_STRIDES
    positions, numbers = travelled(run.record.snapshots), run.atoms.numbers
    symbols = np.array(run.atoms.get_chemical_symbols())
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
            element: vars(self_diffusion(positions[:, symbols == element], interval)) for element in np.unique(symbols)
        },
    }


def describe_peaks(frames: list[Atoms]) -> dict[str, Any]:
    """First peak of each pair distribution that has one: position (A) and height."""
    elements = sorted(set(frames[0].get_chemical_symbols()))
    peaks = {}
    for a, b in combinations_with_replacement(elements, 2):
        position, height = pair_distribution(frames, a, b).first_peak()
        if height > 0.0:  # a single atom of an element meets no other within reach
            peaks[f"{a}-{b}"] = {"peak_angstrom": position, "height": height}
    return peaks
