"""How training went: the learning curve, the training curves, and the learning rate chosen for each width."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from basinet.analysis.claims import ResultsTable
from basinet.analysis.claims.members import architecture_name, architectures, of_architecture
from basinet.report.figures.settings import footer
from basinet.report.figures.style import (
    GRID,
    AbsentError,
    canvas,
    correlation_axis,
    grid_of,
    legend_above,
    look,
    width_axis,
)
from basinet.report.results import StudyResults, preferred_split


def draw_learning_curve(results: StudyResults) -> Figure:
    """Pearson r against the number of training frames; totals left, local energies right."""
    rows = preferred_split(
        results.table.select(experiment="learning_curve", species=("all", None), gauge=("raw", None))
    )
    if not len(rows):
        raise AbsentError("a learning curve")
    title = "Fidelity against the number of training frames"
    figure = canvas(title, footer(results, rows), (GRID[0], 4.0))
    axes = figure.subplots(1, 2, sharex=True)
    for axis, target in zip(axes, ("total", "local"), strict=True):
        chosen = rows.select(target=target)
        for index, system in enumerate(results.systems):
            style = look(index)
            for model, line, filled in (("network", "-", True), ("ridge", "--", False)):
                x, y, spread = averaged(chosen.select(test_system=system, model=model), "n_train")
                if x.size:
                    face = style.color if filled else "white"
                    label = f"{results.label(system)}, {model}"
                    axis.errorbar(
                        x,
                        y,
                        spread,
                        color=style.color,
                        marker=style.marker,
                        mfc=face,
                        linestyle=line,
                        label=label,
                    )
        width_axis(axis, chosen.floats("n_train").tolist(), "training frames")
        correlation_axis(axis, chosen.floats("pearson_r").tolist())
        axis.set_title(f"{target} energies", loc="left")
    handles, labels = axes[1].get_legend_handles_labels()
    legend_above(figure, handles, labels)
    return figure


def averaged(rows: ResultsTable, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values of a column, with mean and standard deviation of r at each."""
    chosen = rows.means() if len(rows.means()) else rows.members()
    x, r = chosen.floats(name), chosen.floats("pearson_r")
    at = np.unique(x[np.isfinite(x) & np.isfinite(r)])
    groups = [r[(x == value) & np.isfinite(r)] for value in at]
    return at, np.array([g.mean() for g in groups]), np.array([g.std() for g in groups])


def draw_training_curves(results: StudyResults) -> Figure:
    """Training and validation error against epoch for the narrowest, a middle and the widest network."""
    curves = results.curves.select(parametrisation=("standard", None))
    systems = [system for system in results.systems if len(curves.select(train_system=system))]
    if not systems:
        raise AbsentError("training curves")
    main = architectures(curves)[0]
    curves = of_architecture(curves, main)
    note = (
        f"{architecture_name(main)}; mean over {len(curves.distinct('seed'))} seeds. Root mean square errors "
        "of total energies, per atom. Solid: validation; dashed: training."
    )
    figure = canvas("Training and validation error while training", note, (max(4.6, 1.2 + 2.0 * len(systems)), 3.9))
    axes = grid_of(figure, len(systems), len(systems), sharey=True)
    for axis, system in zip(axes, systems, strict=True):
        chosen = curves.select(train_system=system)
        widths = chosen.distinct("width")
        for index, width in enumerate(sorted({widths[0], widths[len(widths) // 2], widths[-1]})):
            draw_errors(axis, chosen.select(width=width), look(index).color, f"width {width}")
        axis.set_title(results.label(system), loc="left")
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(FuncFormatter(plain_number))
        axis.yaxis.set_minor_formatter(FuncFormatter(plain_number))
        axis.set_xlabel("epoch")
    axes[0].set_ylabel("RMSE (meV/atom)")
    handles, labels = axes[0].get_legend_handles_labels()
    legend_above(figure, handles, labels)
    return figure


def plain_number(value: float, _position: int | None = None) -> str:
    """Tick label without a power of ten; only some of a decade, so that none collide."""
    text = f"{value:g}"
    return text if text.strip("0.")[:1] in "123457" else ""


def draw_errors(axes: Axes, rows: ResultsTable, color: str, label: str) -> None:
    """Mean over seeds of validation and training error."""
    epochs = rows.floats("epoch")
    at, inverse = np.unique(epochs, return_inverse=True)
    count = np.bincount(inverse)
    for name, line in (("validation_rmse_mev", "-"), ("train_rmse_mev", "--")):
        mean = np.bincount(inverse, rows.floats(name)) / count
        axes.plot(at, mean, line, color=color, linewidth=1.2, label=label if line == "-" else None)


def draw_learning_rates(results: StudyResults) -> Figure:
    """The learning rate that validation frames chose for each width."""
    usual = {"parametrisation": ("standard", None), "experiment": ("sweep", None)}
    rows = results.learning_rates.select(chosen=True, **usual)
    systems = [system for system in results.systems if len(rows.select(train_system=system))]
    if not systems:
        raise AbsentError("a choice of learning rates")
    note = "Chosen on validation frames, for every width; curves are shifted sideways by a few per cent."
    size = (max(4.6, 1.2 + 2.0 * len(systems)), 3.7)
    figure = canvas("Learning rate chosen for each width", note, size)
    axes = grid_of(figure, len(systems), len(systems), sharey=True)
    for axis, system in zip(axes, systems, strict=True):
        chosen = rows.select(train_system=system)
        for index, architecture in enumerate(architectures(chosen)):
            style, one = look(index), of_architecture(chosen, architecture)
            x, order = one.floats("width"), np.argsort(one.floats("width"))
            line = ("-", "--", "-.", ":")[index % 4]
            x = x * (1.0 + 0.03 * (index - 1.5))
            name = architecture_name(architecture)
            axis.plot(x[order], one.floats("lr")[order], line, marker=style.marker, color=style.color, label=name)
        axis.set_yscale("log")
        width_axis(axis, chosen.distinct("width"))
        axis.set_title(results.label(system), loc="left")
    axes[0].set_ylabel("learning rate")
    handles, labels = axes[0].get_legend_handles_labels()
    legend_above(figure, handles, labels)
    return figure
