"""Figures against the width of the network: 2 to 4, 7 to 10, species, learning rates and cost."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from basinet import plotting
from basinet.plotting import look
from basinet.study.claims import members
from basinet.study.report.results import StudyResults, floor, model_row, settings_text
from basinet.study.tables import distinct, select

_BASELINES = (("lennard_jones", "pair pot."), ("ridge", "ridge"), ("ceiling", "ceiling"), ("relation", "relation"))
_PANEL_ORDER = (("linear", 1), ("tanh", 1), ("linear", 2), ("tanh", 2))
"""The paper's: linear left, tanh right; one hidden layer above two."""
_GAUGES = (
    ("raw", "raw", plotting.Look(plotting.VERMILION, "s")),
    ("pair", "pair gauge removed", plotting.Look(plotting.BLUE, "o", "--")),
    ("control", "control (equal signs, no gauge)", plotting.Look(plotting.GREY, "^", ":")),
)


@dataclass(frozen=True)
class _Curve:
    """Networks of one origin on one test system, in one gauge; `face` is the colour inside the markers."""

    train: str
    test: str
    gauge: str
    label: str
    look: plotting.Look
    face: str


@dataclass(frozen=True)
class WidthFigure:
    """A figure against width: target (``total``, ``local``), transferred models, the main architecture alone or all."""

    target: str
    transferred: bool
    main_only: bool
    title: str


def target_panels(results: StudyResults, figure: Figure, systems: list[str], **shared: Any) -> dict[str, list[Axes]]:
    """Panels of totals above and local energies below, a column per system, titled."""
    axes = figure.subplots(2, len(systems), squeeze=False, **shared)
    for row, target in zip(axes, ("total", "local"), strict=True):
        for axis, system in zip(row, systems, strict=True):
            axis.set_title(f"{results.label(system)}, {target}")
    return {target: list(row) for target, row in zip(("total", "local"), axes, strict=True)}


def draw_members(
    axes: Axes, grid: pd.DataFrame, style: plotting.Look, label: str, shift: float = 0.0, **keywords: Any
) -> float:
    """Mean and standard deviation over members against width.

    ``shift`` is a fraction of the width, so that bars of several curves do not hide each other. Returns the lowest end
    of a bar; 1 if there is nothing to draw.
    """
    if grid.empty:
        return 1.0
    mean, bars = grid.mean(), members.spread(grid)
    keywords = {"color": style.color, "marker": style.marker, "linestyle": style.line, "capsize": 2.0, **keywords}
    axes.errorbar(mean.index * (1.0 + shift), mean, bars, label=label, **keywords)
    return float((mean - bars).min())


def draw_width(results: StudyResults, shown: WidthFigure) -> Figure:
    """Mean and standard deviation over members of Pearson r against width, one curve per test system."""
    rows = select(members.sweep_members(results.table), target=shown.target, transferred=shown.transferred)
    rows = select(rows, species=("all", None))
    if not len(rows):
        need = "transferred models (a mixture and its pure systems)" if shown.transferred else "a sweep"
        raise plotting.AbsentError(f"{need} with {shown.target} energies on test frames")
    found = members.architectures(rows)
    panels = found[:1] if shown.main_only else sorted(sorted(found), key=lambda one: (*_PANEL_ORDER, one).index(one))
    curves = _curves(results, rows, transferred=shown.transferred)
    floors = {curve.test: floor(results, curve.test, shown.target) for curve in curves}
    floors = {system: limit for system, limit in floors.items() if np.isfinite(limit)}
    note = "Points and bars: mean and standard deviation over seeds. Right: baselines on the same frames."
    if floors:
        each = ", ".join(f"{results.label(system)} {limit:.2f}" for system, limit in floors.items())
        note += f" Dotted: 95th percentile of |r| of untrained networks ({each})."
    per_row = 1 if len(panels) == 1 else 2
    n_rows = -(-len(panels) // per_row)
    size = plotting.SINGLE if len(panels) == 1 else (plotting.GRID if n_rows > 1 else (plotting.GRID[0], 3.7))
    figure = plotting.canvas(shown.title, settings_text(results, rows, note), size)
    ratios = {"width_ratios": [1.0] * per_row + [0.3]}
    axes = figure.subplots(n_rows, per_row + 1, sharey=True, squeeze=False, gridspec_kw=ratios)
    lows = [1.0]
    for index, panel in enumerate(axes[:, :per_row].ravel()):
        panel.set_visible(index < len(panels))
        if index < len(panels):
            lows.append(_draw_architecture(panel, members.of_architecture(rows, panels[index]), curves, floors))
            activation, depth = panels[index]
            panel.set_title(f"{activation}, {depth} hidden layer{'s' if depth != 1 else ''}")
            if index + per_row < len(panels):
                panel.set_xlabel("")
    for row in axes:
        _draw_baselines(row[-1], results, curves, shown.target)
        plotting.correlation_axes(row, lows)
    plotting.legend_above(figure, axes[0, :1])
    return figure


def _curves(results: StudyResults, rows: pd.DataFrame, *, transferred: bool) -> list[_Curve]:
    cases = set(rows[["train_system", "test_system", "gauge"]].dropna().itertuples(index=False, name=None))
    curves = []
    for train, test, gauge in sorted(cases, key=lambda case: (results.position(case[1]), case[0], case[2] != "raw")):
        base, label = look(results.position(test)), results.label(test)
        if gauge == "pair":
            dashed = plotting.Look(base.color, base.marker, "--")
            curves.append(_Curve(train, test, gauge, f"{label}, pair gauge removed", dashed, "white"))
        elif gauge != "control":
            origin = f" (networks of {results.label(train)})" if transferred else ""
            curves.append(_Curve(train, test, gauge, label + origin, base, base.color))
    return curves


def _draw_architecture(axes: Axes, rows: pd.DataFrame, curves: list[_Curve], floors: dict[str, float]) -> float:
    lows = []
    for index, curve in enumerate(curves):
        shift = 0.035 * (index - (len(curves) - 1) / 2.0)
        grid = members.width_grid(select(rows, train_system=curve.train, test_system=curve.test, gauge=curve.gauge))
        lows.append(draw_members(axes, grid, curve.look, curve.label, shift, mfc=curve.face, elinewidth=0.9))
        if curve.test in floors and curve.gauge != "pair":
            axes.axhline(floors[curve.test], color=curve.look.color, linestyle=":", linewidth=1.0, zorder=0)
    plotting.width_axis(axes, distinct(rows, "width"))
    return min(lows)


def _draw_baselines(axes: Axes, results: StudyResults, curves: list[_Curve], target: str) -> None:
    names: list[str] = []
    for model, name in _BASELINES:
        found = [(curve, model_row(results, model, curve.test, target, curve.gauge)) for curve in curves]
        found = [(curve, row) for curve, row in found if row]
        for index, (curve, row) in enumerate(found):
            x = len(names) + 0.2 * (index - (len(found) - 1) / 2.0)
            axes.plot(x, row["pearson_r"], curve.look.marker, color=curve.look.color, mfc=curve.face, ms=4.5)
        names += [name] if found else []
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_xlim(-0.6, max(len(names), 1) - 0.4)
    axes.tick_params(left=False, labelleft=False)
    axes.spines["left"].set_visible(False)


def draw_targets(
    results: StudyResults,
    rows: pd.DataFrame,
    title: str,
    note: str,
    curves: list[tuple[str, plotting.Look, pd.DataFrame]],
    against: tuple[str, str] = ("width", "layer width"),
) -> Figure:
    """Mean and standard deviation over members of Pearson r: totals above, local energies below, a column per system.

    Of each curve there are its name, look and rows; `against` are the column and the name of the abscissa.
    """
    column, axis_name = against
    systems = results.present(rows, "test_system")
    figure = plotting.canvas(title, settings_text(results, rows, note), plotting.columns_size(len(systems), 5.3))
    panels = target_panels(results, figure, systems, sharex=True, sharey="row")
    for target, row in panels.items():
        plotting.correlation_axes(row, pd.concat([select(drawn, target=target) for *_, drawn in curves])["pearson_r"])
        for axis, system in zip(row, systems, strict=True):
            for index, (name, style, drawn) in enumerate(curves):
                own = select(drawn, target=target, test_system=system)
                shift = 0.04 * (index - (len(curves) - 1) / 2.0)
                draw_members(axis, members.width_grid(own, by=column), style, name, shift)
            plotting.width_axis(axis, distinct(rows, column), axis_name if target == "local" else "")
    plotting.legend_above(figure, panels["total"][:1])
    return figure


def draw_species(results: StudyResults) -> Figure:
    """Local r of each species of the mixture against width, in three gauges."""
    rows = select(
        members.sweep_members(results.table), target="local", transferred=False, test_system=tuple(results.mixtures)
    )
    panels = [
        (system, str(name))
        for system in results.mixtures
        for name in distinct(select(rows, test_system=system), "species")
        if name != "all"
    ]
    if not panels:
        raise plotting.AbsentError("a mixture with local energies by species")
    main = members.architectures(rows)[0]
    rows = members.of_architecture(rows, main)
    note = (
        "The pair gauge moves energy between unlike neighbours without changing any total; its coefficients "
        "come from validation frames. The control, with equal signs, has as many coefficients. Mean and "
        "standard deviation over seeds."
    )
    title = f"Local energies of a mixture by species ({members.architecture_name(main)})"
    columns = max(2, min(3, len(panels)))
    figure = plotting.canvas(title, settings_text(results, rows, note), (6.2, 1.6 + 2.3 * -(-len(panels) // columns)))
    axes = plotting.grid_of(figure, len(panels), columns, sharey=True)
    lows = [1.0]
    for axis, (system, name) in zip(axes, panels, strict=True):
        for gauge, label, style in _GAUGES:
            grid = members.width_grid(select(rows, test_system=system, species=name, gauge=gauge))
            lows.append(draw_members(axis, grid, style, label))
        axis.set_title(name if len(results.mixtures) == 1 else f"{results.label(system)}: {name}")
        plotting.width_axis(axis, distinct(rows, "width"))
    plotting.correlation_axes(axes, lows, "Pearson r, local energies")
    plotting.legend_above(figure, axes[:1])
    return figure


def draw_learning_rates(results: StudyResults) -> Figure:
    """The learning rate that validation frames chose for each width."""
    rows = select(results.learning_rates, chosen=True, experiment=("sweep", None))
    systems = results.present(rows, "train_system")
    if not systems:
        raise plotting.AbsentError("a choice of learning rates")
    note = "Chosen on validation frames, for every width; curves are shifted sideways by a few per cent."
    figure = plotting.canvas("Learning rate chosen for each width", note, plotting.columns_size(len(systems), 3.7))
    axes = plotting.grid_of(figure, len(systems), len(systems), sharey=True)
    for axis, system in zip(axes, systems, strict=True):
        chosen = select(rows, train_system=system)
        for index, architecture in enumerate(members.architectures(chosen)):
            one, style = members.of_architecture(chosen, architecture).sort_values("width"), look(index, lines=True)
            x, rates = one["width"].to_numpy(float) * (1.0 + 0.03 * (index - 1.5)), one["lr"].to_numpy(float)
            name = members.architecture_name(architecture)
            axis.plot(x, rates, style.line, marker=style.marker, color=style.color, label=name)
        axis.set_yscale("log")
        plotting.width_axis(axis, distinct(chosen, "width"))
        axis.set_title(results.label(system))
    axes[0].set_ylabel("learning rate")
    plotting.legend_above(figure, axes[:1])
    return figure


def draw_cost(results: StudyResults) -> Figure:
    """Pearson r against CPU seconds; the widths of an architecture are joined by a line."""
    rows = select(members.sweep_members(results.table), transferred=False, species=("all", None), gauge=("raw", None))
    if not (rows["train_seconds"] > 0.0).any():
        raise plotting.AbsentError("training times")
    note = (
        "CPU seconds per network (ensembles are trained together). Lines join widths, labelled at both ends; "
        "mean over seeds."
    )
    figure = plotting.canvas("Cost and accuracy", settings_text(results, rows, note), (plotting.GRID[0], 4.3))
    axes = figure.subplots(1, 2, sharex=True)
    for axis, target in zip(axes, ("total", "local"), strict=True):
        means: list[float] = []
        for index, system in enumerate(results.systems):
            own = select(rows, target=target, test_system=system)
            means += _draw_costs(axis, own, results.label(system), look(index))
        axis.set(xscale="log", xlabel="CPU seconds to train", title=f"{target} energies")
        plotting.correlation_axes([axis], means)
    plotting.legend_above(figure, axes[1:])
    return figure


def _draw_costs(axes: Axes, rows: pd.DataFrame, system: str, style: plotting.Look) -> list[float]:
    found = members.architectures(rows)
    drawn: list[float] = []
    for architecture in found[:: max(1, len(found) - 1)]:
        one, main = members.of_architecture(rows, architecture), architecture == found[0]
        means = pd.DataFrame(
            {name: members.width_grid(one, name).mean() for name in ("pearson_r", "train_seconds")}
        ).dropna()
        if means.empty:
            continue
        x, y, face = means["train_seconds"], means["pearson_r"], style.color if main else "white"
        name = f"{system}, {members.architecture_name(architecture)}"
        axes.plot(x, y, "-" if main else ":", marker=style.marker, color=style.color, mfc=face, label=name)
        for end in (0, -1):
            place = (x.iloc[end], y.iloc[end])
            axes.annotate(f"{means.index[end]:.0f}", place, (3, 3), textcoords="offset points", fontsize=6.5)
        drawn += y.tolist()
    return drawn
