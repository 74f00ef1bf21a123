"""Train an ensemble: choose the learning rate on validation frames, then train every member with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from basinet.errors import InputError
from basinet.models import Ensemble, Layer, fit_range, fit_scaling
from basinet.training.initial import initial_networks
from basinet.training.packing import PackedFrames, minibatches, pack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from basinet.dataset import Dataset
    from basinet.descriptors import Bispectrum
    from basinet.models import Architecture, Network, Scaling
    from basinet.training.settings import TrainingSettings


@dataclass(frozen=True)
class TrainedEnsemble:
    """An ensemble with the record of its training.

    Attributes
    ----------
    ensemble
        Best-on-validation weights of every member.
    train_rmse, validation_rmse
        Per member at those weights, eV per atom (total energies; of local energies for the ceiling).
    epochs
        Passes over the training frames until those weights, per member.
    curves
        ``epoch (n_blocks,)``; ``train`` and ``validation`` ``(n_blocks, members)``: RMSE in eV per atom, NaN once
        stopped.
    rate_errors
        Mean validation RMSE in eV per atom for each candidate learning rate.
    cpu_seconds
        CPU time of search and training, compilation not included.
    """

    ensemble: Ensemble
    learning_rate: float
    train_rmse: NDArray[np.float64]
    validation_rmse: NDArray[np.float64]
    epochs: NDArray[np.float64]
    curves: Mapping[str, NDArray[np.float64]]
    rate_errors: Mapping[float, float]
    cpu_seconds: float


@dataclass(frozen=True)
class _Job:
    """Everything about a training that does not depend on members and rates."""

    train: PackedFrames
    validation: PackedFrames
    batches: NDArray[np.int32]
    architecture: Architecture
    settings: TrainingSettings
    rmse_unit: float

    def run(
        self, seed: int, members: int, rates: NDArray[np.float64]
    ) -> tuple[Network, dict[str, NDArray[np.float64]]]:
        """Train ``members x len(rates)`` networks; results carry the leading axes (rates, members)."""
        import jax

        from basinet.training.compiled import run_program
        from basinet.training.program import Frames

        with jax.enable_x64(self.settings.dtype == "float64"):
            dtype = self.settings.dtype
            n_species, n_components = self.train.rows.shape[0], self.train.rows.shape[-1]
            seeds = [*range(seed, seed + members)] * len(rates)
            start = initial_networks(seeds, self.architecture, n_species, n_components)

            def frames(packed: PackedFrames) -> Any:
                return Frames(
                    *(np.asarray(a, dtype) for a in (packed.rows, packed.count, packed.target, packed.weight))
                )

            arguments = (
                jax.tree.map(lambda a: np.asarray(a, dtype), start),
                np.repeat(rates, members).astype(dtype),
                frames(self.train),
                frames(self.validation),
                self.batches,
                np.asarray(np.sqrt(self.train.atoms_per_frame), dtype),
            )
            outcome, seconds = run_program(
                arguments,
                architecture=self.architecture,
                patience=max(self.settings.patience // self.settings.evaluate_every, 1),
                weight_decay=self.settings.weight_decay,
            )
            grid = (len(rates), members)
            best = tuple(
                Layer(*(np.asarray(a, np.float64).reshape(*grid, *a.shape[1:]) for a in layer))
                for layer in outcome.best
            )
            block = np.maximum(np.asarray(outcome.best_block), 0)
            curves = {
                name: self.rmse_unit * np.sqrt(np.asarray(curve, np.float64))
                for name, curve in (("train", outcome.train_curve), ("validation", outcome.validation_curve))
            }
        record = {name: curve[block, np.arange(len(block))].reshape(grid) for name, curve in curves.items()}
        record["block"] = block.reshape(grid)
        record["cpu_seconds"] = np.asarray(seconds)
        record |= {f"{name}_curve": curve.reshape(-1, *grid) for name, curve in curves.items()}
        return best, record


def _prepare(
    train: Dataset,
    validation: Dataset,
    scaling: Scaling,
    architecture: Architecture,
    settings: TrainingSettings,
    seed: int,
    pad_frames: tuple[int, int],
) -> _Job:
    summed = architecture.activation == "linear" and settings.target == "total"
    packed = pack(train, scaling, summed=summed, target=settings.target)
    unit_atoms = packed.atoms_per_frame
    held = pack(validation, scaling, summed=summed, target=settings.target, atoms_per_frame=unit_atoms)
    n_blocks = -(-settings.max_steps // settings.evaluate_every)
    rng = np.random.default_rng([seed, train.n_frames])
    batches = minibatches(rng, train.n_frames, settings.batch_size, n_blocks, settings.evaluate_every)
    unit = float(scaling.scale.mean())
    if settings.target == "total":
        unit /= np.sqrt(packed.atoms_per_frame)
    return _Job(packed.padded(pad_frames[0]), held.padded(pad_frames[1]), batches, architecture, settings, unit)


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
    """Train `members` networks per species on the total energies of `train`.

    Parameters
    ----------
    train, validation
        Frames to fit, and frames that choose learning rate and stopping time.
    descriptor
        Kept with the model; the datasets already hold its values.
    e0
        Energy of each element's isolated atom, eV; kept with the model.
    members, seed
        Members differ by their initial weights; minibatches are shared.
    pad_frames
        Pad training and validation frames to these numbers, so that trainings of other sizes share compiled programs.
    """
    scaling = fit_scaling(train)
    job = _prepare(train, validation, scaling, architecture, settings, seed, pad_frames)
    rates = np.array(settings.learning_rates)
    searchers = min(settings.search_members, members)
    networks, record = job.run(seed, searchers, rates)
    cpu_seconds = float(record["cpu_seconds"])
    errors = np.where(np.isfinite(record["validation"]), record["validation"], np.inf).mean(1)
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
    ensemble = Ensemble(
        descriptor,
        architecture,
        train.elements,
        {element: e0[element] for element in train.elements},
        scaling,
        tuple(Layer(layer.weight[kept], layer.bias[kept]) for layer in networks),
        training,
        fit_range(train),
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
        },
        dict(zip(map(float, rates), map(float, errors), strict=True)),
        cpu_seconds,
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
    from basinet.training.program import effective

    n_components = train.descriptors.shape[1]
    start = initial_networks(range(seed, seed + members), architecture, len(train.elements), n_components)
    layers = effective(start, architecture, n_components)
    return Ensemble(
        descriptor, architecture, train.elements, dict(e0), fit_scaling(train), layers, {}, fit_range(train)
    )
