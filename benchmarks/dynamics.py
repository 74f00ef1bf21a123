"""Molecular dynamics of 108 argon atoms with a trained model: energy conservation, structure, stability.

    python benchmarks/dynamics.py ar.basinet --out md_benchmark
    python benchmarks/dynamics.py forces.basinet --others totals.basinet --picoseconds 50 --out md_benchmark

One after another, all at 120 K, from the first shipped frame of 108 atoms; each run is kept in its folder under --out,
and a benchmark that was stopped goes on where it was:

1. NVT, 2 fs: g(r) beside that of the shipped frames, and of the pair potential that sampled those, run alike.
2. NVE from its end with time steps of 4, 2 and 1 fs over the same length: how the energy's fluctuation falls.
3. NVE, 2 fs: drift of the energy, with its error.
4. NVT with each member of the model by itself, and of those of --others: how long it lasts.

Figures and numbers go to --out as dynamics.png, dynamics.pdf and dynamics.json.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from basinet import Calculator, load_model, load_reference
from basinet.files import write_json
from basinet.jobs.progress import Progress
from basinet.jobs.provenance import provenance
from basinet.md.analysis import analyse, summary
from basinet.md.dynamics_settings import DynamicsConfig
from basinet.md.motion import set_velocities
from basinet.md.run import simulate
from basinet.md.structure import structures
from basinet.plotting import BLACK, BLUE, GREEN, GREY, VERMILION, canvas, grid_of, rc_context, save_figure
from basinet.potentials.calculator import PairPotentialCalculator
from basinet.potentials.pair_potential import literature_lennard_jones

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from matplotlib.axes import Axes

    from basinet.md.analysis import RunResults

TEMPERATURE = 120.0
TIMESTEPS = (4.0, 2.0, 1.0)
SHARED = 4.0
"""fs: energies of all time steps are compared at the same times."""
SETTLING = 5.0
"""ps at the beginning of a run that are not measured."""


@dataclass(frozen=True)
class Bench:
    """Where runs lie, and what tells of them."""

    out: Path
    progress: Progress

    def run(self, name: str, atoms: Atoms, picoseconds: float, **settings: Any) -> RunResults:
        """Run, or read what was run."""
        timestep = settings.setdefault("timestep", 2.0)
        steps = round(1000.0 * picoseconds / timestep)
        config = DynamicsConfig(start=name, steps=steps, **settings)
        folder = self.out / name
        folder.mkdir(parents=True, exist_ok=True)
        calculator = atoms.calc
        atoms = atoms.copy()
        atoms.calc = calculator
        set_velocities(atoms, config)
        tenth = max(steps // 10 // config.log_interval, 1) * config.log_interval

        def begin(step: int) -> None:
            self.progress.start(f"{name}, {picoseconds:g} ps", [1.0] * 10, [1.0] * min(step // tenth, 10), "parts")

        def report(step: int, row: Any) -> None:
            if step and step % tenth == 0:
                self.progress.advance(1.0, f"{row['temperature_k']:.0f} K")

        ending = simulate(folder, atoms, config, begin=begin, report=report)
        self.progress.finish()
        return analyse(folder, config, ending)


def after(nvt: RunResults, atoms: Atoms) -> Atoms:
    """Give the last frame of the run at constant temperature; where it failed, its start with new velocities."""
    settled = (atoms if nvt.ending.failure else nvt.frames[-1]).copy()
    settled.calc = atoms.calc
    if nvt.ending.failure:
        set_velocities(settled, nvt.config)
    return settled


def order(bench: Bench, start: Atoms, picoseconds: float) -> dict[float, RunResults]:
    """Constant energy from one start with several time steps."""
    return {
        timestep: bench.run(
            f"nve_{timestep:g}fs",
            start,
            picoseconds,
            timestep=timestep,
            velocities="start",
            log_every=round(SHARED / timestep),
            every=round(25 * SHARED / timestep),
        )
        for timestep in TIMESTEPS
    }


def lifetimes(bench: Bench, paths: Sequence[Path], atoms: Atoms, picoseconds: float) -> dict[str, dict[str, Any]]:
    """How long each member of each model moves the liquid at its temperature."""
    found = {}
    for path in paths:
        model = load_model(path)
        for member in range(model.members):
            atoms.calc = Calculator(model, member)
            name = f"alone_{path.stem}_{member}"
            results = bench.run(name, atoms, picoseconds, ensemble="nvt", temperature=TEMPERATURE, seed=member)
            ending, told = results.ending, summary(results)
            found[f"{path.stem} {member}"] = {
                "lasted_ps": results.config.time(ending.step),
                "failure": ending.failure,
                "extrapolating_most_atoms": told.get("extrapolating_most_atoms"),
                "extrapolating_share": told.get("extrapolating_lines", 0) / max(told["measured_lines"], 1),
            }
    return found


def draw(
    out: Path, title: str, nvt: RunResults, others: dict[str, Sequence[Atoms]], runs: dict[float, RunResults],
    drifting: RunResults, alone: dict[str, dict[str, Any]], longest: float,
) -> None:  # fmt: skip
    """Draw the figure."""
    with rc_context():
        figure = canvas(title, "108 argon atoms, 120 K; one thread.", (8.6, 6.4))
        axes = grid_of(figure, 4, 2)
        draw_structure(axes[0], nvt, others)
        draw_order(axes[1], runs)
        draw_drift(axes[2], drifting)
        draw_lifetimes(axes[3], alone, longest)
        save_figure(figure, out / "dynamics")


def draw_structure(axes: Axes, nvt: RunResults, others: dict[str, Sequence[Atoms]]) -> None:
    """g(r) of the model, of the frames and of the potential that sampled them."""
    for (label, frames), color, line in zip(others.items(), (BLACK, GREEN), ("--", ":"), strict=True):
        curve = structures(frames)[0].measured
        axes.plot(curve.distances, curve.values, line, color=color, lw=1.0, label=label, zorder=3)
    axes.set_xlim(2.5, curve.distances[-1])
    axes.set_xlabel("r (Å)")
    axes.set_ylabel("g(r)")
    axes.set_title("structure at constant temperature", loc="left")
    axes.axhline(1.0, color="#BBBBBB", lw=0.6, zorder=0)
    if not nvt.structures:
        axes.legend(loc="upper right", title="the model failed before")
        return
    curve = nvt.structures[0].measured
    axes.plot(curve.distances, curve.values, color=BLUE, label="model")
    axes.fill_between(
        curve.distances, curve.values - curve.errors, curve.values + curve.errors, color=BLUE, alpha=0.3, lw=0
    )
    axes.legend(loc="upper right")


def draw_order(axes: Axes, runs: dict[float, RunResults]) -> None:
    """Fluctuation against time step, and the square law through the middle one."""
    steps = np.array(list(runs))
    values = np.array([results.energy.fluctuation.value for results in runs.values()])
    axes.loglog(steps, values, "o", color=BLUE, label="measured")
    axes.loglog(steps, values[1] * (steps / steps[1]) ** 2, "-", color=GREY, lw=0.8, label="square of the time step")
    for step, value in zip(steps, values, strict=True):
        axes.annotate(f"{value:.2g}", (step, value), (8, -3), textcoords="offset points", fontsize=7.5)
    axes.set_xticks(steps, [f"{step:g}" for step in steps])
    axes.minorticks_off()
    axes.margins(0.2)
    axes.set_xlabel("time step (fs)")
    axes.set_ylabel("fluctuation (meV/atom)")
    axes.set_title("energy at constant energy", loc="left")
    axes.legend()


def draw_drift(axes: Axes, results: RunResults) -> None:
    """The total energy in time."""
    times, energies = results.log["time_ps"], 1000.0 * results.log["conserved_ev"] / results.n_atoms
    slope = results.energy.slope
    axes.plot(times, energies - energies.mean(), color=BLUE, lw=0.5)
    axes.plot(times, slope.value * (times - times.mean()) / 1000.0, color=VERMILION, lw=1.0)
    axes.set_xlabel("time (ps)")
    axes.set_ylabel("energy (meV/atom)")
    axes.set_title(f"drift {slope.value:.2g} ± {slope.error:.1g} meV/atom/ns", loc="left")


def draw_lifetimes(axes: Axes, alone: dict[str, dict[str, Any]], longest: float) -> None:
    """How long each network lasted; those that failed in red."""
    names = list(alone)
    values = [alone[name]["lasted_ps"] for name in names]
    colors = [BLUE if alone[name]["failure"] is None else VERMILION for name in names]
    axes.barh(range(len(names)), values, color=colors)
    axes.set_yticks(range(len(names)), names, fontsize=6.5)
    axes.invert_yaxis()
    axes.set_xlim(0, longest)
    axes.set_xlabel("lasted (ps)")
    axes.set_title("networks by themselves (red: failed)", loc="left")


def main() -> None:
    """Run all parts and write what they give."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--others", type=Path, nargs="*", default=[], help="models whose members are run alone as well")
    parser.add_argument("--picoseconds", type=float, default=50.0, help="length of the runs for g(r) and drift")
    parser.add_argument("--order-picoseconds", type=float, default=4.0, help="length of each run for the order")
    parser.add_argument("--alone-picoseconds", type=float, default=10.0, help="length of the runs of single networks")
    parser.add_argument("--out", type=Path, default=Path("md_benchmark"))
    options = parser.parse_args()

    bench = Bench(options.out, Progress())
    shipped = load_reference("ar", atoms=108)
    atoms, sampler = shipped[0].copy(), shipped[0].copy()
    sampler.calc = PairPotentialCalculator(literature_lennard_jones())
    bath: dict[str, Any] = {"ensemble": "nvt", "temperature": TEMPERATURE, "equilibration": round(500 * SETTLING)}
    pair = bench.run("nvt_pair_potential", sampler, options.picoseconds, **bath)
    atoms.calc = Calculator(load_model(options.model))
    nvt = bench.run("nvt", atoms, options.picoseconds, **bath)
    others = {"shipped frames": shipped, "pair potential that sampled them": pair.frames}
    apart = {label: structures(nvt.frames, frames)[0] for label, frames in others.items() if nvt.frames}
    settled = after(nvt, atoms)
    runs = order(bench, settled, options.order_picoseconds)
    drifting = bench.run("nve", settled, options.picoseconds, velocities="start")
    alone = lifetimes(bench, [options.model, *options.others], shipped[0].copy(), options.alone_picoseconds)

    values = [results.energy.fluctuation.value for results in runs.values()]
    found = {
        "model": options.model.name,
        "nvt": summary(nvt),
        "pair_distribution": {
            label: {"difference": one.difference, "noise": one.noise, "peak": one.measured.first_peak(),
                    "reference_peak": one.reference.first_peak() if one.reference else None}
            for label, one in apart.items()
        },
        "fluctuation_mev_per_atom": dict(zip(map(str, TIMESTEPS), values, strict=True)),
        "fluctuation_ratios": [first / second for first, second in pairwise(values)],
        "nve": summary(drifting),
        "alone": alone,
        "provenance": provenance(),
    }  # fmt: skip
    write_json(options.out / "dynamics.json", found)
    draw(options.out, options.model.stem, nvt, others, runs, drifting, alone, options.alone_picoseconds)
    say(found, runs, drifting)


def say(found: dict[str, Any], runs: dict[float, RunResults], drifting: RunResults) -> None:
    """Print the table."""
    for name in ("nvt", "nve"):
        if found[name]["failure"]:
            print(f"{name}: failed after {found[name]['time_to_failure_ps']:g} ps, {found[name]['failure']}")
    for timestep, results in runs.items():
        fluctuation = results.energy.fluctuation
        print(f"{timestep:g} fs: energy fluctuates by {fluctuation.value:.3e} +- {fluctuation.error:.0e} meV/atom")
    print("ratios:", ", ".join(f"{ratio:.3f}" for ratio in found["fluctuation_ratios"]))
    slope = drifting.energy.slope
    length = drifting.config.time(drifting.ending.step)
    print(f"drift over {length:g} ps: {slope.value:.3g} +- {slope.error:.2g} meV/atom/ns")
    for label, entry in found["pair_distribution"].items():
        print(
            f"g(r) beside {label}: {100 * entry['difference']:.1f} % apart, noise {100 * entry['noise']:.1f} %; "
            f"first peak {entry['peak'][1]:.2f} at {entry['peak'][0]:.2f} A, "
            f"there {entry['reference_peak'][1]:.2f} at {entry['reference_peak'][0]:.2f} A"
        )
    for name, entry in found["alone"].items():
        how = entry["failure"] or "to the end"
        share = f"{100 * entry['extrapolating_share']:.0f} % of lines with atoms outside the training range"
        print(f"{name} alone: {entry['lasted_ps']:g} ps, {how}; {share}")


if __name__ == "__main__":
    main()
