"""What accuracy costs: CPU time to train one network against its fidelity."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from basinet.analysis.claims import ResultsTable
from basinet.analysis.claims.members import (
    architecture_name,
    architectures,
    of_architecture,
    sweep_members,
    width_grid,
)
from basinet.report.figures.settings import footer
from basinet.report.figures.style import GRID, AbsentError, canvas, correlation_axis, legend_above, look
from basinet.report.results import StudyResults


def draw_cost(results: StudyResults) -> Figure:
    """Pearson r against CPU seconds; the widths of an architecture are joined by a line."""
    rows = sweep_members(results.table).select(transferred=False, species=("all", None), gauge=("raw", None))
    if not len(rows) or not (rows.floats("train_seconds") > 0.0).any():
        raise AbsentError("training times")
    note = (
        "CPU seconds per network (ensembles are trained together). Lines join widths, labelled at both ends; "
        "mean over seeds."
    )
    figure = canvas("Cost and accuracy", footer(results, rows, note), (GRID[0], 4.3))
    axes = figure.subplots(1, 2, sharex=True)
    for axis, target in zip(axes, ("total", "local"), strict=True):
        chosen = rows.select(target=target)
        means = []
        for index, system in enumerate(results.systems):
            means += draw_system(axis, results, chosen.select(test_system=system), index)
        axis.set_xscale("log")
        axis.set_xlabel("CPU seconds to train")
        axis.set_title(f"{target} energies", loc="left")
        correlation_axis(axis, means)
    handles, labels = axes[1].get_legend_handles_labels()
    legend_above(figure, handles, labels)
    return figure


def draw_system(axes: Axes, results: StudyResults, rows: ResultsTable, index: int) -> list[float]:
    """Curves of the first and the last architecture of a system; returns the values drawn."""
    found = architectures(rows)
    drawn: list[float] = []
    for architecture in found[:: max(1, len(found) - 1)]:
        one = of_architecture(rows, architecture)
        accuracy, seconds = width_grid(one), width_grid(one, "train_seconds")
        if not accuracy.widths.size or accuracy.widths.size != seconds.widths.size:
            continue
        style, main = look(index), architecture == found[0]
        name = f"{results.label(str(rows.distinct('test_system')[0]))}, {architecture_name(architecture)}"
        x, y = seconds.mean(), accuracy.mean()
        axes.plot(
            x,
            y,
            "-" if main else ":",
            marker=style.marker,
            color=style.color,
            mfc=style.color if main else "white",
            label=name,
        )
        for end in (0, -1):
            axes.annotate(
                f"{accuracy.widths[end]:.0f}",
                (x[end], y[end]),
                (3, 3),
                textcoords="offset points",
                fontsize=6.5,
            )
        drawn += y.tolist()
    return drawn
