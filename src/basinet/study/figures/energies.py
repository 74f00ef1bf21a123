"""Figures of energies themselves: the relation (1, 5 and 6), predictions beside DFT, and the pair gauge."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from basinet.plotting import BLUE, GREEN, GREY, PURPLE, SINGLE, VERMILION, AbsentError, canvas, columns_size, look
from basinet.study.figures.width import target_panels
from basinet.study.report.results import StudyResults
from basinet.study.tables import distinct, select

_MEV = 1e3
_ISOLATED = "isolated atoms"
_SPLITS = (  # split, its name in the legend, colour and marker
    ("train", "training", BLUE, "o"),
    ("validation", "validation", GREY, "^"),
    ("test", "test", VERMILION, "s"),
    ("size_transfer", "other size", GREEN, "D"),
)
_MAX_POINTS = 2000  # more points than this make a panel black; a fixed random choice is drawn, r counts them all


def draw_relation(results: StudyResults, number: int) -> Figure:
    """The line, and what it leaves, of one system: 1 the first pure one, 5 the mixture, 6 the second pure one."""
    absent, systems = {
        1: ("a pure system", results.pure[:1]),
        5: ("a mixture", results.mixtures[:1]),
        6: ("a second pure system", results.pure[1:2]),
    }[number]
    if not systems:
        raise AbsentError(absent)
    system = systems[0]
    entry = results.relation.get(system)
    points = select(results.relation_points, system=system)
    if not entry or not len(points):
        raise AbsentError(f"a relation of {results.label(system)} (it needs total and electrostatic energies)")
    given = results.main_systems.get(system, {}).get("e0", _ISOLATED) == _ISOLATED
    origin = _ISOLATED if given else "energies per atom fitted to these frames"
    note = (
        f"Line fitted to {entry.get('n_frames', '?')} training frames. Energies per atom, relative to {origin}. "
        "E_es stands on both axes: see r with E_tot shuffled."
    )
    title = f"{results.label(system)}: E_rest against the electrostatic energy"
    figure = canvas(title, note, (SINGLE[0], 4.5))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.6, 1.0))
    slope = float(entry["slope"])
    points = select(points, split=tuple(split for split, *_ in _SPLITS))
    _draw_points(upper, points, "e_rest_ev", _MEV)
    fitted = select(points, split="train") if len(select(points, split="train")) else points
    intercept = _MEV * (fitted["e_rest_ev"] - slope * fitted["e_es_ev"]).mean()
    ends = _MEV * np.array([points["e_es_ev"].min(), points["e_es_ev"].max()])
    upper.plot(ends, intercept + slope * ends, color="black", linewidth=1.0, label=f"line, slope {slope:.4f}")
    _draw_points(lower, points, "residual_mev", 1.0)
    lower.axhline(0.0, color="black", linewidth=1.0)
    style: Any = {"transform": upper.transAxes, "ha": "right", "va": "top", "fontsize": 8, "linespacing": 1.35}
    upper.text(0.97, 0.96, _statistics(entry), **style)
    upper.set_ylabel("E_rest = E_tot - E_es\n(meV/atom)")
    lower.set(ylabel="residual\n(meV/atom)", xlabel="classical electrostatic energy E_es (meV/atom)")
    upper.legend(loc="lower left", fontsize=7.5)
    return figure


def _draw_points(axes: Axes, points: pd.DataFrame, quantity: str, unit: float) -> None:
    for split, name, color, marker in _SPLITS:
        chosen = select(points, split=split)
        if not len(chosen):
            continue
        sizes = ", ".join(map(str, distinct(chosen, "n_atoms")))
        x, y = _MEV * chosen["e_es_ev"].to_numpy(float), unit * chosen[quantity].to_numpy(float)
        label, face = f"{name}: {len(chosen)} frames, {sizes} atoms", color if split == "train" else "none"
        axes.plot(x, y, marker, color=color, mfc=face, ms=4, alpha=0.8, label=label)


def _statistics(entry: Mapping[str, Any]) -> str:
    def shown(key: str, digits: int) -> str:
        value = entry.get(key)
        return f"{value:.{digits}f}" if isinstance(value, (int, float)) else "n/a"

    return (
        f"RMSE {shown('rmse_mev_per_atom', 3)} meV/atom\nr(E_rest, E_es) {shown('pearson_r', 4)}\nthe same, "
        f"E_tot shuffled {shown('null_r', 3)}\nr(E_tot, E_es) {shown('pearson_r_total_es', 3)}\nE_tot "
        f"variance left {shown('unexplained_variance', 4)}"
    )


def draw_parity(results: StudyResults) -> Figure:
    """Networks' predictions: totals above, local energies below, a column per system."""
    rows = select(results.parity, model="network")
    experiments = distinct(rows, "experiment")
    if not experiments:
        raise AbsentError("predictions of networks on unseen frames")
    experiment = "cross_validation" if "cross_validation" in experiments else experiments[0]
    rows = select(rows, experiment=experiment)
    systems = results.present(rows, "system")
    note = (
        f"Ensemble mean of the chosen network; {', '.join(distinct(rows, 'split')).replace('_', '-')} frames. "
        "Energies per atom, each species centred; line: equality. Local energies of the mixture: raw gauge."
    )
    figure = canvas("Predicted against DFT energies", note, columns_size(len(systems), 5.4))
    panels = target_panels(results, figure, systems)
    for target, row in panels.items():
        for axis, system in zip(row, systems, strict=True):
            _draw_panel(axis, select(rows, system=system, target=target))
        row[0].set_ylabel("predicted (meV/atom)")
    for axis in panels["local"]:
        axis.set_xlabel("DFT (meV/atom)")
    return figure


def draw_direct(results: StudyResults) -> Figure:
    """Direct local energies beside those of the relation, a panel per system."""
    atoms = results.direct_atoms
    systems = results.present(atoms, "system")
    if not systems:
        raise AbsentError("direct local energies (frames calculated with cp2k.energy_density)")
    note = (
        "One point per atom, energies centred by species; line: equality. Direct energies are the DFT energies of the "
        "regions; nothing is fitted to them."
    )
    figure = canvas("Direct local energies beside those of the relation", note, columns_size(len(systems), 3.4))
    for axis, system in zip(np.atleast_1d(figure.subplots(1, len(systems))), systems, strict=True):
        own = select(atoms, system=system)
        own = select(own, n_atoms=own["n_atoms"].mode()[0])
        _draw_panel(axis, own.rename(columns={"relation_mev": "reference_mev", "direct_mev": "prediction_mev"}))
        axis.set_title(f"{results.label(system)}, {own['n_atoms'].iloc[0]} atoms")
        axis.set_xlabel("by the relation (meV)")
        axis.set_ylabel("direct (meV)")
    return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame) -> None:
    x, y = rows["reference_mev"].to_numpy(float), rows["prediction_mev"].to_numpy(float)
    if not x.size:
        axes.text(0.5, 0.5, "none", ha="center", transform=axes.transAxes)
        return
    rng = np.random.default_rng(0)
    species = distinct(rows, "species")
    for index, name in enumerate(species):
        chosen = np.flatnonzero(rows["species"] == name)
        if chosen.size > _MAX_POINTS // len(species):
            chosen = rng.choice(chosen, _MAX_POINTS // len(species), replace=False)
        style = look(index)
        color = style.color if len(species) == 1 else (VERMILION, GREEN, PURPLE)[index % 3]
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


def draw_gauge(results: StudyResults) -> Figure:
    """h(r) of every model, and what removing it does to local r."""
    entries = [(system, entry) for system, found in results.gauge.items() for entry in found if entry.get("r")]
    if not entries:
        raise AbsentError("a pair gauge (it takes a mixture with local energies)")
    effects = "; ".join(
        f"local r with {entry['model']}: "
        + ", ".join(
            f"{name} {r['raw']:.2f} to {r['pair']:.2f}"
            for name, r in entry["local_r"].items()
            if None not in (r["raw"], r["pair"])
        )
        for _, entry in entries
    )
    note = (
        "e_i changes by + h(r) for the first species and - h(r) for the second, for every unlike pair: "
        f"totals do not change. Grey: the control with equal signs, which is no gauge. {effects}."
    )
    pairs = sorted({entry["pair"] for _, entry in entries})
    figure = canvas(f"The pair gauge h(r), {', '.join(pairs)}", note, (SINGLE[0], 4.2))
    axes = figure.subplots()
    axes.axhline(0.0, color="black", linewidth=0.8)
    for index, (system, entry) in enumerate(entries):
        style = look(index, lines=True)
        values, control = (_MEV * np.array(entry[name], dtype=float) for name in ("h_ev", "h_control_ev"))
        name = f"{results.label(system)}, {entry['model']}"
        axes.plot(entry["r"], values, style.line, color=style.color, label=name)
        axes.plot(entry["r"], control, style.line, color=GREY, linewidth=1.0)
    axes.plot([], [], color=GREY, linewidth=1.0, label="control")
    axes.set(xlabel="distance r (Å)", ylabel="h (meV per pair)")
    axes.legend(loc="best")
    return figure
