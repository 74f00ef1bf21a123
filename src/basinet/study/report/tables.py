"""Tables of the report: headline numbers, architectures, baselines, relation, selection."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from basinet.study.claims.members import architecture_name, architectures, of_architecture, sweep_members, width_grid
from basinet.study.report.pieces import interval, paragraph, table, with_interval
from basinet.study.report.results import StudyResults, baseline, ensemble, floor
from basinet.study.tables import mean_rows, records, select

METRICS = ("r2", "r2_determination", "slope", "rmse_mev", "offset_mev", "pearson_r_within", "n_values")
METRIC_HEAD = (
    "r (95 % interval)",
    "r²",
    "R²",
    "slope",
    "RMSE meV",
    "offset meV",
    "r within frames",
    "values",
)
METRIC_NOTE = (
    "Energies are centred per system, species and size; RMSE per atom; offset is what centring removed. r² "
    "is the square of Pearson's r, R² the coefficient of determination; slope is that of the prediction on "
    "DFT."
)
NOTHING = paragraph("Not in this study.", "note")


def headline(results: StudyResults) -> str:
    """Local r of the chosen network between floor and ceiling, by system."""
    rows = []
    for system in results.systems:
        gauges = results.gauges(system)
        limit = floor(results, system, "local")
        rows.append([
            results.label(system),
            with_interval(ensemble(results, system, "total")),
            with_interval(ensemble(results, system, "local")),
            with_interval(ensemble(results, system, "local", "pair")) if len(gauges) > 1 else "no such gauge",
            with_interval(baseline(results, "lennard_jones", system, "local")),
            with_interval(baseline(results, "ceiling", system, "local")),
            limit,
        ])  # fmt: skip
    head = (
        "System",
        "network, totals",
        "network, local",
        "local, pair gauge removed",
        "literature pair potential, local",
        "ceiling, local",
        "floor, |r|",
    )
    note = (
        "Pearson r on test frames with 95 % block bootstrap intervals over frames. Network: ensemble mean of "
        "the architecture chosen on validation frames. Ceiling: a tanh network trained on local energies. "
        "Floor: 95th percentile of |r| of untrained networks."
    )
    return table(head, rows) + paragraph(note, "note")


def architecture_summary(results: StudyResults) -> str:
    """Mean r at the narrowest, best and widest network for every architecture, target and transfer."""
    rows = select(sweep_members(results.table), species=("all", None))
    names = ("target", "train_system", "test_system", "gauge")
    cases = sorted(set(rows[[*names]].dropna().itertuples(index=False, name=None)))
    lines = []
    for target, train, test, gauge in cases:
        if gauge == "control":
            continue
        chosen = select(rows, target=target, train_system=train, test_system=test, gauge=gauge)
        for architecture in architectures(chosen):
            grid = width_grid(of_architecture(chosen, architecture))
            if not grid.widths.size:
                continue
            mean, spread, best = grid.mean(), grid.spread(), grid.best()
            cells = [f"{mean[i]:.3f} ± {spread[i]:.3f}" for i in (0, best, -1)]
            labels = [results.label(str(train)), results.label(str(test)), str(gauge)]
            lines.append([
                str(target), *labels, architecture_name(architecture), cells[0], f"{grid.widths[best]:.0f}",
                *cells[1:]
            ])  # fmt: skip
    head = (
        "target",
        "trained on",
        "tested on",
        "gauge",
        "architecture",
        "narrowest",
        "best width",
        "best",
        "widest",
    )
    note = (
        "Pearson r on test frames, mean and standard deviation over seeds; the best width is the one with "
        "the highest mean."
    )
    return table(head, lines) + paragraph(note, "note") if lines else NOTHING


def metric_rows(results: StudyResults, rows: pd.DataFrame) -> list[list[Any]]:
    """Model, system, target and all metrics of every row."""
    lines = []
    for row in records(rows):
        metrics = [row.get(name) for name in METRICS]
        names = [
            row.get("model"),
            results.label(str(row["train_system"])) if row.get("train_system") else None,
            results.label(str(row.get("test_system"))),
            row.get("target"),
            row.get("species"),
        ]
        lines.append([*names, row.get("gauge"), with_interval(row), *metrics])
    return lines


def baselines(results: StudyResults) -> str:
    """All baselines on test frames."""
    rows = mean_rows(select(results.table, experiment="baseline", species=("all", None), split="test"))
    lines = metric_rows(results, rows)
    head = ("model", "trained on", "system", "target", "species", "gauge", *METRIC_HEAD)
    floors = [
        [results.label(system), target, limit]
        for system in results.systems
        for target in ("total", "local")
        if math.isfinite(limit := floor(results, system, target))
    ]
    content = table(head, lines) + paragraph(METRIC_NOTE, "note") if lines else NOTHING
    if floors:
        content += paragraph("Untrained networks:") + table(("system", "target", "95th percentile of |r|"), floors)
    return content


def out_of_fold(results: StudyResults) -> str:
    """Cross-validation: every frame predicted by a model that did not see it."""
    rows = mean_rows(select(results.table, experiment="cross_validation", split="out_of_fold"))
    lines = metric_rows(results, rows)
    head = ("model", "trained on", "system", "target", "species", "gauge", *METRIC_HEAD)
    return table(head, lines) + paragraph(METRIC_NOTE, "note") if lines else NOTHING


def relation(results: StudyResults) -> str:
    """The electrostatic relation of every system."""
    keys = ("slope", "rmse_mev_per_atom", "pearson_r", "pearson_r_total_es", "unexplained_variance")
    lines = []
    for system, entry in results.relation.items():
        intervals = entry.get("intervals", {})
        cells = []
        for key in keys:
            low, high = intervals.get(key) or (None, None)
            ends, value = interval(low, high, 4), entry.get(key)
            shown = f"{value:.4f}" if isinstance(value, (int, float)) else "–"
            cells.append(shown + (f" ({ends})" if ends != "–" else ""))
        label = results.label(str(system))
        lines.append([label, entry.get("n_frames"), *cells, entry.get("null_r"), entry.get("pinned_by")])
    head = (
        "system", "frames", "slope a", "RMSE meV/atom", "r(E_rest, E_es)", "r(E_tot, E_es)", "variance left",
        "r, E_tot shuffled", "species offsets pinned by",
    )  # fmt: skip
    return table(head, lines) if lines else NOTHING


def selection(results: StudyResults) -> str:
    """The descriptor's settings that were tried, and their validation error."""
    names = ("rcut", "twojmax", "weights", "radii", "system", "validation_rmse_mev", "validation_r", "score", "chosen")
    lines = [
        [results.label(str(row[name])) if name == "system" else row.get(name) for name in names]
        for row in records(results.selection)
    ]
    head = (
        "cutoff Å",
        "twojmax",
        "species weights",
        "radii (of the cutoff)",
        "system",
        "validation RMSE meV",
        "validation r",
        "score",
        "chosen",
    )
    return table(head, lines) if lines else NOTHING
