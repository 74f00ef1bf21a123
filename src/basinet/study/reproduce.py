"""The whole study, stage by stage: `basinet reproduce`."""

from __future__ import annotations

import resource
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from basinet.io.files import read_json, write_json
from basinet.io.provenance import provenance
from basinet.io.tables import write_table
from basinet.relation import evaluate_relation, isolated_atom_check
from basinet.study import planning
from basinet.study.baselines import baseline_rows
from basinet.study.execution import connect, run_all
from basinet.study.gauge_record import gauge_record
from basinet.study.out_of_fold import out_of_fold_predictions, out_of_fold_rows, parity_rows
from basinet.study.relation_points import RELATION_POINT_COLUMNS, relation_points
from basinet.study.selection import (
    SELECTION_COLUMNS,
    choose_architectures,
    choose_descriptor,
    selection_rows,
)
from basinet.study.store import Store
from basinet.study.systems import StudySystem, describe_systems, group_systems, load_frames
from basinet.study.tables import task_rows, write_results, write_training_tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from distributed import Client

    from basinet.config.settings import StudyConfig
    from basinet.descriptors import Bispectrum
    from basinet.models import Architecture
    from basinet.study.progress import Progress
    from basinet.study.tasks import ComposeTask, DescribeTask, TrainTask

PARITY_COLUMNS = ("experiment", "model", "system", "split", "target", "species", "frame", "reference_mev", "prediction_mev")


@dataclass
class _Study:
    """A study under way: where it writes, what it has planned, and how long its stages took."""

    root: Path
    config: StudyConfig
    progress: Progress
    stages: list[dict[str, Any]] = field(default_factory=list)
    described: list[DescribeTask] = field(default_factory=list)
    trained: list[TrainTask] = field(default_factory=list)
    composed: list[ComposeTask] = field(default_factory=list)
    folds: list[TrainTask] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage: wall time, and CPU time of this process and of workers that have ended."""
        wall, cpu = time.monotonic(), _cpu_seconds()
        yield
        self.stages.append({"name": name, "wall_seconds": time.monotonic() - wall, "cpu_seconds": _cpu_seconds() - cpu})


def _cpu_seconds() -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def reproduce(
    root: Path,
    config: StudyConfig,
    progress: Progress,
    *,
    preset: str = "",
    workers: int | None = None,
    scheduler: str | None = None,
) -> Path:
    """Run the study in the results directory `root`, skipping what is done there; return the path of the report."""
    study = _Study(root, config, progress)
    store = Store(root / "work")
    with study.stage("frames and relation"):
        systems = _prepare(study, store)
    with study.stage("workers"), connect(workers, scheduler, root / "work" / "compiled") as client:
        descriptor, chosen = _run(study, store, client)
    with study.stage("tables"):
        _write_tables(study, store, systems, descriptor, chosen)
    record = read_json(root / "study.json") | {
        "descriptor": descriptor.to_dict(),
        "chosen_architectures": {name: a.as_dict() | {"lr": lr} for name, (a, lr) in chosen.items()},
        "preset": preset,
    }
    write_json(root / "study.json", record)
    return _finish(study)


def _prepare(study: _Study, store: Store) -> list[StudySystem]:
    """Read frames, fit relations, and write what workers need."""
    config = study.config
    frames, isolated = load_frames(config.data, config.seed, study.progress.note)
    systems = group_systems(
        frames, isolated, config.split, size_transfer=config.data.size_transfer, seed=config.seed
    )
    for system in systems:
        store.write_system(system, config.definition)
    source = config.data.frames if isinstance(config.data.frames, str) else ", ".join(config.data.frames)
    has_relation = any(system.relation is not None for system in systems)
    write_json(
        study.root / "study.json",
        {
            "title": config.title,
            "data": describe_systems(systems, source, config.split.gap),
            "definition": config.definition,
            "has_relation": has_relation,
        },
    )
    write_json(study.root / "relation.json", _relations(systems, isolated))
    write_table(study.root / "relation_points.csv", relation_points(systems), RELATION_POINT_COLUMNS)
    return systems


def _relations(systems: list[StudySystem], isolated: list[Any]) -> dict[str, Any]:
    """Describe the relation of each system, fitted on training frames, and its scores on other blocks."""
    record: dict[str, Any] = {}
    for system in systems:
        if system.relation is None:
            continue
        if system.split is None:
            entry = record[system.name].setdefault("other_sizes", {})
            entry[str(system.n_atoms)] = _scores(system, range(len(system.frames)))
            continue
        record[system.name] = system.relation.to_dict() | {
            "fitted_on": "train",
            "evaluated": {
                name: _scores(system, block)
                for name, block in {"all": range(len(system.frames)), **system.split.blocks()}.items()
            },
            "isolated_atom_check_mev": isolated_atom_check(system.relation, isolated) if isolated else None,
        }
    return record


def _scores(system: StudySystem, frames: Iterable[int]) -> dict[str, float]:
    """Scores of a system's relation on some of its frames, energies in meV per atom."""
    if system.relation is None:
        return {}
    scores = asdict(evaluate_relation(system.relation, [system.frames[i] for i in frames]))
    return {
        "rmse_mev_per_atom": 1e3 * scores.pop("rmse"),
        "bias_mev_per_atom": 1e3 * scores.pop("bias"),
        **scores,
    }


def _run(
    study: _Study, store: Store, client: Client
) -> tuple[Bispectrum, dict[str, tuple[Architecture, float]]]:
    """Run all tasks; choices are made between the stages."""
    root, config, progress = study.root, study.config, study.progress
    systems = store.systems()
    elements = sorted({element for system in systems for element in system.elements})
    with study.stage("descriptors"):
        study.described = planning.candidate_descriptors(config, elements)
        run_all(client, root, study.described, progress, "descriptors: cutoffs and species weights")
        more = planning.other_resolutions(config, choose_descriptor(root, study.described))
        run_all(client, root, more, progress, "descriptors: twojmax")
        study.described += more
        descriptor = choose_descriptor(root, study.described)
        progress.note(f"  chosen: cutoff {descriptor.rcut:g} A, twojmax {descriptor.twojmax}, weights {dict(descriptor.weights)}")
    with study.stage("training"):
        study.trained = planning.sweep_tasks(config, systems, descriptor)
        run_all(client, root, study.trained, progress, "training")
    with study.stage("transfer"):
        study.composed = planning.compose_tasks(study.trained, systems)
        run_all(client, root, study.composed, progress, "pure models side by side")
    chosen = choose_architectures(root, study.trained)
    with study.stage("cross-validation"):
        study.folds = planning.fold_tasks(config, systems, descriptor, chosen) if config.cross_validation.folds else []
        run_all(client, root, study.folds, progress, "out-of-fold prediction")
    return descriptor, chosen


def _write_tables(
    study: _Study,
    store: Store,
    systems: list[StudySystem],
    descriptor: Bispectrum,
    chosen: dict[str, tuple[Architecture, float]],
) -> None:
    root, config = study.root, study.config
    rows = task_rows(root, [*study.described, *study.trained, *study.composed])
    rows += baseline_rows(store, systems, descriptor, untrained=config.controls.untrained, seed=config.seed)
    if study.folds:
        predictions = out_of_fold_predictions(root, store, systems, study.folds, config, descriptor, chosen)
        rows += out_of_fold_rows(store, descriptor, predictions)
        write_table(root / "parity.csv", list(parity_rows(store, descriptor, predictions)), PARITY_COLUMNS)
    write_results(root / "results.csv", rows, config.definition)
    write_training_tables(root, study.trained)
    write_table(root / "selection.csv", selection_rows(root, study.described, descriptor), SELECTION_COLUMNS)
    write_json(root / "gauge.json", gauge_record(root, store, study.trained, descriptor, chosen))


def _finish(study: _Study) -> Path:
    """Write provenance and report."""
    from basinet.data.reference_data import reference_checksums
    from basinet.report import write_report

    def write(stages: list[dict[str, Any]]) -> None:
        checksums = reference_checksums() if study.config.data.frames == "reference" else {}
        write_json(
            study.root / "provenance.json", provenance() | {"data_checksums": checksums, "stages": stages}
        )

    write(study.stages)
    with study.stage("report"):
        report = write_report(study.root)
    write(study.stages)
    return report
