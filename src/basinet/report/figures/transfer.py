"""Transferred fidelity against local fidelity at home, over all models of the sweep."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from basinet.analysis.claims.members import spearman, sweep_members
from basinet.analysis.claims.transfer import paired_fidelity, transfer_cases, transfer_label
from basinet.report.figures.settings import footer
from basinet.report.figures.style import GRID, AbsentError, canvas, look
from basinet.report.results import StudyResults


def draw_transfer_scatter(results: StudyResults) -> Figure:
    """One point per network: totals left, local energies right; colour by transfer."""
    rows = sweep_members(results.table)
    cases = transfer_cases(rows)
    if not cases:
        raise AbsentError("transferred models (a mixture and the pure systems of its elements)")
    note = (
        "One point per network (architecture, width, seed). ρ: Spearman correlation over all of them; "
        "members of one architecture are alike, see the table of statements for intervals. Open: linear "
        "networks."
    )
    order = list(results.systems)
    title = "Do better local energies transfer better?"
    figure = canvas(title, footer(results, rows.select(transferred=True), note), (GRID[0], 4.3))
    axes = figure.subplots(1, 2)
    for axis, target in zip(axes, ("total", "local"), strict=True):
        for train, test in cases:
            x, y, kinds = paired_fidelity(rows, train, test, target)
            if not x.size:
                continue
            style = look(order.index(test) if test in order else len(order))
            linear = np.array([kind[0] == "linear" for kind in kinds])
            label = f"{transfer_label(train, test, results.systems)}: ρ {spearman(x, y):.2f}"
            for chosen, face in ((~linear, style.color), (linear, "none")):
                axis.plot(
                    x[chosen], y[chosen], style.marker, color=style.color, mfc=face, ms=3.5, alpha=0.6,
                    mew=0.7, label=label if face != "none" else None, rasterized=True,
                )  # fmt: skip
        axis.set_title(f"{target} energies", loc="left")
        axis.set_xlabel("r of local energies at home")
        axis.legend(loc="best", handletextpad=0.2, fontsize=7.5)
        axis.grid(color="#E6E6E6", linewidth=0.6)
    axes[0].set_ylabel("Pearson r after transfer")
    return figure
