"""A results directory in memory: all that figures and the report are made of. Missing files are empty."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from pydantic import BaseModel, model_validator

from basinet.config.loading import read_record
from basinet.errors import InputError
from basinet.files import read_bytes
from basinet.relation.relation import Definition
from basinet.study import tables
from basinet.study.claims import LOCAL_STATEMENTS, evaluate_claims
from basinet.study.claims.verdict import Claim
from basinet.study.systems import ProvenanceRecord, RelationRecord

TOTALS_ONLY = "total energies only"  # training data of the paper's networks; captions say it in these words
_SPLITS = ("out_of_fold", "test", "validation", "train")  # splits in the order in which figures prefer them


class _System(BaseModel):
    elements: list[str] = []
    splits: dict[str, Any] = {}
    n_by_split: dict[str, int] = {}
    n_frames: int | None = None
    n_atoms: int | None = None


class _Descriptor(BaseModel):
    rcut: float | None = None
    twojmax: int | None = None
    weights: dict[str, float] = {}
    radii: dict[str, float] = {}


class _Architecture(BaseModel):
    activation: str | None = None
    depth: int | None = None
    width: int | None = None


class _LocalR(BaseModel):
    raw: float | None
    pair: float | None


class _Gauge(BaseModel):
    """An entry of ``gauge.json``: distances (A) and the gauge there (eV), the control beside it."""

    model: str
    pair: str
    definition: Definition | None = None
    r: list[float]
    h_ev: list[float | None]
    h_control_ev: list[float | None]
    local_r: dict[str, _LocalR]

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if not len(self.r) == len(self.h_ev) == len(self.h_control_ev):
            raise ValueError("r, h_ev and h_control_ev differ in length")
        return self


class _Data(BaseModel):
    systems: dict[str, _System] = {}


class _Study(BaseModel):
    """The part of ``study.json`` that is looked into."""

    data: _Data = _Data()
    descriptor: _Descriptor = _Descriptor()
    chosen_architectures: dict[str, _Architecture] = {}
    command: str = ""
    definitions: list[Definition] = []
    force_weight: float | None = None


@dataclass(frozen=True)
class StudyResults:
    """The content of a results directory: its CSV and JSON files by name, and ``config.yaml`` as text.

    `systems` are the elements of every system, pure ones first. Local energies are those of one definition; `further`
    are the same results with those of others, each of which has the name `definition`.
    """

    table: pd.DataFrame
    systems: dict[str, tuple[str, ...]]
    relation_points: pd.DataFrame
    parity: pd.DataFrame
    curves: pd.DataFrame
    learning_rates: pd.DataFrame
    selection: pd.DataFrame
    determination: pd.DataFrame
    direct: pd.DataFrame
    direct_atoms: pd.DataFrame
    relation: Mapping[str, Any] = field(default_factory=dict)
    gauge: Mapping[str, Any] = field(default_factory=dict)
    study: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    config: str = ""
    definition: str = ""
    further: Sequence[StudyResults] = ()

    def by_definition(self, definition: str, *, main: bool) -> StudyResults:
        """These results with the local energies of one definition; where it is not the main one, named after it."""
        own = (self.table["definition"] == definition) | self.table["definition"].isna()
        if main:
            own |= self.table["experiment"] == "reading"
        else:  # the totals of the same networks stand beside it
            own |= (self.table["target"] == "total") & (self.table["model"] != "ceiling")
        wanted = (definition, None) if main else (definition,)
        entries = {
            name: [one for one in every if one.get("definition") in wanted] for name, every in self.gauge.items()
        }
        table = self.table[own] if main else self.table[own].assign(definition=definition)
        parity = tables.select(self.parity, definition=(definition, None))
        determination = tables.select(self.determination, definition=definition)
        shown = "" if main else definition
        return replace(
            self, table=table, parity=parity, determination=determination, gauge=entries, definition=shown, further=()
        )

    def label(self, system: str) -> str:
        """Name of a system in figures and tables."""
        name = tables.system_label(system, self.systems.get(system, ()))
        return f"{name} ({self.definition})" if self.definition else name

    @property
    def targets(self) -> tuple[str, ...]:
        """What these results tell of: of further local energies no totals, which are the same."""
        return ("local",) if self.definition else ("total", "local")

    @property
    def main_systems(self) -> dict[str, Any]:
        """Entries of ``study.json`` on the frames that were split for training, by system."""
        return {**self.study.get("data", {}).get("systems", {})}

    @property
    def trained_on(self) -> str:
        """Training data of the study's networks."""
        return TOTALS_ONLY if not self.study.get("force_weight") else "total energies and forces"

    @property
    def pure(self) -> list[str]:
        """Systems of one element."""
        return [name for name, elements in self.systems.items() if not tables.is_mixture(elements)]

    @property
    def mixtures(self) -> list[str]:
        """Systems of several elements."""
        return [name for name, elements in self.systems.items() if tables.is_mixture(elements)]

    def position(self, system: str) -> int:
        """Position of a system among those of the study; unknown ones come last."""
        return [*self.systems, system].index(system)

    def present(self, rows: pd.DataFrame, column: str) -> list[str]:
        """Systems of the study that occur in a column."""
        found = set(rows[column].dropna())
        return [system for system in self.systems if system in found]

    def gauges(self, system: str) -> tuple[str, ...]:
        """Gauges in which a system's local energies are shown."""
        return ("raw", "pair") if system in self.mixtures else ("raw",)

    def chosen(self, system: str) -> dict[str, Any]:
        """Activation, depth and width chosen for a system, by the study or else by validation error."""
        found = self.study.get("chosen_architectures", {}).get(system) or _best_on_validation(self.table, system)
        return {name: found[name] for name in ("activation", "depth", "width") if found.get(name) is not None}

    def claims(self) -> list[Claim]:
        """The paper's statements, tested on these results; on further local energies those about local energies."""
        relations = {name: RelationRecord(**entry) for name, entry in self.relation.items()}
        claims = evaluate_claims(self.table, relations, self.systems, self.direct)
        for view in self.further:
            found = evaluate_claims(view.table, elements=view.systems)
            claims += [
                replace(claim, subject=f"{claim.subject} ({view.definition})")
                for claim in found
                if claim.key in LOCAL_STATEMENTS and claim.verdict != "not testable here"
            ]
        return claims


_BY_ELEMENT = r"([A-Z][a-z]?:[0-9.e+-]*[0-9]( |$))*"
_SPELLINGS = {"seed": "[0-9]+|mean", "weights": _BY_ELEMENT, "radii": _BY_ELEMENT}
"""Of texts in ``results.csv`` that are taken apart."""


def load_results(directory: str | Path) -> StudyResults:
    """Read a results directory; InputError where its ``results.csv`` is missing or a file is not what it says."""
    root = Path(directory)
    if not (root / "results.csv").is_file():
        problem = "holds no results.csv" if root.is_dir() else "no such directory"
        raise InputError(f"{root}: {problem}; give the output directory of `basinet reproduce` or `train`")
    table = tables.read_rows(root / "results.csv", tables.RESULTS)
    for column, pattern in _SPELLINGS.items():
        for value in tables.distinct(table, column):
            if re.fullmatch(pattern, value) is None:
                raise InputError(f"{root}/results.csv: {column} {value!r}; delete it and run again with --resume")
    study = read_record(root / "study.json", _Study)
    named = study.get("data", {}).get("systems", {})
    tested = tables.distinct(table, "test_system")
    elements = {str(name): tuple(entry.get("elements", ())) for name, entry in named.items() if name in tested}
    config = root / "config.yaml"
    results = StudyResults(
        table=table,
        systems=tables.system_elements(tables.select(table, transferred=(False, None)), elements),
        relation=read_record(root / "relation.json", dict[str, RelationRecord]),
        gauge=read_record(root / "gauge.json", dict[str, list[_Gauge]]),
        study=study,
        provenance=read_record(root / "provenance.json", ProvenanceRecord),
        relation_points=tables.read_rows(root / "relation_points.csv", tables.RELATION_POINTS),
        parity=tables.read_rows(root / "parity.csv", tables.PARITY),
        curves=tables.read_rows(root / "curves.csv", tables.CURVES),
        learning_rates=tables.read_rows(root / "learning_rates.csv", tables.LEARNING_RATES),
        selection=tables.read_rows(root / "selection.csv", tables.SELECTION),
        determination=tables.read_rows(root / "determination.csv", tables.DETERMINATION),
        direct=tables.read_rows(root / "direct.csv", tables.DIRECT),
        direct_atoms=tables.read_rows(root / "direct_atoms.csv", tables.DIRECT_ATOMS),
        config=read_bytes(config).decode(errors="replace") if config.is_file() else "",
    )
    found = tables.distinct(table[table["experiment"] != "reading"], "definition")
    main, *others = study.get("definitions") or found or ("total",)
    further = [results.by_definition(definition, main=False) for definition in others]
    return replace(results.by_definition(main, main=True), further=further)


def _best_on_validation(table: pd.DataFrame, system: str) -> dict[str, Any]:
    rows = tables.select(
        table, experiment="sweep", model="network", split="validation", seed="mean", test_system=system
    )
    rows = tables.select(rows, target="total", transferred=False)
    errors = rows["rmse_mev"].to_numpy(float)
    return tables.records(rows)[int(np.nanargmin(errors))] if np.isfinite(errors).any() else {}


def preferred_split(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the split that says most about unseen frames."""
    for split in _SPLITS:
        chosen = tables.select(rows, split=split)
        if len(chosen):
            return chosen
    return rows


def floor(results: StudyResults, system: str, target: str) -> float:
    """95th percentile of |r| of untrained networks; nan if there are none."""
    rows = tables.select(results.table, model="untrained", test_system=system, target=target, species=("all", None))
    values = np.abs(tables.member_rows(tables.select(rows, gauge=("raw", None)))["pearson_r"].to_numpy(float))
    values = values[np.isfinite(values)]
    return float(np.quantile(values, 0.95)) if values.size else float("nan")


def model_row(results: StudyResults, model: str, system: str, target: str, gauge: str = "raw") -> dict[str, Any]:
    """The row of a kind of model on unseen frames of a system: its ensemble mean, else the mean of r; empty if missing.

    The ``network`` is the one chosen for the system, on the test frames of the sweep.
    """
    which = {"test_system": system, "target": target, "species": ("all", None), "gauge": (gauge, None)}
    rows = tables.select(results.table, model=model, transferred=(False, None), **which)
    if model == "network":
        rows = tables.select(rows, experiment="sweep", split="test", seed="mean", **results.chosen(system))
        return next(iter(tables.records(rows)), {})
    rows = tables.select(rows, experiment="baseline")
    rows = tables.select(rows, split="test") if len(tables.select(rows, split="test")) else preferred_split(rows)
    if model == "ridge":
        rows = tables.select(rows, train_system=(system, None))
    means = tables.records(tables.mean_rows(rows))
    if means:
        return means[0]
    r = rows["pearson_r"].mean()
    return {**tables.records(rows)[0], "pearson_r": float(r)} if len(rows) else {}


def settings_text(results: StudyResults, rows: pd.DataFrame, note: str = "") -> str:
    """Settings of rows in words; what a study did not record is left out."""
    members, definition = tables.member_rows(rows), tables.distinct(rows, "definition")
    splits = [str(value).replace("_", "-") for value in tables.distinct(rows, "split")]
    parts = [
        _listed("{} atoms per frame", tables.distinct(rows, "n_atoms")),
        _numbers_of_training_frames(results, rows),
        f"{members['seed'].nunique()} networks (seeds) each" if len(members) else "",
        _listed("cutoff {} Å", tables.distinct(rows, "rcut")),
        _listed("twojmax {}", tables.distinct(rows, "twojmax")),
        _listed("{} frames", splits),
        _listed("local energies: {} definition", definition if definition != ("total",) else ()),
    ]
    text = "; ".join(part for part in parts if part)
    return " ".join(part for part in (text + "." if text else "", note) if part)


def _numbers_of_training_frames(results: StudyResults, rows: pd.DataFrame) -> str:
    known = sorted(set(rows[["train_system", "n_train"]].dropna().itertuples(index=False, name=None)))
    if not known:
        return ""
    if len({number for _, number in known}) == 1:
        return f"{known[0][1]} training frames"
    if len({system for system, _ in known}) < len(known):
        return ""
    return "training frames: " + ", ".join(f"{results.label(system)} {number}" for system, number in known)


def _listed(template: str, values: Sequence[Any]) -> str:
    if len(values) > 4 and not any(isinstance(value, str) for value in values):
        return template.format(f"{values[0]}-{values[-1]}")
    return template.format(", ".join(map(str, values))) if values else ""
