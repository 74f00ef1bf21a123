"""Total and local fidelity together against the cutoff: ridge, and networks by width."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from basinet.analysis.claims import ResultsTable
from basinet.report.figures.settings import footer
from basinet.report.figures.style import BLACK, BLUE, GREY, SKY, AbsentError, canvas, correlation_axis, legend_above
from basinet.report.results import StudyResults, preferred_split

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
    rows = preferred_split(results.table.select(experiment="resolution", species=("all", None)))
    rows = usual_species(rows).means()
    systems = [system for system in results.systems if len(rows.select(test_system=system))]
    models = [model for model in VARIANTS if len(rows.select(model=model))]
    if not systems or not models:
        raise AbsentError("a scan of cutoff and twojmax")
    columns = len(systems)
    size = (max(4.6, 1.3 + 2.0 * columns), 2.2 + 1.75 * len(models))
    figure = canvas("Fidelity against the cutoff of the descriptor", footer(results, rows), size)
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
    gauges = {gauge for system in systems for gauge in results.gauges(system)}
    handles, labels = legend_entries(rows, gauges)
    legend_above(figure, handles, labels)
    return figure


def legend_entries(rows: ResultsTable, gauges: set[str]) -> tuple[list[Line2D], list[str]]:
    """Colours for quantities, line styles for the widths of networks."""
    shown = [entry for entry in QUANTITIES if entry[1] in gauges]
    handles = [Line2D([], [], color=color, marker=marker, ms=3.5) for *_, color, marker in shown]
    labels = [label for _, _, label, _, _ in shown]
    for index, width in enumerate(rows.select(model="network").distinct("width")):
        handles.append(Line2D([], [], color=GREY, ls=LINES[index % len(LINES)]))
        labels.append(f"network of width {width}")
    return handles, labels


def draw_scan(axes: Axes, rows: ResultsTable, model: str) -> None:
    """One system and kind of model: a curve for each quantity and each width (networks) or scanned twojmax (ridge)."""
    column = VARIANTS[model]
    for target, gauge, _, color, marker in QUANTITIES:
        for index, variant in enumerate(rows.distinct(column)):
            chosen = rows.select(target=target, gauge=gauge, **{column: variant})
            points = sorted(zip(chosen.floats("rcut"), chosen.floats("pearson_r"), strict=True))
            if len(points) > 1:
                line = LINES[index % len(LINES)] if model == "network" else "-"
                axes.plot(*zip(*points, strict=True), line, color=color, marker=marker, ms=3.5)


def usual_species(rows: ResultsTable) -> ResultsTable:
    """Rows with the species weights and radii that most rows have: those of the networks."""
    for column in ("weights", "radii"):
        usual = rows.most_common(column)
        rows = rows.select(**{column: (usual, None)}) if usual is not None else rows
    return rows
