"""`basinet reproduce` and `basinet train`: frames, tasks in stages, the tables of their results, and the report."""

import hashlib
import math
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from ase import Atoms

from basinet.config.loading import read_record
from basinet.descriptors.bispectrum import Bispectrum
from basinet.errors import InputError
from basinet.files import read_bytes, write_json
from basinet.frames.labels import force_labels
from basinet.frames.splits import elements_of
from basinet.jobs.progress import Progress
from basinet.jobs.provenance import provenance
from basinet.jobs.workers import Workers, open_workers
from basinet.potentials.pair_potential import chosen_pair_potential
from basinet.study import baselines, tables, tasks
from basinet.study.running import run_all
from basinet.study.settings import DataSettings, DescriptorSettings, StudyConfig, TrainConfig
from basinet.study.store import Store
from basinet.study.systems import (
    ProvenanceRecord,
    StudySystem,
    describe_systems,
    direct_rows,
    group_systems,
    load_frames,
    refuse_few,
    relation_points,
    relation_records,
)
from basinet.study.tasks import Chosen, ComposeTask, DescribeTask, TrainTask


@dataclass(frozen=True)
class StudyData:
    """Frames of a run, read, grouped and split, before anything is written: main systems and other sizes.

    `source` says in words where they come from; `checksums` are SHA-256 of every file read, by name.
    """

    systems: list[StudySystem]
    isolated: list[Atoms]
    source: str
    checksums: dict[str, str]


def load_data(config: StudyConfig | TrainConfig, note: Callable[[str], None]) -> StudyData:
    """Read, group and split the frames that a config asks for, and refuse what they cannot serve.

    InputError if a file cannot be used, a label is missing, a system has too few frames for its blocks or folds, or a
    grid names a system that is not there, more training frames than a system has, or no weight for an element.
    """
    data = config.data
    seed = config.seed if isinstance(config.seed, int) else config.seed[0]
    checksums = _checksums(data)
    frames, isolated = load_frames(data, seed, note)
    systems = group_systems(frames, isolated, config.split, size_transfer=data.size_transfer, seed=seed)
    for system in systems:
        if system.relation is not None and system.relation.doubts:
            note(f"local energies of {system.name} mean little, its frames show no relation: {system.relation.doubts}")
    if config.optimiser.force_weight > 0.0:
        for system in systems:
            for index, atoms in enumerate(system.frames if system.split is not None else ()):
                force_labels(atoms, index)
    if isinstance(config, StudyConfig):
        refuse_few(systems, config.cross_validation, config.split.gap)
    else:
        _refuse_grid(config, systems)
    source = data.frames if isinstance(data.frames, str) else ", ".join(data.frames)
    return StudyData(systems, isolated, source, checksums)


def _refuse_grid(config: TrainConfig, systems: Sequence[StudySystem]) -> None:
    main = {system.name: system.split for system in systems if system.split is not None}
    for name in config.system or []:
        if name not in main:
            raise InputError(f"system: there is no {name!r} among the frames; choose {', '.join(main)}")
    chosen_pair_potential(config.pair_potential, sorted({element for system in systems for element in system.e0}))
    for system in systems:
        for element in elements_of(system.frames):
            if element not in config.descriptor.weights:
                known = ", ".join(config.descriptor.weights)
                msg = f"descriptor.weights: none for {element} of system {system.name} (given: {known}); add it"
                raise InputError(msg)
    for name, n_train in product(config.system or main, config.n_train or []):
        if n_train > len(main[name].train):
            msg = f"n_train: {n_train} asked for, but system {name} has {len(main[name].train)} training frames"
            raise InputError(msg)


def _checksums(data: DataSettings) -> dict[str, str]:
    """SHA-256 of every file that a config names, by name; empty for the synthetic liquid."""
    from basinet.frames.shipped import reference_checksums

    if data.frames == "reference":
        return reference_checksums()
    if data.frames == "synthetic":
        return {}
    return {name: hashlib.sha256(read_bytes(name)).hexdigest() for name in data.frames}


def _refuse_changed(root: Path, checksums: Mapping[str, str]) -> None:
    path = root / "provenance.json"
    before = read_record(path, ProvenanceRecord).get("data_checksums", {}) if path.exists() else checksums
    changed = sorted(name for name in before.keys() | checksums.keys() if before.get(name) != checksums.get(name))
    if changed:
        raise InputError(f"{changed[0]}: not the data that {root} was begun with; use --overwrite or another --out")


def finished_report(root: Path, data: DataSettings) -> Path | None:
    """Path of the report of a run on these data that is complete, with all its models, or None."""
    report, record = root / "report.html", root / "provenance.json"
    needed = (report, record, *(root / name for name in ("results.csv", "study.json", "relation.json")))
    if not all(path.is_file() for path in needed):
        return None
    _refuse_changed(root, _checksums(data))
    found = read_record(record, ProvenanceRecord)
    models = all((root / "models" / name).is_file() for name in found.get("models", []))
    return report if found.get("complete") is True and models else None


class Run:
    """A run under way in the results directory `root`, and how long its stages took, resumed ones included.

    `study` is what `study.json` is to hold, `earlier` what `provenance.json` holds of the processes before this one, as
    far as they finished a stage; `stages` are wall times, s.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.store, self.started = root, Store(root), time.monotonic()
        self.checksums: dict[str, str] = {}
        self.study: dict[str, Any] = {}
        path = root / "provenance.json"
        self.earlier: dict[str, Any] = read_record(path, ProvenanceRecord)
        self.stages = {stage["name"]: stage["wall_seconds"] for stage in self.earlier.get("stages", [])}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; its CPU time is unknown, since worker processes tell theirs only when they end."""
        started = time.monotonic()
        yield
        self.stages[name] = self.stages.get(name, 0.0) + time.monotonic() - started
        self._write_provenance(complete=False)

    def prepare(self, data: StudyData, config: StudyConfig | TrainConfig, title: str) -> None:
        """Write what workers need, and the relation; refuse a directory that was begun with files of other content."""
        _refuse_changed(self.root, data.checksums)
        self.checksums = data.checksums
        weight = config.optimiser.force_weight
        for system in data.systems:
            definitions = system.definitions(config.reference, config.definition)
            self.store.write_system(system, definitions, forces=weight > 0.0)
        self.study = {
            **({"force_weight": weight} if weight > 0.0 else {}),
            "title": title,
            "data": describe_systems(data.systems, data.source, config.split.gap),
            "definitions": list(dict.fromkeys(one for system in self.store.systems() for one in system.definitions)),
            "has_relation": any(system.relation is not None for system in data.systems),
        }
        write_json(self.root / "relation.json", relation_records(data.systems, data.isolated))
        tables.write_rows(self.root / "relation_points.csv", relation_points(data.systems), tables.RELATION_POINTS)
        direct, of_atoms = direct_rows(data.systems)
        if direct:
            tables.write_rows(self.root / "direct.csv", direct, tables.DIRECT)
            tables.write_rows(self.root / "direct_atoms.csv", of_atoms, tables.DIRECT_ATOMS)

    def finish(self, descriptor: Bispectrum, chosen: Chosen, **entries: Any) -> Path:
        """Write what was studied and chosen, report and provenance; return the report's path."""
        from basinet.study.report.page import write_report

        choices = {name: architecture.as_dict() | {"lr": rate} for name, (architecture, rate) in chosen.items()}
        record = {**self.study, "descriptor": descriptor.to_dict(), "chosen_architectures": choices, **entries}
        write_json(self.root / "study.json", record)
        with self.stage("report"):
            report = write_report(self.root)
        self._write_provenance(complete=True)
        return report

    def _write_provenance(self, *, complete: bool) -> None:
        usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        cpu_seconds = sum(one.ru_utime + one.ru_stime for one in usage)
        spent = {"wall_seconds": time.monotonic() - self.started, "cpu_seconds": cpu_seconds}
        before = self.earlier.get("total", {})
        record = {
            "data_checksums": self.checksums,
            "stages": [{"name": name, "wall_seconds": seconds} for name, seconds in self.stages.items()],
            "total": {name: seconds + before.get(name, 0.0) for name, seconds in spent.items()},
            "complete": complete,
            "models": sorted(path.name for path in (self.root / "models").glob("*.basinet")),
        }
        write_json(self.root / "provenance.json", provenance() | record)


def reproduce(
    root: Path,
    config: StudyConfig,
    progress: Progress,
    data: StudyData | None = None,
    *,
    preset: str = "",
    workers: int | None = None,
    scheduler: str | None = None,
) -> Path:
    """Run the study in the results directory `root`, skipping what is done there; return the report's path.

    `data` are what `load_data` returned, where it has been called already; `preset` is the one that `config` is,
    without a change.
    """
    run = Run(root)
    store = run.store
    with run.stage("frames and relation"):
        run.prepare(data or load_data(config, progress.note), config, config.title)
    systems = store.systems()
    with open_workers(workers, scheduler) as pool:
        with run.stage("descriptors"):
            descriptor, described = choose_by_ridge(pool, store, config.descriptor, progress)
        with run.stage("training"):
            trained = tasks.sweep_tasks(config, systems, descriptor)
            run_all(pool, store, trained, progress, "training")
        with run.stage("transfer"):
            composed = tasks.compose_tasks(trained, systems)
            run_all(pool, store, composed, progress, "pure models side by side")
        chosen = tasks.choose_architectures(store, trained)
        with run.stage("cross-validation"):
            folds = tasks.fold_tasks(config, systems, descriptor, chosen) if config.cross_validation.folds else []
            run_all(pool, store, folds, progress, "out-of-fold prediction")
    with run.stage("tables"):
        rows = _task_rows(store, [*described, *trained, *composed])
        rows += baselines.baseline_rows(store, descriptor, untrained=config.controls.untrained, seed=config.seed)
        rows += baselines.learning_curve_of_ridge(store, descriptor, config.learning_curve.fractions)
        rows += baselines.other_reading_rows(store, trained, descriptor, chosen, config.definition)
        if folds:
            n_folds, gap = config.cross_validation.folds, config.split.gap
            predictions = baselines.out_of_fold_predictions(store, folds, descriptor, chosen, n_folds, gap)
            rows += baselines.out_of_fold_rows(store, descriptor, predictions)
            tables.write_rows(root / "parity.csv", baselines.parity_rows(store, descriptor, predictions), tables.PARITY)
        tables.write_results(root / "results.csv", rows, config.definition)
        _write_training_tables(store, trained)
        tables.write_rows(root / "selection.csv", selection_rows(store, described, descriptor), tables.SELECTION)
        determined = baselines.determination_rows(store, descriptor)
        tables.write_rows(root / "determination.csv", determined, tables.DETERMINATION)
        write_json(root / "gauge.json", baselines.gauge_record(store, trained, descriptor, chosen))
    return run.finish(descriptor, chosen, command="reproduce", preset=preset)


def train_grid(
    root: Path,
    config: TrainConfig,
    progress: Progress,
    data: StudyData | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
) -> Path:
    """Train every network of the grid in the results directory `root`, skipping what is done there; return the report.

    Networks are evaluated on validation and test frames of their own system, on other systems whose elements
    they know, and pure ones side by side on mixtures. Ridge and pair potentials stand beside them. `data` are what
    `load_data` returned, where it has been called already.
    """
    run = Run(root)
    store = run.store
    trained_on = "total energies and forces" if config.optimiser.force_weight > 0.0 else "total energies"
    with run.stage("frames and relation"):
        run.prepare(data or load_data(config, progress.note), config, f"A grid of networks trained on {trained_on}")
    systems, descriptor = store.systems(), config.descriptor.bispectrum()
    trained = tasks.grid_tasks(config, systems, descriptor)
    composed = tasks.compose_tasks(trained, systems)
    with open_workers(workers, scheduler) as pool:
        with run.stage("training"):
            run_all(pool, store, trained, progress, "training")
        with run.stage("transfer"):
            run_all(pool, store, composed, progress, "pure models side by side")
    with run.stage("tables"):
        rows = _task_rows(store, [*trained, *composed])
        rows += baselines.baseline_rows(store, descriptor, untrained=0, seed=0)
        tables.write_results(root / "results.csv", rows, config.definition)
        _write_training_tables(store, trained)
    return run.finish(descriptor, tasks.choose_architectures(store, trained), command="train")


def choose_by_ridge(
    pool: Workers, store: Store, settings: DescriptorSettings, progress: Progress
) -> tuple[Bispectrum, list[DescribeTask]]:
    """Choose cutoff, species weights and sizes at the middle twojmax, then twojmax; return all candidates too."""
    elements = sorted({element for system in store.systems() for element in system.elements})
    first = tasks.candidate_descriptors(settings, elements)
    run_all(pool, store, first, progress, "descriptors: cutoffs, weights and sizes of species")
    more = tasks.other_resolutions(settings, tasks.choose_descriptor(store, first))
    run_all(pool, store, more, progress, "descriptors: twojmax")
    descriptor = tasks.choose_descriptor(store, first + more)
    species = f"weights {tables.by_element(descriptor.weights)}, radii {tables.by_element(descriptor.radii)}"
    progress.note(f"  chosen: cutoff {descriptor.rcut:g} A, twojmax {descriptor.twojmax}, {species}")
    return descriptor, first + more


def selection_rows(store: Store, described: Sequence[DescribeTask], chosen: Bispectrum) -> list[tables.Row]:
    """Rows of `selection.csv`, best score first."""
    rows = []
    for task in described:
        selection = store.result(task).selection
        shared = tables.descriptor_columns(task.descriptor) | {"chosen": task.descriptor == chosen}
        shared["score"] = tasks.descriptor_score(selection)
        for system, entry in selection.items():
            figures = {key: getattr(entry, key) for key in ("validation_rmse_mev", "validation_r", "strength")}
            rows.append(shared | figures | {"system": system})
    return sorted(rows, key=lambda row: (row["score"], row["system"]))


def _task_rows(store: Store, done: Sequence[DescribeTask | TrainTask | ComposeTask]) -> list[tables.Row]:
    return [row for task in done for row in store.result(task).rows]


def _write_training_tables(store: Store, trained: Sequence[TrainTask]) -> None:
    """Write `curves.csv` (sweep, one in at most a hundred evaluations) and `learning_rates.csv`."""
    curves: list[tables.Row] = []
    rates: list[tables.Row] = []
    for task in trained:
        result = store.result(task)
        network = {"train_system": task.system, **task.architecture.as_dict()}
        shared = {"experiment": task.experiment, **network, "n_train": task.n_train}
        for rate, error in result.rate_errors:
            chosen = rate == result.learning_rate
            rates.append(shared | {"lr": rate, "validation_rmse_mev": error, "chosen": chosen})
        if task.experiment == "sweep":
            curves += _curve_rows(network, result.curves, task.seed)
    tables.write_rows(store.root / "curves.csv", curves, tables.CURVES)
    tables.write_rows(store.root / "learning_rates.csv", rates, tables.LEARNING_RATES)


def _curve_rows(network: Mapping[str, Any], curves: Mapping[str, Any], seed: int) -> Iterator[tables.Row]:
    """Rows of one ensemble, to the digits that a figure shows; evaluations after a network stopped are left out."""
    step = max(len(curves["epoch"]) // 100, 1)
    for member, errors in enumerate(zip(curves["train"], curves["validation"], strict=True)):
        shown = (column[::step] for column in (curves["epoch"], *errors))
        for epoch, *both in zip(*shown, strict=True):
            if math.isfinite(both[0]):
                train, validation = (float(f"{error:.5g}") for error in both)
                row = {"seed": seed + member, "epoch": float(f"{epoch:.10g}"), "train_rmse_mev": train}
                yield {**network, **row, "validation_rmse_mev": validation}
