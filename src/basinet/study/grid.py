"""A grid of trainings wherever the config gives lists: `basinet train`."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, TypeVar

from basinet.errors import InputError
from basinet.jobs.workers import open_workers
from basinet.potentials.network import Architecture
from basinet.potentials.pair_potential import chosen_pair_potential
from basinet.study import tasks as planning
from basinet.study.baselines import baseline_rows
from basinet.study.run import Run, StudyData, load_data
from basinet.study.running import run_all, task_rows
from basinet.study.selection import choose_architectures, write_training_tables
from basinet.study.store import Store
from basinet.study.tables import write_results
from basinet.study.tasks import TrainTask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from basinet.jobs.progress import Progress
    from basinet.study.settings import TrainConfig
    from basinet.study.store import StoredSystem

TITLE = "A grid of networks trained on total energies"
TITLE_WITH_FORCES = "A grid of networks trained on total energies and forces"

Value = TypeVar("Value")


def load_grid_data(config: TrainConfig, progress: Progress) -> StudyData:
    """Read the frames of a config, and refuse a grid that they cannot serve.

    Raises
    ------
    InputError
        Besides what `load_data` raises: if a system is not among the frames, has fewer training frames than
        asked for, or holds an element without a weight.
    """
    forces = config.optimiser.force_weight > 0.0
    data = load_data(config.data, config.split, config.seed[0], progress.note, forces=forces)
    main = {system.name: system for system in data.systems if system.split is not None}
    for name in config.system or []:
        if name not in main:
            msg = f"system: there is no {name!r} among the frames; choose {', '.join(main)}"
            raise InputError(msg)
    chosen_pair_potential(config.pair_potential, sorted({element for system in data.systems for element in system.e0}))
    for system in data.systems:
        for element in sorted({symbol for atoms in system.frames for symbol in atoms.get_chemical_symbols()}):
            if element not in config.descriptor.weights:
                known = ", ".join(config.descriptor.weights)
                msg = f"descriptor.weights: none for {element} of system {system.name} (given: {known}); add it"
                raise InputError(msg)
    for name, n_train in product(_trained_on(config, list(main)), _sizes(config)):
        split = main[name].split
        if n_train is not None and split is not None and n_train > len(split.train):
            msg = f"n_train: {n_train} asked for, but system {name} has {len(split.train)} training frames"
            raise InputError(msg)
    return data


def train_grid(
    root: Path,
    config: TrainConfig,
    progress: Progress,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    data: StudyData | None = None,
) -> Path:
    """Train every network of the grid in the results directory `root`, skipping what is done there.

    Networks are evaluated on validation and test frames of their own system, on other systems whose elements
    they know, and pure ones side by side on mixtures. Ridge and pair potentials stand beside them.

    Parameters
    ----------
    data
        What `load_grid_data` returned, where it has been called already.

    Returns
    -------
    Path
        The report.
    """
    run, store = Run(root, progress), Store(root / "work")
    with run.stage("frames and relation"):
        if data is None:
            data = load_grid_data(config, progress)
        run.prepare(data, store, config, TITLE_WITH_FORCES if config.optimiser.force_weight > 0.0 else TITLE)
    systems = store.systems()
    tasks = grid_tasks(config, systems)
    composed = planning.compose_tasks(tasks, systems)
    with open_workers(workers, scheduler, root / "work" / "compiled") as pool:
        with run.stage("training"):
            run_all(pool, root, tasks, progress, "training")
        with run.stage("transfer"):
            run_all(pool, root, composed, progress, "pure models side by side")
    descriptor = config.descriptor.bispectrum()
    with run.stage("tables"):
        rows = task_rows(root, [*tasks, *composed])
        rows += baseline_rows(store, data.systems, descriptor, untrained=0, seed=0)
        write_results(root / "results.csv", rows, config.definition)
        write_training_tables(root, tasks)
    run.record_choices(descriptor, choose_architectures(root, tasks))
    run.record(command="train")
    return run.finish()


def grid_tasks(config: TrainConfig, systems: Sequence[StoredSystem]) -> list[TrainTask]:
    """One training for each combination of what the config lists.

    In the results they are the experiments ``learning_curve`` where `n_train` is given, else
    ``parametrisation`` or, for the standard one, ``sweep``.
    """
    descriptor = config.descriptor.bispectrum()
    main = [system.name for system in systems if system.split is not None]
    pad = planning.common_shape(systems)

    def task(system: str, architecture: Architecture, n_train: int | None, seed: int) -> TrainTask:
        return TrainTask(
            _experiment(architecture, n_train),
            system,
            architecture,
            descriptor,
            config.optimiser,
            config.members,
            seed,
            n_train=n_train,
            pad_frames=pad,
            definition=config.definition,
            pair_potential=config.pair_potential,
        )

    networks = [
        Architecture(activation, depth, width, parametrisation)
        for activation in unique(config.activation)
        for depth in unique(config.depth)
        for width in unique(config.width)
        for parametrisation in unique(config.parametrisation)
    ]
    grid = product(_trained_on(config, main), networks, _sizes(config), unique(config.seed))
    return [task(*point) for point in grid]


def _experiment(architecture: Architecture, n_train: int | None) -> str:
    if n_train is not None:
        return "learning_curve"
    return "sweep" if architecture.parametrisation == "standard" else "parametrisation"


def _trained_on(config: TrainConfig, main: Sequence[str]) -> list[str]:
    return list(main) if config.system is None else unique(config.system)


def _sizes(config: TrainConfig) -> list[int | None]:
    return [None] if config.n_train is None else [*unique(config.n_train)]


def unique(values: Sequence[Value]) -> list[Value]:
    """Keep each value once, in order."""
    return list(dict.fromkeys(values))
