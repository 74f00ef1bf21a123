"""Train an ensemble: choose the learning rate on validation frames, then train every member with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from basinet.errors import InputError
from basinet.models import Ensemble, Layer, fit_range, fit_scaling
from basinet.models.pair_potential import LennardJones
from basinet.training.initial import initial_networks
from basinet.training.job import BLOCKS, prepare_job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from basinet.dataset import Dataset
    from basinet.descriptors import Bispectrum
    from basinet.models import Architecture
    from basinet.training.settings import TrainingSettings


@dataclass(frozen=True)
class TrainedEnsemble:
    """An ensemble with the record of its training.

    Attributes
    ----------
    ensemble
        Best-on-validation weights of every member; with forces, the loss on validation frames decides.
    train_rmse, validation_rmse
        Per member at those weights, eV per atom (total energies; of local energies for the ceiling).
    epochs
        Passes over the training frames until those weights, per member.
    curves
        ``epoch (n_blocks,)``; ``train`` and ``validation`` ``(n_blocks, members)``: RMSE in eV per atom, NaN once
        stopped; with forces also ``train_force`` and ``validation_force`` in eV/A.
    rate_errors
        Mean validation RMSE in eV per atom for each candidate learning rate; with forces, the root of the loss.
    cpu_seconds
        CPU time of search and training, compilation not included.
    force_rmse
        ``train`` and ``validation``, per member at the best weights, eV/A; empty without forces.
    """

    ensemble: Ensemble
    learning_rate: float
    train_rmse: NDArray[np.float64]
    validation_rmse: NDArray[np.float64]
    epochs: NDArray[np.float64]
    curves: Mapping[str, NDArray[np.float64]]
    rate_errors: Mapping[float, float]
    cpu_seconds: float
    force_rmse: Mapping[str, NDArray[np.float64]]


def train_ensemble(
    train: Dataset,
    validation: Dataset,
    descriptor: Bispectrum,
    e0: Mapping[str, float],
    architecture: Architecture,
    settings: TrainingSettings,
    *,
    members: int,
    seed: int,
    pad_frames: tuple[int, int] = (0, 0),
) -> TrainedEnsemble:
    """Train networks on the total energies of `train`, and on its forces if they have a weight.

    With forces, the loss on validation frames (`basinet.training.losses`) takes the place of the error of their
    totals: it chooses the learning rate, and when a network stops.

    Parameters
    ----------
    train, validation
        Frames to fit, and frames that choose learning rate and stopping time. Where they carry a pair potential's share
        (both of the same one), networks learn the difference, and the ensemble stands on that potential.
    descriptor
        Kept with the model; the datasets already hold its values.
    e0
        Energy of each element's isolated atom, eV; kept with the model.
    members, seed
        Members differ by their initial weights; minibatches are shared.
    pad_frames
        Pad training and validation frames to these numbers, so that trainings of other sizes share compiled programs.
    """
    baseline = None if train.pairs is None else train.pairs.potential
    if not (baseline is None or isinstance(baseline, LennardJones)):
        msg = f"networks cannot stand on a {type(baseline).__name__}: a saved model keeps a LennardJones alone"
        raise TypeError(msg)
    train, validation = train.without_pairs(), validation.without_pairs()
    scaling = fit_scaling(train, settings.target)
    job = prepare_job(train, validation, scaling, architecture, settings, seed, pad_frames)
    rates = np.array(settings.learning_rates)
    searchers = min(settings.search_members, members)
    networks, record = job.run(seed, searchers, rates)
    cpu_seconds = float(record["cpu_seconds"])
    errors = np.where(np.isfinite(record["loss"]), record["loss"], np.inf).mean(1)
    if not np.isfinite(errors).any():
        tried = ", ".join(f"{rate:g}" for rate in rates)
        msg = f"training {architecture} on {train.system} diverged at every learning rate ({tried}): give smaller ones"
        raise InputError(msg)
    chosen = int(np.argmin(errors))
    if searchers < members:
        networks, record = job.run(seed, members, rates[chosen : chosen + 1])
        cpu_seconds += float(record["cpu_seconds"])
        kept = 0
    else:
        kept = chosen
    epochs_per_block = settings.evaluate_every * settings.batch_size / train.n_frames
    epochs = (record["block"][kept] + 1) * epochs_per_block
    n_blocks = len(record["train_curve"])
    training = {
        "system": train.system,
        "n_train": train.n_frames,
        "seed": seed,
        "learning_rate": float(rates[chosen]),
        "epochs": epochs.tolist(),
        "train_rmse": record["train"][kept].tolist(),
        "validation_rmse": record["validation"][kept].tolist(),
    }
    force_rmse = {name: record[f"{name}_force"][kept] for name in BLOCKS if f"{name}_force" in record}
    if force_rmse:
        training["force_weight"] = settings.force_weight
        training |= {f"{name}_force_rmse": errors.tolist() for name, errors in force_rmse.items()}
    ensemble = Ensemble(
        descriptor,
        architecture,
        train.elements,
        {element: e0[element] for element in train.elements},
        scaling,
        tuple(Layer(layer.weight[kept], layer.bias[kept]) for layer in networks),
        training,
        fit_range(train),
        baseline,
    )
    return TrainedEnsemble(
        ensemble,
        float(rates[chosen]),
        record["train"][kept],
        record["validation"][kept],
        epochs,
        {
            "epoch": np.arange(1.0, n_blocks + 1) * epochs_per_block,
            "train": record["train_curve"][:, kept],
            "validation": record["validation_curve"][:, kept],
            **{f"{name}_force": record[f"{name}_force_curve"][:, kept] for name in force_rmse},
        },
        dict(zip(map(float, rates), map(float, errors), strict=True)),
        cpu_seconds,
        force_rmse,
    )


def untrained_ensemble(
    train: Dataset,
    descriptor: Bispectrum,
    e0: Mapping[str, float],
    architecture: Architecture,
    *,
    members: int,
    seed: int,
) -> Ensemble:
    """Networks with their initial weights: the floor that a correlation has to clear."""
    from basinet.training.layout import effective

    n_components = train.descriptors.shape[1]
    start = initial_networks(range(seed, seed + members), architecture, len(train.elements), n_components)
    layers = effective(start, architecture, n_components)
    return Ensemble(
        descriptor, architecture, train.elements, dict(e0), fit_scaling(train), layers, {}, fit_range(train)
    )
