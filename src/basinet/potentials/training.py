"""Training of networks on total energies, on forces beside them, or on local energies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from basinet.errors import InputError
from basinet.potentials.dataset import fit_range, fit_scaling
from basinet.potentials.ensemble import Ensemble
from basinet.potentials.network import Layer, Network
from basinet.potentials.packing import PackedFrames, minibatches, pack, pack_forces
from basinet.potentials.pair_potential import LennardJones

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from basinet.descriptors.bispectrum import Bispectrum
    from basinet.potentials.dataset import Dataset, Scaling
    from basinet.potentials.network import Architecture
    from basinet.potentials.settings import TrainingSettings


def initial_networks(seeds: Sequence[int], architecture: Architecture, n_species: int, n_components: int) -> Network:
    """Random weights of one network per seed and species, biases zero; leading axes (networks, species), float64.

    >>> from basinet.potentials import Architecture
    >>> layers = initial_networks([0, 1], Architecture(width=8), n_species=1, n_components=30)
    >>> [layer.weight.shape for layer in layers]
    [(2, 1, 30, 8), (2, 1, 8, 1)]
    """
    sizes = architecture.sizes(n_components)
    rules = architecture.rules(n_components)
    generators = [np.random.default_rng([seed, 7]) for seed in seeds]
    layers = []
    for rule, fan_in, fan_out in zip(rules, sizes[:-1], sizes[1:], strict=True):
        shape = (n_species, fan_in, fan_out)
        weight = np.stack([rule.initial_std * generator.standard_normal(shape) for generator in generators])
        layers.append(Layer(weight, np.zeros((len(seeds), n_species, fan_out))))
    return tuple(layers)


Target = Literal["total", "local"]
BLOCKS = ("train", "validation")


@dataclass(frozen=True)
class _Preparation:
    """Everything about a training that does not depend on members and rates.

    Attributes
    ----------
    atoms_per_frame
        Mean of the training frames, by whose root totals are scaled.
    energy_unit, force_unit
        What root mean square errors of the program are multiplied by: eV per atom, and eV/A.
    """

    train: PackedFrames
    validation: PackedFrames
    batches: NDArray[np.int32]
    architecture: Architecture
    settings: TrainingSettings
    atoms_per_frame: float
    energy_unit: float
    force_unit: float

    def run(
        self, seed: int, members: int, rates: NDArray[np.float64]
    ) -> tuple[Network, dict[str, NDArray[np.float64]]]:
        """Train ``members x len(rates)`` networks; results carry the leading axes (rates, members).

        The record holds errors at the best weights: ``train`` and ``validation`` of energies, ``train_force`` and
        ``validation_force`` with forces, ``loss`` (the root of the validation frames' loss); with ``_curve`` behind
        their names those at every look, and further ``block`` and ``cpu_seconds``.
        """
        import jax

        from basinet.potentials.program import run_program

        with jax.enable_x64(self.settings.dtype == "float64"):
            dtype = self.settings.dtype
            in_precision = partial(jax.tree.map, lambda array: np.asarray(array, dtype))
            n_species, n_components = self.train.rows.shape[0], self.train.rows.shape[-1]
            seeds = [*range(seed, seed + members)] * len(rates)
            start = initial_networks(seeds, self.architecture, n_species, n_components)
            arguments = (
                in_precision(start),
                np.repeat(rates, members).astype(dtype),
                in_precision(self.train),
                in_precision(self.validation),
                self.batches,
                np.asarray(np.sqrt(self.atoms_per_frame), dtype),
                None if self.train.forces is None else np.asarray(self.settings.force_weight, dtype),
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
            curves = self._curves(outcome)
        record = {name: curve[block, np.arange(len(block))].reshape(grid) for name, curve in curves.items()}
        record["block"] = block.reshape(grid)
        record["cpu_seconds"] = np.asarray(seconds)
        record |= {f"{name}_curve": curve.reshape(-1, *grid) for name, curve in curves.items()}
        return best, record

    def _curves(self, outcome: Any) -> dict[str, NDArray[np.float64]]:
        """Root mean square errors in eV per atom, and eV/A."""
        curves = {}
        for name, errors in zip(BLOCKS, (outcome.train_curve, outcome.validation_curve), strict=True):
            energy = np.asarray(errors.energy, np.float64)
            curves[name] = self.energy_unit * np.sqrt(energy)
            if errors.force is not None:
                force = np.asarray(errors.force, np.float64)
                curves[f"{name}_force"] = self.force_unit * np.sqrt(force)
                curves["loss"] = self.energy_unit * np.sqrt(energy + self.settings.force_weight * force)
        return {"loss": curves["validation"]} | curves


def _prepare(
    train: Dataset,
    validation: Dataset,
    scaling: Scaling,
    architecture: Architecture,
    settings: TrainingSettings,
    seed: int,
    pad_frames: tuple[int, int] = (0, 0),
    target: Target = "total",
) -> _Preparation:
    """Pack the frames and draw the minibatches.

    Raises
    ------
    InputError
        If the frames lack what is to be trained on.
    """
    if settings.force_weight > 0.0 and target == "local":
        msg = "force_weight: forces are trained on beside total energies, not beside local ones; set it to 0"
        raise InputError(msg)
    summed = architecture.activation == "linear" and target == "total"
    n_atoms = float(train.n_atoms.mean())
    packed, held = (
        pack(data, scaling, summed=summed, target=target, atoms_per_frame=n_atoms) for data in (train, validation)
    )
    if settings.force_weight > 0.0:
        packed, held = (
            frames._replace(forces=pack_forces(data, scaling, summed=summed, dtype=settings.dtype))
            for frames, data in ((packed, train), (held, validation))
        )
    n_blocks = -(-settings.max_steps // settings.evaluate_every)
    rng = np.random.default_rng([seed, train.n_frames])
    batches = minibatches(rng, train.n_frames, settings.batch_size, n_blocks, settings.evaluate_every)
    unit = float(scaling.scale.mean())
    per_atom = unit / np.sqrt(n_atoms) if target == "total" else unit
    train_frames, validation_frames = packed.padded(pad_frames[0]), held.padded(pad_frames[1])
    return _Preparation(train_frames, validation_frames, batches, architecture, settings, n_atoms, per_atom, unit)


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
    target: Target = "total",
) -> TrainedEnsemble:
    """Train networks on the total energies of `train`, and on its forces if they have a weight.

    With forces, the loss on validation frames (`basinet.potentials.program`) takes the place of the error of their
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
    target
        ``"total"``: the paper's loss, total energies only. ``"local"``: the ceiling, fitted to the local energies.
    """
    baseline = None if train.pairs is None else train.pairs.potential
    if not (baseline is None or isinstance(baseline, LennardJones)):
        msg = f"networks cannot stand on a {type(baseline).__name__}: a saved model keeps a LennardJones alone"
        raise TypeError(msg)
    train, validation = train.without_pairs(), validation.without_pairs()
    scaling = fit_scaling(train, target)
    prepared = _prepare(train, validation, scaling, architecture, settings, seed, pad_frames, target)
    rates = np.array(settings.learning_rates)
    searchers = min(settings.search_members, members)
    networks, record = prepared.run(seed, searchers, rates)
    cpu_seconds = float(record["cpu_seconds"])
    errors = np.where(np.isfinite(record["loss"]), record["loss"], np.inf).mean(1)
    if not np.isfinite(errors).any():
        tried = ", ".join(f"{rate:g}" for rate in rates)
        msg = f"training {architecture} on {train.system} diverged at every learning rate ({tried}): give smaller ones"
        raise InputError(msg)
    chosen = int(np.argmin(errors))
    if searchers < members:
        networks, record = prepared.run(seed, members, rates[chosen : chosen + 1])
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
    from basinet.potentials.program import effective

    n_components = train.descriptors.shape[1]
    start = initial_networks(range(seed, seed + members), architecture, len(train.elements), n_components)
    layers = effective(start, architecture, n_components)
    return Ensemble(
        descriptor, architecture, train.elements, dict(e0), fit_scaling(train), layers, {}, fit_range(train)
    )
