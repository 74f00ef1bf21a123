"""Which tasks a study consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from basinet.descriptors import Bispectrum
from basinet.models.architecture import Architecture
from basinet.study.tasks import ComposeTask, DescribeTask, TrainTask
from basinet.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from basinet.config.settings import ArchitectureSettings, OptimiserSettings, StudyConfig, SweepSettings
    from basinet.study.store import StoredSystem


def training_settings(optimiser: OptimiserSettings, **changes: Any) -> TrainingSettings:
    """Settings of the training room from the config's."""
    values = optimiser.model_dump()
    values["learning_rates"] = tuple(values["learning_rates"])
    return TrainingSettings(**(values | changes))


def element_weights(elements: Sequence[str], ratio: float) -> dict[str, float]:
    """Neighbour weights: the first element has 1, each further one `ratio` times its predecessor's.

    >>> element_weights(["Ar", "Kr"], 1.3)
    {'Ar': 1.0, 'Kr': 1.3}
    """
    return {element: round(ratio**index, 6) for index, element in enumerate(sorted(elements))}


def candidate_descriptors(config: StudyConfig, elements: Sequence[str]) -> list[DescribeTask]:
    """Cutoffs and species weights at the middle twojmax of the list."""
    settings = config.descriptor
    twojmax = settings.twojmax[len(settings.twojmax) // 2]
    ratios = settings.weight_ratios if len(elements) > 1 else settings.weight_ratios[:1]
    return [
        DescribeTask(Bispectrum(rcut, twojmax, element_weights(elements, ratio)))
        for ratio in ratios
        for rcut in settings.rcut
    ]


def other_resolutions(config: StudyConfig, chosen: Bispectrum) -> list[DescribeTask]:
    """The other values of twojmax, at the chosen cutoff and weights."""
    return [
        DescribeTask(Bispectrum(chosen.rcut, twojmax, chosen.weights))
        for twojmax in config.descriptor.twojmax
        if twojmax != chosen.twojmax
    ]


def architectures(sweep: SweepSettings) -> list[Architecture]:
    """All networks of the sweep."""
    return [
        Architecture(activation, depth, width)
        for activation in ("tanh", "linear")
        for depth in (1, 2)
        for width in getattr(sweep, f"{activation}_{depth}")
    ]


def from_settings(settings: ArchitectureSettings) -> Architecture:
    """Build the architecture of a config's section."""
    return Architecture(settings.activation, settings.depth, settings.width, settings.parametrisation)


def sweep_tasks(config: StudyConfig, systems: Sequence[StoredSystem], descriptor: Bispectrum) -> list[TrainTask]:
    """Every training that needs nothing but the descriptor: sweep, controls, ceiling, learning curve, cutoffs."""
    tasks: list[TrainTask] = []
    pad = common_shape(systems)

    def add(experiment: str, system: StoredSystem, architecture: Architecture, **other: Any) -> None:
        settings = other.pop("settings", training_settings(config.optimiser))
        tasks.append(
            TrainTask(
                experiment,
                system.name,
                architecture,
                other.pop("descriptor", descriptor),
                settings,
                config.members,
                config.seed,
                pad_frames=pad,
                definition=config.definition,
                **other,
            )
        )

    controls, curve = config.controls, config.learning_curve
    for system in systems:
        if system.split is None:
            continue
        for architecture in architectures(config.sweep):
            add("sweep", system, architecture)
        for parametrisation in controls.parametrisations:
            for width in controls.widths:
                add("parametrisation", system, Architecture("tanh", 1, width, parametrisation))
        if "local_energy" in system.arrays:
            for width in controls.ceiling_widths:
                settings = training_settings(config.optimiser, target="local")
                add("baseline", system, Architecture("tanh", 1, width), settings=settings)
        for n_train in _training_sizes(curve.fractions, len(system.split.train)):
            for width in curve.widths:
                add("learning_curve", system, Architecture("tanh", 1, width), n_train=n_train)
        for rcut in config.resolution.rcut:
            other = Bispectrum(rcut, descriptor.twojmax, descriptor.weights)
            add("resolution", system, from_settings(config.resolution.network), descriptor=other)
    return tasks


def common_shape(systems: Sequence[StoredSystem]) -> tuple[int, int]:
    """Training and validation frames to pad to, so that systems (and folds) share compiled programs."""
    splits = [system.split for system in systems if system.split is not None]
    return max(len(split.train) for split in splits) + 2, max(len(split.validation) for split in splits) + 2


def _training_sizes(fractions: Iterable[float], n_train: int) -> list[int]:
    return sorted({max(round(fraction * n_train), 2) for fraction in fractions})


def compose_tasks(tasks: Sequence[TrainTask], systems: Sequence[StoredSystem]) -> list[ComposeTask]:
    """Pure models of one architecture side by side, on every mixture of their elements."""
    main = {system.name: system for system in systems if system.split is not None}
    pure = {system.elements[0]: name for name, system in main.items() if len(system.elements) == 1}
    trained = {
        (task.system, task.architecture): task for task in tasks if task.experiment in {"sweep", "parametrisation"}
    }
    composed = []
    for name, system in main.items():
        if len(system.elements) == 1 or not set(system.elements) <= set(pure):
            continue
        for (trained_on, architecture), task in trained.items():
            if trained_on != name:
                continue
            parts = tuple((pure[element], element) for element in system.elements)
            models = tuple((element, trained[pure[element], architecture].name) for element in system.elements)
            composed.append(
                ComposeTask(name, parts, models, architecture, task.descriptor, task.seed, definition=task.definition)
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
            training_settings(config.optimiser, learning_rates=(rate,), search_members=cross.members),
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
