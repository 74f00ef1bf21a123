"""Units of work: each runs on its own, writes one result file atomically, and is skipped where that file exists."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from basinet.descriptors import Bispectrum
from basinet.models.architecture import Architecture
from basinet.study.store import descriptor_key
from basinet.training.settings import TrainingSettings


def _plain(value: Any) -> Any:
    """Express what JSON does not know."""
    if isinstance(value, Bispectrum):
        return value.to_dict()
    named = {f.name: getattr(value, f.name) for f in fields(value)}
    if named.get("force_weight") == 0.0:  # names of results are as they were before there were forces
        del named["force_weight"]
    if "pair_potential" in named and named["pair_potential"] is None:
        del named["pair_potential"]
    return named


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=_plain).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class DescribeTask:
    """Descriptors of every system at one setting, and ridge on them."""

    descriptor: Bispectrum

    @property
    def name(self) -> str:
        """Name of the result file."""
        return f"describe-{descriptor_key(self.descriptor)}"

    @property
    def cost(self) -> float:
        """Expected work, in arbitrary units shared by all tasks."""
        return 1e-4 * self.descriptor.rcut**3 * (self.descriptor.twojmax + 2) ** 2


@dataclass(frozen=True)
class TrainTask:
    """One ensemble: trained, evaluated on its own system, on others and on other sizes.

    Attributes
    ----------
    experiment
        Column of the table.
    fold
        ``(fold, folds, turn, turns)`` for out-of-fold prediction; None otherwise.
    n_train
        Number of training frames, the last ones in time; None for all.
    pad_frames
        Training and validation frames after padding, see `basinet.training.packing`.
    pair_potential
        Name of the potential to which networks learn the difference, see `basinet.training.pair_baseline`.
    """

    experiment: str
    system: str
    architecture: Architecture
    descriptor: Bispectrum
    settings: TrainingSettings
    members: int
    seed: int
    n_train: int | None = None
    fold: tuple[int, int, int, int] | None = None
    gap: int = 1
    pad_frames: tuple[int, int] = (0, 0)
    definition: str = "total"
    pair_potential: Literal["literature"] | None = None

    @property
    def name(self) -> str:
        """Name of the result file."""
        parts = [self.experiment, self.system, str(self.architecture).replace(" ", "-")]
        if self.settings.target == "local":
            parts.append("local")
        if self.pair_potential is not None:
            parts.append("pairs")
        if self.settings.force_weight > 0.0:
            parts.append("forces")
        if self.n_train is not None:
            parts.append(f"n{self.n_train}")
        if self.fold is not None:
            parts.append(f"fold{self.fold[0]}-{self.fold[2]}")
        return "-".join([*parts, _digest(replace(self, pad_frames=(0, 0)))])

    @property
    def cost(self) -> float:
        """Expected work: multiplications per step and row, over all networks trained."""
        a = self.architecture
        per_row = 60 * a.width + (3 * a.width**2 if a.depth == 2 else 0) + 300
        rows = 32 if a.activation == "tanh" else 1
        searchers = min(self.settings.search_members, self.members) * len(self.settings.learning_rates)
        networks = searchers + (self.members if self.settings.search_members < self.members else 0)
        return 1.0 + 3e-10 * networks * rows * per_row * self.settings.batch_size * self.settings.max_steps


@dataclass(frozen=True)
class ComposeTask:
    """Pure models side by side on a mixture."""

    mixture: str
    parts: tuple[tuple[str, str], ...]
    models: tuple[tuple[str, str], ...]
    architecture: Architecture
    descriptor: Bispectrum
    seed: int
    definition: str = "total"
    cost: float = field(default=0.5, compare=False)

    @property
    def name(self) -> str:
        """Name of the result file."""
        values = [self.parts, self.models, self.definition]
        return f"compose-{self.mixture}-{str(self.architecture).replace(' ', '-')}-{_digest(values)}"


Task = DescribeTask | TrainTask | ComposeTask
