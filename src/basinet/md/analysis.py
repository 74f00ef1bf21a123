"""What a run shows: read from its log and its trajectory, into a summary, a table of g(r) and a figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ase import Atoms
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from basinet.arrays import FloatArray
from basinet.files import read_table, write_table
from basinet.frames.reading import read_frames
from basinet.md.dynamics_settings import DynamicsConfig
from basinet.md.motion import COLUMNS
from basinet.md.run import LOG, TRAJECTORY, Ending
from basinet.md.statistics import _block_mean, _Drift, _drift, _self_diffusion, _travelled
from basinet.md.structure import _number_density, _Structure, structures
from basinet.plotting import BLACK, BLUE, GREY, VERMILION, canvas, grid_of, rc_context, save_figure

RDF = "rdf.csv"
SUMMARY = "summary.json"
LONGEST_LAG = 10.0  # ps, between which diffusion is measured; a run shorter than twice that gives none


@dataclass(frozen=True)
class RunResults:
    """What was written, and what follows from it.

    `log` and `frames` are those after the equilibration, NaN where a value is missing in the log; `energy` is drift and
    fluctuation of the conserved energy per atom, meV/ns and meV; `densities` are the atoms per A^3 of the run and of
    the reference, as far as there are any.
    """

    config: DynamicsConfig
    ending: Ending
    n_atoms: int
    log: Mapping[str, FloatArray]
    frames: list[Atoms]
    energy: _Drift
    structures: list[_Structure]
    densities: tuple[float, ...] = ()


def analyse(folder: Path, config: DynamicsConfig, ending: Ending, reference: Sequence[Atoms] = ()) -> RunResults:
    """Read log and trajectory of a run, and measure."""
    table = read_table(folder / LOG, dict.fromkeys(COLUMNS, "float64"), "start anew with --overwrite")
    table = table[table["step"] >= config.equilibration]
    log = {str(name): table[name].to_numpy(dtype=np.float64) for name in table}
    every = read_frames(folder / TRAJECTORY)
    frames = [atoms for atoms in every if atoms.info["step"] >= config.equilibration]
    n_atoms = len(every[0])
    per_atom = 1000.0 * log["conserved_ev"] / n_atoms
    periodic = bool(frames) and bool(frames[0].pbc.all())
    return RunResults(
        config=config,
        ending=ending,
        n_atoms=n_atoms,
        log=log,
        frames=frames,
        energy=_drift(log["time_ps"] / 1000.0, per_atom),
        structures=structures(frames, reference) if periodic else [],
        densities=tuple(_number_density(some) for some in (frames, reference) if some) if periodic else (),
    )


def summary(results: RunResults) -> dict[str, Any]:
    """The measurements in one mapping."""
    config, ending, log = results.config, results.ending, results.log
    found: dict[str, Any] = {
        "atoms": results.n_atoms,
        "ensemble": config.ensemble,
        "timestep_fs": config.timestep,
        "steps": ending.step,
        "time_ps": config.time(ending.step),
        "failure": ending.failure,
        "time_to_failure_ps": None if ending.failure is None else config.time(ending.step),
        "closest_angstrom": ending.guard.closest,
        "hottest_k": ending.guard.hottest,
        "measured_lines": len(log["step"]),
        "measured_frames": len(results.frames),
        "energy_drift_mev_per_atom_per_ns": vars(results.energy.slope),
        "energy_fluctuation_mev_per_atom": vars(results.energy.fluctuation),
    }
    for name, column, factor in (
        ("temperature_k", "temperature_k", 1.0),
        ("potential_energy_mev_per_atom", "potential_ev", 1000.0 / results.n_atoms),
        ("pressure_mpa", "pressure_mpa", 1.0),
    ):
        values = factor * log[column]
        if len(values) and np.isfinite(values).all():
            found[name] = vars(_block_mean(values))
    spread, outside = (log[name][np.isfinite(log[name])] for name in ("spread_ev", "extrapolating"))
    if len(spread):
        found["largest_spread_mev"] = 1000.0 * spread.max()
    if len(outside):
        found["extrapolating_most_atoms"] = int(outside.max())
        found["extrapolating_lines"] = int(np.count_nonzero(outside))
    found |= dict(zip(("atoms_per_a3", "reference_atoms_per_a3"), results.densities, strict=False))
    found |= {"pair_distribution": _peaks(results.structures), "diffusion_cm2_s": _diffusion(results)}
    return found


def _peaks(found: Sequence[_Structure]) -> dict[str, Any]:
    described = {}
    for structure in found:
        position, height = structure.measured.first_peak()
        entry: dict[str, Any] = {"peak_angstrom": position, "height": height}
        if structure.reference is not None:
            position, height = structure.reference.first_peak()
            entry |= {"reference_peak_angstrom": position, "reference_height": height}
            entry |= {"difference": structure.difference, "noise": structure.noise}
        described["-".join(structure.pair)] = entry
    return described


def _diffusion(results: RunResults) -> dict[str, Any]:
    interval = results.config.time(results.config.every)
    if (len(results.frames) - 1) * interval < 2 * LONGEST_LAG or interval > 1.0:
        return {}
    positions = _travelled(results.frames)
    symbols = np.array(results.frames[0].get_chemical_symbols())
    return {
        element: _self_diffusion(positions[:, symbols == element], interval, last=LONGEST_LAG)
        for element in np.unique(symbols)
    }


def write_rdf(path: Path, found: Sequence[_Structure]) -> None:
    """Write g(r) of every pair as a table, the reference's beside it."""
    rows: list[dict[str, Any]] = []
    for structure in found:
        measured, other = structure.measured, structure.reference
        for k, distance in enumerate(measured.distances):
            row = {"pair": "-".join(structure.pair), "distance_angstrom": distance}
            row |= {"g": measured.values[k], "error": measured.errors[k]}
            if other is not None:
                row |= {"reference_g": other.values[k], "reference_error": other.errors[k]}
            rows.append(row)
    columns = ["pair", "distance_angstrom", "g", "error", "reference_g", "reference_error"]
    write_table(path, pd.DataFrame(rows, columns=columns))


PANEL = (3.1, 2.7)


def write_figure(results: RunResults, folder: Path) -> None:
    """Draw the figure of a run as PNG and PDF."""
    with rc_context():
        save_figure(_draw(results), folder / "figure")


def _draw(results: RunResults) -> Figure:
    config, ending = results.config, results.ending
    length = f"{config.time(ending.step):g} ps in steps of {config.timestep:g} fs"
    heading = f"{results.n_atoms} atoms, {config.ensemble.upper()}, {length}"
    if ending.failure is not None:
        heading += f": given up, {ending.failure}"
    bath = f", {config.temperature:g} K" if config.temperature is not None else ""
    source = config.calculator or ", ".join(Path(path).name for path in config.models)
    footer = (
        f"{source}{bath}; {len(results.frames)} frames and {len(results.log['step'])} lines of the log after "
        f"{config.time(config.equilibration):g} ps. Shaded: standard errors by blocks of the run."
    )
    n_panels = len(results.structures) + 2
    columns = min(n_panels, 3)
    figure = canvas(heading, footer, (PANEL[0] * columns, PANEL[1] * -(-n_panels // columns) + 0.6))
    axes = grid_of(figure, n_panels, columns)
    for axis, structure in zip(axes, results.structures, strict=False):
        _draw_structure(axis, structure)
    _draw_energy(axes[-2], results)
    _draw_temperature(axes[-1], results)
    return figure


def _draw_structure(axes: Axes, structure: _Structure) -> None:
    if structure.reference is not None:
        other = structure.reference
        axes.plot(other.distances, other.values, color=BLACK, lw=1.0, ls="--", label="reference", zorder=3)
    curve = structure.measured
    axes.plot(curve.distances, curve.values, color=BLUE, label="run")
    errors = np.nan_to_num(curve.errors)
    axes.fill_between(curve.distances, curve.values - errors, curve.values + errors, color=BLUE, alpha=0.3, lw=0)
    axes.axhline(1.0, color="#BBBBBB", lw=0.6, zorder=0)
    axes.set_xlim(max(curve.distances[0], 0.75 * float(curve.distances[np.argmax(curve.values > 0.05)])),
                  curve.distances[-1])  # fmt: skip
    axes.set(xlabel="r (Å)", ylabel="g(r)")
    text = "-".join(structure.pair)
    if structure.difference is not None and structure.noise is not None:
        text += f": {100 * structure.difference:.1f} % apart, noise {100 * structure.noise:.1f} %"
    axes.set_title(text, loc="left")
    axes.legend(loc="lower right")


def _draw_energy(axes: Axes, results: RunResults) -> None:
    times = results.log["time_ps"]
    energies = 1000.0 * results.log["conserved_ev"] / results.n_atoms
    if not len(times):
        return
    axes.plot(times, energies - energies.mean(), color=BLUE, lw=0.7)
    slope = results.energy.slope
    if np.isfinite(slope.value):
        line = slope.value * (times - times.mean()) / 1000.0
        axes.plot(times, line, color=VERMILION, lw=1.0)
        error = f" ± {slope.error:.1g}" if np.isfinite(slope.error) else ""
        axes.set_title(f"drift {slope.value:.2g}{error} meV/atom/ns", loc="left")
    axes.set(xlabel="time (ps)", ylabel="conserved energy (meV/atom)")


def _draw_temperature(axes: Axes, results: RunResults) -> None:
    times, values = results.log["time_ps"], results.log["temperature_k"]
    if not len(times):
        return
    axes.plot(times, values, color=BLUE, lw=0.7)
    if results.config.ensemble == "nvt" and results.config.temperature is not None:
        axes.axhline(results.config.temperature, color=GREY, lw=0.8, zorder=0)
    axes.set(title=f"mean {values.mean():.1f} K", xlabel="time (ps)", ylabel="temperature (K)")
