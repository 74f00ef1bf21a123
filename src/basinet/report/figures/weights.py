"""Fidelity in the mixture against the species weight of the descriptor: the lever that totals choose themselves."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from basinet.analysis.claims import ResultsTable
from basinet.report.figures.settings import footer
from basinet.report.figures.style import BLACK, GREY, AbsentError, canvas, correlation_axis, legend_above, look
from basinet.report.results import StudyResults, preferred_split


def neighbour_weight(text: str) -> float:
    """Weight of the last element of a table's ``weights``.

    >>> neighbour_weight("Ar:1 Kr:1.3")
    1.3
    """
    return float(text.rsplit(maxsplit=1)[-1].rpartition(":")[2])


def draw_weights(results: StudyResults) -> Figure:
    """Pearson r of ridge at the chosen cutoff against the weight of the second element; local raw and gauge-free."""
    rows = preferred_split(results.table.select(experiment="resolution", model="ridge"))
    chosen = results.study.get("descriptor", {})
    rows = rows.select(rcut=chosen.get("rcut"))
    usual = rows.most_common("twojmax")
    rows = rows.select(twojmax=usual)
    mixtures = [name for name in results.mixtures if len(rows.select(test_system=name).distinct("weights")) > 1]
    if not mixtures:
        raise AbsentError("a scan of species weights in a mixture")
    size = (max(4.6, 1.3 + 3.0 * len(mixtures)), 4.4)
    figure = canvas("The weight of a species decides how totals split a pair", footer(results, rows), size)
    axes = figure.subplots(1, len(mixtures), sharey=True, squeeze=False)[0]
    values = rows.select(test_system=tuple(mixtures)).floats("pearson_r").tolist()
    for axis, system in zip(axes, mixtures, strict=True):
        draw_curves(axis, rows.select(test_system=system), results.systems[system])
        correlation_axis(axis, values, "")
        element = results.systems[system][-1]
        axis.set_xlabel(f"neighbour weight of {element} (the first element has 1)")
        if element in chosen.get("weights", {}):
            axis.axvline(chosen["weights"][element], color=GREY, lw=1.0, ls=":", label="chosen by total energies")
        axis.set_title(results.label(system), loc="left")
    figure.supylabel("Pearson r", fontsize=9.5)
    legend_above(figure, *axes[0].get_legend_handles_labels())
    return figure


def draw_curves(axes: Axes, rows: ResultsTable, elements: tuple[str, ...]) -> None:
    """Totals, and local energies of each species: raw (full lines) and with the pair gauge removed (dashed)."""
    curves = [("total", "raw", "all", "total", BLACK, "o", "-")]
    for index, element in enumerate(elements):
        style = look(index)
        curves.append(("local", "raw", element, f"local {element}", style.color, style.marker, "-"))
        curves.append(("local", "pair", element, f"local {element}, gauge removed", style.color, style.marker, "--"))
    for target, gauge, species, label, color, marker, line in curves:
        chosen = rows.select(target=target, gauge=gauge, species=species)
        weights = [neighbour_weight(str(text)) for text in chosen.column("weights")]
        points = sorted(zip(weights, chosen.floats("pearson_r"), strict=True))
        if points:
            axes.plot(*zip(*points, strict=True), line, color=color, marker=marker, label=label)
