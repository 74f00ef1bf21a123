"""Choices made on fitted frames only: the descriptor by ridge, the architecture by its validation error."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from basinet.files import read_json
from basinet.study import tasks as planning
from basinet.study.running import descriptor_columns, result_path, run_all
from basinet.study.tables import CURVES, LEARNING_RATES, by_element, rounded, write_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from basinet.descriptors.bispectrum import Bispectrum
    from basinet.jobs.progress import Progress
    from basinet.jobs.workers import Workers
    from basinet.potentials.network import Architecture
    from basinet.study.settings import DescriptorSettings
    from basinet.study.store import Store
    from basinet.study.tasks import DescribeTask, TrainTask


def descriptor_score(selection: dict[str, dict[str, float]]) -> float:
    """Mean over systems of the total-energy error over the spread of total energies (0: perfect, 1: a constant)."""
    ratios = [entry["validation_rmse_mev"] / entry["spread_mev"] for entry in selection.values()]
    return sum(ratios) / len(ratios)


def score_standard_error(selection: dict[str, dict[str, float]]) -> float:
    """Standard error of the score over frames, the systems being independent."""
    errors = [entry["standard_error_mev"] / entry["spread_mev"] for entry in selection.values()]
    return float(np.sqrt(np.sum(np.square(errors)))) / len(errors)


def choose_descriptor(root: Path, tasks: Sequence[DescribeTask]) -> Bispectrum:
    """Choose by the total-energy error of ridge on contiguous folds of the training and validation frames.

    Among those within one standard error of the least score, the simplest: the fewest components, then neighbour
    weights nearest to 1, then the least score (the 1 SE rule of Breiman, Friedman, Olshen and Stone, Classification and
    Regression Trees, 1984, sec. 3.4.3).
    """
    selections = [_selection(root, task) for task in tasks]
    scores = [descriptor_score(selection) for selection in selections]
    best = min(range(len(tasks)), key=scores.__getitem__)
    limit = scores[best] + score_standard_error(selections[best])
    able = [i for i in range(len(tasks)) if scores[i] <= limit]
    return tasks[min(able, key=lambda i: (*_complexity(tasks[i].descriptor), scores[i]))].descriptor


def _complexity(descriptor: Bispectrum) -> tuple[int, float]:
    """Components, and how far the neighbour weights are from 1, which needs no choice."""
    return descriptor.n_components, max(abs(weight - 1) for weight in descriptor.weights.values())


def _selection(root: Path, task: DescribeTask) -> dict[str, dict[str, float]]:
    result: dict[str, dict[str, float]] = read_json(result_path(root, task))["selection"]
    return result


def selection_rows(root: Path, tasks: Sequence[DescribeTask], chosen: Bispectrum) -> list[dict[str, Any]]:
    """Rows of `selection.csv`, best score first."""
    rows = []
    for task in tasks:
        selection = _selection(root, task)
        for system, entry in selection.items():
            rows.append(
                {
                    **descriptor_columns(task.descriptor),
                    "system": system,
                    **{key: entry[key] for key in ("validation_rmse_mev", "validation_r", "strength")},
                    "score": descriptor_score(selection),
                    "chosen": task.descriptor == chosen,
                }
            )
    return sorted(rows, key=lambda row: (row["score"], row["system"]))


def choose_architectures(root: Path, tasks: Sequence[TrainTask]) -> dict[str, tuple[Architecture, float]]:
    """Choose each system's architecture of the sweep with the least mean validation error, and its learning rate."""
    candidates: dict[str, list[tuple[float, Architecture, float]]] = defaultdict(list)
    for task in tasks:
        if task.experiment == "sweep":
            result = read_json(result_path(root, task))
            candidates[task.system].append((result["validation_rmse_mev"], task.architecture, result["learning_rate"]))
    chosen = {system: min(found, key=lambda item: item[0]) for system, found in sorted(candidates.items())}
    return {system: (architecture, rate) for system, (_, architecture, rate) in chosen.items()}


def choose_by_ridge(
    pool: Workers, root: Path, store: Store, settings: DescriptorSettings, progress: Progress
) -> tuple[Bispectrum, list[DescribeTask]]:
    """Choose cutoff, species weights and sizes at the middle twojmax, then twojmax; return all candidates too."""
    elements = sorted({element for system in store.systems() for element in system.elements})
    tasks = planning.candidate_descriptors(settings, elements)
    run_all(pool, root, tasks, progress, "descriptors: cutoffs, weights and sizes of species")
    more = planning.other_resolutions(settings, choose_descriptor(root, tasks))
    run_all(pool, root, more, progress, "descriptors: twojmax")
    descriptor = choose_descriptor(root, tasks + more)
    species = f"weights {by_element(descriptor.weights)}, radii {by_element(descriptor.radii)}"
    progress.note(f"  chosen: cutoff {descriptor.rcut:g} A, twojmax {descriptor.twojmax}, {species}")
    return descriptor, tasks + more


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
    write_rows(root / "curves.csv", curves, CURVES)
    write_rows(root / "learning_rates.csv", rates, LEARNING_RATES)


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
