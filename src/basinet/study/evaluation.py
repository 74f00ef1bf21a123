"""Rows of the results table: total and local fidelity of predictions, raw and with the pair gauge removed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from basinet.analysis import (
    choose_block_length,
    fit_gauge,
    member_local_metrics_by_species,
    member_total_metrics,
    pearson_interval,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from basinet.analysis import Gauge
    from basinet.dataset import Dataset
    from basinet.descriptors import Bispectrum
    from basinet.models.pair_potential import LennardJones
    from basinet.study.store import Store, StoredSystem

Seed = int | str


@dataclass(frozen=True)
class ScoredFrames:
    """Frames to score: a dataset, the gauge features of its atoms, and the name of the block."""

    dataset: Dataset
    gauge_features: NDArray[np.float64]
    split: str

    @property
    def is_mixture(self) -> bool:
        """Whether the pair gauge exists."""
        return len(self.dataset.elements) > 1


def scored_block(
    store: Store,
    system: StoredSystem,
    descriptor: Bispectrum,
    split: str,
    pair_potential: LennardJones | None = None,
) -> ScoredFrames:
    """Pick one block of a system; ``split="test"`` of a system without a split is all of it.

    A model that stands on a pair potential needs that potential's share in the dataset.
    """
    dataset = store.dataset(system, descriptor, pair_potential)
    if system.split is None:
        return ScoredFrames(dataset, system.arrays["gauge"], split)
    block = system.split.blocks()[split]
    inside = np.isin(dataset.frame, block)
    return ScoredFrames(dataset.select(block), system.arrays["gauge"][inside], split)


def with_mean(prediction: NDArray[np.float64], seed: int) -> tuple[NDArray[np.float64], list[Seed]]:
    """Append the ensemble mean to the members; return the seeds column too."""
    members = len(prediction)
    return np.concatenate([prediction, prediction.mean(0, keepdims=True)]), [*range(seed, seed + members), "mean"]


def fitted_gauges(prediction: NDArray[np.float64], fitted_on: ScoredFrames) -> dict[str, Gauge]:
    """Gauge and equal-sign control of every member, fitted to the local energies of validation frames."""
    data = fitted_on.dataset
    if not fitted_on.is_mixture or data.local_energy is None:
        return {}
    return {
        kind: fit_gauge(fitted_on.gauge_features, kind, prediction, data.local_energy, data.species, data.frame)
        for kind in ("pair", "control")
    }


def evaluation_rows(
    prediction: NDArray[np.float64],
    frames: ScoredFrames,
    seeds: Sequence[Seed],
    labels: Mapping[str, Any],
    gauges: Mapping[str, Gauge] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield one row per member, target, gauge and species.

    Parameters
    ----------
    prediction
        Local energies relative to isolated atoms, ``(members, n_atoms_total)``, eV.
    frames
        What they are compared with.
    seeds
        One per member; ``"mean"`` rows carry a block-bootstrap interval of Pearson's r.
    labels
        Columns that all rows share.
    gauges
        From `fitted_gauges`, for the same members.
    """
    data = frames.dataset
    shared = {
        **labels,
        "test_system": data.system,
        "n_atoms": int(data.n_atoms[0]),
        "split": frames.split,
    }
    totals = data.sum_over_atoms(prediction)
    scores = member_total_metrics(totals, data.energy, data.n_atoms)
    number = np.arange(data.n_frames)
    for seed, values, metrics in zip(seeds, totals, scores, strict=True):
        row = shared | {"seed": seed, "target": "total", "gauge": "raw", "species": "all"} | metrics.as_row()
        if seed == "mean":
            row |= interval_columns(values / data.n_atoms, data.energy / data.n_atoms, number, None, data.energy)
        yield row
    if data.local_energy is None:
        return
    variants = {"raw": prediction}
    for kind, gauge in (gauges or {}).items():
        variants[kind] = gauge.apply(prediction, frames.gauge_features, data.species)
    for kind, energies in variants.items():
        by_species = member_local_metrics_by_species(
            energies, data.local_energy, data.frame, data.species, data.elements
        )
        for species, metrics_list in by_species.items():
            own = slice(None) if species == "all" else data.species == data.elements.index(species)
            for seed, values, metrics in zip(seeds, energies, metrics_list, strict=True):
                row = shared | {"seed": seed, "target": "local", "gauge": kind, "species": species} | metrics.as_row()
                if seed == "mean":
                    kinds = data.species if species == "all" else None
                    row |= interval_columns(values[own], data.local_energy[own], data.frame[own], kinds, data.energy)
                yield row


def interval_columns(
    prediction: NDArray[np.float64],
    reference: NDArray[np.float64],
    frame: NDArray[np.int64],
    species: NDArray[np.int64] | None,
    energy: NDArray[np.float64],
) -> dict[str, float]:
    """Interval of Pearson's r by a bootstrap over blocks of frames, as long as their total energies are correlated."""
    interval = pearson_interval(
        prediction, reference, frame, species, block_length=_block_length(energy.tobytes()), n_resamples=500
    )
    return {"pearson_r_low": interval.low, "pearson_r_high": interval.high}


@lru_cache(maxsize=64)
def _block_length(energy: bytes) -> int:
    """Block length of the bootstrap from the frames' total energies."""
    return choose_block_length(np.frombuffer(energy))
