"""Controls of the parametrisation: width itself, or the initial function and the learning rate."""

from __future__ import annotations

from matplotlib.figure import Figure

from basinet.analysis.claims.members import width_grid
from basinet.report.figures.settings import footer
from basinet.report.figures.style import AbsentError, canvas, correlation_axis, legend_above, look, width_axis
from basinet.report.results import StudyResults

NAMES = {
    "standard": "standard",
    "zero_readout": "zero readout",
    "ntk": "NTK",
    "mup": "μP",
}


def draw_controls(results: StudyResults) -> Figure:
    """Pearson r against width by parametrisation: totals above, local energies below, a column per system."""
    rows = results.table.select(experiment="parametrisation", species=("all", None), transferred=(False, None))
    rows = rows.select(split="test", gauge=("raw", None)).members()
    systems = [system for system in results.systems if len(rows.select(test_system=system))]
    found = [name for name in NAMES if len(rows.select(parametrisation=name))]
    found += [name for name in rows.distinct("parametrisation") if name not in NAMES]
    if not systems or len(found) < 2:
        raise AbsentError("networks in more than one parametrisation")
    note = "Mean and standard deviation over seeds; local energies in the raw gauge."
    size = (max(4.6, 1.2 + 2.0 * len(systems)), 5.4)
    figure = canvas("Controls: parametrisation of the network", footer(results, rows, note), size)
    axes = figure.subplots(2, len(systems), squeeze=False, sharex=True, sharey="row")
    for row, target in enumerate(("total", "local")):
        chosen = rows.select(target=target)
        for column, system in enumerate(systems):
            axis = axes[row, column]
            for index, name in enumerate(found):
                grid = width_grid(chosen.select(test_system=system, parametrisation=name))
                if grid.widths.size:
                    style = look(index)
                    axis.errorbar(
                        grid.widths * (1.0 + 0.04 * (index - 1.5)),
                        grid.mean(),
                        grid.spread(),
                        color=style.color,
                        marker=style.marker,
                        linestyle=("-", "--", "-.", ":")[index % 4],
                        capsize=2,
                        label=NAMES.get(name, name),
                    )
            width_axis(axis, rows.distinct("width"), "layer width" if row else "")
            axis.set_title(f"{results.label(system)}, {target}", loc="left")
            correlation_axis(axis, chosen.floats("pearson_r").tolist(), "Pearson r" if column == 0 else "")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    legend_above(figure, handles, labels)
    return figure
