"""The whole study, stage by stage: `basinet reproduce`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from basinet.execution.workers import connect
from basinet.io.files import write_json
from basinet.io.tables import write_table
from basinet.study import planning
from basinet.study.baselines import baseline_rows, learning_curve_of_ridge
from basinet.study.describing import choose_by_ridge
from basinet.study.execution import run_all
from basinet.study.folds import refuse_few
from basinet.study.gauge_record import gauge_record
from basinet.study.out_of_fold import out_of_fold_predictions, out_of_fold_rows, parity_rows
from basinet.study.readings import other_reading_rows
from basinet.study.run import Run, StudyData, load_data
from basinet.study.selection import SELECTION_COLUMNS, choose_architectures, selection_rows
from basinet.study.store import Store
from basinet.study.tables import task_rows, write_results, write_training_tables

if TYPE_CHECKING:
    from pathlib import Path

    from distributed import Client

    from basinet.config.settings import StudyConfig
    from basinet.descriptors import Bispectrum
    from basinet.execution.progress import Progress
    from basinet.models import Architecture
    from basinet.study.systems import StudySystem
    from basinet.study.tasks import ComposeTask, DescribeTask, TrainTask

PARITY_COLUMNS = (
    "experiment",
    "model",
    "system",
    "split",
    "target",
    "species",
    "frame",
    "reference_mev",
    "prediction_mev",
)


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
    with connect(workers, scheduler, root / "work" / "compiled") as client:
        descriptor, chosen = _run_tasks(run, plan, config, store, client)
    with run.stage("tables"):
        _write_tables(root, plan, config, store, data.systems, descriptor, chosen)
    run.record_choices(descriptor, chosen)
    run.record(command="reproduce", preset=preset)
    return run.finish()


def _run_tasks(
    run: Run, plan: _Plan, config: StudyConfig, store: Store, client: Client
) -> tuple[Bispectrum, dict[str, tuple[Architecture, float]]]:
    """Run all tasks; choices are made between the stages."""
    root, progress = run.root, run.progress
    systems = store.systems()
    with run.stage("descriptors"):
        descriptor, plan.described = choose_by_ridge(client, root, store, config.descriptor, progress)
    with run.stage("training"):
        plan.trained = planning.sweep_tasks(config, systems, descriptor)
        run_all(client, root, plan.trained, progress, "training")
    with run.stage("transfer"):
        plan.composed = planning.compose_tasks(plan.trained, systems)
        run_all(client, root, plan.composed, progress, "pure models side by side")
    chosen = choose_architectures(root, plan.trained)
    with run.stage("cross-validation"):
        plan.folds = planning.fold_tasks(config, systems, descriptor, chosen) if config.cross_validation.folds else []
        run_all(client, root, plan.folds, progress, "out-of-fold prediction")
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
        write_table(root / "parity.csv", list(parity_rows(store, descriptor, predictions)), PARITY_COLUMNS)
    write_results(root / "results.csv", rows, config.definition)
    write_training_tables(root, plan.trained)
    write_table(root / "selection.csv", selection_rows(root, plan.described, descriptor), SELECTION_COLUMNS)
    write_json(root / "gauge.json", gauge_record(root, store, plan.trained, descriptor, chosen))
