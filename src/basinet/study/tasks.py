"""Units of work: each runs on its own, writes one result file atomically, and is skipped where that file exists."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from basinet.descriptors import Bispectrum, element_radii
from basinet.potentials.network import Architecture
from basinet.potentials.pair_potential import FLUIDS
from basinet.potentials.settings import TrainingSettings
from basinet.study.store import descriptor_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from basinet.study.settings import DescriptorSettings, StudyConfig, SweepSettings
    from basinet.study.store import StoredSystem

    Variant = tuple[str, Architecture, dict[str, Any]]


def _plain(value: Any) -> Any:
    """Express what JSON does not know."""
    if isinstance(value, Bispectrum):
        return value.to_dict()
    if isinstance(value, TrainingSettings):
        return value.model_dump()
    named = {f.name: getattr(value, f.name) for f in fields(value)}
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
        Training and validation frames after padding, see `basinet.potentials.packing`.
    pair_potential
        Name of the potential to which networks learn the difference, see `basinet.potentials.pair_potential`.
    target
        ``"total"``: total energies (and forces) are fitted; ``"local"``: the local energies, for the ceiling.
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
    target: Literal["total", "local"] = "total"

    @property
    def name(self) -> str:
        """Name of the result file."""
        parts = [self.experiment, self.system, str(self.architecture).replace(" ", "-")]
        if self.target == "local":
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


def element_weights(elements: Sequence[str], ratio: float) -> dict[str, float]:
    """Neighbour weights: the first element has 1, each further one `ratio` times its predecessor's.

    >>> element_weights(["Ar", "Kr"], 1.3)
    {'Ar': 1.0, 'Kr': 1.3}
    """
    return {element: round(ratio**index, 6) for index, element in enumerate(sorted(elements))}


def candidate_descriptors(settings: DescriptorSettings, elements: Sequence[str]) -> list[DescribeTask]:
    """Cutoffs, species weights and sizes at the middle twojmax of the list; alike ones once."""
    twojmax = settings.twojmax[len(settings.twojmax) // 2]
    ratios = settings.weight_ratios if len(elements) > 1 else settings.weight_ratios[:1]
    candidates = [
        DescribeTask(Bispectrum(rcut, twojmax, element_weights(elements, ratio), element_radii(elements, sizes)))
        for sizes in settings.sizes
        for ratio in ratios
        for rcut in settings.rcut
    ]
    return list(dict.fromkeys(candidates))


def other_resolutions(settings: DescriptorSettings, chosen: Bispectrum) -> list[DescribeTask]:
    """The other values of twojmax, at the chosen cutoff and weights."""
    return [DescribeTask(replace(chosen, twojmax=twojmax)) for twojmax in settings.twojmax if twojmax != chosen.twojmax]


def architectures(sweep: SweepSettings) -> list[Architecture]:
    """All networks of the sweep."""
    return [
        Architecture(activation, depth, width)
        for activation in ("tanh", "linear")
        for depth in (1, 2)
        for width in getattr(sweep, f"{activation}_{depth}")
    ]


def sweep_tasks(config: StudyConfig, systems: Sequence[StoredSystem], descriptor: Bispectrum) -> list[TrainTask]:
    """Every training that needs nothing but the descriptor: sweep, controls, ceiling, learning curve, cutoffs."""
    pad = common_shape(systems)
    settings = config.optimiser
    return [
        replace(
            TrainTask(
                experiment,
                system.name,
                architecture,
                descriptor,
                settings,
                config.members,
                config.seed,
                pad_frames=pad,
                definition=config.definition,
            ),
            **changes,
        )
        for system in systems
        if system.split is not None
        for experiment, architecture, changes in (
            *[("sweep", architecture, {}) for architecture in architectures(config.sweep)],
            *_controls(config, settings, has_local="local_energy" in system.arrays),
            *_on_pairs(config, system.elements),
            *_learning_curve(config, len(system.split.train)),
            *_resolutions(config, descriptor),
        )
    ]


def _controls(config: StudyConfig, settings: TrainingSettings, *, has_local: bool) -> Iterator[Variant]:
    """Other parametrisations, and the ceiling: networks trained on the local energies themselves."""
    for parametrisation in config.controls.parametrisations:
        for width in config.controls.widths:
            yield "parametrisation", Architecture("tanh", 1, width, parametrisation), {}
    ceiling = {"settings": settings.model_copy(update={"force_weight": 0.0}), "target": "local"}
    if has_local:
        for width in config.controls.ceiling_widths:
            yield "baseline", Architecture("tanh", 1, width), ceiling


def _on_pairs(config: StudyConfig, elements: Sequence[str]) -> Iterator[Variant]:
    """Networks that learn the difference to the literature's pair potential, where it has one for all elements."""
    if set(elements) <= set(FLUIDS):
        for width in config.controls.pair_widths:
            yield "baseline", Architecture("tanh", 1, width), {"pair_potential": "literature"}


def _learning_curve(config: StudyConfig, n_train: int) -> Iterator[Variant]:
    for size in learning_sizes(config.learning_curve.fractions, n_train):
        for width in config.learning_curve.widths:
            yield "learning_curve", Architecture("tanh", 1, width), {"n_train": size}


def learning_sizes(fractions: Sequence[float], n_train: int) -> list[int]:
    """Numbers of training frames of a learning curve, two at least.

    >>> learning_sizes([1.0, 0.01, 0.1], 74)
    [2, 7, 74]
    """
    return sorted({max(round(fraction * n_train), 2) for fraction in fractions})


def _resolutions(config: StudyConfig, chosen: Bispectrum) -> Iterator[Variant]:
    for rcut in config.resolution.rcut:
        other = replace(chosen, rcut=rcut)
        for width in config.resolution.widths:
            yield "resolution", Architecture("tanh", 1, width), {"descriptor": other}


def common_shape(systems: Sequence[StoredSystem]) -> tuple[int, int]:
    """Training and validation frames to pad to, so that systems (and folds) share compiled programs."""
    splits = [system.split for system in systems if system.split is not None]
    return max(len(split.train) for split in splits) + 2, max(len(split.validation) for split in splits) + 2


def compose_tasks(tasks: Sequence[TrainTask], systems: Sequence[StoredSystem]) -> list[ComposeTask]:
    """Pure models of one architecture and seed side by side, on every mixture whose elements all have one."""
    main = {system.name: system for system in systems if system.split is not None}
    pure = {system.elements[0]: name for name, system in main.items() if len(system.elements) == 1}
    trained = {
        (task.system, task.architecture, task.seed): task
        for task in tasks
        if task.experiment in {"sweep", "parametrisation"}
    }
    composed = []
    for name, system in main.items():
        if len(system.elements) == 1 or not set(system.elements) <= set(pure):
            continue
        parts = tuple((pure[element], element) for element in system.elements)
        for architecture, seed in dict.fromkeys((architecture, seed) for _, architecture, seed in trained):
            found = [trained.get((own, architecture, seed)) for own, _ in parts]
            tasks_of = [task for task in found if task is not None]
            if len(tasks_of) < len(parts):
                continue
            models = tuple((element, task.name) for element, task in zip(system.elements, tasks_of, strict=True))
            first = tasks_of[0]
            composed.append(
                ComposeTask(name, parts, models, architecture, first.descriptor, seed, definition=first.definition)
            )
    return composed


def fold_tasks(
    config: StudyConfig,
    systems: Sequence[StoredSystem],
    descriptor: Bispectrum,
    chosen: dict[str, tuple[Architecture, float]],
) -> list[TrainTask]:
    """Out-of-fold trainings of each system's chosen architecture at its chosen learning rate."""
    cross = config.cross_validation
    return [
        TrainTask(
            "cross_validation",
            system,
            architecture,
            descriptor,
            config.optimiser.model_copy(update={"learning_rates": (rate,), "search_members": cross.members}),
            cross.members,
            config.seed,
            fold=(fold, cross.folds, turn, cross.inner),
            gap=config.split.gap,
            pad_frames=common_shape(systems),
            definition=config.definition,
        )
        for system, (architecture, rate) in chosen.items()
        for fold in range(cross.folds)
        for turn in range(cross.inner)
    ]
