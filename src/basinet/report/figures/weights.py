"""Fidelity in the mixture against weight and size of the species: the lever that totals choose themselves."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from basinet.analysis.claims import ResultsTable
from basinet.io.tables import by_element
from basinet.report.figures.settings import footer
from basinet.report.figures.style import BLACK, GREY, AbsentError, canvas, correlation_axis, legend_above, look
from basinet.report.results import StudyResults, preferred_split


def neighbour_weight(text: str, element: str) -> float:
    """Weight of an element in a table's ``weights``.

    >>> neighbour_weight("Ar:1 Kr:1.3 Xe:1.69", "Kr")
    1.3
    """
    return float(dict(part.split(":") for part in text.split())[element])


def draw_weights(results: StudyResults) -> Figure:
    """Pearson r of ridge at the chosen cutoff against the second element's weight; a panel for each choice of sizes."""
    rows = preferred_split(results.table.select(experiment="resolution", model="ridge"))
    chosen = results.study.get("descriptor", {})
    rows = rows.select(rcut=chosen.get("rcut"))
    rows = rows.select(twojmax=rows.most_common("twojmax"))
    panels = [
        (system, radii, scan)
        for system in results.mixtures
        for radii in rows.select(test_system=system).distinct("radii") or (None,)
        if len((scan := rows.select(test_system=system, radii=radii)).distinct("weights")) > 1
    ]
    if not panels:
        raise AbsentError("a scan of species weights in a mixture")
    size = (max(4.6, 1.3 + 3.0 * len(panels)), 4.4)
    figure = canvas("Fidelity against weight and size of the species", footer(results, rows), size)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    values = np.concatenate([scan.floats("pearson_r") for *_, scan in panels]).tolist()
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


def draw_curves(axes: Axes, rows: ResultsTable, elements: tuple[str, ...]) -> None:
    """Totals, and local energies of each species: raw (full lines) and with the pair gauge removed (dashed)."""
    curves = [("total", "raw", "all", "total", BLACK, "o", "-")]
    for index, element in enumerate(elements):
        style = look(index)
        curves.append(("local", "raw", element, f"local {element}", style.color, style.marker, "-"))
        curves.append(("local", "pair", element, f"local {element}, gauge removed", style.color, style.marker, "--"))
    for target, gauge, species, label, color, marker, line in curves:
        chosen = rows.select(target=target, gauge=gauge, species=species)
        weights = [neighbour_weight(str(text), elements[-1]) for text in chosen.column("weights")]
        points = sorted(zip(weights, chosen.floats("pearson_r"), strict=True))
        if points:
            axes.plot(*zip(*points, strict=True), line, color=color, marker=marker, label=label)
