"""Where the results come from: data, settings, versions, and how to repeat them."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from basinet.study.report.pieces import paragraph, table
from basinet.study.report.results import StudyResults


def data_tables(results: StudyResults) -> str:
    """Frames, atoms and splits of every system."""
    rows = [
        [
            results.label(str(name)),
            entry.get("n_frames"),
            entry.get("n_atoms"),
            ", ".join(entry.get("elements", ())),
            "; ".join(f"{split} {count}" for split, count in entry.get("n_by_split", {}).items()),
            splits(entry.get("splits", {})),
        ]
        for name, entry in results.main_systems.items()
    ]
    head = (
        "system",
        "frames",
        "atoms per frame",
        "elements",
        "frames by split",
        "contiguous blocks (frame numbers)",
    )
    source = results.study.get("data", {}).get("source")
    words = paragraph(f"Data: {source}.") if source else ""
    return words + (table(head, rows) if rows else "")


def splits(found: Mapping[str, Any]) -> str:
    """Splits in words."""
    return "; ".join(
        f"{name} {value[0]}-{value[1]}" if isinstance(value, (list, tuple)) and len(value) == 2 else f"{name} {value}"
        for name, value in found.items()
    )


def settings(results: StudyResults) -> str:
    """The resolved configuration, word for word."""
    if not results.config:
        return paragraph("No config.yaml in the results directory.", "note")
    return f"<pre><code>{escape(results.config)}</code></pre>"


def provenance(results: StudyResults) -> str:
    """Stages with their cost up to this report, then everything else that was recorded."""
    stages = results.provenance.get("stages", [])
    names = ("name", "wall_seconds", "cpu_seconds")
    total = {"name": "all before this report", **results.provenance.get("total", {})}
    rows = [[stage.get(name) for name in names] for stage in [*stages, total] if isinstance(stage, Mapping)]
    content = table(("stage", "wall seconds", "CPU seconds"), rows, digits=1) if rows else ""
    rest = {key: value for key, value in results.provenance.items() if key not in ("stages", "total", "complete")}
    lines = flattened(rest)
    return content + (table(("what", "value"), lines) if lines else "") or paragraph("Not recorded.", "note")


def flattened(values: Mapping[str, Any], prefix: str = "") -> list[list[str]]:
    """Nested values as (dotted name, text) rows."""
    rows: list[list[str]] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            rows += flattened(value, f"{name}.")
        else:
            rows.append([name, "not recorded" if value is None else str(value)])
    return rows


def repetition(results: StudyResults) -> str:
    """The commands that give these results again."""
    preset, command = results.study.get("preset"), results.study.get("command")
    repeated = {
        "train": "basinet train config.yaml --out NEW",
        "reproduce": f"basinet reproduce {f'--preset {preset}' if preset else '--config config.yaml'} --out NEW",
    }
    commands = [repeated[command]] if command in repeated else []
    words = (
        "config.yaml, the saved configuration, holds every setting and the seeds. Numbers may differ in the last "
        "digits on other processors. The last command draws figures and report again from existing results."
    )
    return paragraph(words) + "<pre><code>" + escape("\n".join([*commands, "basinet report NEW"])) + "</code></pre>"
