"""Figures 1, 5 and 6: the rest of the total energy against the classical electrostatic energy."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from basinet.analysis.claims import ResultsTable
from basinet.report.figures.style import BLUE, GREY, SINGLE, VERMILION, AbsentError, canvas
from basinet.report.results import StudyResults

MEV = 1e3


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
        raise AbsentError(
            f"a relation of {results.label(system)} (it needs total and electrostatic energies)"
        )
    note = (
        f"{results.label(system)}: {len(points)} frames of {', '.join(map(str, points.distinct('n_atoms')))} "
        "atoms; line "
        f"fitted to {entry.get('n_frames', '?')} training frames. Energies relative to isolated atoms. E_es "
        "stands on both "
        "axes: see the shuffled r."
    )
    title = f"{results.label(system)}: the rest of the energy against the electrostatic energy"
    figure = canvas(title, note, (SINGLE[0], 4.5))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.6, 1.0))
    slope = float(entry["slope"])
    draw_line(upper, points, slope)
    draw_residuals(lower, points)
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
    upper.set_ylabel("E_rest = E_tot − E_es\n(meV/atom)".replace("−", "-"))
    lower.set_ylabel("residual\n(meV/atom)")
    lower.set_xlabel("classical electrostatic energy E_es (meV/atom)")
    upper.legend(loc="lower left")
    return figure


def draw_line(axes: Axes, points: ResultsTable, slope: float) -> None:
    """Frames by split, and the line through the training frames."""
    for split, color, marker, filled in (
        ("train", BLUE, "o", True),
        ("validation", GREY, "^", False),
        ("test", VERMILION, "s", False),
    ):
        chosen = points.select(split=split)
        if len(chosen):
            x, y = MEV * chosen.floats("e_es_ev"), MEV * chosen.floats("e_rest_ev")
            axes.plot(
                x,
                y,
                marker,
                color=color,
                mfc=color if filled else "none",
                ms=4,
                alpha=0.8,
                label=f"{split} frames",
            )
    fitted = points.select(split="train") if len(points.select(split="train")) else points
    x, y = MEV * fitted.floats("e_es_ev"), MEV * fitted.floats("e_rest_ev")
    intercept = np.mean(y - slope * x)
    ends = MEV * np.array([points.floats("e_es_ev").min(), points.floats("e_es_ev").max()])
    axes.plot(ends, intercept + slope * ends, color="black", linewidth=1.0, label=f"line, slope {slope:.4f}")


def draw_residuals(axes: Axes, points: ResultsTable) -> None:
    """What the line leaves of every frame."""
    axes.axhline(0.0, color="black", linewidth=1.0)
    for split, color, marker in (("train", BLUE, "o"), ("validation", GREY, "^"), ("test", VERMILION, "s")):
        chosen = points.select(split=split)
        axes.plot(
            MEV * chosen.floats("e_es_ev"),
            chosen.floats("residual_mev"),
            marker,
            color=color,
            mfc=color if split == "train" else "none",
            ms=3.5,
            alpha=0.8,
        )


def statistics(entry: object) -> str:
    """The figures that make the line readable."""
    values = entry if isinstance(entry, dict) else {}

    def shown(key: str, digits: int) -> str:
        value = values.get(key)
        return f"{value:.{digits}f}" if isinstance(value, (int, float)) else "n/a"

    return (
        f"RMSE {shown('rmse_mev_per_atom', 3)} meV/atom\n"
        f"r(E_rest, E_es) {shown('pearson_r', 4)}\n"
        f"the same, E_tot shuffled {shown('null_r', 3)}\n"
        f"r(E_tot, E_es) {shown('pearson_r_total_es', 3)}\n"
        f"E_tot variance left {shown('unexplained_variance', 4)}"
    )
