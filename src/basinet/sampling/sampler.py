"""Decorrelated configurations of a noble-gas liquid: `sample`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from basinet.config.loading import validated
from basinet.dynamics.correlation import autocorrelation, correlation_time, effective_number
from basinet.dynamics.diffusion import self_diffusion, travelled
from basinet.dynamics.pair_distribution import pair_distribution
from basinet.errors import InputError
from basinet.sampling.chain_run import SNAPSHOT_STRIDES, ChainRun, Progress, Record, density_of
from basinet.sampling.melting import Judgement, Schedule, fault_of, judge, melt_and_cool
from basinet.sampling.settings import SampleConfig

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
