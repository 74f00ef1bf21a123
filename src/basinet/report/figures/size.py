"""Models tested on frames with another number of atoms than they were trained on."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from basinet.analysis.claims import ResultsTable
from basinet.report.figures.settings import footer
from basinet.report.figures.style import GRID, AbsentError, canvas, legend_above, look
from basinet.report.results import StudyResults, baseline, ensemble

MODELS = (("network", "network", "-"), ("ridge", "ridge", "--"), ("lennard_jones", "pair potential", ":"))


def draw_size(results: StudyResults) -> Figure:
    """Pearson r by the number of atoms per frame; totals left, local energies right."""
    rows = results.table.select(experiment="size_transfer", species=("all", None), gauge=("raw", None))
    rows = rows.select(transferred=(False, None))
    if not len(rows):
        raise AbsentError("frames of another size")
    sizes = ", ".join(f"{results.label(name)} {entry.get('n_atoms')}" for name, entry in results.main_systems.items())
    trained = f"Trained on frames of so many atoms: {sizes}. " if sizes else ""
    note = f"{trained}Bars: 95 % bootstrap over frames. Mixture: raw gauge."
    figure = canvas("Transfer to frames of other sizes", footer(results, rows, note), (GRID[0], 4.1))
    axes = figure.subplots(1, 2, sharex=True)
    for axis, target in zip(axes, ("total", "local"), strict=True):
        draw_target(axis, results, rows.select(target=target), target)
        axis.set_title(f"{target} energies", loc="left")
        axis.set_xlabel("atoms per frame")
        axis.set_ylabel("Pearson r")
        axis.grid(axis="y", color="#E6E6E6", linewidth=0.6)
    handles, labels = axes[1].get_legend_handles_labels()
    legend_above(figure, handles, labels)
    return figure


def size_rows(results: StudyResults, rows: ResultsTable, system: str, model: str, target: str) -> list[Any]:
    """Rows of one model by size; that of the size trained on is added if it is not among them."""
    chosen = rows.select(test_system=system, model=model, transferred=(False, None)).means()
    if model == "network":
        chosen = chosen.select(**results.chosen(system))
        home = ensemble(results, system, target)
    else:
        home = baseline(results, model, system, target)
    by_size = {row["n_atoms"]: row for row in [home, *chosen.rows()] if row.get("n_atoms")}
    if not len(chosen):
        return []
    return [by_size[size] for size in sorted(by_size) if by_size[size]["pearson_r"] is not None]


def draw_target(axes: Axes, results: StudyResults, rows: ResultsTable, target: str) -> None:
    """Curves of every system and model."""
    sizes: set[float] = set()
    for index, system in enumerate(results.systems):
        for offset, (model, name, line) in enumerate(MODELS):
            found = size_rows(results, rows, system, model, target)
            if not found:
                continue
            sizes |= {float(row["n_atoms"]) for row in found}
            style = look(index)
            x = [float(row["n_atoms"]) * (1.0 + 0.02 * (3 * offset + index - 4)) for row in found]
            y = [row["pearson_r"] for row in found]
            low = [max(0.0, r - (row.get("pearson_r_low") or r)) for r, row in zip(y, found, strict=True)]
            high = [max(0.0, (row.get("pearson_r_high") or r) - r) for r, row in zip(y, found, strict=True)]
            axes.errorbar(
                x, y, [low, high], color=style.color, marker=style.marker, linestyle=line, elinewidth=0.8,
                mfc=style.color if model == "network" else "white", label=f"{results.label(system)}, {name}",
            )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xticks(sorted(sizes), [f"{size:.0f}" for size in sorted(sizes)])
    axes.minorticks_off()
    if sizes:
        axes.set_xlim(min(sizes) / 1.4, max(sizes) * 1.4)
