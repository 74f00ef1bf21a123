"""The tables of a results directory, gathered from the tasks' result files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from basinet.io.files import read_json
from basinet.io.tables import write_table
from basinet.study.running import result_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from basinet.study.tasks import Task, TrainTask

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
