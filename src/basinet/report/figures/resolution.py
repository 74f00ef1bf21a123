"""Total and local fidelity together against the cutoff: ridge by twojmax, networks by width."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from basinet.analysis.claims import ResultsTable
from basinet.report.figures.settings import footer
from basinet.report.figures.style import BLACK, BLUE, SKY, AbsentError, canvas, correlation_axis, legend_above
from basinet.report.results import StudyResults, preferred_split

QUANTITIES = (
    ("total", "raw", "total", BLACK, "o"),
    ("local", "raw", "local", BLUE, "s"),
    ("local", "pair", "local, pair gauge removed", SKY, "^"),
)
LINES = ("-", "--", ":", "-.")
VARIANTS = {"network": ("width", "width"), "ridge": ("twojmax", "twojmax")}
"""What distinguishes the curves of a kind of model: the column, and its name in the legend."""


def draw_resolution(results: StudyResults) -> Figure:
    """Pearson r against cutoff: a row per kind of model, a column per system, a line style per width or twojmax."""
    rows = preferred_split(results.table.select(experiment="resolution", species=("all", None)))
    rows = usual_weights(rows).means()
    systems = [system for system in results.systems if len(rows.select(test_system=system))]
    models = [model for model in VARIANTS if len(rows.select(model=model))]
    if not systems or not models:
        raise AbsentError("a scan of cutoff and twojmax")
    columns = len(systems)
    size = (max(4.6, 1.3 + 2.0 * columns), 2.2 + 1.75 * len(models))
    figure = canvas("Cutoff and resolution decide what totals and local energies keep", footer(results, rows), size)
    axes = figure.subplots(len(models), columns, sharex=True, sharey=True, squeeze=False)
    values = rows.floats("pearson_r").tolist()
    for row, model in enumerate(models):
        for column, system in enumerate(systems):
            axis = axes[row, column]
            draw_scan(axis, rows.select(model=model, test_system=system), model)
            correlation_axis(axis, values, "")
            axis.set_title(f"{results.label(system)}, {model}", loc="left")
    figure.supylabel("Pearson r", fontsize=9.5)
    for axis in axes[-1]:
        axis.set_xlabel("cutoff (Å)")
    legend: dict[str, Any] = {}
    for axis in axes.ravel():
        legend |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    labels = sorted(legend, reverse=True)
    legend_above(figure, [legend[label] for label in labels], labels)
    return figure


def draw_scan(axes: Axes, rows: ResultsTable, model: str) -> None:
    """One system and kind of model: one curve for each quantity and each width or twojmax."""
    column, name = VARIANTS[model]
    for target, gauge, label, color, marker in QUANTITIES:
        for index, variant in enumerate(rows.distinct(column)):
            chosen = rows.select(target=target, gauge=gauge, **{column: variant})
            points = sorted(zip(chosen.floats("rcut"), chosen.floats("pearson_r"), strict=True))
            if points:
                line = LINES[index % len(LINES)] if len(points) > 1 else ""
                legend = f"{label}, {name} {variant}"
                axes.plot(*zip(*points, strict=True), line, color=color, marker=marker, ms=3.5, label=legend)


def usual_weights(rows: ResultsTable) -> ResultsTable:
    """Rows with the species weights that most rows have."""
    usual = rows.most_common("weights")
    return rows.select(weights=(usual, None)) if usual is not None else rows
