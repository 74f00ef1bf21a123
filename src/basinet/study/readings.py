"""The same predictions against the other reading of the local Hartree energy: how much the definition matters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from basinet.models import fit_ridge, load_model
from basinet.models.pair_potential import literature_lennard_jones
from basinet.relation.local import OTHER_DEFINITION
from basinet.study.evaluation import evaluation_rows, scored_block
from basinet.study.running import architecture_columns, descriptor_columns, model_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from basinet.dataset import Dataset
    from basinet.descriptors import Bispectrum
    from basinet.models import Architecture
    from basinet.relation.local import Definition
    from basinet.study.store import Store, StoredSystem
    from basinet.study.systems import StudySystem
    from basinet.study.tasks import TrainTask

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
