"""Figures on the initial function: parametrisations, its scale, and what networks of different seeds have in common."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
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
    rows = member_rows(select(results.table, model="network", target="local", split="test", **_USUAL))
    rows = select(rows, experiment=("sweep", "parametrisation", "initial_scale"))
    ensemble = ["test_system", "activation", "depth", "parametrisation", "width", "initial_scale"]
    means = rows.groupby(ensemble, as_index=False)[["pearson_r", "agreement"]].mean().dropna()
    systems = results.present(means, "test_system")
    if not systems:
        raise plotting.AbsentError("networks of more than one seed with local energies")
    note = (
        "A point is the mean over the networks of an ensemble, which differ by their seed. Grey: the bound r = √q; no "
        "reference can correlate better with networks that have only their common part in common. Dotted: r = c √q "
        "with the c of the networks that agree best."
    )
    title = "What networks agree on, and what DFT agrees with"
    figure = plotting.canvas(title, settings_text(results, rows, note), plotting.columns_size(len(systems), 3.9))
    axes = plotting.grid_of(figure, len(systems), len(systems), sharey=True)
    kinds = [name for name in _PARAMETRISATIONS if name in distinct(means, "parametrisation")]
    for axis, system in zip(axes, systems, strict=True):
        own = select(means, test_system=system)
        lowest = max(float(own["agreement"].min()), 0.0)
        root = np.sqrt(np.linspace(lowest, 1.0, 100))
        (best,) = records(own.nlargest(1, "agreement"))
        axis.plot(root**2, root, color=plotting.GREY, linewidth=1.0)
        common = best["pearson_r"] / np.sqrt(best["agreement"])
        axis.plot(root**2, common * root, ":", color="black", linewidth=1.0)
        for index, name in enumerate(kinds):
            points, style = select(own, parametrisation=name), look(index)
            sizes = 6.0 + 6.0 * np.log2(points["width"].to_numpy(float))
            keywords = {"s": sizes, "color": style.color, "marker": style.marker, "alpha": 0.7}
            axis.scatter(points["agreement"], points["pearson_r"], label=_PARAMETRISATIONS[name], **keywords)
        axis.set(title=f"{results.label(system)} (c = {common:.3f})", xlabel="r between networks, q")
    plotting.correlation_axes(axes, means["pearson_r"], "Pearson r with DFT")
    plotting.legend_above(figure, axes[:1])
    return figure
