"""The fitted pair gauge h(r) of the mixture's models, for `gauge.json`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from basinet.fidelity.scoring import evaluation_rows, fitted_gauges, scored_block
from basinet.files import read_json
from basinet.jobs.tables import write_table
from basinet.potentials.ensemble import load_model
from basinet.potentials.ridge import fit_ridge
from basinet.study.running import model_path, result_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from basinet.descriptors.bispectrum import Bispectrum
    from basinet.potentials.dataset import Dataset
    from basinet.potentials.network import Architecture
    from basinet.study.store import Store, StoredSystem
    from basinet.study.tasks import Task, TrainTask

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


KEY_COLUMNS = (
    "experiment", "model", "train_system", "test_system", "n_atoms", "split", "transferred", "activation", "depth",
    "width", "rcut", "twojmax", "weights", "radii", "seed", "n_train", "parametrisation", "definition", "target",
    "gauge", "species",
)  # fmt: skip
VALUE_COLUMNS = (
    "pearson_r", "pearson_r_low", "pearson_r_high", "r2", "r2_determination", "rmse_mev", "slope", "offset_mev",
    "pearson_r_within", "n_values", "lr", "epochs", "train_rmse_mev", "validation_rmse_mev", "train_seconds",
)  # fmt: skip

NETWORK_COLUMNS = ("train_system", "activation", "depth", "width", "parametrisation")


def sort_key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Order rows by what they are, so that the table does not depend on the order of the work."""
    return tuple(_sortable(row.get(column)) for column in KEY_COLUMNS)


def _sortable(value: Any) -> tuple[int, float, str]:
    """Missing values first, then numbers, then text."""
    if value is None or value == "":
        return (0, 0.0, "")
    if isinstance(value, bool | int | float):
        return (1, float(value), "")
    return (2, 0.0, str(value))


def rounded(value: Any) -> Any:
    """Round to ten significant digits: what lies beyond is rounding of the arithmetic."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.10g}") if math.isfinite(value) else None


def write_results(path: Path, rows: Iterable[Mapping[str, Any]], definition: str) -> None:
    """Write `results.csv`."""
    complete = [{"definition": definition, **{k: rounded(v) for k, v in row.items()}} for row in rows]
    write_table(path, sorted(complete, key=sort_key), [*KEY_COLUMNS, *VALUE_COLUMNS])


def task_rows(root: Path, tasks: Sequence[Task]) -> list[dict[str, Any]]:
    """Rows of all tasks that are done."""
    return [row for task in tasks for row in read_json(result_path(root, task))["rows"]]


def write_training_tables(root: Path, tasks: Sequence[TrainTask]) -> None:
    """Write `curves.csv` (sweep, one in at most a hundred evaluations) and `learning_rates.csv`."""
    curves, rates = [], []
    for task in tasks:
        result = read_json(result_path(root, task))
        network = {"train_system": task.system, **task.architecture.as_dict()}
        for rate, error in result["rate_errors"]:
            chosen = rate == result["learning_rate"]
            rates.append(
                {
                    "experiment": task.experiment,
                    **network,
                    "n_train": task.n_train,
                    "lr": rate,
                    "validation_rmse_mev": error,
                    "chosen": chosen,
                }
            )
        if task.experiment == "sweep":
            curves += _curve_rows(network, result["curves"], task.seed)
    write_table(
        root / "curves.csv",
        curves,
        [*NETWORK_COLUMNS, "seed", "epoch", "train_rmse_mev", "validation_rmse_mev"],
    )
    write_table(
        root / "learning_rates.csv",
        rates,
        ["experiment", *NETWORK_COLUMNS, "n_train", "lr", "validation_rmse_mev", "chosen"],
    )


def _curve_rows(network: Mapping[str, Any], curves: Mapping[str, Any], seed: int) -> list[dict[str, Any]]:
    step = max(len(curves["epoch"]) // 100, 1)
    rows = []
    for member, (train, validation) in enumerate(zip(curves["train"], curves["validation"], strict=True)):
        for epoch, on_train, on_validation in list(zip(curves["epoch"], train, validation, strict=True))[::step]:
            if on_train is not None:
                rows.append(
                    {
                        **network,
                        "seed": seed + member,
                        "epoch": rounded(epoch),
                        "train_rmse_mev": float(f"{on_train:.5g}"),
                        "validation_rmse_mev": float(f"{on_validation:.5g}"),
                    }
                )
    return rows
