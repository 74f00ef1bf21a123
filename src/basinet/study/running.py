"""How a worker does a task: fit or train, score on blocks of frames, keep the result."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np

from basinet.arrays import FloatArray, IntArray
from basinet.descriptors.bispectrum import Bispectrum
from basinet.errors import InputError
from basinet.fidelity.scoring import ScoredFrames, evaluation_rows, fitted_gauges, with_mean, without_gauges
from basinet.jobs.progress import Progress
from basinet.jobs.workers import Workers
from basinet.potentials.dataset import Dataset
from basinet.potentials.ensemble import Ensemble, compose, load_model
from basinet.potentials.pair_potential import chosen_pair_potential
from basinet.potentials.ridge import STRENGTHS, RidgeModel, fit_ridge, out_of_fold_errors
from basinet.potentials.tangent import LinearisedEnsemble, changes_by_training, linearise
from basinet.potentials.training import TrainedEnsemble
from basinet.relation.relation import Definition
from basinet.study.store import Store, StoredSystem
from basinet.study.systems import fold_frames
from basinet.study.tables import OF_THE_START, Row, descriptor_columns
from basinet.study.tasks import ComposeTask, Described, DescribeTask, Scores, Selection, Task, Trained, TrainTask


def run_all(pool: Workers, store: Store, tasks: Sequence[Task], progress: Progress, stage: str) -> None:
    """Run all tasks that are not done; each keeps its own result, so a kill at any moment loses one task at most."""
    pending = [task for task in tasks if not _is_done(store, task)]
    progress.start(stage, [task.cost for task in tasks], [task.cost for task in tasks if task not in pending])
    longest_first = iter(sorted(pending, key=lambda task: -task.cost))
    run = partial(_run_task, str(store.root.resolve()))
    with closing(pool.run(run, partial(next, longest_first, None), progress)) as done:
        for task, outcome in done:
            if isinstance(outcome, InputError):
                raise outcome
            progress.advance(task.cost, task.name)
    progress.finish()


def _is_done(store: Store, task: Task) -> bool:
    """Tell if the result of a task is there, and its model where it leaves one."""
    leaves_model = isinstance(task, TrainTask) and task.fold is None
    return store.done(task) and (not leaves_model or store.model(task.name).is_file())


def _run_task(root: str, task: Task) -> str:
    """Run a task in this process, unless it is done; return its name."""
    store = Store(root)
    if not _is_done(store, task):
        work: dict[type, Any] = {
            DescribeTask: _descriptor_result,
            TrainTask: _training_result,
            ComposeTask: _composition_result,
        }
        store.keep(task, work[type(task)](store, task))
    return task.name


def _descriptor_result(store: Store, task: DescribeTask) -> Described:
    """Ridge on one descriptor: errors by folds within the fitted frames (selection), fidelity on test frames."""
    selection: dict[str, Selection] = {}
    rows: list[Row] = []
    for system, split in store.main_systems():
        dataset = store.dataset(system, task.descriptor)
        fitted = dataset.select(split.fitted)
        errors, mean_squares = out_of_fold_errors(fitted)
        best = int(np.argmin(mean_squares))
        per_atom, error = fitted.energy / fitted.n_atoms, errors[best] / fitted.n_atoms
        rmse = float(np.sqrt(np.mean(error**2)))
        selection[system.name] = Selection(
            validation_rmse_mev=1e3 * rmse,
            validation_r=float(np.corrcoef(per_atom + error, per_atom)[0, 1]),
            spread_mev=1e3 * float(per_atom.std()),
            # That of the mean square, over twice the root.
            standard_error_mev=1e3 * float((error**2).std(ddof=1) / np.sqrt(len(error)) / (2 * rmse)),
            strength=STRENGTHS[best],
        )
        model = fit_ridge(dataset.select(split.train))
        labels = {"experiment": "resolution", "train_system": system.name, "transferred": False}
        labels["n_train"] = len(split.train)
        rows += model_rows(store, task.descriptor, model, system, labels)
    return Described(rows, selection)


def _training_result(store: Store, task: TrainTask) -> Trained:
    from basinet.potentials.training import train_ensemble, untrained_ensemble

    system = store.main(task.system)
    pairs = chosen_pair_potential(task.pair_potential, system.elements)
    definition, forces = next(iter(task.definitions), None), task.settings.force_weight > 0.0
    dataset = store.dataset(system, task.descriptor, pairs, definition=definition, forces=forces)
    train, validation, held = _training_frames(system, task)
    frames = dataset.select(train), dataset.select(validation)
    options: dict[str, Any] = {name: getattr(task, name) for name in ("members", "seed", "pad_frames", "target")}
    trained = train_ensemble(*frames, task.descriptor, system.e0, task.architecture, task.settings, **options)
    record: dict[str, Any] = {
        "learning_rate": trained.learning_rate,
        "rate_errors": [(rate, 1e3 * error) for rate, error in trained.rate_errors.items()],
        "validation_rmse_mev": 1e3 * float(trained.validation_rmse.mean()),
        "cpu_seconds": trained.cpu_seconds,
        "force_rmse_mev": {name: 1e3 * float(rmse.mean()) for name, rmse in trained.force_rmse.items()},
    }
    if task.fold is not None:
        prediction = trained.ensemble.predict(dataset.select(held)).mean(0)
        return Trained([], held=held, prediction=prediction, **record)
    trained.ensemble.save(store.model(task.name))
    curves = {name: 1e3 * trained.curves[name].T for name in ("train", "validation")}
    curves["epoch"] = trained.curves["epoch"]
    if task.experiment not in OF_THE_START or task.pair_potential is not None:
        return Trained(list(_network_rows(store, task, trained)), curves=curves, **record)
    own: dict[str, Any] = {name: options[name] for name in ("members", "seed")}
    own["scaling"] = trained.ensemble.scaling
    start = untrained_ensemble(frames[0], task.descriptor, system.e0, task.architecture, **own)
    rows = list(_network_rows(store, task, trained, changes_by_training(start, trained.ensemble, frames[0])))
    if not forces:
        rows += _linearised_rows(store, task, linearise(start, *frames), len(train))
    return Trained(rows, curves=curves, **record)


def _training_frames(system: StoredSystem, task: TrainTask) -> tuple[IntArray, IntArray, IntArray]:
    split = system.split
    if split is None:
        raise ValueError(f"{system.key} has no training frames")
    if task.fold is None:
        train = split.train if task.n_train is None else split.train[-task.n_train :]
        return train, split.validation, split.test
    return fold_frames(len(system.arrays["energy"]), task.fold, task.gap)


def _linearised_rows(store: Store, task: TrainTask, linearised: LinearisedEnsemble, n_train: int) -> Iterator[Row]:
    """Yield the rows of networks linearised at their start, on test frames of their own system."""
    labels = {
        "experiment": "linearised",
        "model": "linearised",
        **task.architecture.as_dict(),
        "train_system": task.system,
        "transferred": False,
        "n_train": n_train,
        "validation_rmse_mev": 1e3 * linearised.validation_rmse,
    }
    yield from model_rows(store, task.descriptor, linearised, store.main(task.system), labels, seed=task.seed)


def _network_rows(
    store: Store, task: TrainTask, trained: TrainedEnsemble, changes: Mapping[str, FloatArray] | None = None
) -> Iterator[Row]:
    """Yield the rows of an ensemble: own system, other systems its networks can handle, other sizes.

    `changes` are those of `changes_by_training`, where they are known.
    """
    own = store.main(task.system)
    labels = {
        "experiment": task.experiment,
        "model": task.model,
        **task.architecture.as_dict(),
        "train_system": task.system,
        "n_train": trained.ensemble.training["n_train"],
        "lr": trained.learning_rate,
        "train_seconds": trained.cpu_seconds / task.members,
    }
    columns = {
        "epochs": trained.epochs,
        "train_rmse_mev": 1e3 * trained.train_rmse,
        "validation_rmse_mev": 1e3 * trained.validation_rmse,
        **(changes or {}),
    }
    of_member = {task.seed + m: {name: values[m] for name, values in columns.items()} for m in range(task.members)}
    of_mean = {name: float(np.mean(values)) for name, values in columns.items()}
    for system in store.systems():
        if not set(system.elements) <= set(own.elements):
            continue
        home, main = system.name == own.name, system.split is not None
        if task.experiment not in {"sweep", "parametrisation"} and not (home and main):
            continue
        where = {"experiment": task.experiment if main else "size_transfer", "transferred": not home}
        splits = ["validation", "test"] if home and main else ["test"]
        if home and main and task.experiment in OF_THE_START:
            splits.append("train")
        fitted = task.definitions if task.target == "local" else ()
        which = system, labels | where, splits, task.seed, fitted
        for row in model_rows(store, task.descriptor, trained.ensemble, *which):
            yield row | of_member.get(row["seed"], of_mean)


def _composition_result(store: Store, task: ComposeTask) -> Scores:
    models = {element: load_model(store.model(name)) for element, name in task.models}
    labels = {
        "experiment": task.experiment,
        "model": "network",
        **task.architecture.as_dict(),
        "train_system": "+".join(system for system, _ in task.parts),
        "transferred": True,
        "n_train": sum(int(model.training["n_train"]) for model in models.values()),
    }
    ensemble = compose(**models)
    rows: list[Row] = []
    for system in store.systems():
        if system.name == task.mixture:
            where = {} if system.split is not None else {"experiment": "size_transfer"}
            rows += model_rows(store, task.descriptor, ensemble, system, labels | where, seed=task.seed)
    return Scores(rows)


def model_rows(
    store: Store,
    descriptor: Bispectrum,
    model: RidgeModel | Ensemble | LinearisedEnsemble,
    system: StoredSystem,
    labels: Mapping[str, Any],
    splits: Sequence[str] = ("test",),
    seed: int = 0,
    definitions: Sequence[Definition] = (),
) -> Iterator[Row]:
    """Yield the rows of a model on blocks of one system: of ridge, or of members (seeds from `seed` on) and their mean.

    Local energies are scored by the `definitions` given, else by those of the system; gauges are fitted on the system's
    validation frames.
    """
    labels = {"model": "ridge", **labels, **descriptor_columns(descriptor)}
    pairs = model.baseline if isinstance(model, Ensemble) else None

    def predict(dataset: Dataset) -> tuple[FloatArray, list[int | str]]:
        if isinstance(model, RidgeModel):
            return model.predict(dataset)[None], ["mean"]
        return with_mean(model.predict(dataset), seed)

    validation = partial(store.block, store.main(system.name), descriptor, "validation", pairs)
    for split in splits:
        block = partial(store.block, system, descriptor, split, pairs)
        prediction, seeds = predict(block().dataset)
        corrected = split == "test" and len(system.elements) > 1
        held = (predict(validation().dataset)[0], validation) if corrected else None
        yield from rows_by_definition(prediction, seeds, block, labels, definitions or system.definitions, held)


_Block = Callable[..., ScoredFrames]  # of `Store.block`: frames with their local energies by a `definition`


def rows_by_definition(
    prediction: FloatArray,
    seeds: Sequence[int | str],
    block: _Block,
    labels: Mapping[str, Any],
    definitions: Sequence[Definition],
    held: tuple[FloatArray, _Block] | None = None,
) -> Iterator[Row]:
    """Yield the rows of predicted local energies, and of their sums, by each definition of local energies.

    `held` are predictions of validation frames and these frames, on which gauges are fitted.
    """
    for index, definition in enumerate(definitions or [None]):
        gauges = None if held is None else fitted_gauges(held[0], held[1](definition=definition))
        named = {} if definition is None else {"definition": definition}
        targets = ("local",) if index else ("total", "local")
        frames = block(definition=definition)
        corrected = without_gauges(prediction, frames, gauges)
        yield from evaluation_rows(prediction, frames, seeds, {**labels, **named}, corrected, targets=targets)
