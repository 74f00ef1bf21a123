"""What makes a correlation readable: ridge, pair potentials and untrained networks, scored like the networks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from basinet.errors import InputError
from basinet.fidelity.scoring import ScoredFrames, evaluation_rows, fitted_gauges, scored_block
from basinet.jobs.arrays import load_arrays
from basinet.potentials.ensemble import load_model
from basinet.potentials.network import Architecture
from basinet.potentials.pair_potential import fit_pair_potential, literature_lennard_jones
from basinet.potentials.ridge import fit_ridge
from basinet.relation.relation import OTHER_DEFINITION
from basinet.study.running import architecture_columns, descriptor_columns, model_path, out_of_fold_ridge, ridge_rows
from basinet.study.systems import LEAST_TRAINING
from basinet.study.tasks import learning_sizes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from basinet.descriptors.bispectrum import Bispectrum
    from basinet.potentials.dataset import Dataset
    from basinet.potentials.pair_potential import LennardJones
    from basinet.relation.relation import Definition
    from basinet.study.settings import StudyConfig
    from basinet.study.store import Store, StoredSystem
    from basinet.study.systems import StudySystem
    from basinet.study.tasks import TrainTask

UNTRAINED = Architecture("tanh", 1, 32)


def baseline_rows(
    store: Store, systems: Sequence[StudySystem], descriptor: Bispectrum, *, untrained: int, seed: int
) -> Iterator[dict[str, Any]]:
    """Yield the rows of every baseline that needs no training."""
    yield from _ridge(store, descriptor)
    yield from _pair_potentials(store, systems, descriptor)
    if untrained:
        yield from _untrained(store, descriptor, untrained, seed)


def _targets(store: Store, trained: StoredSystem) -> Iterator[tuple[StoredSystem, dict[str, Any]]]:
    """Yield systems whose elements a model of `trained` knows, with the columns that follow."""
    for system in store.systems():
        if set(system.elements) <= set(trained.elements):
            main = system.split is not None
            yield (
                system,
                {
                    "experiment": "baseline" if main else "size_transfer",
                    "train_system": trained.name,
                    "transferred": system.name != trained.name,
                    "n_train": len(trained.split.train) if trained.split is not None else None,
                },
            )


def _ridge(store: Store, descriptor: Bispectrum) -> Iterator[dict[str, Any]]:
    for trained in store.systems():
        if trained.split is None:
            continue
        model = fit_ridge(store.dataset(trained, descriptor).select(trained.split.train))
        for system, columns in _targets(store, trained):
            labels = {"model": "ridge", **descriptor_columns(descriptor), **columns}
            splits = ("validation", "test") if system.key == trained.key else ("test",)
            yield from ridge_rows(store, descriptor, model, system, labels, splits)


def learning_curve_of_ridge(
    store: Store, descriptor: Bispectrum, fractions: Sequence[float]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of ridge on the last training frames, as many as the networks of the learning curve saw."""
    for system in store.systems():
        if system.split is None:
            continue
        dataset = store.dataset(system, descriptor)
        for size in learning_sizes(fractions, len(system.split.train)):
            if size < LEAST_TRAINING:
                continue
            labels = {
                "experiment": "learning_curve",
                "model": "ridge",
                "train_system": system.name,
                "transferred": False,
                "n_train": size,
                **descriptor_columns(descriptor),
            }
            model = fit_ridge(dataset.select(system.split.train[-size:]))
            yield from ridge_rows(store, descriptor, model, system, labels)


def _pair_potentials(store: Store, systems: Sequence[StudySystem], descriptor: Bispectrum) -> Iterator[dict[str, Any]]:
    for name, potential, trained in _fitted_or_literature(store, systems):
        for system in systems:
            stored = next(s for s in store.systems() if s.key == f"{system.name}-{system.n_atoms}")
            if not set(stored.elements) <= set(potential.elements):
                continue
            home = trained is None or trained == system.name
            frames = scored_block(store, stored, descriptor, "test")
            block = range(len(system.frames)) if system.split is None else system.split.test
            local = np.concatenate([potential.local_energies(system.frames[i]) for i in block])
            labels = {
                "experiment": "baseline" if system.split is not None else "size_transfer",
                "model": name,
                "train_system": trained,
                "transferred": not home,
            }
            yield from evaluation_rows(local[None], frames, ["mean"], labels)


def _fitted_or_literature(
    store: Store, systems: Sequence[StudySystem]
) -> Iterator[tuple[str, LennardJones, str | None]]:
    """Yield the literature's potential and one fitted to each system's training totals.

    Where isolated atoms are missing, energies do not vanish for atoms far apart, and no pair potential is fitted.
    """
    yield "lennard_jones", literature_lennard_jones(), None
    for system in systems:
        if system.split is None or not system.e0_given:
            continue
        energy = store.main(system.name).arrays["energy"]
        train = system.split.train
        try:
            yield "fitted_pair", fit_pair_potential([system.frames[i] for i in train], energy[train]), system.name
        except InputError:
            # Too few or too similar frames for c6 and c12 of every pair: then there is no such baseline.
            continue


def _untrained(store: Store, descriptor: Bispectrum, members: int, seed: int) -> Iterator[dict[str, Any]]:
    from basinet.potentials.training import untrained_ensemble

    for system in store.systems():
        if system.split is None:
            continue
        train = store.dataset(system, descriptor).select(system.split.train)
        ensemble = untrained_ensemble(train, descriptor, system.e0, UNTRAINED, members=members, seed=seed)
        frames = scored_block(store, system, descriptor, "test")
        labels = {
            "experiment": "baseline",
            **architecture_columns(UNTRAINED),
            "model": "untrained",
            "train_system": system.name,
            "transferred": False,
            **descriptor_columns(descriptor),
        }
        seeds = range(seed, seed + members)
        yield from evaluation_rows(ensemble.predict(frames.dataset), frames, seeds, labels)


LABEL = "local_energy_other"


def other_reading_rows(
    root: Path,
    store: Store,
    systems: Sequence[StudySystem],
    tasks: Sequence[TrainTask],
    descriptor: Bispectrum,
    chosen: Mapping[str, tuple[Architecture, float]],
    definition: Definition,
) -> Iterator[dict[str, Any]]:
    """Yield rows of the chosen network, ridge and the literature's pair potential, scored on the other reading."""
    for system in systems:
        if system.split is None:
            continue
        stored = store.main(system.name)
        if LABEL not in stored.arrays:
            continue
        frames = scored_block(store, stored, descriptor, "test")
        inside = np.isin(stored.arrays["frame"], system.split.test)
        other = replace(frames, dataset=replace(frames.dataset, local_energy=stored.arrays[LABEL][inside]))
        shared = {"experiment": "reading", "train_system": system.name, "transferred": False}
        shared |= {"definition": OTHER_DEFINITION[definition]}
        for model, columns, prediction in _models(
            root, store, system, stored, tasks, descriptor, chosen, frames.dataset
        ):
            for row in evaluation_rows(prediction[None], other, ["mean"], shared | columns | {"model": model}):
                if row["target"] == "local":
                    yield row


def _models(
    root: Path,
    store: Store,
    system: StudySystem,
    stored: StoredSystem,
    tasks: Sequence[TrainTask],
    descriptor: Bispectrum,
    chosen: Mapping[str, tuple[Architecture, float]],
    test: Dataset,
) -> Iterator[tuple[str, dict[str, Any], NDArray[np.float64]]]:
    """Yield name, columns and test prediction of each model."""
    if system.split is None:
        return
    described = descriptor_columns(descriptor)
    ridge = fit_ridge(store.dataset(stored, descriptor).select(system.split.train))
    yield "ridge", described, ridge.predict(test)
    literature = literature_lennard_jones()
    if set(stored.elements) <= set(literature.elements):
        local = [literature.local_energies(system.frames[i]) for i in system.split.test]
        yield "lennard_jones", {}, np.concatenate(local)
    for task in tasks:
        if (task.experiment, task.system, task.architecture) == ("sweep", system.name, chosen[system.name][0]):
            ensemble = load_model(model_path(root, task.name))
            columns = described | architecture_columns(task.architecture)
            yield "network", columns, ensemble.predict(test).mean(0)


Prediction = tuple[str, dict[str, Any], "NDArray[np.float64]"]


def out_of_fold_predictions(
    root: Path,
    store: Store,
    systems: Sequence[StudySystem],
    tasks: Sequence[TrainTask],
    config: StudyConfig,
    descriptor: Bispectrum,
    chosen: Mapping[str, tuple[Architecture, float]],
) -> dict[str, list[Prediction]]:
    """Local energies ``(n_atoms_total,)`` in eV by system: (model, columns, prediction) for each model."""
    collected: dict[str, list[Prediction]] = {}
    for system in systems:
        if system.split is None:
            continue
        dataset = store.dataset(store.main(system.name), descriptor)
        network = _network(root, dataset, [task for task in tasks if task.system == system.name])
        described = descriptor_columns(descriptor)
        collected[system.name] = [
            ("network", described | architecture_columns(chosen[system.name][0]), network),
            ("ridge", described, out_of_fold_ridge(dataset, config.cross_validation.folds, config.split.gap)),
        ]
        literature = literature_lennard_jones()
        if set(dataset.elements) <= set(literature.elements):
            local = np.concatenate([literature.local_energies(atoms) for atoms in system.frames])
            collected[system.name].append(("lennard_jones", {}, local))
    return collected


def _network(root: Path, dataset: Dataset, tasks: Sequence[TrainTask]) -> NDArray[np.float64]:
    """Mean over turns of the held-out predictions of each fold."""
    turns: dict[int, list[NDArray[np.float64]]] = defaultdict(list)
    held: dict[int, NDArray[np.int64]] = {}
    for task in tasks:
        if task.fold is None:
            continue
        _, arrays = load_arrays(root / "work" / "folds" / f"{task.name}.bin")
        turns[task.fold[0]].append(arrays["prediction"])
        held[task.fold[0]] = arrays["frames"]
    prediction = np.full(len(dataset.frame), np.nan)
    for fold, parts in turns.items():
        prediction[np.isin(dataset.frame, held[fold])] = np.mean(parts, axis=0)
    return prediction


def _scored(store: Store, name: str, descriptor: Bispectrum) -> ScoredFrames:
    system = store.main(name)
    return ScoredFrames(store.dataset(system, descriptor), system.arrays["gauge"], "out_of_fold")


def out_of_fold_rows(
    store: Store, descriptor: Bispectrum, predictions: Mapping[str, Sequence[Prediction]]
) -> Iterator[dict[str, Any]]:
    """Yield rows over all frames; no gauge is fitted, since no frames are left to fit it on."""
    for name, models in predictions.items():
        frames = _scored(store, name, descriptor)
        for model, columns, prediction in models:
            labels = {"experiment": "cross_validation", "train_system": name, "transferred": False} | columns
            yield from evaluation_rows(prediction[None], frames, ["mean"], labels | {"model": model})


def parity_rows(
    store: Store, descriptor: Bispectrum, predictions: Mapping[str, Sequence[Prediction]]
) -> Iterator[dict[str, Any]]:
    """Yield rows of `parity.csv`: totals and local energies, per atom, centred per species, meV."""
    for name, models in predictions.items():
        data = _scored(store, name, descriptor).dataset
        for model, _, prediction in models:
            shared = {"experiment": "cross_validation", "model": model, "system": name, "split": "out_of_fold"}
            totals = data.sum_over_atoms(prediction) / data.n_atoms, data.energy / data.n_atoms
            yield from _centred(shared | {"target": "total", "species": "all"}, *totals, np.arange(data.n_frames))
            if data.local_energy is None:
                continue
            for index, element in enumerate(data.elements):
                own = data.species == index
                labels = shared | {"target": "local", "species": element}
                yield from _centred(labels, prediction[own], data.local_energy[own], data.frame[own])


def _centred(
    labels: dict[str, Any], prediction: NDArray[np.float64], reference: NDArray[np.float64], frame: NDArray[np.int64]
) -> Iterator[dict[str, Any]]:
    predicted, expected = (1e3 * (values - values.mean()) for values in (prediction, reference))
    for number, p, q in zip(frame, predicted, expected, strict=True):
        yield labels | {"frame": int(number), "reference_mev": round(float(q), 5), "prediction_mev": round(float(p), 5)}


DISTANCES = np.linspace(3.0, 7.0, 81)


def gauge_record(
    root: Path,
    store: Store,
    tasks: Sequence[TrainTask],
    descriptor: Bispectrum,
    chosen: Mapping[str, tuple[Architecture, float]],
) -> dict[str, list[dict[str, Any]]]:
    """Describe the gauge of ridge and of the chosen network (ensemble mean) of every mixture."""
    record = {}
    for system in store.systems():
        if system.split is None or len(system.elements) < 2 or "local_energy" not in system.arrays:
            continue
        ridge = fit_ridge(store.dataset(system, descriptor).select(system.split.train))
        entries = [_entry(store, system, descriptor, "ridge", ridge.predict)]
        task = next(
            (
                t
                for t in tasks
                if (t.experiment, t.system, t.architecture) == ("sweep", system.name, chosen[system.name][0])
            ),
            None,
        )
        if task is not None:
            ensemble = load_model(model_path(root, task.name))
            name = f"network {task.architecture}"
            entries.append(_entry(store, system, descriptor, name, lambda d, e=ensemble: e.predict(d).mean(0)))
        record[system.name] = [pair for entry in entries for pair in entry]
    return record


def _entry(
    store: Store, system: StoredSystem, descriptor: Bispectrum, model: str, predict: Any
) -> list[dict[str, Any]]:
    """One entry per pair of species."""
    held = scored_block(store, system, descriptor, "validation")
    test = scored_block(store, system, descriptor, "test")
    gauges = fitted_gauges(_as_member(predict, held.dataset), held)
    rows = [
        row
        for row in evaluation_rows(_as_member(predict, test.dataset), test, [0], {}, gauges)
        if row["target"] == "local" and row["species"] != "all"
    ]
    local_r: dict[str, dict[str, float]] = {}
    for row in rows:
        local_r.setdefault(row["species"], {})[row["gauge"]] = row["pearson_r"]
    pairs = [(a, b) for i, a in enumerate(system.elements) for b in system.elements[i + 1 :]]
    return [
        {
            "model": model,
            "pair": f"{a}-{b}",
            "r": DISTANCES,
            "h_ev": gauges["pair"].h(DISTANCES, index)[0],
            "h_control_ev": gauges["control"].h(DISTANCES, index)[0],
            "local_r": local_r,
        }
        for index, (a, b) in enumerate(pairs)
    ]


def _as_member(predict: Any, dataset: Dataset) -> NDArray[np.float64]:
    return np.asarray(predict(dataset))[None]
