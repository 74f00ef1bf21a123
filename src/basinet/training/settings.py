"""How networks are trained; every number the paper leaves open, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TrainingSettings:
    """Adam on minibatches of frames, with a cosine decay and early stopping per network.

    Attributes
    ----------
    learning_rates
        Candidates; the one with the least mean validation error over `search_members` is kept, for every architecture.
    search_members
        Members that take part in that search; where it is smaller than the ensemble, all members are then trained with
        the chosen rate.
    max_steps
        Length of the cosine decay and the most steps a network takes.
    batch_size
        Frames per step.
    evaluate_every
        Steps between two looks at the validation frames.
    patience
        Steps without improvement on the validation frames after which a network stops.
    weight_decay
        Decoupled weight decay (AdamW), relative to the learning rate.
    dtype
        Precision of training; prediction is always float64.
    force_weight
        Weight of the forces beside total energies, A^2 (see `basinet.training.losses`); 0: forces are not read.
    target
        ``"total"``: the paper's loss, total energies only. ``"local"``: the ceiling, fitted to the local energies.
    """

    learning_rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2)
    search_members: int = 3
    max_steps: int = 3000
    batch_size: int = 10
    evaluate_every: int = 25
    patience: int = 600
    weight_decay: float = 0.0
    dtype: Literal["float32", "float64"] = "float32"
    force_weight: float = 0.0
    target: Literal["total", "local"] = "total"
