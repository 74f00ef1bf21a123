"""The pair gauge itself: energy per pair that a model gave to the wrong one of two unlike atoms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from basinet.report.figures.style import GREY, SINGLE, AbsentError, canvas, look
from basinet.report.results import StudyResults

MEV = 1e3


def draw_gauge(results: StudyResults) -> Figure:
    """h(r) of every model, and what removing it does to local r."""
    entries = [(system, entry) for system, found in results.gauge.items() for entry in found if entry.get("r")]
    if not entries:
        raise AbsentError("a pair gauge (it takes a mixture with local energies)")
    effects = "; ".join(effect(entry) for _, entry in entries)
    note = (
        "e_i changes by + h(r) for the first species and - h(r) for the second, for every unlike pair: "
        f"totals do not change. Grey: the control with equal signs, which is no gauge. {effects}."
    )
    pairs = sorted({str(entry.get("pair", "")) for _, entry in entries})
    figure = canvas(f"The pair gauge h(r), {', '.join(pairs)}", note, (SINGLE[0], 4.2))
    axes = figure.subplots()
    axes.axhline(0.0, color="black", linewidth=0.8)
    for index, (system, entry) in enumerate(entries):
        style = look(index)
        line = ("-", "--", "-.", ":")[index % 4]
        values = [MEV * value for value in entry["h_ev"]]
        name = f"{results.label(system)}, {entry.get('model', 'model')}"
        axes.plot(entry["r"], values, line, color=style.color, label=name)
        if entry.get("h_control_ev"):
            control = [MEV * value for value in entry["h_control_ev"]]
            axes.plot(entry["r"], control, line, color=GREY, linewidth=1.0)
    axes.plot([], [], color=GREY, linewidth=1.0, label="control")
    axes.set_xlabel("distance r (Å)")
    axes.set_ylabel("h (meV per pair)")
    axes.legend(loc="best")
    return figure


def effect(entry: Mapping[str, Any]) -> str:
    """Local r before and after, by species."""
    found = entry.get("local_r", {})
    words = [
        f"{name} {value.get('raw', float('nan')):.2f} to {value.get('pair', float('nan')):.2f}"
        for name, value in found.items()
    ]
    return f"local r with {entry.get('model', 'model')}: {', '.join(words)}" if words else str(entry.get("model", ""))
