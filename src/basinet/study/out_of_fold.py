"""Every frame predicted by models that never saw it: the chosen network, ridge and the literature's pair potential."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from basinet.io.checkpoint import load_arrays
from basinet.models.pair_potential import literature_lennard_jones
from basinet.study.evaluation import ScoredFrames, evaluation_rows
from basinet.study.running import architecture_columns, descriptor_columns, out_of_fold_ridge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from basinet.config.settings import StudyConfig
    from basinet.dataset import Dataset
    from basinet.descriptors import Bispectrum
    from basinet.models import Architecture
    from basinet.study.store import Store
    from basinet.study.systems import StudySystem
    from basinet.study.tasks import TrainTask

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
