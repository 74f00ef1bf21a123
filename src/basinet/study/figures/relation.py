"""Figures 1, 5 and 6: the rest of the total energy against the classical electrostatic energy."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from basinet.plotting import BLUE, GREEN, GREY, SINGLE, VERMILION, AbsentError, canvas, look
from basinet.study.report.results import StudyResults
from basinet.study.tables import distinct, select

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
    points = select(results.relation_points, system=system)
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
    points = select(points, split=tuple(split for split, *_ in SPLITS))
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


def draw_points(axes: Axes, points: pd.DataFrame, quantity: str, unit: float) -> None:
    """Frames by split; those of another size, which the line was not fitted to either, on their own."""
    for split, name, color, marker in SPLITS:
        chosen = select(points, split=split)
        if not len(chosen):
            continue
        sizes = ", ".join(map(str, distinct(chosen, "n_atoms")))
        axes.plot(
            MEV * chosen["e_es_ev"].to_numpy(float),
            unit * chosen[quantity].to_numpy(float),
            marker,
            color=color,
            mfc=color if split == "train" else "none",
            ms=4,
            alpha=0.8,
            label=f"{name}: {len(chosen)} frames, {sizes} atoms",
        )


def draw_line(axes: Axes, points: pd.DataFrame, slope: float) -> None:
    """The line through the training frames, across the range of all frames."""
    fitted = select(points, split="train") if len(select(points, split="train")) else points
    intercept = np.mean(MEV * (fitted["e_rest_ev"].to_numpy(float) - slope * fitted["e_es_ev"].to_numpy(float)))
    ends = MEV * np.array([points["e_es_ev"].to_numpy(float).min(), points["e_es_ev"].to_numpy(float).max()])
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


MAX_POINTS = 2000
"""More points than this make a panel black; a fixed random choice is drawn, r counts them all."""


def draw_parity(results: StudyResults) -> Figure:
    """Networks' predictions: totals above, local energies below, a column per system."""
    rows = select(results.parity, model="network")
    experiments = distinct(rows, "experiment")
    if not experiments:
        raise AbsentError("predictions of networks on unseen frames")
    experiment = "cross_validation" if "cross_validation" in experiments else experiments[0]
    rows = select(rows, experiment=experiment)
    systems = [system for system in results.systems if len(select(rows, system=system))]
    note = (
        f"Ensemble mean of the chosen network; {', '.join(distinct(rows, 'split')).replace('_', '-')} frames. "
        "Energies per atom, each species centred; line: equality. Local energies of the mixture: raw gauge."
    )
    size = (max(4.6, 0.9 + 1.9 * len(systems)), 5.4)
    figure = canvas("Predicted against DFT energies", note, size)
    axes = figure.subplots(2, len(systems), squeeze=False)
    for column, system in enumerate(systems):
        for row, target in enumerate(("total", "local")):
            chosen = select(rows, system=system, target=target)
            draw_panel(axes[row, column], chosen)
            axes[row, column].set_title(f"{results.label(system)}, {target}", loc="left")
        axes[1, column].set_xlabel("DFT (meV/atom)")
    for axis in axes[:, 0]:
        axis.set_ylabel("predicted (meV/atom)")
    return figure


def draw_panel(axes: Axes, rows: pd.DataFrame) -> None:
    """One system and target; colour and marker by species."""
    x, y = rows["reference_mev"].to_numpy(float), rows["prediction_mev"].to_numpy(float)
    if not x.size:
        axes.text(0.5, 0.5, "none", ha="center", transform=axes.transAxes)
        return
    rng = np.random.default_rng(0)
    species = distinct(rows, "species")
    for index, name in enumerate(species):
        chosen = np.flatnonzero(rows["species"] == name)
        if chosen.size > MAX_POINTS // len(species):
            chosen = rng.choice(chosen, MAX_POINTS // len(species), replace=False)
        style = look(index)
        color = style.color if len(species) == 1 else (VERMILION, GREEN, "#CC79A7")[index % 3]
        axes.plot(
            x[chosen], y[chosen], style.marker, ms=2.2, color=color, alpha=0.35, mew=0, rasterized=True,
            label=str(name) if len(species) > 1 else None,
        )  # fmt: skip
    low, high = np.quantile(np.concatenate([x, y]), [0.0, 1.0])
    axes.plot([low, high], [low, high], color="black", linewidth=0.8)
    r = np.corrcoef(x, y)[0, 1] if np.ptp(x) > 0 and np.ptp(y) > 0 else float("nan")
    axes.text(0.05, 0.95, f"r = {r:.3f}", transform=axes.transAxes, va="top", fontsize=8)
    if len(species) > 1:
        axes.legend(loc="lower right", markerscale=2.5, handletextpad=0.1)
