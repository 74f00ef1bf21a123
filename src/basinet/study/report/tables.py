"""Tables of the report, one DataFrame each with the headings that readers see; without rows where a study has none.

Energies are centred per system, species and size; RMSE is per atom.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from basinet.study.claims import members
from basinet.study.report.results import StudyResults, floor, model_row
from basinet.study.tables import Row, mean_rows, records, select

_METRICS = {
    "r2": "r²", "r2_determination": "R²", "slope": "slope", "rmse_mev": "RMSE meV", "offset_mev": "offset meV",
    "pearson_r_within": "r within frames", "n_values": "values",
}  # fmt: skip
_RELATION = {
    "slope": "slope a", "rmse_mev_per_atom": "RMSE meV/atom", "pearson_r": "r(E_rest, E_es)",
    "pearson_r_total_es": "r(E_tot, E_es)", "unexplained_variance": "variance left",
}  # fmt: skip
_SELECTION = {
    "rcut": "cutoff Å", "twojmax": "twojmax", "weights": "species weights", "radii": "radii (of the cutoff)",
    "system": "system", "validation_rmse_mev": "validation RMSE meV", "validation_r": "validation r", "score": "score",
    "chosen": "chosen",
}  # fmt: skip


def tables(results: StudyResults) -> dict[str, pd.DataFrame]:
    """All tables of the report by the key of their section, those of provenance apart."""
    views = (results, *results.further)
    total = {"name": "all before this report", **results.provenance.get("total", {})}
    stages = [*results.provenance.get("stages", []), total]
    headings = {"stage": "name", "wall seconds": "wall_seconds", "CPU seconds": "cpu_seconds"}
    rest = {key: value for key, value in results.provenance.items() if key not in ("stages", "total", "complete")}
    built = {
        "headline": [_headline(view, system) for view in views for system in results.systems],
        "architectures": [row for view in views for row in _architectures(view)],
        "baselines": [
            row for view in views for row in _metric_rows(view, experiment="baseline", species=("all", None))
        ],
        "floors": [
            {"system": view.label(system), "target": target, "95th percentile of |r|": limit}
            for view in views
            for system in results.systems
            for target in view.targets
            if math.isfinite(limit := floor(view, system, target))
        ],
        "folds": [row for view in views for row in _metric_rows(view, experiment="cross_validation")],
        "relation": [_relation_row(results, system, entry) for system, entry in results.relation.items()],
        "selection": [
            {
                heading: results.label(row[name]) if name == "system" else row[name]
                for name, heading in _SELECTION.items()
            }
            for row in records(results.selection)
        ],
        "data": [_data_row(results, name, entry) for name, entry in results.main_systems.items()],
        "stages": [{heading: stage.get(key) for heading, key in headings.items()} for stage in stages],
        "provenance": [
            {"what": name, "value": "not recorded" if value is None else str(value)}
            for name, value in _flattened(rest).items()
        ],
    }
    return {key: pd.DataFrame(rows, dtype=object) for key, rows in built.items()}


def interval(low: Any, high: Any, digits: int = 3) -> str:
    """``low to high``; a dash if there is no interval."""
    known = all(isinstance(end, (int, float)) and math.isfinite(end) for end in (low, high))
    return f"{low:.{digits}f} to {high:.{digits}f}" if known else "–"


def with_interval(value: Any, low: Any, high: Any, digits: int = 3, name: str = "") -> str:
    """A figure and, in parentheses, its interval, which a `name` may introduce."""
    if not isinstance(value, (int, float)):
        return "–"
    ends = interval(low, high, digits)
    return f"{value:.{digits}f}" + (f" ({name}{ends})" if ends != "–" else "")


def pearson_r(row: Mapping[str, Any], name: str = "") -> str:
    """Pearson r of a row of results with its interval."""
    return with_interval(row.get("pearson_r"), row.get("pearson_r_low"), row.get("pearson_r_high"), name=name)


def _headline(results: StudyResults, system: str) -> dict[str, Any]:
    def r(model: str, target: str = "local", gauge: str = "raw") -> str:
        return pearson_r(model_row(results, model, system, target, gauge))

    return {
        "System": results.label(system),
        "network, totals": r("network", "total"),
        "network, local": r("network"),
        "local, pair gauge removed": r("network", gauge="pair") if system in results.mixtures else "no such gauge",
        "literature pair potential, local": r("lennard_jones"),
        "ceiling, local": r("ceiling"),
        **({"relation, local": r("relation")} if results.definition else {}),
        "floor, |r|": floor(results, system, "local"),
    }


def _architectures(results: StudyResults) -> list[Row]:
    rows = select(members.sweep_members(results.table), species=("all", None), gauge=("raw", "pair"))
    rows = select(rows, target=results.targets)
    lines = []
    for case, chosen in rows.groupby(["target", "train_system", "test_system", "gauge"]):
        target, train, test, gauge = map(str, case)
        for architecture in members.architectures(chosen):
            grid = members.width_grid(members.of_architecture(chosen, architecture))
            if grid.empty:
                continue
            mean, bars = grid.mean(), members.spread(grid)
            best = int(mean.argmax())
            narrowest, highest, widest = (f"{mean.iloc[i]:.3f} ± {bars.iloc[i]:.3f}" for i in (0, best, -1))
            lines.append({
                "target": target, "trained on": results.label(train), "tested on": results.label(test), "gauge": gauge,
                "architecture": members.architecture_name(architecture), "narrowest": narrowest,
                "best width": f"{grid.columns[best]:.0f}", "best": highest, "widest": widest,
            })  # fmt: skip
    return lines


def _metric_rows(results: StudyResults, **which: Any) -> list[Row]:
    """Rows of ensemble means on unseen frames."""
    rows = mean_rows(select(results.table, split=("test", "out_of_fold"), target=results.targets, **which))
    return [
        {
            "model": row.get("model"),
            "trained on": results.label(str(row["train_system"])) if row.get("train_system") else None,
            "system": results.label(str(row.get("test_system"))),
            **{name: row.get(name) for name in ("target", "species", "gauge")},
            "r (95 % interval)": pearson_r(row),
            **{heading: row.get(name) for name, heading in _METRICS.items()},
        }
        for row in records(rows)
    ]


def _relation_row(results: StudyResults, system: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    figures = {}
    for key, heading in _RELATION.items():
        low, high = entry.get("intervals", {}).get(key) or (None, None)
        figures[heading] = with_interval(entry.get(key), low, high, digits=4)
    last = {"r, E_tot shuffled": entry.get("null_r"), "species offsets pinned by": entry.get("pinned_by")}
    return {"system": results.label(system), "frames": entry.get("n_frames"), **figures, **last}


def _data_row(results: StudyResults, name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    blocks = entry.get("splits", {}).items()
    pairs = {key: "-".join(map(str, ends)) if isinstance(ends, Sequence) else ends for key, ends in blocks}
    return {
        "system": results.label(name),
        "frames": entry.get("n_frames"),
        "atoms per frame": entry.get("n_atoms"),
        "elements": ", ".join(entry.get("elements", ())),
        "frames by split": "; ".join(f"{split} {count}" for split, count in entry.get("n_by_split", {}).items()),
        "contiguous blocks (frame numbers)": "; ".join(f"{key} {ends}" for key, ends in pairs.items()),
    }


def _flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for key, value in values.items():
        rows |= _flattened(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return rows
