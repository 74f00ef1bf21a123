"""The pair gauge itself: energy per pair that a model gave to the wrong one of two unlike atoms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from basinet.plotting import (
    BLACK,
    BLUE,
    GREY,
    SINGLE,
    VERMILION,
    AbsentError,
    canvas,
    correlation_axis,
    grid_of,
    legend_above,
    look,
    width_axis,
)
from basinet.study.claims.members import architecture_name, architectures, of_architecture, sweep_members, width_grid
from basinet.study.figures.footer import footer
from basinet.study.report.results import StudyResults, preferred_split
from basinet.study.tables import by_element, distinct, most_common, select

MEV = 1e3


def draw_gauge(results: StudyResults) -> Figure:
    """h(r) of every model, and what removing it does to local r."""
    entries = [(system, entry) for system, found in results.gauge.items() for entry in found if entry.get("r")]
    if not entries:
        raise AbsentError("a pair gauge (it takes a mixture with local energies)")
    effects = "; ".join(effect(entry) for _, entry in entries)
    note = (
        "e_i changes by + h(r) for the first species and - h(r) for the second, for every unlike pair: "
        f"totals do not change. Grey: the control with equal signs, which is no gauge. {effects}."
    )
    pairs = sorted({str(entry.get("pair", "")) for _, entry in entries})
    figure = canvas(f"The pair gauge h(r), {', '.join(pairs)}", note, (SINGLE[0], 4.2))
    axes = figure.subplots()
    axes.axhline(0.0, color="black", linewidth=0.8)
    for index, (system, entry) in enumerate(entries):
        style = look(index)
        line = ("-", "--", "-.", ":")[index % 4]
        values = [MEV * value for value in entry["h_ev"]]
        name = f"{results.label(system)}, {entry.get('model', 'model')}"
        axes.plot(entry["r"], values, line, color=style.color, label=name)
        if entry.get("h_control_ev"):
            control = [MEV * value for value in entry["h_control_ev"]]
            axes.plot(entry["r"], control, line, color=GREY, linewidth=1.0)
    axes.plot([], [], color=GREY, linewidth=1.0, label="control")
    axes.set_xlabel("distance r (Å)")
    axes.set_ylabel("h (meV per pair)")
    axes.legend(loc="best")
    return figure


def effect(entry: Mapping[str, Any]) -> str:
    """Local r before and after, by species."""
    found = entry.get("local_r", {})
    words = [
        f"{name} {value.get('raw', float('nan')):.2f} to {value.get('pair', float('nan')):.2f}"
        for name, value in found.items()
    ]
    return f"local r with {entry.get('model', 'model')}: {', '.join(words)}" if words else str(entry.get("model", ""))


GAUGES = (
    ("raw", "raw", VERMILION, "s", "-"),
    ("pair", "pair gauge removed", BLUE, "o", "--"),
    ("control", "control (equal signs, no gauge)", GREY, "^", ":"),
)


def draw_species(results: StudyResults) -> Figure:
    """Local r of each species of the mixture against width, in three gauges."""
    rows = select(sweep_members(results.table), target="local", transferred=False, test_system=tuple(results.mixtures))
    panels = [
        (system, str(name))
        for system in results.mixtures
        for name in distinct(select(rows, test_system=system), "species")
        if name != "all"
    ]
    if not panels:
        raise AbsentError("a mixture with local energies by species")
    main = architectures(rows)[0]
    rows = of_architecture(rows, main)
    note = (
        "The pair gauge moves energy between unlike neighbours without changing any total; its coefficients "
        "come from validation frames. The control, with equal signs, has as many coefficients. Mean and "
        "standard deviation over seeds."
    )
    title = f"Local energies of a mixture by species ({architecture_name(main)})"
    columns = max(2, min(3, len(panels)))
    figure = canvas(title, footer(results, rows, note), (6.2, 1.6 + 2.3 * -(-len(panels) // columns)))
    axes = grid_of(figure, len(panels), columns, sharey=True)
    lows = [1.0]
    for axis, (system, name) in zip(axes, panels, strict=True):
        for gauge, label, color, marker, line in GAUGES:
            grid = width_grid(select(rows, test_system=system, species=name, gauge=gauge))
            if not grid.widths.size:
                continue
            spread = grid.spread()
            axis.errorbar(
                grid.widths,
                grid.mean(),
                spread,
                color=color,
                marker=marker,
                linestyle=line,
                capsize=2,
                label=label,
            )
            lows.append(float(np.nanmin(grid.mean() - spread)))
        axis.set_title(name if len(results.mixtures) == 1 else f"{results.label(system)}: {name}", loc="left")
        width_axis(axis, distinct(rows, "width"))
    correlation_axis(axes[0], lows, "Pearson r, local energies")
    for axis in axes[1:]:
        axis.grid(axis="y", color="#E6E6E6", linewidth=0.6)
    handles, labels = axes[0].get_legend_handles_labels()
    legend_above(figure, handles, labels)
    return figure


def neighbour_weight(text: str, element: str) -> float:
    """Weight of an element in a table's ``weights``.

    >>> neighbour_weight("Ar:1 Kr:1.3 Xe:1.69", "Kr")
    1.3
    """
    return float(dict(part.split(":") for part in text.split())[element])


def draw_weights(results: StudyResults) -> Figure:
    """Pearson r of ridge at the chosen cutoff against the second element's weight; a panel for each choice of sizes."""
    rows = preferred_split(select(results.table, experiment="resolution", model="ridge"))
    chosen = results.study.get("descriptor", {})
    rows = select(rows, rcut=chosen.get("rcut"))
    rows = select(rows, twojmax=most_common(rows, "twojmax"))
    panels = [
        (system, radii, scan)
        for system in results.mixtures
        for radii in distinct(select(rows, test_system=system), "radii") or (None,)
        if len(distinct(scan := select(rows, test_system=system, radii=radii), "weights")) > 1
    ]
    if not panels:
        raise AbsentError("a scan of species weights in a mixture")
    size = (max(4.6, 1.3 + 3.0 * len(panels)), 4.4)
    figure = canvas("Fidelity against weight and size of the species", footer(results, rows), size)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    values = np.concatenate([scan["pearson_r"].to_numpy(float) for *_, scan in panels]).tolist()
    for axis, (system, radii, scan) in zip(axes, panels, strict=True):
        draw_curves(axis, scan, results.systems[system])
        correlation_axis(axis, values, "")
        element = results.systems[system][-1]
        axis.set_xlabel(f"neighbour weight of {element} (the first element has 1)")
        sizes = chosen.get("radii") or dict.fromkeys(chosen.get("weights", {}), 0.5)
        if element in chosen.get("weights", {}) and radii in (None, by_element(sizes)):
            axis.axvline(chosen["weights"][element], color=GREY, lw=1.0, ls=":", label="chosen by total energies")
        axis.set_title(f"{results.label(system)}{size_text(radii)}", loc="left")
    figure.supylabel("Pearson r", fontsize=9.5)
    entries: dict[str, Artist] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    legend_above(figure, list(entries.values()), list(entries))
    return figure


def size_text(radii: str | None) -> str:
    """Words for a table's ``radii``.

    >>> size_text("Ar:0.5 Kr:0.5"), size_text("Ar:0.5 Kr:0.5372")
    (', one cutoff', ', cutoffs by size')
    """
    if radii is None:
        return ""
    distinct = {part.rpartition(":")[2] for part in radii.split()}
    return ", one cutoff" if len(distinct) == 1 else ", cutoffs by size"


def draw_curves(axes: Axes, rows: pd.DataFrame, elements: tuple[str, ...]) -> None:
    """Totals, and local energies of each species: raw (full lines) and with the pair gauge removed (dashed)."""
    curves = [("total", "raw", "all", "total", BLACK, "o", "-")]
    for index, element in enumerate(elements):
        style = look(index)
        curves.append(("local", "raw", element, f"local {element}", style.color, style.marker, "-"))
        curves.append(("local", "pair", element, f"local {element}, gauge removed", style.color, style.marker, "--"))
    for target, gauge, species, label, color, marker, line in curves:
        chosen = select(rows, target=target, gauge=gauge, species=species)
        weights = [neighbour_weight(str(text), elements[-1]) for text in chosen["weights"]]
        points = sorted(zip(weights, chosen["pearson_r"].to_numpy(float), strict=True))
        if points:
            axes.plot(*zip(*points, strict=True), line, color=color, marker=marker, label=label)
