"""Figures 2, 3, 4, 7, 8, 9 and 10: fidelity against the width of the network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from basinet.plotting import GRID, SINGLE, AbsentError, Look, canvas, correlation_axis, legend_above, look, width_axis
from basinet.study.claims.members import Architecture, architectures, of_architecture, sweep_members, width_grid
from basinet.study.figures.footer import footer
from basinet.study.report.results import StudyResults, baseline, floor
from basinet.study.tables import distinct, member_rows, select

BASELINES = (("lennard_jones", "pair pot."), ("ridge", "ridge"), ("ceiling", "ceiling"))
PANEL_ORDER = (("linear", 1), ("tanh", 1), ("linear", 2), ("tanh", 2))


@dataclass(frozen=True)
class Curve:
    """One curve: where the networks come from, where they are tested, and how it looks."""

    train: str
    test: str
    gauge: str
    label: str
    look: Look


@dataclass(frozen=True)
class WidthFigure:
    """What a figure against width shows."""

    target: str
    transferred: bool
    main_only: bool
    title: str


def draw_width(results: StudyResults, shown: WidthFigure) -> Figure:
    """Mean and standard deviation over members of Pearson r against width, one curve per test system."""
    rows = select(sweep_members(results.table), target=shown.target, transferred=shown.transferred)
    rows = select(rows, species=("all", None))
    if not len(rows):
        need = "transferred models (a mixture and its pure systems)" if shown.transferred else "a sweep"
        raise AbsentError(f"{need} with {shown.target} energies on test frames")
    found = architectures(rows)
    panels = found[:1] if shown.main_only else sorted(found, key=panel_order)
    curves = curves_of(results, rows)
    size = SINGLE if len(panels) == 1 else (GRID if len(panels) > 2 else (GRID[0], 3.7))
    floors = {curve.test: floor(results, curve.test, shown.target) for curve in curves}
    floors = {system: limit for system, limit in floors.items() if np.isfinite(limit)}
    lowest = lowest_point(rows, curves, panels)
    note = "Points and bars: mean and standard deviation over seeds. Right: baselines on the same frames."
    if floors:
        each = ", ".join(f"{results.label(system)} {limit:.2f}" for system, limit in floors.items())
        note += f" Dotted: 95th percentile of |r| of untrained networks ({each})."
    figure = canvas(shown.title, footer(results, rows, note), size)
    per_row = 1 if len(panels) == 1 else 2
    n_rows = -(-len(panels) // per_row)
    axes = figure.subplots(
        n_rows,
        per_row + 1,
        sharey=True,
        squeeze=False,
        gridspec_kw={"width_ratios": [1.0] * per_row + [0.3]},
    )
    for index, architecture in enumerate(panels):
        panel = axes[index // per_row, index % per_row]
        draw_panel(panel, of_architecture(rows, architecture), curves)
        for curve in curves:
            if curve.test in floors and curve.gauge != "pair":
                panel.axhline(floors[curve.test], color=curve.look.color, linestyle=":", linewidth=1.0, zorder=0)
        panel.set_title(panel_title(architecture), loc="left")
        if index + per_row < len(panels):
            panel.set_xlabel("")
    for spare in axes[:, :per_row].ravel()[len(panels) :]:
        spare.set_visible(False)
    for row in range(n_rows):
        draw_baselines(axes[row, per_row], results, curves, shown.target)
        correlation_axis(axes[row, 0], [lowest])
        for other in axes[row, 1:]:
            other.grid(axis="y", color="#E6E6E6", linewidth=0.6, zorder=0)
            other.axhline(1.0, color="#BBBBBB", linewidth=0.6, zorder=0)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    legend_above(figure, handles, labels)
    return figure


def curves_of(results: StudyResults, rows: pd.DataFrame) -> list[Curve]:
    """One curve per test system and origin; a mixture has its local energies in both gauges."""
    order = list(results.systems)
    pairs = set(zip(rows["train_system"], rows["test_system"], rows["gauge"], strict=True))
    curves = []
    transferred = distinct(rows, "transferred") == (True,)
    for train, test, gauge in sorted(pairs, key=lambda p: (system_index(order, p[1]), p[0], p[2] != "raw")):
        if gauge == "control":
            continue
        base = look(system_index(order, test))
        label = results.label(test) + (f" (networks of {results.label(train)})" if transferred else "")
        if gauge == "pair":
            label, dashed = f"{results.label(test)}, pair gauge removed", Look(base.color, base.marker, "--")
            curves.append(Curve(train, test, gauge, label, dashed))
        else:
            curves.append(Curve(train, test, gauge, label, base))
    return curves


def system_index(order: list[str], system: str) -> int:
    """Position of a system; unknown ones come last."""
    return order.index(system) if system in order else len(order)


def draw_panel(axes: Axes, rows: pd.DataFrame, curves: list[Curve]) -> None:
    """All curves of one architecture; shifted sideways a little so that bars do not hide each other."""
    for index, curve in enumerate(curves):
        grid = width_grid(select(rows, train_system=curve.train, test_system=curve.test, gauge=curve.gauge))
        if not grid.widths.size:
            continue
        spread = grid.spread()
        shift = 1.0 + 0.035 * (index - (len(curves) - 1) / 2.0)
        axes.errorbar(
            grid.widths * shift,
            grid.mean(),
            spread,
            color=curve.look.color,
            marker=curve.look.marker,
            mfc="white" if curve.gauge == "pair" else curve.look.color,
            linestyle=curve.look.line,
            capsize=2.0,
            elinewidth=0.9,
            label=curve.label,
        )
    width_axis(axes, distinct(rows, "width"))


def draw_baselines(axes: Axes, results: StudyResults, curves: list[Curve], target: str) -> None:
    """Baselines of every test system beside the panels."""
    names: list[str] = []
    for model, name in BASELINES:
        found = [(curve, baseline(results, model, curve.test, target, curve.gauge)) for curve in curves]
        found = [(curve, row) for curve, row in found if row]
        if not found:
            continue
        for index, (curve, row) in enumerate(found):
            shift = 0.2 * (index - (len(found) - 1) / 2.0)
            face = "white" if curve.gauge == "pair" else curve.look.color
            axes.plot(
                len(names) + shift,
                row["pearson_r"],
                curve.look.marker,
                color=curve.look.color,
                mfc=face,
                ms=4.5,
            )
        names.append(name)
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_xlim(-0.6, max(len(names), 1) - 0.4)
    axes.tick_params(left=False, labelleft=False)
    axes.spines["left"].set_visible(False)


def lowest_point(rows: pd.DataFrame, curves: list[Curve], panels: list[Architecture]) -> float:
    """Lowest end of an error bar."""
    lows = [1.0]
    for architecture in panels:
        chosen = of_architecture(rows, architecture)
        for curve in curves:
            grid = width_grid(select(chosen, train_system=curve.train, test_system=curve.test, gauge=curve.gauge))
            if grid.widths.size:
                lows.append(float(np.nanmin(grid.mean() - grid.spread())))
    return min(lows)


def panel_order(architecture: Architecture) -> tuple[int, Architecture]:
    """The paper's order of panels: linear left, tanh right; one hidden layer above two."""
    known = architecture in PANEL_ORDER
    return (PANEL_ORDER.index(architecture) if known else len(PANEL_ORDER), architecture)


def panel_title(architecture: Architecture) -> str:
    """Such as ``tanh, 2 hidden layers``."""
    activation, depth = architecture
    return f"{activation}, {depth} hidden layer{'s' if depth != 1 else ''}"


NAMES = {
    "standard": "standard",
    "zero_readout": "zero readout",
    "ntk": "NTK",
    "mup": "μP",
}


def draw_controls(results: StudyResults) -> Figure:
    """Pearson r against width by parametrisation: totals above, local energies below, a column per system."""
    rows = select(results.table, experiment="parametrisation", species=("all", None), transferred=(False, None))
    rows = member_rows(select(rows, split="test", gauge=("raw", None)))
    systems = [system for system in results.systems if len(select(rows, test_system=system))]
    found = [name for name in NAMES if len(select(rows, parametrisation=name))]
    found += [name for name in distinct(rows, "parametrisation") if name not in NAMES]
    if not systems or len(found) < 2:
        raise AbsentError("networks in more than one parametrisation")
    note = "Mean and standard deviation over seeds; local energies in the raw gauge."
    size = (max(4.6, 1.2 + 2.0 * len(systems)), 5.4)
    figure = canvas("Controls: parametrisation of the network", footer(results, rows, note), size)
    axes = figure.subplots(2, len(systems), squeeze=False, sharex=True, sharey="row")
    for row, target in enumerate(("total", "local")):
        chosen = select(rows, target=target)
        for column, system in enumerate(systems):
            axis = axes[row, column]
            for index, name in enumerate(found):
                grid = width_grid(select(chosen, test_system=system, parametrisation=name))
                if grid.widths.size:
                    style = look(index)
                    axis.errorbar(
                        grid.widths * (1.0 + 0.04 * (index - 1.5)),
                        grid.mean(),
                        grid.spread(),
                        color=style.color,
                        marker=style.marker,
                        linestyle=("-", "--", "-.", ":")[index % 4],
                        capsize=2,
                        label=NAMES.get(name, name),
                    )
            width_axis(axis, distinct(rows, "width"), "layer width" if row else "")
            axis.set_title(f"{results.label(system)}, {target}", loc="left")
            correlation_axis(axis, chosen["pearson_r"].to_numpy(float).tolist(), "Pearson r" if column == 0 else "")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    legend_above(figure, handles, labels)
    return figure
