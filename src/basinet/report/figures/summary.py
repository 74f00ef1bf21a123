"""Every kind of model side by side: how well it reproduces totals and local energies of each system."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from basinet.analysis.claims import ResultsTable
from basinet.report.figures.settings import footer
from basinet.report.figures.style import AbsentError, canvas, legend_above, look
from basinet.report.results import StudyResults, baseline, ensemble, floor

MODELS = (
    ("ceiling", "network trained on\nlocal energies (ceiling)"),
    ("network", "chosen network,\nensemble mean"),
    ("pair_network", "network on a literature\npair potential"),
    ("ridge", "ridge on\nsummed descriptors"),
    ("fitted_pair", "pair potential\nfitted to totals"),
    ("lennard_jones", "literature\npair potential"),
)


def summary_row(results: StudyResults, model: str, system: str, target: str, gauge: str) -> dict[str, Any]:
    """The row of a kind of model; empty if missing."""
    if model == "network":
        return ensemble(results, system, target, gauge)
    return baseline(results, model, system, target, gauge)


def draw_summary(results: StudyResults) -> Figure:
    """Pearson r with its interval over frames, by model and system; open symbols without the pair gauge."""
    rows = [
        summary_row(results, model, system, target, "raw")
        for model, _ in MODELS
        for system in results.systems
        for target in ("total", "local")
    ]
    rows = [row for row in rows if row]
    if not rows:
        raise AbsentError("ensemble means and baselines on test frames")
    note = "Bars: 95 % block bootstrap over frames. Grey: untrained networks, 95th percentile of |r|."
    figure = canvas("What each model recovers", footer(results, ResultsTable(rows), note), (6.2, 4.6))
    axes = figure.subplots(1, 2, sharey=True)
    for axis, target in zip(axes, ("total", "local"), strict=True):
        lowest = draw_target(axis, results, target)
        axis.set_title(f"{target} energies", loc="left")
        axis.set_xlabel("Pearson r")
        axis.set_xlim(max(-0.1, lowest - 0.08 * (1.02 - lowest)), 1.0 + 0.04 * (1.02 - lowest))
        axis.grid(axis="x", color="#E6E6E6", linewidth=0.6, zorder=0)
        draw_floors(axis, results, target)
    names = [name for _, name in MODELS] + ["untrained network"]
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(MODELS) + 0.6, -0.6)
    handles = dict(zip(*reversed(axes[1].get_legend_handles_labels()), strict=True))
    legend_above(figure, list(handles.values()), list(handles))
    return figure


def draw_target(axes: Axes, results: StudyResults, target: str) -> float:
    """One panel; returns the lowest value shown."""
    lowest = 1.0
    cases = [(s, g) for s in results.systems for g in (results.gauges(s) if target == "local" else ("raw",))]
    for index, (system, gauge) in enumerate(cases):
        style = look(list(results.systems).index(system))
        shift = 0.13 * (index - (len(cases) - 1) / 2.0)
        label = results.label(system) + (", pair gauge removed" if gauge == "pair" else "")
        face = "white" if gauge == "pair" else style.color
        for height, (model, _) in enumerate(MODELS):
            row = summary_row(results, model, system, target, gauge)
            if not row or row["pearson_r"] is None:
                continue
            r = float(row["pearson_r"])
            ends = [float(row.get(f"pearson_r_{end}") or r) for end in ("low", "high")]
            axes.plot(ends, [height + shift] * 2, color=style.color, linewidth=1.0)
            axes.plot(r, height + shift, style.marker, color=style.color, mfc=face, label=label)
            lowest = min(lowest, *ends)
    return lowest


def draw_floors(axes: Axes, results: StudyResults, target: str) -> None:
    """What untrained networks reach by chance, in the last row; as a number where it is below the axis."""
    low, n_systems = axes.get_xlim()[0], len(results.systems)
    for index, system in enumerate(results.systems):
        limit, color = floor(results, system, target), look(index).color
        height = len(MODELS) + 0.3 * (index - (n_systems - 1) / 2.0)
        if not np.isfinite(limit):
            continue
        if limit > low:
            axes.plot([low, limit], [height, height], color="#BBBBBB", linewidth=3.0)
            axes.plot(limit, height, look(index).marker, color=color)
        else:
            text = f"← {limit:.2f} {results.label(system)}"
            axes.text(low, height, text, color=color, fontsize=7, va="center")
