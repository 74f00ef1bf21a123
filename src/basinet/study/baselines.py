"""What makes a correlation readable: ridge, pair potentials, untrained networks, and out-of-fold prediction."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from basinet.arrays import FloatArray, IntArray
from basinet.descriptors.bispectrum import Bispectrum
from basinet.errors import InputError
from basinet.fidelity.scoring import evaluation_rows, fitted_gauges, without_gauges
from basinet.frames.labels import for_each_frame
from basinet.frames.splits import blocked_folds
from basinet.potentials.dataset import Dataset
from basinet.potentials.ensemble import Ensemble, load_model
from basinet.potentials.network import Architecture
from basinet.potentials.pair_potential import LennardJones, fit_pair_potential, literature_lennard_jones
from basinet.potentials.ridge import determination, fit_ridge
from basinet.relation.relation import OTHER_DEFINITION, Definition
from basinet.study.running import model_rows, rows_by_definition
from basinet.study.settings import Reading
from basinet.study.store import Store, StoredSystem
from basinet.study.systems import LEAST_TRAINING
from basinet.study.tables import Row, descriptor_columns
from basinet.study.tasks import Chosen, Trained, TrainTask, learning_sizes

_UNTRAINED = Architecture("tanh", 1, 32)
_DISTANCES = np.linspace(3.0, 7.0, 81)  # distances at which the pair gauge is written, A


def baseline_rows(store: Store, descriptor: Bispectrum, *, untrained: int, seed: int) -> Iterator[Row]:
    """Yield the rows of every baseline that needs no training."""
    for trained, split in store.main_systems():
        model = fit_ridge(store.dataset(trained, descriptor).select(split.train))
        for system in store.systems():
            if set(system.elements) <= set(trained.elements):
                labels = _placed(system, trained.name) | {"n_train": len(split.train)}
                splits = ("validation", "test") if system.key == trained.key else ("test",)
                yield from model_rows(store, descriptor, model, system, labels, splits)
    for name, potential, trained_on in _pair_potentials(store):
        for system in store.systems():
            if set(system.elements) <= set(potential.elements):
                labels = _placed(system, trained_on) | {"model": name}
                labels["transferred"] = trained_on not in {None, system.name}
                local = _pair_energies(potential, system)
                if system.split is not None:
                    local = local[np.isin(system.arrays["frame"], system.split.test)]
                block = partial(store.block, system, descriptor, "test")
                yield from rows_by_definition(local[None], ["mean"], block, labels, system.definitions)
    if untrained:
        yield from _untrained_rows(store, descriptor, untrained, seed)
    yield from _relation_rows(store, descriptor)


def _placed(system: StoredSystem, trained_on: str | None) -> dict[str, Any]:
    experiment = "baseline" if system.split is not None else "size_transfer"
    return {"experiment": experiment, "train_system": trained_on, "transferred": system.name != trained_on}


def learning_curve_of_ridge(store: Store, descriptor: Bispectrum, fractions: Sequence[float]) -> Iterator[Row]:
    """Yield the rows of ridge on the last training frames, as many as the networks of the learning curve saw."""
    for system, split in store.main_systems():
        dataset = store.dataset(system, descriptor)
        for size in learning_sizes(fractions, len(split.train)):
            if size < LEAST_TRAINING:
                continue
            labels = {"experiment": "learning_curve", "train_system": system.name, "transferred": False}
            model = fit_ridge(dataset.select(split.train[-size:]))
            yield from model_rows(store, descriptor, model, system, {**labels, "n_train": size})


def determination_rows(store: Store, descriptor: Bispectrum) -> Iterator[Row]:
    """Yield the rows of ``determination.csv``: the directions of each system's descriptors, most visible first."""
    for system, split in store.main_systems():
        for definition in system.definitions:
            train = store.dataset(system, descriptor, definition=definition).select(split.train)
            found = determination(train, fit_ridge(train).strength)
            for direction, values in enumerate(zip(*found.values(), strict=True), 1):
                where = {"system": system.name, "definition": definition, "direction": direction}
                yield where | dict(zip(found, map(float, values), strict=True))


def _pair_potentials(store: Store) -> Iterator[tuple[str, LennardJones, str | None]]:
    """Yield the literature's potential and one fitted to each system's training totals.

    Where isolated atoms are missing, energies do not vanish for atoms far apart, and no pair potential is fitted.
    """
    yield "lennard_jones", literature_lennard_jones(), None
    for system, split in store.main_systems():
        if not system.e0_given:
            continue
        frames = system.frames()
        try:
            fitted = fit_pair_potential([frames[i] for i in split.train], system.arrays["energy"][split.train])
        except InputError:
            # Too few or too similar frames for c6 and c12 of every pair: then there is no such baseline.
            continue
        yield "fitted_pair", fitted, system.name


def _pair_energies(potential: LennardJones, system: StoredSystem) -> FloatArray:
    """Local energies of all frames by a pair potential, ``(n_atoms_total,)``, eV."""
    return np.concatenate(for_each_frame(potential.local_energies, system.frames()))


def _untrained_rows(store: Store, descriptor: Bispectrum, members: int, seed: int) -> Iterator[Row]:
    from basinet.potentials.training import untrained_ensemble

    for system, split in store.main_systems():
        train = store.dataset(system, descriptor).select(split.train)
        ensemble = untrained_ensemble(train, descriptor, system.e0, _UNTRAINED, members=members, seed=seed)
        block = partial(store.block, system, descriptor, "test")
        labels = _placed(system, system.name) | {"model": "untrained"}
        labels |= _UNTRAINED.as_dict() | descriptor_columns(descriptor)
        prediction, seeds = ensemble.predict(block().dataset), range(seed, seed + members)
        yield from rows_by_definition(prediction, seeds, block, labels, system.definitions)


def _relation_rows(store: Store, descriptor: Bispectrum) -> Iterator[Row]:
    """Yield the rows of the relation's local energies beside direct ones, where frames carry both."""
    for system in store.systems():
        if "direct" in system.definitions[1:]:
            local = system.arrays[f"local_energy.{system.definitions[0]}"]
            if system.split is not None:
                local = local[np.isin(system.arrays["frame"], system.split.test)]
            labels = _placed(system, system.name) | {"model": "relation", "definition": "direct"}
            frames = store.block(system, descriptor, "test", definition="direct")
            yield from evaluation_rows(local[None], frames, ["mean"], labels, targets=["local"])


_Prediction = tuple[dict[str, Any], FloatArray]  # columns of the table that name a model, and its local energies in eV


def other_reading_rows(
    store: Store, tasks: Sequence[TrainTask], descriptor: Bispectrum, chosen: Chosen, reading: Reading
) -> Iterator[Row]:
    """Yield rows of the chosen network, ridge and the literature's pair potential, scored on the other reading."""
    described, other = descriptor_columns(descriptor), OTHER_DEFINITION[reading]
    for system, split in store.main_systems():
        if system.local_energy(other) is None:
            continue
        frames = store.block(system, descriptor, "test", definition=other)
        inside = np.isin(system.arrays["frame"], split.test)
        ridge = fit_ridge(store.dataset(system, descriptor).select(split.train))
        models: list[_Prediction] = [({"model": "ridge"} | described, ridge.predict(frames.dataset))]
        models += [(columns, energies[inside]) for columns, energies in _literature(system)]
        for task in _chosen_tasks(tasks, system.name, chosen):
            columns = {"model": "network", **task.architecture.as_dict(), **described}
            models.append((columns, _mean_prediction(load_model(store.model(task.name)), frames.dataset)))
        shared = {"experiment": "reading", "train_system": system.name, "transferred": False, "definition": other}
        for columns, prediction in models:
            yield from evaluation_rows(prediction[None], frames, ["mean"], shared | columns, targets=["local"])


def _literature(system: StoredSystem) -> list[_Prediction]:
    potential = literature_lennard_jones()
    known = set(system.elements) <= set(potential.elements)
    return [({"model": "lennard_jones"}, _pair_energies(potential, system))] if known else []


def _chosen_tasks(tasks: Sequence[TrainTask], system: str, chosen: Chosen) -> list[TrainTask]:
    wanted = ("sweep", system, chosen[system][0])
    return [task for task in tasks if (task.experiment, task.system, task.architecture) == wanted]


def out_of_fold_predictions(
    store: Store, tasks: Sequence[TrainTask], descriptor: Bispectrum, chosen: Chosen, folds: int, gap: int
) -> dict[str, list[_Prediction]]:
    """Each model's prediction of all frames by system, each frame held out; columns and local energies."""
    described = descriptor_columns(descriptor)
    collected: dict[str, list[_Prediction]] = {}
    for system, _ in store.main_systems():
        dataset = store.dataset(system, descriptor)
        network = {"model": "network", **described, **chosen[system.name][0].as_dict()}
        collected[system.name] = [
            (network, _out_of_fold_network(store, dataset, [task for task in tasks if task.system == system.name])),
            ({"model": "ridge"} | described, _out_of_fold_ridge(dataset, folds, gap)),
            *_literature(system),
        ]
    return collected


def _out_of_fold_network(store: Store, dataset: Dataset, tasks: Sequence[TrainTask]) -> FloatArray:
    turns: dict[int, list[Trained]] = defaultdict(list)
    for task in tasks:
        if task.fold is not None:
            turns[task.fold[0]].append(store.result(task))
    prediction = np.full(len(dataset.frame), np.nan)
    for results in turns.values():
        held = np.isin(dataset.frame, results[0].held)
        prediction[held] = np.mean([result.prediction for result in results], axis=0)
    return prediction


def _out_of_fold_ridge(dataset: Dataset, folds: int, gap: int) -> FloatArray:
    """Out-of-fold local energies of ridge, ``(n_atoms_total,)``, eV; strengths are chosen inside each fold."""
    prediction = np.zeros(len(dataset.frame))
    for rest, held in blocked_folds(np.arange(dataset.n_frames), folds, gap):
        model = fit_ridge(dataset.select(rest))
        prediction[np.isin(dataset.frame, held)] = model.predict(dataset.select(held))
    return prediction


def out_of_fold_rows(
    store: Store, descriptor: Bispectrum, predictions: Mapping[str, Sequence[_Prediction]]
) -> Iterator[Row]:
    """Yield rows over all frames; no gauge is fitted, since no frames are left to fit it on."""
    for name, models in predictions.items():
        system = store.main(name)
        block = partial(store.block, system, descriptor, "out_of_fold")
        for columns, prediction in models:
            labels = {"experiment": "cross_validation", "train_system": name, "transferred": False} | columns
            yield from rows_by_definition(prediction[None], ["mean"], block, labels, system.definitions)


def parity_rows(
    store: Store, descriptor: Bispectrum, predictions: Mapping[str, Sequence[_Prediction]]
) -> Iterator[Row]:
    """Yield rows of `parity.csv`: totals and local energies, per atom, centred per species, meV."""
    for name, models in predictions.items():
        system = store.main(name)
        data = store.dataset(system, descriptor)
        for columns, prediction in models:
            shared = {"experiment": "cross_validation", "model": columns["model"], "system": name}
            shared["split"] = "out_of_fold"
            totals = data.sum_over_atoms(prediction) / data.n_atoms, data.energy / data.n_atoms
            yield from _centred(shared | {"target": "total", "species": "all"}, *totals, np.arange(data.n_frames))
            for definition, (index, element) in product(system.definitions, enumerate(data.elements)):
                own = data.species == index
                labels = shared | {"definition": definition, "target": "local", "species": element}
                local = system.arrays[f"local_energy.{definition}"]
                yield from _centred(labels, prediction[own], local[own], data.frame[own])


def _centred(labels: dict[str, Any], prediction: FloatArray, reference: FloatArray, frame: IntArray) -> Iterator[Row]:
    predicted, expected = (1e3 * (values - values.mean()) for values in (prediction, reference))
    for number, p, q in zip(frame, predicted, expected, strict=True):
        yield labels | {"frame": int(number), "reference_mev": round(float(q), 5), "prediction_mev": round(float(p), 5)}


def gauge_record(
    store: Store, tasks: Sequence[TrainTask], descriptor: Bispectrum, chosen: Chosen
) -> dict[str, list[Row]]:
    """Describe the fitted pair gauge of ridge and of the chosen network (ensemble mean) of every mixture."""
    record = {}
    for system, split in store.main_systems():
        if len(system.elements) < 2 or not system.definitions:
            continue
        ridge = fit_ridge(store.dataset(system, descriptor).select(split.train))
        models: list[tuple[str, Callable[[Dataset], FloatArray]]] = [("ridge", ridge.predict)]
        for task in _chosen_tasks(tasks, system.name, chosen)[:1]:
            predict = partial(_mean_prediction, load_model(store.model(task.name)))
            models.append((f"network {task.architecture}", predict))
        record[system.name] = [
            entry
            for definition, model in product(system.definitions, models)
            for entry in _gauge_entries(store, system, descriptor, definition, *model)
        ]
    return record


def _mean_prediction(ensemble: Ensemble, dataset: Dataset) -> FloatArray:
    return np.asarray(ensemble.predict(dataset).mean(0))


def _gauge_entries(
    store: Store,
    system: StoredSystem,
    descriptor: Bispectrum,
    definition: Definition,
    model: str,
    predict: Callable[[Dataset], FloatArray],
) -> list[Row]:
    held, test = (store.block(system, descriptor, split, definition=definition) for split in ("validation", "test"))
    gauges = fitted_gauges(predict(held.dataset)[None], held)
    local_r: dict[str, dict[str, float]] = defaultdict(dict)
    prediction = predict(test.dataset)[None]
    for row in evaluation_rows(prediction, test, [0], {}, without_gauges(prediction, test, gauges)):
        if row["target"] == "local" and row["species"] != "all":
            local_r[row["species"]][row["gauge"]] = row["pearson_r"]
    pairs = [(a, b) for i, a in enumerate(system.elements) for b in system.elements[i + 1 :]]
    return [
        {
            "model": model,
            "definition": definition,
            "pair": f"{a}-{b}",
            "r": _DISTANCES,
            "h_ev": gauges["pair"].h(_DISTANCES, index)[0],
            "h_control_ev": gauges["control"].h(_DISTANCES, index)[0],
            "local_r": local_r,
        }
        for index, (a, b) in enumerate(pairs)
    ]
