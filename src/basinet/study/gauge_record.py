"""The fitted pair gauge h(r) of the mixture's models, for `gauge.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from basinet.models import fit_ridge, load_model
from basinet.study.evaluation import evaluation_rows, fitted_gauges, scored_block
from basinet.study.running import model_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from basinet.dataset import Dataset
    from basinet.descriptors import Bispectrum
    from basinet.models import Architecture
    from basinet.study.store import Store, StoredSystem
    from basinet.study.tasks import TrainTask

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
