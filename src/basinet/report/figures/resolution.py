"""Total and local fidelity together against the cutoff and the descriptor's resolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from basinet.analysis.claims import ResultsTable
from basinet.report.figures.settings import footer
from basinet.report.figures.style import BLACK, BLUE, SKY, AbsentError, canvas, correlation_axis, legend_above
from basinet.report.results import StudyResults, preferred_split

QUANTITIES = (
    ("total", "raw", "total energies", BLACK, "o"),
    ("local", "raw", "local energies", BLUE, "s"),
    ("local", "pair", "local, pair gauge removed", SKY, "^"),
)
LINES = ("-", "--", ":", "-.")


def draw_resolution(results: StudyResults) -> Figure:
    """Pearson r against cutoff: a row per kind of model, a column per system, line style for twojmax."""
    rows = preferred_split(results.table.select(experiment="resolution", species=("all", None)))
    rows = usual_weights(rows)
    systems = [system for system in results.systems if len(rows.select(test_system=system))]
    models = [model for model in ("network", "ridge") if len(rows.select(model=model))]
    if not systems or not models:
        raise AbsentError("a scan of cutoff and twojmax")
    columns = len(systems)
    size = (max(4.6, 1.3 + 2.0 * columns), 1.9 + 1.75 * len(models))
    figure = canvas("Cutoff and resolution decide what totals and local energies keep", footer(results, rows), size)
    axes = figure.subplots(len(models), columns, sharex=True, sharey=True, squeeze=False)
    values = rows.floats("pearson_r").tolist()
    for row, model in enumerate(models):
        for column, system in enumerate(systems):
            axis = axes[row, column]
            draw_scan(axis, rows.select(model=model, test_system=system), rows.distinct("twojmax"))
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


def draw_scan(axes: Axes, rows: ResultsTable, resolutions: Sequence[Any]) -> None:
    """One system and kind of model."""
    for target, gauge, label, color, marker in QUANTITIES:
        for index, twojmax in enumerate(resolutions):
            chosen = rows.select(target=target, gauge=gauge, twojmax=twojmax)
            best: dict[float, float] = {}
            for cutoff, r in zip(chosen.floats("rcut"), chosen.floats("pearson_r"), strict=True):
                best[cutoff] = max(r, best.get(cutoff, -1.0))
            if best:
                name = f"{label}, twojmax {twojmax}"
                line = LINES[index % len(LINES)]
                cutoffs = sorted(best)
                axes.plot(cutoffs, [best[c] for c in cutoffs], line, color=color, marker=marker, ms=3.5, label=name)


def usual_weights(rows: ResultsTable) -> ResultsTable:
    """Rows with the species weights that most rows have."""
    usual = rows.most_common("weights")
    return rows.select(weights=(usual, None)) if usual is not None else rows
