"""Figures of kinds of models: side by side, after transfer, and by descriptor, training frames, size and epoch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from basinet import plotting
from basinet.study import tables
from basinet.study.claims import members
from basinet.study.figures.width import draw_targets
from basinet.study.report.results import StudyResults, floor, model_row, preferred_split, settings_text

_MODELS = {
    "ceiling": "network trained on\nlocal energies (ceiling)",
    "network": "chosen network,\nensemble mean",
    "pair_network": "network on a literature\npair potential",
    "ridge": "ridge on\nsummed descriptors",
    "fitted_pair": "pair potential\nfitted to totals",
    "lennard_jones": "literature\npair potential",
    "relation": "relation of\nthe totals",
}
_QUANTITIES = (
    ("total", "raw", "total", plotting.BLACK, "o"),
    ("local", "raw", "local", plotting.BLUE, "s"),
    ("local", "pair", "local, pair gauge removed", plotting.SKY, "^"),
)
_VARIANTS = {"network": "width", "ridge": "twojmax"}  # the column that distinguishes the curves of a kind of model
_SIZE_MODELS = (("network", "network", "-"), ("ridge", "ridge", "--"), ("lennard_jones", "pair potential", ":"))


def draw_summary(results: StudyResults) -> Figure:
    """Pearson r with its interval over frames, by model and system; open symbols without the pair gauge."""
    rows = [
        model_row(results, model, system, target, "raw")
        for model in _MODELS
        for system in results.systems
        for target in ("total", "local")
    ]
    rows = [row for row in rows if row]
    models = [model for model in _MODELS if any(row["model"] == model for row in rows)]
    if not rows:
        raise plotting.AbsentError("ensemble means and baselines on test frames")
    note = "Bars: 95 % block bootstrap over frames. Grey: untrained networks, 95th percentile of |r|."
    figure = plotting.canvas(
        "What each model recovers", settings_text(results, tables.as_table(rows, tables.RESULTS), note), (6.2, 4.6)
    )
    axes = figure.subplots(1, 2, sharey=True)
    for axis, target in zip(axes, ("total", "local"), strict=True):
        lowest = _draw_target(axis, results, target, models)
        axis.set(title=f"{target} energies", xlabel="Pearson r")
        axis.set_xlim(max(-0.1, lowest - 0.08 * (1.02 - lowest)), 1.0 + 0.04 * (1.02 - lowest))
        axis.grid(visible=False, axis="y")
        axis.grid(axis="x")
        _draw_floors(axis, results, target, len(models))
    names = [_MODELS[model] for model in models] + ["untrained network"]
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(models) + 0.6, -0.6)
    plotting.legend_above(figure, axes[1:])
    return figure


def _draw_target(axes: Axes, results: StudyResults, target: str, models: Sequence[str]) -> float:
    lowest = 1.0
    cases = [(s, g) for s in results.systems for g in (results.gauges(s) if target == "local" else ("raw",))]
    for index, (system, gauge) in enumerate(cases):
        style = plotting.look(list(results.systems).index(system))
        shift = 0.13 * (index - (len(cases) - 1) / 2.0)
        label = results.label(system) + (", pair gauge removed" if gauge == "pair" else "")
        face = "white" if gauge == "pair" else style.color
        for height, model in enumerate(models):
            row = model_row(results, model, system, target, gauge)
            if not row or row["pearson_r"] is None:
                continue
            r = float(row["pearson_r"])
            ends = [float(row.get(f"pearson_r_{end}") or r) for end in ("low", "high")]
            axes.plot(ends, [height + shift] * 2, color=style.color, linewidth=1.0)
            axes.plot(r, height + shift, style.marker, color=style.color, mfc=face, label=label)
            lowest = min(lowest, *ends)
    return lowest


def _draw_floors(axes: Axes, results: StudyResults, target: str, lowest: int) -> None:
    low, n_systems = axes.get_xlim()[0], len(results.systems)
    for index, system in enumerate(results.systems):
        limit, color = floor(results, system, target), plotting.look(index).color
        height = lowest + 0.3 * (index - (n_systems - 1) / 2.0)
        if not np.isfinite(limit):
            continue
        if limit > low:
            axes.plot([low, limit], [height, height], color="#BBBBBB", linewidth=3.0)
            axes.plot(limit, height, plotting.look(index).marker, color=color)
        else:
            text = f"← {limit:.2f} {results.label(system)}"
            axes.text(low, height, text, color=color, fontsize=7, va="center")


def draw_transfer_scatter(results: StudyResults) -> Figure:
    """One point per network: totals left, local energies right; colour by transfer."""
    rows = members.sweep_members(results.table)
    cases = members.transfers(rows, results.systems)
    if not cases:
        raise plotting.AbsentError("transferred models (a mixture and the pure systems of its elements)")
    note = (
        "One point per network (architecture, width, seed). ρ: Spearman correlation over all of them; "
        "members of one architecture are alike, see the table of statements for intervals. Open: linear "
        "networks."
    )
    title = "Do better local energies transfer better?"
    figure = plotting.canvas(
        title, settings_text(results, tables.select(rows, transferred=True), note), (plotting.GRID[0], 4.3)
    )
    axes = figure.subplots(1, 2)
    for axis, target in zip(axes, ("total", "local"), strict=True):
        for name, (train, test) in cases.items():
            x, y, kinds = members.paired_fidelity(rows, train, test, target)
            if not x.size:
                continue
            style, label = plotting.look(results.position(test)), f"{name}: ρ {members.spearman(x, y):.2f}"
            linear = np.array([kind[0] == "linear" for kind in kinds])
            for chosen, face in ((~linear, style.color), (linear, "none")):
                axis.plot(
                    x[chosen], y[chosen], style.marker, color=style.color, mfc=face, ms=3.5, alpha=0.6,
                    mew=0.7, label=label if face != "none" else None, rasterized=True,
                )  # fmt: skip
        axis.set(title=f"{target} energies", xlabel="r of local energies at home")
        axis.legend(loc="best", handletextpad=0.2, fontsize=7.5)
        axis.grid(axis="x")
    axes[0].set_ylabel("Pearson r after transfer")
    return figure


def draw_resolution(results: StudyResults) -> Figure:
    """Pearson r against cutoff: a row per kind of model, a column per system, a line style per width."""
    rows = preferred_split(tables.select(results.table, experiment="resolution", species=("all", None)))
    for column in ("weights", "radii"):  # those that most rows have, which are the networks'
        usual = tables.most_common(rows, column)
        rows = tables.select(rows, **{column: (usual, None)}) if usual is not None else rows
    rows = tables.mean_rows(rows)
    systems = results.present(rows, "test_system")
    models = [model for model in _VARIANTS if len(tables.select(rows, model=model))]
    if not systems or not models:
        raise plotting.AbsentError("a scan of cutoff and twojmax")
    size = plotting.columns_size(len(systems), 2.2 + 1.75 * len(models))
    figure = plotting.canvas("Fidelity against the cutoff of the descriptor", settings_text(results, rows), size)
    axes = figure.subplots(len(models), len(systems), sharex=True, sharey=True, squeeze=False)
    for row, model in zip(axes, models, strict=True):
        for axis, system in zip(row, systems, strict=True):
            _draw_scan(axis, tables.select(rows, model=model, test_system=system), model)
            axis.set_title(f"{results.label(system)}, {model}")
    plotting.correlation_axes(axes.ravel(), rows["pearson_r"], "")
    figure.supylabel("Pearson r", fontsize=9.5)
    for axis in axes[-1]:
        axis.set_xlabel("cutoff (Å)")
    gauges = {gauge for system in systems for gauge in results.gauges(system)}
    plotting.legend_above(figure, [], _legend_entries(rows, gauges))
    return figure


def _legend_entries(rows: pd.DataFrame, gauges: set[str]) -> dict[str, Line2D]:
    entries = {
        label: Line2D([], [], color=color, marker=marker, ms=3.5)
        for _, gauge, label, color, marker in _QUANTITIES
        if gauge in gauges
    }
    for index, width in enumerate(tables.distinct(tables.select(rows, model="network"), "width")):
        entries[f"network of width {width}"] = Line2D(
            [], [], color=plotting.GREY, ls=plotting.LINES[index % len(plotting.LINES)]
        )
    return entries


def _draw_scan(axes: Axes, rows: pd.DataFrame, model: str) -> None:
    """One system and kind of model: a curve for each quantity and each width (networks) or scanned twojmax (ridge)."""
    column = _VARIANTS[model]
    for target, gauge, _, color, marker in _QUANTITIES:
        for index, variant in enumerate(tables.distinct(rows, column)):
            chosen = tables.select(rows, target=target, gauge=gauge, **{column: variant}).sort_values("rcut")
            if len(chosen) > 1:
                line = plotting.LINES[index % len(plotting.LINES)] if model == "network" else "-"
                axes.plot(chosen["rcut"], chosen["pearson_r"], line, color=color, marker=marker, ms=3.5)


def draw_weights(results: StudyResults) -> Figure:
    """Pearson r of ridge at the chosen cutoff against the second element's weight; a panel for each choice of sizes."""
    rows = preferred_split(tables.select(results.table, experiment="resolution", model="ridge"))
    chosen = results.study.get("descriptor", {})
    rows = tables.select(rows, rcut=chosen.get("rcut"))
    rows = tables.select(rows, twojmax=tables.most_common(rows, "twojmax"))
    panels = [
        (system, radii, scan)
        for system in results.mixtures
        for radii in tables.distinct(tables.select(rows, test_system=system), "radii") or (None,)
        if len(tables.distinct(scan := tables.select(rows, test_system=system, radii=radii), "weights")) > 1
    ]
    if not panels:
        raise plotting.AbsentError("a scan of species weights in a mixture")
    size = plotting.columns_size(len(panels), 4.4, each=3.0)
    figure = plotting.canvas("Fidelity against weight and size of the species", settings_text(results, rows), size)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    plotting.correlation_axes(axes, pd.concat([scan["pearson_r"] for *_, scan in panels]), "")
    for axis, (system, radii, scan) in zip(axes, panels, strict=True):
        _draw_curves(axis, scan, results.systems[system])
        element = results.systems[system][-1]
        axis.set_xlabel(f"neighbour weight of {element} (the first element has 1)")
        sizes = chosen.get("radii") or dict.fromkeys(chosen.get("weights", {}), 0.5)
        if element in chosen.get("weights", {}) and radii in (None, tables.by_element(sizes)):
            axis.axvline(
                chosen["weights"][element], color=plotting.GREY, lw=1.0, ls=":", label="chosen by total energies"
            )
        kinds = {part.rpartition(":")[2] for part in (radii or "").split()}
        axis.set_title(results.label(system) + ("", ", one cutoff", ", cutoffs by size")[min(len(kinds), 2)])
    figure.supylabel("Pearson r", fontsize=9.5)
    plotting.legend_above(figure, axes)
    return figure


def _neighbour_weight(text: str, element: str) -> float:
    """Weight of an element in a table's ``weights``, such as ``Ar:1 Kr:1.3``."""
    return float(dict(part.split(":") for part in text.split())[element])


def _draw_curves(axes: Axes, rows: pd.DataFrame, elements: tuple[str, ...]) -> None:
    curves = [("total", "raw", "all", "total", plotting.BLACK, "o", "-")]
    for index, element in enumerate(elements):
        style = plotting.look(index)
        curves.append(("local", "raw", element, f"local {element}", style.color, style.marker, "-"))
        curves.append(("local", "pair", element, f"local {element}, gauge removed", style.color, style.marker, "--"))
    for target, gauge, species, label, color, marker, line in curves:
        chosen = tables.select(rows, target=target, gauge=gauge, species=species)
        weights = chosen["weights"].map(lambda text: _neighbour_weight(text, elements[-1]))
        chosen = chosen.assign(weight=weights).sort_values("weight")
        if len(chosen):
            axes.plot(chosen["weight"], chosen["pearson_r"], line, color=color, marker=marker, label=label)


def draw_size(results: StudyResults) -> Figure:
    """Pearson r by the number of atoms per frame; totals left, local energies right."""
    rows = tables.select(results.table, experiment="size_transfer", species=("all", None), gauge=("raw", None))
    rows = tables.select(rows, transferred=(False, None))
    if not len(rows):
        raise plotting.AbsentError("frames of another size")
    sizes = ", ".join(f"{results.label(name)} {entry.get('n_atoms')}" for name, entry in results.main_systems.items())
    trained = f"Trained on frames of so many atoms: {sizes}. " if sizes else ""
    note = f"{trained}Bars: 95 % bootstrap over frames. Mixture: raw gauge."
    figure = plotting.canvas(
        "Transfer to frames of other sizes", settings_text(results, rows, note), (plotting.GRID[0], 4.1)
    )
    axes = figure.subplots(1, 2, sharex=True)
    for axis, target in zip(axes, ("total", "local"), strict=True):
        _draw_size_target(axis, results, tables.select(rows, target=target), target)
        axis.set(title=f"{target} energies", ylabel="Pearson r")
    plotting.legend_above(figure, axes[1:])
    return figure


def _size_rows(results: StudyResults, rows: pd.DataFrame, system: str, model: str, target: str) -> list[Any]:
    """Rows of one model by size; that of the size trained on is added if it is not among them."""
    chosen = tables.mean_rows(tables.select(rows, test_system=system, model=model))
    if model == "network":
        chosen = tables.select(chosen, **results.chosen(system))
    home = model_row(results, model, system, target)
    by_size = {row["n_atoms"]: row for row in [home, *tables.records(chosen)] if row.get("n_atoms")}
    return [by_size[size] for size in sorted(by_size) if by_size[size]["pearson_r"] is not None] if len(chosen) else []


def _draw_size_target(axes: Axes, results: StudyResults, rows: pd.DataFrame, target: str) -> None:
    sizes: set[float] = set()
    for index, system in enumerate(results.systems):
        for offset, (model, name, line) in enumerate(_SIZE_MODELS):
            found = tables.as_table(_size_rows(results, rows, system, model, target), tables.RESULTS)
            x, style = found["n_atoms"].to_numpy(float), plotting.look(index)
            if not x.size:
                continue
            sizes |= set(x)
            r = found["pearson_r"]
            bars = [(r - found["pearson_r_low"]).clip(0.0), (found["pearson_r_high"] - r).clip(0.0)]
            x = x * (1.0 + 0.02 * (3 * offset + index - 4))
            axes.errorbar(
                x, r, [bar.fillna(0.0) for bar in bars], color=style.color, marker=style.marker, linestyle=line,
                elinewidth=0.8, mfc=style.color if model == "network" else "white",
                label=f"{results.label(system)}, {name}",
            )  # fmt: skip
    plotting.width_axis(axes, sorted(sizes), "atoms per frame")


def draw_learning_curve(results: StudyResults) -> Figure:
    """Pearson r against the number of training frames, by width of the network, and of ridge."""
    rows = tables.select(results.table, experiment="learning_curve", species=("all", None), gauge=("raw", None))
    rows = preferred_split(rows)
    if not results.present(rows, "test_system"):
        raise plotting.AbsentError("a learning curve")
    networks = tables.member_rows(tables.select(rows, model="network"))
    curves = [
        (f"network of width {width}", plotting.look(index), tables.select(networks, width=width))
        for index, width in enumerate(tables.distinct(networks, "width"))
    ]
    curves.append(
        ("ridge", plotting.Look(plotting.GREY, "x", "--"), tables.select(rows, model="ridge").assign(seed="0"))
    )
    note = "Networks: mean and standard deviation over seeds. Mixture: raw gauge."
    against = ("n_train", "training frames")
    return draw_targets(results, rows, "Fidelity against the number of training frames", note, curves, against)


def draw_training_curves(results: StudyResults) -> Figure:
    """Training and validation error against epoch for the narrowest, a middle and the widest network."""
    curves = results.curves
    systems, errors = results.present(curves, "train_system"), {"validation_rmse_mev": "-", "train_rmse_mev": "--"}
    if not systems:
        raise plotting.AbsentError("training curves")
    main = members.architectures(curves)[0]
    curves = members.of_architecture(curves, main)
    note = (
        f"{members.architecture_name(main)}; mean over {len(tables.distinct(curves, 'seed'))} seeds. Root mean square "
        "errors of total energies, per atom. Solid: validation; dashed: training."
    )
    figure = plotting.canvas(
        "Training and validation error while training", note, plotting.columns_size(len(systems), 3.9)
    )
    axes = plotting.grid_of(figure, len(systems), len(systems), sharey=True)
    for axis, system in zip(axes, systems, strict=True):
        chosen = tables.select(curves, train_system=system)
        widths = tables.distinct(chosen, "width")
        for index, width in enumerate(sorted({widths[0], widths[len(widths) // 2], widths[-1]})):
            means = tables.select(chosen, width=width).groupby("epoch")[[*errors]].mean()
            for name, line in errors.items():
                label = f"width {width}" if line == "-" else None
                axis.plot(means[name], line, color=plotting.look(index).color, linewidth=1.2, label=label)
        axis.set(title=results.label(system), yscale="log")
        axis.yaxis.set_major_formatter(FuncFormatter(_plain_number))
        axis.yaxis.set_minor_formatter(FuncFormatter(_plain_number))
        axis.set_xlabel("epoch")
    axes[0].set_ylabel("RMSE (meV/atom)")
    plotting.legend_above(figure, axes[:1])
    return figure


def _plain_number(value: float, _position: int | None = None) -> str:
    """Tick label without a power of ten; only some of a decade, so that none collide."""
    text = f"{value:g}"
    return text if text.strip("0.")[:1] in "123457" else ""
