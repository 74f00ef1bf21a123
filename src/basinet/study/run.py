"""What every run of the study shares: its frames, its stages, and the files around its tables."""

from __future__ import annotations

import hashlib
import resource
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from basinet.errors import InputError
from basinet.files import read_bytes, read_json, write_json
from basinet.frames.labels import force_labels
from basinet.jobs.provenance import provenance
from basinet.jobs.workers import open_workers
from basinet.study import tasks as planning
from basinet.study.baselines import (
    baseline_rows,
    gauge_record,
    learning_curve_of_ridge,
    other_reading_rows,
    out_of_fold_predictions,
    out_of_fold_rows,
    parity_rows,
)
from basinet.study.running import run_all, task_rows
from basinet.study.selection import choose_architectures, choose_by_ridge, selection_rows, write_training_tables
from basinet.study.store import Store
from basinet.study.systems import (
    StudySystem,
    describe_systems,
    group_systems,
    load_frames,
    refuse_few,
    relation_points,
    relation_records,
)
from basinet.study.tables import PARITY, RELATION_POINTS, SELECTION, write_results, write_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from ase import Atoms

    from basinet.descriptors.bispectrum import Bispectrum
    from basinet.jobs.progress import Progress
    from basinet.jobs.workers import Workers
    from basinet.potentials.network import Architecture
    from basinet.study.settings import DataSettings, SplitSettings, StudyConfig, TrainConfig
    from basinet.study.systems import StudySystem
    from basinet.study.tasks import ComposeTask, DescribeTask, TrainTask


@dataclass(frozen=True)
class StudyData:
    """Frames of a run, read, grouped and split, before anything is written.

    Attributes
    ----------
    systems
        Main systems and other sizes, each with its split, E0 and relation.
    isolated
        Isolated atoms.
    source
        Where the frames come from, in words.
    checksums
        SHA-256 of every file read, by name; empty for the synthetic liquid.
    """

    systems: list[StudySystem]
    isolated: list[Atoms]
    source: str
    checksums: dict[str, str]


def load_data(
    data: DataSettings, split: SplitSettings, seed: int, note: Callable[[str], None], *, forces: bool = False
) -> StudyData:
    """Read and group the frames that a config asks for; with `forces`, those to be split carry them.

    Raises
    ------
    InputError
        If a file cannot be used, a label is missing, or a system has too few frames to split.
    """
    checksums = data_checksums(data)
    frames, isolated = load_frames(data, seed, note)
    systems = group_systems(frames, isolated, split, size_transfer=data.size_transfer, seed=seed)
    if forces:
        for system in systems:
            for index, atoms in enumerate(system.frames if system.split is not None else ()):
                force_labels(atoms, index)
    source = data.frames if isinstance(data.frames, str) else ", ".join(data.frames)
    return StudyData(systems, isolated, source, checksums)


def data_checksums(data: DataSettings) -> dict[str, str]:
    """SHA-256 of every file that a config names, by name; empty for the synthetic liquid."""
    from basinet.frames.shipped import reference_checksums

    if data.frames == "reference":
        return reference_checksums()
    if data.frames == "synthetic":
        return {}
    return {name: hashlib.sha256(read_bytes(name)).hexdigest() for name in data.frames}


@dataclass
class Run:
    """A run under way: where it writes, whom it tells, and how long its stages took, resumed ones included.

    Attributes
    ----------
    earlier
        What `provenance.json` holds of the processes before this one, as far as they finished a stage.
    """

    root: Path
    progress: Progress
    checksums: dict[str, str] = field(default_factory=dict)
    earlier: dict[str, Any] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        path = self.root / "provenance.json"
        self.earlier = read_json(path) if path.exists() else {}
        self.stages = {stage["name"]: stage["wall_seconds"] for stage in self.earlier.get("stages", [])}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; its CPU time is unknown, since worker processes tell theirs only when they end."""
        started = time.monotonic()
        yield
        self.stages[name] = self.stages.get(name, 0.0) + time.monotonic() - started
        self._write_provenance(complete=False)

    def prepare(self, data: StudyData, store: Store, config: StudyConfig | TrainConfig, title: str) -> None:
        """Write what workers need, the description of the data, and the relation.

        Raises
        ------
        InputError
            If the directory was begun with files of other content.
        """
        refuse_changed(self.root, data.checksums)
        self.checksums = data.checksums
        weight = config.optimiser.force_weight
        for system in data.systems:
            store.write_system(system, config.definition, forces=weight > 0.0)
        self.record(
            **({"force_weight": weight} if weight > 0.0 else {}),
            title=title,
            data=describe_systems(data.systems, data.source, config.split.gap),
            definition=config.definition,
            has_relation=any(system.relation is not None for system in data.systems),
        )
        write_json(self.root / "relation.json", relation_records(data.systems, data.isolated))
        write_rows(self.root / "relation_points.csv", relation_points(data.systems), RELATION_POINTS)

    def record(self, **entries: Any) -> None:
        """Add entries to `study.json`."""
        path = self.root / "study.json"
        write_json(path, (read_json(path) if path.exists() else {}) | entries)

    def record_choices(self, descriptor: Bispectrum, chosen: Mapping[str, tuple[Architecture, float]]) -> None:
        """Add descriptor, and each system's architecture and learning rate, to `study.json`."""
        self.record(
            descriptor=descriptor.to_dict(),
            chosen_architectures={name: a.as_dict() | {"lr": lr} for name, (a, lr) in chosen.items()},
        )

    def finish(self) -> Path:
        """Write report and provenance; return the report's path."""
        from basinet.study.report.page import write_report

        with self.stage("report"):
            report = write_report(self.root)
        self._write_provenance(complete=True)
        return report

    def _write_provenance(self, *, complete: bool) -> None:
        spent = {"wall_seconds": time.monotonic() - self.started, "cpu_seconds": _cpu_seconds()}
        before = self.earlier.get("total", {})
        record = {
            "data_checksums": self.checksums,
            "stages": [{"name": name, "wall_seconds": seconds} for name, seconds in self.stages.items()],
            "total": {name: seconds + before.get(name, 0.0) for name, seconds in spent.items()},
            "complete": complete,
        }
        write_json(self.root / "provenance.json", provenance() | record)


def refuse_changed(root: Path, checksums: Mapping[str, str]) -> None:
    """Refuse to go on in a directory that was begun with other data: results of both would mix.

    Raises
    ------
    InputError
        Naming a file that has another content, or is new or missing.
    """
    path = root / "provenance.json"
    if not path.exists():
        return
    before = read_json(path).get("data_checksums", {})
    changed = sorted(name for name in before.keys() | checksums.keys() if before.get(name) != checksums.get(name))
    if changed:
        msg = f"{changed[0]}: not the data that {root} was begun with; use --overwrite or another --out"
        raise InputError(msg)


def finished_report(root: Path, data: DataSettings) -> Path | None:
    """Path of the report of a run on these data that is complete, or None."""
    report, record = root / "report.html", root / "provenance.json"
    if not (report.is_file() and record.is_file() and (root / "results.csv").is_file()):
        return None
    refuse_changed(root, data_checksums(data))
    return report if read_json(record).get("complete") is True else None


def _cpu_seconds() -> float:
    """CPU time of this process and of those it started that have ended."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


@dataclass
class _Plan:
    """Tasks of a study, as far as they are known."""

    described: list[DescribeTask] = field(default_factory=list)
    trained: list[TrainTask] = field(default_factory=list)
    composed: list[ComposeTask] = field(default_factory=list)
    folds: list[TrainTask] = field(default_factory=list)


def load_study_data(config: StudyConfig, progress: Progress) -> StudyData:
    """Read the frames of a config, and refuse those that are too few for its folds.

    Raises
    ------
    InputError
        What `load_data` and `refuse_few` raise.
    """
    forces = config.optimiser.force_weight > 0.0
    data = load_data(config.data, config.split, config.seed, progress.note, forces=forces)
    refuse_few(data.systems, config.cross_validation, config.split.gap)
    return data


def reproduce(
    root: Path,
    config: StudyConfig,
    progress: Progress,
    *,
    preset: str = "",
    workers: int | None = None,
    scheduler: str | None = None,
    data: StudyData | None = None,
) -> Path:
    """Run the study in the results directory `root`, skipping what is done there; return the report's path.

    `data` are what `load_study_data` returned, where it has been called already; `preset` is the one that `config` is,
    without a change.
    """
    run, plan = Run(root, progress), _Plan()
    store = Store(root / "work")
    with run.stage("frames and relation"):
        if data is None:
            data = load_study_data(config, progress)
        run.prepare(data, store, config, config.title)
    with open_workers(workers, scheduler, root / "work" / "compiled") as pool:
        descriptor, chosen = _run_tasks(run, plan, config, store, pool)
    with run.stage("tables"):
        _write_tables(root, plan, config, store, data.systems, descriptor, chosen)
    run.record_choices(descriptor, chosen)
    run.record(command="reproduce", preset=preset)
    return run.finish()


def _run_tasks(
    run: Run, plan: _Plan, config: StudyConfig, store: Store, pool: Workers
) -> tuple[Bispectrum, dict[str, tuple[Architecture, float]]]:
    """Run all tasks; choices are made between the stages."""
    root, progress = run.root, run.progress
    systems = store.systems()
    with run.stage("descriptors"):
        descriptor, plan.described = choose_by_ridge(pool, root, store, config.descriptor, progress)
    with run.stage("training"):
        plan.trained = planning.sweep_tasks(config, systems, descriptor)
        run_all(pool, root, plan.trained, progress, "training")
    with run.stage("transfer"):
        plan.composed = planning.compose_tasks(plan.trained, systems)
        run_all(pool, root, plan.composed, progress, "pure models side by side")
    chosen = choose_architectures(root, plan.trained)
    with run.stage("cross-validation"):
        plan.folds = planning.fold_tasks(config, systems, descriptor, chosen) if config.cross_validation.folds else []
        run_all(pool, root, plan.folds, progress, "out-of-fold prediction")
    return descriptor, chosen


def _write_tables(
    root: Path,
    plan: _Plan,
    config: StudyConfig,
    store: Store,
    systems: list[StudySystem],
    descriptor: Bispectrum,
    chosen: dict[str, tuple[Architecture, float]],
) -> None:
    rows = task_rows(root, [*plan.described, *plan.trained, *plan.composed])
    rows += baseline_rows(store, systems, descriptor, untrained=config.controls.untrained, seed=config.seed)
    rows += learning_curve_of_ridge(store, descriptor, config.learning_curve.fractions)
    rows += other_reading_rows(root, store, systems, plan.trained, descriptor, chosen, config.definition)
    if plan.folds:
        predictions = out_of_fold_predictions(root, store, systems, plan.folds, config, descriptor, chosen)
        rows += out_of_fold_rows(store, descriptor, predictions)
        write_rows(root / "parity.csv", parity_rows(store, descriptor, predictions), PARITY)
    write_results(root / "results.csv", rows, config.definition)
    write_training_tables(root, plan.trained)
    write_rows(root / "selection.csv", selection_rows(root, plan.described, descriptor), SELECTION)
    write_json(root / "gauge.json", gauge_record(root, store, plan.trained, descriptor, chosen))
