"""Figures 1, 5 and 6: the rest of the total energy against the classical electrostatic energy."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from basinet.analysis.claims import ResultsTable
from basinet.report.figures.style import BLUE, GREEN, GREY, SINGLE, VERMILION, AbsentError, canvas
from basinet.report.results import StudyResults

MEV = 1e3
ISOLATED = "isolated atoms"
SPLITS = (
    ("train", "training", BLUE, "o"),
    ("validation", "validation", GREY, "^"),
    ("test", "test", VERMILION, "s"),
    ("size_transfer", "other size", GREEN, "D"),
)
"""Split, its name in the legend, colour and marker."""


def relation_system(results: StudyResults, number: int) -> str:
    """The system of the paper's figure: 1 the first pure one, 5 the mixture, 6 the second pure one."""
    choices = {1: results.pure[:1], 5: results.mixtures[:1], 6: results.pure[1:2]}[number]
    if not choices:
        raise AbsentError({1: "a pure system", 5: "a mixture", 6: "a second pure system"}[number])
    return choices[0]


def draw_relation(results: StudyResults, number: int) -> Figure:
    """The line, and what it leaves, of one system."""
    system = relation_system(results, number)
    entry = results.relation.get(system)
    points = results.relation_points.select(system=system)
    if not entry or not len(points):
        raise AbsentError(f"a relation of {results.label(system)} (it needs total and electrostatic energies)")
    given = results.main_systems.get(system, {}).get("e0", ISOLATED) == ISOLATED
    origin = ISOLATED if given else "energies per atom fitted to these frames"
    note = (
        f"Line fitted to {entry.get('n_frames', '?')} training frames. Energies per atom, relative to {origin}. "
        "E_es stands on both axes: see r with E_tot shuffled."
    )
    title = f"{results.label(system)}: E_rest against the electrostatic energy"
    figure = canvas(title, note, (SINGLE[0], 4.5))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.6, 1.0))
    slope = float(entry["slope"])
    points = points.select(split=tuple(split for split, *_ in SPLITS))
    draw_points(upper, points, "e_rest_ev", MEV)
    draw_line(upper, points, slope)
    draw_points(lower, points, "residual_mev", 1.0)
    lower.axhline(0.0, color="black", linewidth=1.0)
    upper.text(
        0.97,
        0.96,
        statistics(entry),
        transform=upper.transAxes,
        ha="right",
        va="top",
        fontsize=8,
        linespacing=1.35,
    )
    upper.set_ylabel("E_rest = E_tot - E_es\n(meV/atom)")
    lower.set_ylabel("residual\n(meV/atom)")
    lower.set_xlabel("classical electrostatic energy E_es (meV/atom)")
    upper.legend(loc="lower left", fontsize=7.5)
    return figure


def draw_points(axes: Axes, points: ResultsTable, quantity: str, unit: float) -> None:
    """Frames by split; those of another size, which the line was not fitted to either, on their own."""
    for split, name, color, marker in SPLITS:
        chosen = points.select(split=split)
        if not len(chosen):
            continue
        sizes = ", ".join(map(str, chosen.distinct("n_atoms")))
        axes.plot(
            MEV * chosen.floats("e_es_ev"),
            unit * chosen.floats(quantity),
            marker,
            color=color,
            mfc=color if split == "train" else "none",
            ms=4,
            alpha=0.8,
            label=f"{name}: {len(chosen)} frames, {sizes} atoms",
        )


def draw_line(axes: Axes, points: ResultsTable, slope: float) -> None:
    """The line through the training frames, across the range of all frames."""
    fitted = points.select(split="train") if len(points.select(split="train")) else points
    intercept = np.mean(MEV * (fitted.floats("e_rest_ev") - slope * fitted.floats("e_es_ev")))
    ends = MEV * np.array([points.floats("e_es_ev").min(), points.floats("e_es_ev").max()])
    axes.plot(ends, intercept + slope * ends, color="black", linewidth=1.0, label=f"line, slope {slope:.4f}")


def statistics(entry: object) -> str:
    """The figures that make the line readable."""
    values = entry if isinstance(entry, dict) else {}

    def shown(key: str, digits: int) -> str:
        value = values.get(key)
        return f"{value:.{digits}f}" if isinstance(value, (int, float)) else "n/a"

    return (
        f"RMSE {shown('rmse_mev_per_atom', 3)} meV/atom\nr(E_rest, E_es) {shown('pearson_r', 4)}\nthe same, "
        f"E_tot shuffled {shown('null_r', 3)}\nr(E_tot, E_es) {shown('pearson_r_total_es', 3)}\nE_tot "
        f"variance left {shown('unexplained_variance', 4)}"
    )
