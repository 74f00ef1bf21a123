"""Every kind of model side by side: how well it reproduces totals and local energies of each system."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from basinet.plotting import BLACK, BLUE, GREY, GRID, SKY, AbsentError, canvas, correlation_axis, legend_above, look
from basinet.study.claims.members import spearman, sweep_members
from basinet.study.claims.transfer import paired_fidelity, transfer_cases, transfer_label
from basinet.study.figures.footer import footer
from basinet.study.report.results import StudyResults, baseline, ensemble, floor, preferred_split
from basinet.study.tables import RESULTS, as_table, distinct, mean_rows, most_common, records, select

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
    figure = canvas("What each model recovers", footer(results, as_table(rows, RESULTS), note), (6.2, 4.6))
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


def draw_transfer_scatter(results: StudyResults) -> Figure:
    """One point per network: totals left, local energies right; colour by transfer."""
    rows = sweep_members(results.table)
    cases = transfer_cases(rows)
    if not cases:
        raise AbsentError("transferred models (a mixture and the pure systems of its elements)")
    note = (
        "One point per network (architecture, width, seed). ρ: Spearman correlation over all of them; "
        "members of one architecture are alike, see the table of statements for intervals. Open: linear "
        "networks."
    )
    order = list(results.systems)
    title = "Do better local energies transfer better?"
    figure = canvas(title, footer(results, select(rows, transferred=True), note), (GRID[0], 4.3))
    axes = figure.subplots(1, 2)
    for axis, target in zip(axes, ("total", "local"), strict=True):
        for train, test in cases:
            x, y, kinds = paired_fidelity(rows, train, test, target)
            if not x.size:
                continue
            style = look(order.index(test) if test in order else len(order))
            linear = np.array([kind[0] == "linear" for kind in kinds])
            label = f"{transfer_label(train, test, results.systems)}: ρ {spearman(x, y):.2f}"
            for chosen, face in ((~linear, style.color), (linear, "none")):
                axis.plot(
                    x[chosen], y[chosen], style.marker, color=style.color, mfc=face, ms=3.5, alpha=0.6,
                    mew=0.7, label=label if face != "none" else None, rasterized=True,
                )  # fmt: skip
        axis.set_title(f"{target} energies", loc="left")
        axis.set_xlabel("r of local energies at home")
        axis.legend(loc="best", handletextpad=0.2, fontsize=7.5)
        axis.grid(color="#E6E6E6", linewidth=0.6)
    axes[0].set_ylabel("Pearson r after transfer")
    return figure


QUANTITIES = (
    ("total", "raw", "total", BLACK, "o"),
    ("local", "raw", "local", BLUE, "s"),
    ("local", "pair", "local, pair gauge removed", SKY, "^"),
)
LINES = ("-", "--", ":", "-.")
VARIANTS = {"network": "width", "ridge": "twojmax"}
"""The column that distinguishes the curves of a kind of model."""


def draw_resolution(results: StudyResults) -> Figure:
    """Pearson r against cutoff: a row per kind of model, a column per system, a line style per width."""
    rows = preferred_split(select(results.table, experiment="resolution", species=("all", None)))
    rows = mean_rows(usual_species(rows))
    systems = [system for system in results.systems if len(select(rows, test_system=system))]
    models = [model for model in VARIANTS if len(select(rows, model=model))]
    if not systems or not models:
        raise AbsentError("a scan of cutoff and twojmax")
    columns = len(systems)
    size = (max(4.6, 1.3 + 2.0 * columns), 2.2 + 1.75 * len(models))
    figure = canvas("Fidelity against the cutoff of the descriptor", footer(results, rows), size)
    axes = figure.subplots(len(models), columns, sharex=True, sharey=True, squeeze=False)
    values = rows["pearson_r"].to_numpy(float).tolist()
    for row, model in enumerate(models):
        for column, system in enumerate(systems):
            axis = axes[row, column]
            draw_scan(axis, select(rows, model=model, test_system=system), model)
            correlation_axis(axis, values, "")
            axis.set_title(f"{results.label(system)}, {model}", loc="left")
    figure.supylabel("Pearson r", fontsize=9.5)
    for axis in axes[-1]:
        axis.set_xlabel("cutoff (Å)")
    gauges = {gauge for system in systems for gauge in results.gauges(system)}
    handles, labels = legend_entries(rows, gauges)
    legend_above(figure, handles, labels)
    return figure


def legend_entries(rows: pd.DataFrame, gauges: set[str]) -> tuple[list[Line2D], list[str]]:
    """Colours for quantities, line styles for the widths of networks."""
    shown = [entry for entry in QUANTITIES if entry[1] in gauges]
    handles = [Line2D([], [], color=color, marker=marker, ms=3.5) for *_, color, marker in shown]
    labels = [label for _, _, label, _, _ in shown]
    for index, width in enumerate(distinct(select(rows, model="network"), "width")):
        handles.append(Line2D([], [], color=GREY, ls=LINES[index % len(LINES)]))
        labels.append(f"network of width {width}")
    return handles, labels


def draw_scan(axes: Axes, rows: pd.DataFrame, model: str) -> None:
    """One system and kind of model: a curve for each quantity and each width (networks) or scanned twojmax (ridge)."""
    column = VARIANTS[model]
    for target, gauge, _, color, marker in QUANTITIES:
        for index, variant in enumerate(distinct(rows, column)):
            chosen = select(rows, target=target, gauge=gauge, **{column: variant})
            points = sorted(zip(chosen["rcut"].to_numpy(float), chosen["pearson_r"].to_numpy(float), strict=True))
            if len(points) > 1:
                line = LINES[index % len(LINES)] if model == "network" else "-"
                axes.plot(*zip(*points, strict=True), line, color=color, marker=marker, ms=3.5)


def usual_species(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with the species weights and radii that most rows have: those of the networks."""
    for column in ("weights", "radii"):
        usual = most_common(rows, column)
        rows = select(rows, **{column: (usual, None)}) if usual is not None else rows
    return rows


SIZE_MODELS = (("network", "network", "-"), ("ridge", "ridge", "--"), ("lennard_jones", "pair potential", ":"))


def draw_size(results: StudyResults) -> Figure:
    """Pearson r by the number of atoms per frame; totals left, local energies right."""
    rows = select(results.table, experiment="size_transfer", species=("all", None), gauge=("raw", None))
    rows = select(rows, transferred=(False, None))
    if not len(rows):
        raise AbsentError("frames of another size")
    sizes = ", ".join(f"{results.label(name)} {entry.get('n_atoms')}" for name, entry in results.main_systems.items())
    trained = f"Trained on frames of so many atoms: {sizes}. " if sizes else ""
    note = f"{trained}Bars: 95 % bootstrap over frames. Mixture: raw gauge."
    figure = canvas("Transfer to frames of other sizes", footer(results, rows, note), (GRID[0], 4.1))
    axes = figure.subplots(1, 2, sharex=True)
    for axis, target in zip(axes, ("total", "local"), strict=True):
        draw_size_target(axis, results, select(rows, target=target), target)
        axis.set_title(f"{target} energies", loc="left")
        axis.set_xlabel("atoms per frame")
        axis.set_ylabel("Pearson r")
        axis.grid(axis="y", color="#E6E6E6", linewidth=0.6)
    handles, labels = axes[1].get_legend_handles_labels()
    legend_above(figure, handles, labels)
    return figure


def size_rows(results: StudyResults, rows: pd.DataFrame, system: str, model: str, target: str) -> list[Any]:
    """Rows of one model by size; that of the size trained on is added if it is not among them."""
    chosen = mean_rows(select(rows, test_system=system, model=model, transferred=(False, None)))
    if model == "network":
        chosen = select(chosen, **results.chosen(system))
        home = ensemble(results, system, target)
    else:
        home = baseline(results, model, system, target)
    by_size = {row["n_atoms"]: row for row in [home, *records(chosen)] if row.get("n_atoms")}
    if not len(chosen):
        return []
    return [by_size[size] for size in sorted(by_size) if by_size[size]["pearson_r"] is not None]


def draw_size_target(axes: Axes, results: StudyResults, rows: pd.DataFrame, target: str) -> None:
    """Curves of every system and model."""
    sizes: set[float] = set()
    for index, system in enumerate(results.systems):
        for offset, (model, name, line) in enumerate(SIZE_MODELS):
            found = size_rows(results, rows, system, model, target)
            if not found:
                continue
            sizes |= {float(row["n_atoms"]) for row in found}
            style = look(index)
            x = [float(row["n_atoms"]) * (1.0 + 0.02 * (3 * offset + index - 4)) for row in found]
            y = [row["pearson_r"] for row in found]
            low = [max(0.0, r - (row.get("pearson_r_low") or r)) for r, row in zip(y, found, strict=True)]
            high = [max(0.0, (row.get("pearson_r_high") or r) - r) for r, row in zip(y, found, strict=True)]
            axes.errorbar(
                x, y, [low, high], color=style.color, marker=style.marker, linestyle=line, elinewidth=0.8,
                mfc=style.color if model == "network" else "white", label=f"{results.label(system)}, {name}",
            )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xticks(sorted(sizes), [f"{size:.0f}" for size in sorted(sizes)])
    axes.minorticks_off()
    if sizes:
        axes.set_xlim(min(sizes) / 1.4, max(sizes) * 1.4)
