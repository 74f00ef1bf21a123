"""The page of `basinet score`: the answer in plain words, tables, and a figure for each potential."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from basinet.fidelity.named import NAMED
from basinet.fidelity.score import (
    CEILING,
    FEW,
    FLOOR,
    NEIGHBOURS_WITHIN,
    NO_LOCAL,
    PAIRS,
    UNTOLD,
    ScoreTables,
    score_summary,
)
from basinet.files import atomic_write
from basinet.plotting import BLACK, BLUE, GREY, VERMILION, canvas, columns_size, rc_context, save_figure
from basinet.study.report.page import figure_of, rendered
from basinet.study.report.tables import with_interval
from basinet.study.tables import records, system_label

_DEFINITIONS = {"total": "relation", "direct": "direct"}
_CAPTION = (
    "Left: local energies, predicted against DFT, each species centred, coloured by the error; in a mixture with the "
    "pair gauge removed. Right: mean local energy of atoms with so many neighbours, of DFT and as predicted, raw."
)


def write_score(root: Path, scores: ScoreTables) -> Path:
    """Write ``score.html``, which loads nothing, and its figures as PNG and PDF in ``figures/``; return the page."""
    table = score_summary(scores.table)
    figures = []
    for number, (model, atoms) in enumerate(scores.atoms.groupby("model", sort=False) if len(scores.atoms) else ()):
        with rc_context():
            name = f"score_{number:02d}"
            image = save_figure(_draw(str(model), atoms), root / "figures" / name)
        figures.append(figure_of(name, str(model), _CAPTION, image))
    shown = {"answer": answers(table), "figures": figures, "notes": scores.notes}
    target = root / "score.html"
    with atomic_write(target, "w") as stream:
        page = rendered("score.html", title="Are the atomic energies real?", **shown, **_tables(scores.table, table))
        stream.write(page)
    return target


def answers(table: pd.DataFrame) -> list[str]:
    """What a summary of scores says in plain words: a sentence over all, and one or more for each potential."""
    if (table["verdict"] == NO_LOCAL).all():
        return ["These frames give no local energies, so that only totals could be scored."]
    table = table.assign(place=_places(table))
    words = []
    for model, own in table.groupby("model", sort=False):
        told = [f"{row['place']}: {_r(row)}, {row['verdict']}" for row in records(own)]
        lost = {_system(row["system"]) for row in records(own[own["total_low"] <= own["total_floor"]])}
        tail = f" Its totals do not follow DFT's in {', '.join(sorted(lost))}." if lost else ""
        words.append(f"{model}. {'; '.join(told)}.{tail}")
    return [_lead(table), *words]


def _lead(table: pd.DataFrame) -> str:
    """Which potentials know the atoms, in a sentence for each degree."""
    found: dict[str, list[str]] = {
        "Real everywhere": [], "Real in part": [], "Nowhere beyond untrained networks": [], "Not to be judged here": [],
    }  # fmt: skip
    everywhere, part, nowhere, unjudged = found.values()
    asked = table[table["model"] != PAIRS] if (table["model"] != PAIRS).any() else table
    for model, own in asked.groupby("model", sort=False):
        judged = own[~own["verdict"].isin([FEW, NO_LOCAL])]
        good = judged[judged["verdict"] != UNTOLD]
        if judged.empty:
            unjudged.append(str(model))
        elif len(good) in (0, len(judged)):
            (everywhere if len(good) else nowhere).append(str(model))
        else:
            part.append(f"{model} ({', '.join(good['place'])})")
    told = [f"{degree}: {', '.join(models)}." for degree, models in found.items() if models]
    return " ".join(["Are the energies of atoms DFT's, more than an untrained network's would be?", *told])


def _system(name: str) -> str:
    label = system_label(name, [name.capitalize()])
    return "mixture" if label == "Mx" else label


def _places(table: pd.DataFrame) -> list[str]:
    """Names of the system of each row, its composition where it has several, species and definition."""
    several = table.groupby("system")["composition"].nunique() > 1
    return [
        _system(row["system"])
        + (f" {row['composition']}" if several[row["system"]] else "")
        + ("" if row["species"] == "all" else f" {row['species']}")
        + (" (direct)" if row["definition"] == "direct" else "")
        for row in records(table)
    ]


def _r(row: Any) -> str:
    if row["gauge_removed"] is not None:
        removed = with_interval(row["gauge_removed"], row["gauge_low"], row["gauge_high"], 2)
        raw, control = (with_interval(row[name], None, None, 2) for name in ("local_r", "control"))
        return f"r = {removed} without the pair gauge, raw {raw}, control {control}"
    return f"r = {with_interval(row['local_r'], row['low'], row['high'], 2)}"


def _tables(rows: pd.DataFrame, table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    totals = rows[(rows["target"] == "total") & (rows["model"] != FLOOR)]
    of_totals = [
        {
            "potential": row["model"],
            "stands for": NAMED[row["model"]].method if row["model"] in NAMED else None,
            "system": _system(row["test_system"]),
            "composition": row["composition"],
            "frames": row["n_values"],
            "r of totals": with_interval(row["pearson_r"], row["pearson_r_low"], row["pearson_r_high"]),
            "RMSE meV": row["rmse_mev"],
            "slope": row["slope"],
        }
        for row in records(totals)
    ]
    of_locals = [
        {
            "potential": row["model"],
            "system": _system(row["system"]),
            "composition": row["composition"],
            "species": row["species"],
            "local energies": _DEFINITIONS[row["definition"]],
            "r raw": with_interval(row["local_r"], row["low"], row["high"]),
            "within": row["within"],
            "RMSE meV": row["rmse"],
            "slope": row["slope"],
            "gauge removed": with_interval(row["gauge_removed"], row["gauge_low"], row["gauge_high"]),
            "control": row["control"],
            "floor": row[FLOOR],
            "ceiling": row[CEILING],
            "verdict": row["verdict"],
        }
        for row in records(table)
    ]
    return {"totals": pd.DataFrame(of_totals), "locals": pd.DataFrame(of_locals)}


def _draw(model: str, atoms: pd.DataFrame) -> Figure:
    """A row of two panels for each system and definition: parity, and local energy against number of neighbours."""
    groups = list(atoms.groupby(["system", "composition", "definition"], sort=False))
    note = f"Energies per atom, each species centred. Neighbours: within {NEIGHBOURS_WITHIN} Å. Line: equality."
    figure = canvas(f"{model}: atomic energies beside DFT's", note, columns_size(2, 0.9 + 2.4 * len(groups), 2.6))
    panels = figure.subplots(len(groups), 2, squeeze=False)
    for ((system, composition, definition), own), (left, right) in zip(groups, panels, strict=True):
        error = (own["pair"] - own["reference"]).abs()
        points = left.scatter(
            own["reference"],
            own["pair"],
            c=error,
            s=4,
            lw=0,
            cmap="viridis",
            vmax=error.quantile(0.98),
            rasterized=True,
        )
        ends = [own["reference"].min(), own["reference"].max()]
        left.plot(ends, ends, color=BLACK, linewidth=0.8)
        figure.colorbar(points, ax=left, label="|error| (meV)")
        left.set(xlabel="DFT (meV)", ylabel="predicted (meV)")
        left.set_title(f"{_system(str(system))}, {composition}, {_DEFINITIONS[str(definition)]}")
        _draw_neighbours(right, own)
    return figure


def _draw_neighbours(axes: Any, atoms: pd.DataFrame) -> None:
    species: Sequence[str] = sorted(atoms["species"].unique())
    for marker, name in zip(cycle("osD^v"), species, strict=False):
        means = atoms[atoms["species"] == name].groupby("neighbours")[["reference", "raw"]].mean()
        end = f", {name}" if len(species) > 1 else ""
        for column, color, label in (
            ("reference", GREY, "DFT"),
            ("raw", (BLUE, VERMILION)[name != species[0]], "predicted"),
        ):
            axes.plot(means.index, means[column], f"-{marker}", ms=3, color=color, label=label + end)
    axes.set(xlabel="neighbours", ylabel="local energy (meV)")
    axes.legend(loc="best", fontsize=7)
