"""Predicted against DFT energies, atom by atom and frame by frame."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from basinet.analysis.claims import ResultsTable
from basinet.report.figures.style import GREEN, VERMILION, AbsentError, canvas, look
from basinet.report.results import StudyResults

MAX_POINTS = 2000
"""More points than this make a panel black; a fixed random choice is drawn, r counts them all."""


def draw_parity(results: StudyResults) -> Figure:
    """Networks' predictions: totals above, local energies below, a column per system."""
    rows = results.parity.select(model="network")
    experiments = rows.distinct("experiment")
    if not experiments:
        raise AbsentError("predictions of networks on unseen frames")
    experiment = "cross_validation" if "cross_validation" in experiments else experiments[0]
    rows = rows.select(experiment=experiment)
    systems = [system for system in results.systems if len(rows.select(system=system))]
    note = (
        f"Ensemble mean of the chosen network; {', '.join(rows.distinct('split')).replace('_', '-')} frames. "
        "Energies per atom, each species centred; line: equality. Local energies of the mixture: raw gauge."
    )
    size = (max(4.6, 0.9 + 1.9 * len(systems)), 5.4)
    figure = canvas("Predicted against DFT energies", note, size)
    axes = figure.subplots(2, len(systems), squeeze=False)
    for column, system in enumerate(systems):
        for row, target in enumerate(("total", "local")):
            chosen = rows.select(system=system, target=target)
            draw_panel(axes[row, column], chosen)
            axes[row, column].set_title(f"{results.label(system)}, {target}", loc="left")
        axes[1, column].set_xlabel("DFT (meV/atom)")
    for axis in axes[:, 0]:
        axis.set_ylabel("predicted (meV/atom)")
    return figure


def draw_panel(axes: Axes, rows: ResultsTable) -> None:
    """One system and target; colour and marker by species."""
    x, y = rows.floats("reference_mev"), rows.floats("prediction_mev")
    if not x.size:
        axes.text(0.5, 0.5, "none", ha="center", transform=axes.transAxes)
        return
    rng = np.random.default_rng(0)
    species = rows.distinct("species")
    for index, name in enumerate(species):
        chosen = np.flatnonzero(rows.column("species") == name)
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
