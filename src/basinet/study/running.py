"""What a worker does with a task: run it, write its result file, return its name."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from basinet.errors import InputError
from basinet.fidelity.scoring import evaluation_rows, fitted_gauges, scored_block, with_mean
from basinet.files import read_json, write_json
from basinet.frames.splits import blocked_folds
from basinet.jobs.arrays import save_arrays
from basinet.potentials.ensemble import compose, load_model
from basinet.potentials.ridge import STRENGTHS, fit_ridge, out_of_fold_errors
from basinet.study.store import Store
from basinet.study.systems import fold_frames
from basinet.study.tables import by_element
from basinet.study.tasks import ComposeTask, DescribeTask, TrainTask

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from basinet.descriptors.bispectrum import Bispectrum
    from basinet.jobs.progress import Progress
    from basinet.jobs.workers import Workers
    from basinet.potentials.dataset import Dataset
    from basinet.potentials.ensemble import Ensemble
    from basinet.potentials.network import Architecture
    from basinet.potentials.ridge import RidgeModel
    from basinet.potentials.training import TrainedEnsemble
    from basinet.study.store import StoredSystem
    from basinet.study.tasks import Task


def result_path(root: Path, task: Task) -> Path:
    """Return the file that exists once a task is done."""
    return Path(root) / "work" / "results" / f"{task.name}.json"


def model_path(root: Path, name: str) -> Path:
    """Return the file of a trained ensemble."""
    return Path(root) / "models" / f"{name}.basinet"


def run_task(root: str, task: Task) -> str:
    """Run a task in this process, unless it is done; return its name."""
    path = result_path(Path(root), task)
    if not path.exists():
        store = Store(Path(root) / "work")
        if isinstance(task, DescribeTask):
            result = _describe(store, task)
        elif isinstance(task, TrainTask):
            result = _train(store, Path(root), task)
        else:
            result = _compose(store, Path(root), task)
        write_json(path, result)
    return task.name


def task_rows(root: Path, tasks: Sequence[Task]) -> list[dict[str, Any]]:
    """Rows of all tasks that are done."""
    return [row for task in tasks for row in read_json(result_path(root, task))["rows"]]


def descriptor_columns(descriptor: Bispectrum) -> dict[str, Any]:
    """Columns that name a descriptor."""
    species = {"weights": by_element(descriptor.weights), "radii": by_element(descriptor.radii)}
    return {"rcut": descriptor.rcut, "twojmax": descriptor.twojmax, **species}


def architecture_columns(architecture: Architecture) -> dict[str, Any]:
    """Columns that name a network."""
    return {"model": "network", **architecture.as_dict()}


def _describe(store: Store, task: DescribeTask) -> dict[str, Any]:
    """Ridge on one descriptor: errors by folds within the fitted frames (selection), fidelity on test frames."""
    selection: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    for system in store.systems():
        if system.split is None:
            continue
        dataset = store.dataset(system, task.descriptor)
        fitted = dataset.select(system.split.fitted)
        errors, mean_squares = out_of_fold_errors(fitted)
        best = int(np.argmin(mean_squares))
        per_atom = fitted.energy / fitted.n_atoms
        predicted = per_atom + errors[best] / fitted.n_atoms
        selection[system.name] = {
            "validation_rmse_mev": 1e3 * float(np.sqrt(np.mean((errors[best] / fitted.n_atoms) ** 2))),
            "validation_r": float(np.corrcoef(predicted, per_atom)[0, 1]),
            "spread_mev": 1e3 * float(per_atom.std()),
            "standard_error_mev": 1e3 * _rmse_standard_error(errors[best] / fitted.n_atoms),
            "strength": STRENGTHS[best],
        }
        model = fit_ridge(dataset.select(system.split.train))
        labels = {
            "experiment": "resolution",
            "model": "ridge",
            "train_system": system.name,
            "transferred": False,
            "n_train": len(system.split.train),
            **descriptor_columns(task.descriptor),
        }
        rows += ridge_rows(store, task.descriptor, model, system, labels)
    return {"selection": selection, "rows": rows}


def _rmse_standard_error(errors: NDArray[np.float64]) -> float:
    """Standard error of a root mean square over frames: that of the mean square, over twice the root."""
    squares = errors**2
    return float(squares.std(ddof=1) / np.sqrt(len(squares)) / (2 * np.sqrt(squares.mean())))


def ridge_rows(
    store: Store,
    descriptor: Bispectrum,
    model: RidgeModel,
    system: StoredSystem,
    labels: dict[str, Any],
    splits: tuple[str, ...] = ("test",),
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one ridge model on blocks of one system; gauges as in `ensemble_rows`."""
    fitted = {}
    if len(system.elements) > 1:
        held = scored_block(store, store.main(system.name), descriptor, "validation")
        fitted = fitted_gauges(model.predict(held.dataset)[None], held)
    for split in splits:
        frames = scored_block(store, system, descriptor, split)
        prediction = model.predict(frames.dataset)[None]
        yield from evaluation_rows(prediction, frames, ["mean"], labels, fitted if split == "test" else None)


def _training_frames(system: StoredSystem, task: TrainTask) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Frame numbers to train on, to validate on, and held out."""
    split = system.split
    if split is None:
        msg = f"{system.key} has no training frames"
        raise ValueError(msg)
    if task.fold is None:
        train = split.train if task.n_train is None else split.train[-task.n_train :]
        return train, split.validation, split.test
    return fold_frames(len(system.arrays["energy"]), task.fold, task.gap)


def _train(store: Store, root: Path, task: TrainTask) -> dict[str, Any]:
    from basinet.potentials.pair_potential import chosen_pair_potential
    from basinet.potentials.training import train_ensemble

    system = store.main(task.system)
    with_forces = task.settings.force_weight > 0.0
    pairs = chosen_pair_potential(task.pair_potential, system.elements)
    dataset = (store.dataset_with_forces if with_forces else store.dataset)(system, task.descriptor, pairs)
    train, validation, held = _training_frames(system, task)
    trained = train_ensemble(
        dataset.select(train),
        dataset.select(validation),
        task.descriptor,
        system.e0,
        task.architecture,
        task.settings,
        members=task.members,
        seed=task.seed,
        pad_frames=task.pad_frames,
        target=task.target,
    )
    record: dict[str, Any] = {
        "learning_rate": trained.learning_rate,
        "rate_errors": [[rate, 1e3 * error] for rate, error in trained.rate_errors.items()],
        "validation_rmse_mev": 1e3 * float(trained.validation_rmse.mean()),
        "cpu_seconds": trained.cpu_seconds,
        **{f"{name}_force_rmse_mev": 1e3 * float(rmse.mean()) for name, rmse in trained.force_rmse.items()},
    }
    if task.fold is not None:
        prediction = trained.ensemble.predict(dataset.select(held)).mean(0)
        save_arrays(root / "work" / "folds" / f"{task.name}.bin", {}, {"frames": held, "prediction": prediction})
        return record | {"rows": []}
    trained.ensemble.save(model_path(root, task.name))
    curves = {name: 1e3 * trained.curves[name].T for name in ("train", "validation")}
    record["curves"] = curves | {"epoch": trained.curves["epoch"]}
    record["rows"] = list(_network_rows(store, task, trained))
    return record


def _network_rows(store: Store, task: TrainTask, trained: TrainedEnsemble) -> Iterator[dict[str, Any]]:
    """Yield the rows of an ensemble: own system, other systems its networks can handle, other sizes."""
    ceiling = task.target == "local"
    own = store.main(task.system)
    labels = {
        "experiment": task.experiment,
        **architecture_columns(task.architecture),
        "train_system": task.system,
        "n_train": trained.ensemble.training["n_train"],
        "lr": trained.learning_rate,
        "definition": task.definition,
        "train_seconds": trained.cpu_seconds / task.members,
        **descriptor_columns(task.descriptor),
    }
    if ceiling:
        labels["model"] = "ceiling"
    elif task.pair_potential is not None and task.experiment == "baseline":
        labels["model"] = "pair_network"
    per_member = {
        task.seed + m: {
            "epochs": trained.epochs[m],
            "train_rmse_mev": 1e3 * trained.train_rmse[m],
            "validation_rmse_mev": 1e3 * trained.validation_rmse[m],
        }
        for m in range(task.members)
    }
    per_member_mean = {key: float(np.mean([m[key] for m in per_member.values()])) for key in per_member[task.seed]}
    for system in store.systems():
        if not set(system.elements) <= set(own.elements):
            continue
        home = system.name == own.name
        if task.experiment not in {"sweep", "parametrisation"} and not (home and system.split is not None):
            continue
        experiment = task.experiment if system.split is not None else "size_transfer"
        splits = ("validation", "test") if home and system.split is not None else ("test",)
        for row in ensemble_rows(store, trained.ensemble, task.descriptor, system, task.seed, splits):
            yield (
                labels
                | {"experiment": experiment, "transferred": not home}
                | row
                | per_member.get(row["seed"], per_member_mean)
            )


def ensemble_rows(
    store: Store, ensemble: Ensemble, descriptor: Bispectrum, system: StoredSystem, seed: int, splits: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of an ensemble on blocks of one system; gauges are fitted on that system's validation frames."""
    gauges = {}
    if len(system.elements) > 1:
        held = scored_block(store, store.main(system.name), descriptor, "validation", ensemble.baseline)
        gauges = fitted_gauges(with_mean(ensemble.predict(held.dataset), seed)[0], held)
    for split in splits:
        frames = scored_block(store, system, descriptor, split, ensemble.baseline)
        prediction, seeds = with_mean(ensemble.predict(frames.dataset), seed)
        yield from evaluation_rows(prediction, frames, seeds, {}, gauges if split == "test" else None)


def _compose(store: Store, root: Path, task: ComposeTask) -> dict[str, Any]:
    models = {element: load_model(model_path(root, name)) for element, name in task.models}
    ensemble = compose(**models)
    names = "+".join(system for system, _ in task.parts)
    trainings = [models[element].training for element, _ in task.models]
    labels = {
        "experiment": "sweep" if task.architecture.parametrisation == "standard" else "parametrisation",
        **architecture_columns(task.architecture),
        "train_system": names,
        "transferred": True,
        "n_train": sum(int(training["n_train"]) for training in trainings),
        "definition": task.definition,
        **descriptor_columns(task.descriptor),
    }
    rows = [
        labels | ({} if system.split is not None else {"experiment": "size_transfer"}) | row
        for system in store.systems()
        if system.name == task.mixture
        for row in ensemble_rows(store, ensemble, task.descriptor, system, task.seed, ("test",))
    ]
    return {"rows": rows}


def out_of_fold_ridge(dataset: Dataset, folds: int, gap: int) -> NDArray[np.float64]:
    """Out-of-fold local energies of ridge, ``(n_atoms_total,)``, eV; strengths are chosen inside each fold."""
    prediction = np.zeros(len(dataset.frame))
    for rest, held in blocked_folds(np.arange(dataset.n_frames), folds, gap):
        model = fit_ridge(dataset.select(rest))
        prediction[np.isin(dataset.frame, held)] = model.predict(dataset.select(held))
    return prediction


def run_all(pool: Workers, root: Path, tasks: Sequence[Task], progress: Progress, stage: str) -> None:
    """Run all tasks that are not done; each writes its own result file, so a kill at any moment loses one task at most.

    Raises
    ------
    InputError
        What a task raised for a mistake of the user's.
    """
    pending = [task for task in tasks if not result_path(root, task).exists()]
    progress.start(stage, [task.cost for task in tasks], [task.cost for task in tasks if task not in pending])
    longest_first = iter(sorted(pending, key=lambda task: -task.cost))
    run = partial(run_task, str(root.resolve()))
    with closing(pool.run(run, partial(next, longest_first, None), progress)) as done:
        for task, outcome in done:
            if isinstance(outcome, InputError):
                raise outcome
            progress.advance(task.cost, task.name)
    progress.finish()
