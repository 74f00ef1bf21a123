"""The footer of a figure: sizes, training frames, seeds, descriptor and split behind the rows it shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from basinet.study.report.results import StudyResults
from basinet.study.tables import distinct, member_rows


def footer(results: StudyResults, rows: pd.DataFrame, note: str = "") -> str:
    """Settings of rows in words; what a study did not record is left out."""
    parts = [listed("{} atoms per frame", distinct(rows, "n_atoms")), trained_on(results, rows)]
    members = member_rows(rows)
    if len(members):
        parts.append(f"{len(distinct(members, 'seed'))} networks (seeds) each")
    parts.append(listed("cutoff {} Å", distinct(rows, "rcut")))
    parts.append(listed("twojmax {}", distinct(rows, "twojmax")))
    parts.append(listed("{} frames", [str(value).replace("_", "-") for value in distinct(rows, "split")]))
    definition = distinct(rows, "definition")
    if definition and definition != ("total",):
        parts.append(listed("local energies: {} definition", definition))
    text = "; ".join(part for part in parts if part)
    return " ".join(part for part in (text + "." if text else "", note) if part)


def trained_on(results: StudyResults, rows: pd.DataFrame) -> str:
    """Numbers of training frames, by system where they differ."""
    known = sorted(set(rows[["train_system", "n_train"]].dropna().itertuples(index=False, name=None)))
    if not known:
        return ""
    if len({number for _, number in known}) == 1:
        return f"{known[0][1]} training frames"
    if len({system for system, _ in known}) < len(known):
        return ""
    return "training frames: " + ", ".join(f"{results.label(system)} {number}" for system, number in known)


def listed(template: str, values: Iterable[Any]) -> str:
    """The template with values, a range if they are many numbers; empty if there are none."""
    found = list(values)
    if not found:
        return ""
    if len(found) > 4 and not any(isinstance(value, str) for value in found):
        return template.format(f"{found[0]}-{found[-1]}")
    return template.format(", ".join(str(value) for value in found))
