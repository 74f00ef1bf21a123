"""How training went: the learning curve, the training curves, and the learning rate chosen for each width."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from basinet.plotting import GREY, GRID, AbsentError, canvas, correlation_axis, grid_of, legend_above, look, width_axis
from basinet.study.claims.members import architecture_name, architectures, of_architecture, sweep_members, width_grid
from basinet.study.figures.footer import footer
from basinet.study.report.results import StudyResults, preferred_split
from basinet.study.tables import distinct, member_rows, select


def draw_learning_curve(results: StudyResults) -> Figure:
    """Pearson r against the number of training frames: a row per target, a column per system, a curve per model."""
    rows = preferred_split(
        select(results.table, experiment="learning_curve", species=("all", None), gauge=("raw", None))
    )
    systems = [system for system in results.systems if len(select(rows, test_system=system))]
    if not systems:
        raise AbsentError("a learning curve")
    note = "Networks: mean and standard deviation over seeds. Mixture: raw gauge."
    size = (max(4.6, 1.3 + 2.0 * len(systems)), 5.2)
    figure = canvas("Fidelity against the number of training frames", footer(results, rows, note), size)
    axes = figure.subplots(2, len(systems), sharex=True, sharey="row", squeeze=False)
    for row, target in zip(axes, ("total", "local"), strict=True):
        chosen = select(rows, target=target)
        for axis, system in zip(row, systems, strict=True):
            draw_sizes(axis, select(chosen, test_system=system))
            width_axis(axis, rows["n_train"].to_numpy(float).tolist(), "training frames" if target == "local" else "")
            axis.set_title(f"{results.label(system)}, {target}", loc="left")
        values = [
            *member_rows(chosen)["pearson_r"].to_numpy(float),
            *select(chosen, model="ridge")["pearson_r"].to_numpy(float),
        ]
        correlation_axis(row[0], values)
        for axis in row[1:]:
            axis.grid(axis="y", color="#E6E6E6", linewidth=0.6, zorder=0)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    legend_above(figure, handles, labels)
    return figure


def draw_sizes(axes: Axes, rows: pd.DataFrame) -> None:
    """One system and target: networks by width, and ridge."""
    networks = member_rows(select(rows, model="network"))
    for index, width in enumerate(distinct(networks, "width")):
        style, own = look(index), select(networks, width=width)
        x, r = own["n_train"].to_numpy(float), own["pearson_r"].to_numpy(float)
        at = np.unique(x)
        groups = [r[(x == value) & np.isfinite(r)] for value in at]
        mean, spread = ([float(f(group)) if group.size else np.nan for group in groups] for f in (np.mean, np.std))
        axes.errorbar(at, mean, spread, color=style.color, marker=style.marker, label=f"network of width {width}")
    ridge = select(rows, model="ridge")
    points = sorted(zip(ridge["n_train"].to_numpy(float), ridge["pearson_r"].to_numpy(float), strict=True))
    if points:
        axes.plot(*zip(*points, strict=True), "--", color=GREY, marker="x", label="ridge")


def draw_training_curves(results: StudyResults) -> Figure:
    """Training and validation error against epoch for the narrowest, a middle and the widest network."""
    curves = select(results.curves, parametrisation=("standard", None))
    systems = [system for system in results.systems if len(select(curves, train_system=system))]
    if not systems:
        raise AbsentError("training curves")
    main = architectures(curves)[0]
    curves = of_architecture(curves, main)
    note = (
        f"{architecture_name(main)}; mean over {len(distinct(curves, 'seed'))} seeds. Root mean square errors "
        "of total energies, per atom. Solid: validation; dashed: training."
    )
    figure = canvas("Training and validation error while training", note, (max(4.6, 1.2 + 2.0 * len(systems)), 3.9))
    axes = grid_of(figure, len(systems), len(systems), sharey=True)
    for axis, system in zip(axes, systems, strict=True):
        chosen = select(curves, train_system=system)
        widths = distinct(chosen, "width")
        for index, width in enumerate(sorted({widths[0], widths[len(widths) // 2], widths[-1]})):
            draw_errors(axis, select(chosen, width=width), look(index).color, f"width {width}")
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


def draw_errors(axes: Axes, rows: pd.DataFrame, color: str, label: str) -> None:
    """Mean over seeds of validation and training error."""
    epochs = rows["epoch"].to_numpy(float)
    at, inverse = np.unique(epochs, return_inverse=True)
    count = np.bincount(inverse)
    for name, line in (("validation_rmse_mev", "-"), ("train_rmse_mev", "--")):
        mean = np.bincount(inverse, rows[name].to_numpy(float)) / count
        axes.plot(at, mean, line, color=color, linewidth=1.2, label=label if line == "-" else None)


def draw_learning_rates(results: StudyResults) -> Figure:
    """The learning rate that validation frames chose for each width."""
    usual = {"parametrisation": ("standard", None), "experiment": ("sweep", None)}
    rows = select(results.learning_rates, chosen=True, **usual)
    systems = [system for system in results.systems if len(select(rows, train_system=system))]
    if not systems:
        raise AbsentError("a choice of learning rates")
    note = "Chosen on validation frames, for every width; curves are shifted sideways by a few per cent."
    size = (max(4.6, 1.2 + 2.0 * len(systems)), 3.7)
    figure = canvas("Learning rate chosen for each width", note, size)
    axes = grid_of(figure, len(systems), len(systems), sharey=True)
    for axis, system in zip(axes, systems, strict=True):
        chosen = select(rows, train_system=system)
        for index, architecture in enumerate(architectures(chosen)):
            style, one = look(index), of_architecture(chosen, architecture)
            x, order = one["width"].to_numpy(float), np.argsort(one["width"].to_numpy(float))
            line = ("-", "--", "-.", ":")[index % 4]
            x = x * (1.0 + 0.03 * (index - 1.5))
            name = architecture_name(architecture)
            axis.plot(
                x[order], one["lr"].to_numpy(float)[order], line, marker=style.marker, color=style.color, label=name
            )
        axis.set_yscale("log")
        width_axis(axis, distinct(chosen, "width"))
        axis.set_title(results.label(system), loc="left")
    axes[0].set_ylabel("learning rate")
    handles, labels = axes[0].get_legend_handles_labels()
    legend_above(figure, handles, labels)
    return figure


def draw_cost(results: StudyResults) -> Figure:
    """Pearson r against CPU seconds; the widths of an architecture are joined by a line."""
    rows = select(sweep_members(results.table), transferred=False, species=("all", None), gauge=("raw", None))
    if not len(rows) or not (rows["train_seconds"].to_numpy(float) > 0.0).any():
        raise AbsentError("training times")
    note = (
        "CPU seconds per network (ensembles are trained together). Lines join widths, labelled at both ends; "
        "mean over seeds."
    )
    figure = canvas("Cost and accuracy", footer(results, rows, note), (GRID[0], 4.3))
    axes = figure.subplots(1, 2, sharex=True)
    for axis, target in zip(axes, ("total", "local"), strict=True):
        chosen = select(rows, target=target)
        means = []
        for index, system in enumerate(results.systems):
            means += draw_system(axis, results, select(chosen, test_system=system), index)
        axis.set_xscale("log")
        axis.set_xlabel("CPU seconds to train")
        axis.set_title(f"{target} energies", loc="left")
        correlation_axis(axis, means)
    handles, labels = axes[1].get_legend_handles_labels()
    legend_above(figure, handles, labels)
    return figure


def draw_system(axes: Axes, results: StudyResults, rows: pd.DataFrame, index: int) -> list[float]:
    """Curves of the first and the last architecture of a system; returns the values drawn."""
    found = architectures(rows)
    drawn: list[float] = []
    for architecture in found[:: max(1, len(found) - 1)]:
        one = of_architecture(rows, architecture)
        accuracy, seconds = width_grid(one), width_grid(one, "train_seconds")
        if not accuracy.widths.size or accuracy.widths.size != seconds.widths.size:
            continue
        style, main = look(index), architecture == found[0]
        name = f"{results.label(str(distinct(rows, 'test_system')[0]))}, {architecture_name(architecture)}"
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
