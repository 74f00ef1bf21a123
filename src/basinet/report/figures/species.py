"""Local fidelity in the mixture by species: raw, without the pair gauge, and a control."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from basinet.analysis.claims.members import (
    architecture_name,
    architectures,
    of_architecture,
    sweep_members,
    width_grid,
)
from basinet.report.figures.settings import footer
from basinet.report.figures.style import (
    BLUE,
    GREY,
    VERMILION,
    AbsentError,
    canvas,
    correlation_axis,
    grid_of,
    legend_above,
    width_axis,
)
from basinet.report.results import StudyResults

GAUGES = (
    ("raw", "raw", VERMILION, "s", "-"),
    ("pair", "pair gauge removed", BLUE, "o", "--"),
    ("control", "control (equal signs, no gauge)", GREY, "^", ":"),
)


def draw_species(results: StudyResults) -> Figure:
    """Local r of each species of the mixture against width, in three gauges."""
    rows = sweep_members(results.table).select(target="local", transferred=False, test_system=tuple(results.mixtures))
    panels = [
        (system, str(name))
        for system in results.mixtures
        for name in rows.select(test_system=system).distinct("species")
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
            grid = width_grid(rows.select(test_system=system, species=name, gauge=gauge))
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
        width_axis(axis, rows.distinct("width"))
    correlation_axis(axes[0], lows, "Pearson r, local energies")
    for axis in axes[1:]:
        axis.grid(axis="y", color="#E6E6E6", linewidth=0.6)
    handles, labels = axes[0].get_legend_handles_labels()
    legend_above(figure, handles, labels)
    return figure
