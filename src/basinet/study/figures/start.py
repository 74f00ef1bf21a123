"""Figures on the initial function: parametrisations, its scale, and what networks of different seeds have in common."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from basinet import plotting
from basinet.plotting import look
from basinet.study.claims import members
from basinet.study.figures.width import draw_targets
from basinet.study.report.results import StudyResults, settings_text
from basinet.study.tables import distinct, member_rows, records, select

_PARAMETRISATIONS = {
    "standard": "standard",
    "glorot": "Glorot",
    "pytorch": "PyTorch",
    "unit_readout": "unit readout",
    "zero_readout": "zero readout",
    "ntk": "NTK",
    "mup": "μP",
}
_USUAL: dict[str, Any] = {"species": ("all", None), "transferred": (False, None), "gauge": ("raw", None)}


def _controls(results: StudyResults, experiment: str, split: str = "test") -> pd.DataFrame:
    """Members of a control, and those of the sweep with the same architectures beside them."""
    controls = member_rows(select(results.table, experiment=experiment, split=split, **_USUAL))
    same = {name: distinct(controls, name) for name in ("activation", "depth", "width", "test_system")}
    return pd.concat([select(members.sweep_members(results.table, split), **_USUAL, **same), controls])


def draw_controls(results: StudyResults) -> Figure:
    """Pearson r against width by parametrisation."""
    rows = _controls(results, "parametrisation")
    found = sorted(distinct(rows, "parametrisation"), key=list(_PARAMETRISATIONS).index)
    if len(found) < 2:
        raise plotting.AbsentError("networks in more than one parametrisation")
    note = (
        "Full lines: test frames; dotted: frames trained on. Mean and standard deviation over seeds; local energies in "
        "the raw gauge."
    )
    fitted = _controls(results, "parametrisation", "train")
    curves = []
    for index, name in enumerate(found):
        style = look(index)
        curves.append((_PARAMETRISATIONS[name], style, select(rows, parametrisation=name)))
        curves.append(("", replace(style, line=":"), select(fitted, parametrisation=name)))
    return draw_targets(results, rows, "Controls: parametrisation of the network", note, curves)


def draw_initial_scales(results: StudyResults) -> Figure:
    """Pearson r against the scale of the initial readout, by width."""
    rows = _controls(results, "initial_scale")
    rows = rows.query("initial_scale > 0")  # the axis is logarithmic
    if len(distinct(rows, "initial_scale")) < 2:
        raise plotting.AbsentError("networks with more than one initial scale")
    curves = [
        (f"width {width}", look(index, lines=True), select(rows, width=width))
        for index, width in enumerate(distinct(rows, "width"))
    ]
    note = "Mean and standard deviation over seeds; local energies in the raw gauge."
    against = ("initial_scale", "factor of the initial readout")
    return draw_targets(results, rows, "Fidelity against the size of the initial function", note, curves, against)


def draw_agreement(results: StudyResults) -> Figure:
    """Pearson r of single networks with DFT against that between networks, of every ensemble."""
    means = members.ensemble_means(results.table, "network", ["pearson_r", "agreement"]).dropna()
    if means.empty:
        raise plotting.AbsentError("networks of more than one seed with local energies")
    note = (
        "A point is the mean over the networks of an ensemble, which differ by their seed. Grey: the bound r = √q; no "
        "reference can correlate better with networks that have only their common part in common. Dotted: r = c √q "
        "with the c of the networks that agree best."
    )
    title = "What networks agree on, and what DFT agrees with"
    figure, axes = _ensemble_panels(results, means, "agreement", "pearson_r", title, note)
    for system, axis in axes.items():
        own = select(means, test_system=system)
        root = np.sqrt(np.linspace(max(float(own["agreement"].min()), 0.0), 1.0, 100))
        (best,) = records(own.nlargest(1, "agreement"))
        common = best["pearson_r"] / np.sqrt(best["agreement"])
        axis.plot(root**2, root, color=plotting.GREY, linewidth=1.0, zorder=0)
        axis.plot(root**2, common * root, ":", color="black", linewidth=1.0, zorder=0)
        axis.set(title=f"{results.label(system)} (c = {common:.3f})", xlabel="r between networks, q")
    return figure


def draw_linearised(results: StudyResults) -> Figure:
    """Pearson r of trained networks with DFT against that of the same networks linearised at their start."""
    means = members.linearised_beside_trained(results.table)
    if means.empty:
        raise plotting.AbsentError("networks that were linearised at their start")
    note = (
        "A point is the mean over the networks of an ensemble. Abscissa: no training, but networks linear in their "
        "parameters around their random start, fitted to the same totals by ridge regression. Line: both alike."
    )
    title = "What training gives, and what the start and the totals foretell"
    figure, axes = _ensemble_panels(results, means, "linearised", "trained", title, note)
    for system, axis in axes.items():
        own = select(means, test_system=system)
        ends = [own["linearised"].min(), own["linearised"].max()]
        axis.plot(ends, ends, color=plotting.GREY, linewidth=1.0, zorder=0)
        deviation = float((own["trained"] - own["linearised"]).abs().mean())
        axis.set(title=f"{results.label(system)} (apart by {deviation:.3f})", xlabel="r of linearised networks")
    return figure


def draw_determination(results: StudyResults) -> Figure:
    """Shares of local energies, and of a random start, by the directions that totals see, a panel per system."""
    table = results.determination
    systems = results.present(table, "system")
    if not systems:
        raise plotting.AbsentError("local energies of training frames")
    note = (
        "Directions of the summed descriptors, those that total energies see best first. Bars: share of the variance "
        "of local energies, as far as they are linear, and of a random linear function. Line: what ridge on totals "
        "keeps. Nonlinear functions have further directions."
    )
    title = "What totals determine, and where the atoms and a random start lie"
    figure = plotting.canvas(title, note, plotting.columns_size(len(systems), 3.6))
    axes = plotting.grid_of(figure, len(systems), len(systems), sharey=True)
    for axis, system in zip(axes, systems, strict=True):
        own = select(table, system=system)
        axis.bar(own["direction"] - 0.2, own["variance_share"], 0.4, color=plotting.BLUE, label="local energies")
        axis.bar(own["direction"] + 0.2, own["start_share"], 0.4, color=plotting.VERMILION, label="random start")
        axis.plot(own["direction"], own["kept"], color="black", linewidth=1.0, label="kept by ridge on totals")
        axis.set(title=results.label(system), xlabel="direction")
    axes[0].set_ylabel("share")
    plotting.legend_above(figure, axes[:1])
    return figure


def _ensemble_panels(
    results: StudyResults, means: pd.DataFrame, x: str, y: str, title: str, note: str
) -> tuple[Figure, dict[str, Axes]]:
    """A panel for each system with a point for each ensemble, marked by parametrisation; sizes grow with width."""
    systems = results.present(means, "test_system")
    own = select(members.sweep_members(results.table), transferred=False)
    settings = settings_text(results, own, f"{note} Full symbols: tanh; open: linear.")
    figure = plotting.canvas(title, settings, plotting.columns_size(len(systems), 3.9))
    axes = plotting.grid_of(figure, len(systems), len(systems), sharey=True)
    kinds = [name for name in _PARAMETRISATIONS if name in distinct(means, "parametrisation")]
    for axis, system in zip(axes, systems, strict=True):
        for index, name in enumerate(kinds):
            style = look(index)
            for activation, face in (("tanh", style.color), ("linear", "none")):
                points = select(means, test_system=system, parametrisation=name, activation=activation)
                sizes = 6.0 + 6.0 * np.log2(points["width"].to_numpy(float))
                label = _PARAMETRISATIONS[name] if activation == "tanh" else ""
                keywords = {"s": sizes, "edgecolors": style.color, "facecolors": face, "marker": style.marker}
                axis.scatter(points[x], points[y], label=label, alpha=0.7, **keywords)
    plotting.correlation_axes(axes, means[y], "Pearson r with DFT")
    plotting.legend_above(figure, axes[:1])
    return figure, dict(zip(systems, axes, strict=True))
