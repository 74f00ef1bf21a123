"""One run of the compiled training program: arrays in, weights and errors in eV out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from basinet.errors import InputError
from basinet.models import Layer
from basinet.training.initial import initial_networks
from basinet.training.packing import PackedFrames, minibatches, pack, pack_forces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from basinet.dataset import Dataset
    from basinet.models import Architecture, Network, Scaling
    from basinet.training.settings import TrainingSettings

BLOCKS = ("train", "validation")


@dataclass(frozen=True)
class Job:
    """Everything about a training that does not depend on members and rates.

    Attributes
    ----------
    energy_unit, force_unit
        What root mean square errors of the program are multiplied by: eV per atom, and eV/A.
    """

    train: PackedFrames
    validation: PackedFrames
    batches: NDArray[np.int32]
    architecture: Architecture
    settings: TrainingSettings
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

        from basinet.training.compiled import run_program

        with jax.enable_x64(self.settings.dtype == "float64"):
            dtype = self.settings.dtype
            n_species, n_components = self.train.rows.shape[0], self.train.rows.shape[-1]
            seeds = [*range(seed, seed + members)] * len(rates)
            start = initial_networks(seeds, self.architecture, n_species, n_components)
            arguments = (
                jax.tree.map(lambda a: np.asarray(a, dtype), start),
                np.repeat(rates, members).astype(dtype),
                program_frames(self.train, dtype),
                program_frames(self.validation, dtype),
                self.batches,
                np.asarray(np.sqrt(self.train.atoms_per_frame), dtype),
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


def program_frames(packed: PackedFrames, dtype: str) -> Any:
    """Frames as the compiled program takes them, `basinet.training.losses.Frames`."""
    from basinet.training.forces import Forces
    from basinet.training.losses import Frames

    arrays = [np.asarray(a, dtype) for a in (packed.rows, packed.count, packed.target, packed.weight)]
    own, forces = packed.forces, None
    if own is not None:
        forces = Forces(*(np.asarray(a, dtype) for a in (own.derivative, own.target, own.weight)))
    return Frames(arrays[0], arrays[1], arrays[2], arrays[3], forces)


def prepare_job(
    train: Dataset,
    validation: Dataset,
    scaling: Scaling,
    architecture: Architecture,
    settings: TrainingSettings,
    seed: int,
    pad_frames: tuple[int, int],
) -> Job:
    """Pack the frames and draw the minibatches.

    Raises
    ------
    InputError
        If the frames lack what is to be trained on.
    """
    if settings.force_weight > 0.0 and settings.target == "local":
        msg = "force_weight: forces are trained on beside total energies, not beside local ones; set it to 0"
        raise InputError(msg)
    summed = architecture.activation == "linear" and settings.target == "total"
    packed = pack(train, scaling, summed=summed, target=settings.target)
    unit_atoms = packed.atoms_per_frame
    held = pack(validation, scaling, summed=summed, target=settings.target, atoms_per_frame=unit_atoms)
    if settings.force_weight > 0.0:
        packed, held = (
            replace(frames, forces=pack_forces(data, scaling, summed=summed, dtype=settings.dtype))
            for frames, data in ((packed, train), (held, validation))
        )
    n_blocks = -(-settings.max_steps // settings.evaluate_every)
    rng = np.random.default_rng([seed, train.n_frames])
    batches = minibatches(rng, train.n_frames, settings.batch_size, n_blocks, settings.evaluate_every)
    unit = float(scaling.scale.mean())
    per_atom = unit / np.sqrt(packed.atoms_per_frame) if settings.target == "total" else unit
    return Job(
        packed.padded(pad_frames[0]), held.padded(pad_frames[1]), batches, architecture, settings, per_atom, unit
    )
