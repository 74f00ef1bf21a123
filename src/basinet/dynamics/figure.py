"""The figure of a run: g(r) beside the reference's, energy and temperature in time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from basinet.dynamics.analysis import RunResults
from basinet.dynamics.structure import Structure
from basinet.io.files import atomic_write
from basinet.report.figures.style import BLACK, BLUE, GREY, VERMILION, canvas, grid_of, rc_context, render

NAME = "figure"
PANEL = (3.1, 2.7)


def write_figure(results: RunResults, folder: Path) -> None:
    """Draw the figure of a run as PNG and PDF."""
    with rc_context():
        image, document = render(draw(results))
    for suffix, content in ((".png", image), (".pdf", document)):
        with atomic_write(folder / f"{NAME}{suffix}", "wb") as stream:
            stream.write(content)


def draw(results: RunResults) -> Figure:
    """Panels of g(r), then conserved energy and temperature."""
    n_panels = len(results.structures) + 2
    columns = min(n_panels, 3)
    rows = -(-n_panels // columns)
    figure = canvas(heading(results), footer(results), (PANEL[0] * columns, PANEL[1] * rows + 0.6))
    axes = grid_of(figure, n_panels, columns)
    for axis, structure in zip(axes, results.structures, strict=False):
        draw_structure(axis, structure)
    draw_energy(axes[-2], results)
    draw_temperature(axes[-1], results)
    return figure


def heading(results: RunResults) -> str:
    """Say what ran, and how it ended."""
    config, ending = results.config, results.ending
    length = f"{config.time(ending.step):g} ps in steps of {config.timestep:g} fs"
    what = f"{results.n_atoms} atoms, {config.ensemble.upper()}, {length}"
    return what if ending.failure is None else f"{what}: given up, {ending.failure}"


def footer(results: RunResults) -> str:
    """Say what was measured."""
    config = results.config
    bath = f", {config.temperature:g} K" if config.temperature is not None else ""
    source = config.calculator or ", ".join(Path(path).name for path in config.models)
    return (
        f"{source}{bath}; {len(results.frames)} frames and {len(results.log['step'])} lines of the log after "
        f"{config.time(config.equilibration):g} ps. Shaded: standard errors by blocks of the run."
    )


def draw_structure(axes: Axes, structure: Structure) -> None:
    """g(r) with its error, the reference in black."""
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
    axes.set_xlabel("r (Å)")
    axes.set_ylabel("g(r)")
    text = "-".join(structure.pair)
    if structure.difference is not None and structure.noise is not None:
        text += f": {100 * structure.difference:.1f} % apart, noise {100 * structure.noise:.1f} %"
    axes.set_title(text, loc="left")
    axes.legend(loc="lower right")


def draw_energy(axes: Axes, results: RunResults) -> None:
    """The conserved energy per atom about its mean, with the line through it."""
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
    axes.set_xlabel("time (ps)")
    axes.set_ylabel("conserved energy (meV/atom)")


def draw_temperature(axes: Axes, results: RunResults) -> None:
    """Temperature, with the thermostat's in grey."""
    times, values = results.log["time_ps"], results.log["temperature_k"]
    if not len(times):
        return
    axes.plot(times, values, color=BLUE, lw=0.7)
    if results.config.ensemble == "nvt" and results.config.temperature is not None:
        axes.axhline(results.config.temperature, color=GREY, lw=0.8, zorder=0)
    axes.set_title(f"mean {values.mean():.1f} K", loc="left")
    axes.set_xlabel("time (ps)")
    axes.set_ylabel("temperature (K)")
