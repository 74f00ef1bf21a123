"""Units of work, each with a name and a fingerprint of all that settles its result, and the plan of a study."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from itertools import product
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import AfterValidator, Field, InstanceOf
from pydantic.dataclasses import dataclass as checked_dataclass

from basinet.arrays import FloatArray, IntArray
from basinet.descriptors import Bispectrum, element_radii
from basinet.jobs.store import WITH_ATOMS, fingerprint
from basinet.potentials.network import Activation, Architecture
from basinet.potentials.pair_potential import FLUIDS
from basinet.potentials.training import TrainingSettings
from basinet.relation.relation import Definition
from basinet.study.settings import DescriptorSettings, StudyConfig, TrainConfig
from basinet.study.store import Store, StoredSystem, descriptor_key
from basinet.study.tables import RESULTS, as_table


def _results_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of ``results.csv``; ValueError where they are not."""
    as_table(rows, RESULTS)
    return rows


@checked_dataclass(frozen=True, config=WITH_ATOMS)
class Scores:
    """Rows of ``results.csv`` that a task gives."""

    rows: Annotated[list[dict[str, Any]], AfterValidator(_results_rows)]


@checked_dataclass(frozen=True)
class Selection:
    """Errors of ridge on contiguous folds of one system's frames, and the strength that gave the least."""

    validation_rmse_mev: float
    validation_r: float
    spread_mev: float
    standard_error_mev: float
    strength: float

    @property
    def score(self) -> float:
        """Error over the spread of total energies (0: perfect, 1: a constant)."""
        return self.validation_rmse_mev / self.spread_mev if self.spread_mev > 0.0 else 1.0


@checked_dataclass(frozen=True, config=WITH_ATOMS)
class Described(Scores):
    """What chooses the descriptor, by system."""

    selection: Annotated[dict[str, Selection], Field(min_length=1)]


@checked_dataclass(frozen=True, config=WITH_ATOMS)
class Trained(Scores):
    """Errors in meV by learning rate and evaluation; of a fold, predictions (eV) on the frames `held` out."""

    learning_rate: float
    rate_errors: list[tuple[float, float]]
    validation_rmse_mev: float
    cpu_seconds: float
    curves: dict[str, InstanceOf[FloatArray]] = field(default_factory=dict)
    force_rmse_mev: dict[str, float] = field(default_factory=dict)
    held: InstanceOf[IntArray] = field(default_factory=lambda: np.zeros(0, np.int64))
    prediction: InstanceOf[FloatArray] = field(default_factory=lambda: np.zeros(0))


Variant = tuple[str, Architecture, dict[str, Any]]  # experiment, architecture, and what differs from the usual training
Chosen = dict[str, tuple[Architecture, float]]  # architecture and learning rate chosen for each system


@dataclass(frozen=True)
class DescribeTask:
    """Descriptors of every system at one setting, and ridge on them."""

    descriptor: Bispectrum
    result: ClassVar[type] = Described

    @property
    def name(self) -> str:
        """Name of the result."""
        return f"describe-{descriptor_key(self.descriptor)}"

    @property
    def fingerprint(self) -> str:
        """Tells the task from others of its name."""
        return fingerprint(self.descriptor.to_dict())

    @property
    def cost(self) -> float:
        """Expected work, in arbitrary units shared by all tasks."""
        return 1e-4 * self.descriptor.rcut**3 * (self.descriptor.twojmax + 2) ** 2


@dataclass(frozen=True)
class TrainTask:
    """One ensemble: trained, evaluated on its own system, on others and on other sizes.

    `n_train` is a number of training frames, the last ones in time, None for all; `fold` is ``(fold, folds, turn,
    turns)`` for out-of-fold prediction, else None; `pad_frames` are training and validation frames after padding, which
    change no result (see `basinet.potentials.dataset`). To the `pair_potential` networks learn the difference. With the
    target ``"total"`` total energies (and forces) are fitted, with ``"local"`` the local energies of the first of the
    `definitions` on which it is scored, for the ceiling.
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
    definitions: tuple[Definition, ...] = ()
    pair_potential: Literal["literature"] | None = None
    target: Literal["total", "local"] = "total"
    result: ClassVar[type] = Trained

    @property
    def name(self) -> str:
        """Name of the result and of the model."""
        marks = {
            "local": self.target == "local",
            "pairs": self.pair_potential is not None,
            "forces": self.settings.force_weight > 0.0,
            f"n{self.n_train}": self.n_train is not None,
        }
        fold = [] if self.fold is None else [f"fold{self.fold[0]}-{self.fold[2]}"]
        start = [self.experiment, self.system, str(self.architecture).replace(" ", "-")]
        return "-".join([*start, *(mark for mark, holds in marks.items() if holds), *fold, self.fingerprint[:8]])

    @property
    def fingerprint(self) -> str:
        """Tells the task from others of its name."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "pad_frames"}
        return fingerprint(values | {"descriptor": self.descriptor.to_dict(), "settings": self.settings.model_dump()})

    @property
    def model(self) -> str:
        """Name of the model in the table."""
        if self.target == "local":
            return "ceiling"
        return "pair_network" if self.pair_potential is not None and self.experiment == "baseline" else "network"

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
    """Pure models side by side on a mixture.

    `parts` are pairs of a pure system and its element, `models` of an element and the name of its training.
    """

    experiment: str
    mixture: str
    parts: tuple[tuple[str, str], ...]
    models: tuple[tuple[str, str], ...]
    architecture: Architecture
    descriptor: Bispectrum
    seed: int
    definitions: tuple[Definition, ...] = ()
    cost: float = field(default=0.5, compare=False)
    result: ClassVar[type] = Scores

    @property
    def name(self) -> str:
        """Name of the result."""
        return f"compose-{self.mixture}-{str(self.architecture).replace(' ', '-')}-{self.fingerprint[:8]}"

    @property
    def fingerprint(self) -> str:
        """Tells the task from others of its name; the names of the models tell how they were trained."""
        return fingerprint(self.experiment, self.parts, self.models, self.definitions)


Task = DescribeTask | TrainTask | ComposeTask


def candidate_descriptors(settings: DescriptorSettings, elements: Sequence[str]) -> list[DescribeTask]:
    """Cutoffs, species weights and sizes at the middle twojmax of the list; alike ones once.

    The first element has weight 1, each further one a ratio times its predecessor's.
    """
    twojmax = settings.twojmax[len(settings.twojmax) // 2]
    ratios = settings.weight_ratios if len(elements) > 1 else settings.weight_ratios[:1]
    weights = [{one: round(ratio**index, 6) for index, one in enumerate(sorted(elements))} for ratio in ratios]
    candidates = [
        DescribeTask(Bispectrum(rcut, twojmax, weight, element_radii(elements, sizes)))
        for sizes, weight, rcut in product(settings.sizes, weights, settings.rcut)
    ]
    return list(dict.fromkeys(candidates))


def other_resolutions(settings: DescriptorSettings, chosen: Bispectrum) -> list[DescribeTask]:
    """The other values of twojmax, at the chosen cutoff and weights."""
    return [DescribeTask(replace(chosen, twojmax=twojmax)) for twojmax in settings.twojmax if twojmax != chosen.twojmax]


def choose_descriptor(store: Store, tasks: Sequence[DescribeTask]) -> Bispectrum:
    """Choose by the total-energy error of ridge on contiguous folds of the training and validation frames.

    Among those within one standard error of the least score, the simplest: the fewest components, then neighbour
    weights nearest to 1, then the least score (the 1 SE rule of Breiman, Friedman, Olshen and Stone, Classification and
    Regression Trees, 1984, sec. 3.4.3). The systems are independent.
    """
    selections = [store.result(task).selection for task in tasks]
    scores = [descriptor_score(selection) for selection in selections]
    best = min(range(len(tasks)), key=scores.__getitem__)
    errors = [entry.standard_error_mev / (entry.spread_mev or 1.0) for entry in selections[best].values()]
    limit = scores[best] + float(np.sqrt(np.sum(np.square(errors)))) / len(errors)

    def complexity(index: int) -> tuple[int, float, float]:
        descriptor = tasks[index].descriptor
        return descriptor.n_components, max(abs(w - 1) for w in descriptor.weights.values()), scores[index]

    return tasks[min((i for i in range(len(tasks)) if scores[i] <= limit), key=complexity)].descriptor


def descriptor_score(selection: Mapping[str, Selection]) -> float:
    """Mean over systems."""
    return sum(entry.score for entry in selection.values()) / len(selection)


def _shared(config: StudyConfig | TrainConfig, systems: Sequence[StoredSystem]) -> dict[str, Any]:
    """Attributes that all trainings of a config have, with a shape of data by which they share compiled programs."""
    splits = [system.split for system in systems if system.split is not None]
    pad = max(len(split.train) for split in splits) + 2, max(len(split.validation) for split in splits) + 2
    return {
        "settings": config.optimiser,
        "members": config.members,
        "seed": config.seed,
        "pad_frames": pad,
        "definitions": tuple(dict.fromkeys(one for system in systems for one in system.definitions)),
    }


def sweep_tasks(config: StudyConfig, systems: Sequence[StoredSystem], descriptor: Bispectrum) -> list[TrainTask]:
    """Every training that needs nothing but the descriptor: sweep, controls, ceiling, learning curve, cutoffs."""
    shared = {"descriptor": descriptor, **_shared(config, systems)}
    return [
        TrainTask(experiment, system.name, architecture, **(shared | changes))
        for system in systems
        if system.split is not None
        for experiment, architecture, changes in _variants(config, system, len(system.split.train), descriptor)
    ]


def _variants(config: StudyConfig, system: StoredSystem, n_train: int, descriptor: Bispectrum) -> Iterator[Variant]:
    """Experiment, architecture, and what differs from the usual training, of all trainings on one system.

    The controls are other parametrisations, networks trained on the local energies themselves, and networks that learn
    the difference to the literature's pair potential, where it has one for all elements.
    """
    architecture = partial(Architecture, biases=config.sweep.biases)
    kinds: list[tuple[Activation, int]] = [("tanh", 1), ("tanh", 2), ("linear", 1), ("linear", 2)]
    for activation, depth in kinds:
        for width in getattr(config.sweep, f"{activation}_{depth}"):
            yield "sweep", architecture(activation, depth, width, config.sweep.parametrisation), {}
    controls = config.controls
    for parametrisation, width in product(controls.parametrisations, controls.widths):
        yield "parametrisation", architecture("tanh", 1, width, parametrisation), {}
    for scale, width in product(controls.initial_scales, controls.widths):
        yield "initial_scale", architecture("tanh", 1, width, config.sweep.parametrisation, scale), {}
    ceiling = {"settings": config.optimiser.model_copy(update={"force_weight": 0.0}), "target": "local"}
    ceilings = [ceiling | {"definitions": (definition,)} for definition in system.definitions]
    sizes = learning_sizes(config.learning_curve.fractions, n_train)
    cutoffs = [replace(descriptor, rcut=rcut) for rcut in config.resolution.rcut]
    pairs = set(system.elements) <= set(FLUIDS)
    plan: list[tuple[str, list[int], list[dict[str, Any]]]] = [
        ("baseline", controls.ceiling_widths, ceilings),
        ("baseline", controls.pair_widths, [{"pair_potential": "literature"}] if pairs else []),
        ("learning_curve", config.learning_curve.widths, [{"n_train": count} for count in sizes]),
        ("resolution", config.resolution.widths, [{"descriptor": other} for other in cutoffs]),
    ]
    for experiment, widths, changes in plan:
        for change, width in product(changes, widths):
            yield experiment, architecture("tanh", 1, width, config.sweep.parametrisation), change


def learning_sizes(fractions: Sequence[float], n_train: int) -> list[int]:
    """Numbers of training frames of a learning curve, two at least.

    >>> learning_sizes([1.0, 0.01, 0.1], 74)
    [2, 7, 74]
    """
    return sorted({max(round(fraction * n_train), 2) for fraction in fractions})


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
        parts = tuple((pure.get(element, ""), element) for element in system.elements)
        for architecture, seed in dict.fromkeys((architecture, seed) for _, architecture, seed in trained):
            own = [task for pure_one, _ in parts if (task := trained.get((pure_one, architecture, seed))) is not None]
            if len(own) == len(parts) > 1:
                models = tuple((element, task.name) for (_, element), task in zip(parts, own, strict=True))
                which = (own[0].descriptor, seed, own[0].definitions)
                composed.append(ComposeTask(own[0].experiment, name, parts, models, architecture, *which))
    return composed


def choose_architectures(store: Store, tasks: Sequence[TrainTask]) -> Chosen:
    """Choose each system's architecture of the sweep with the least mean validation error, and its learning rate."""
    chosen: Chosen = {}
    for system in sorted({task.system for task in tasks if task.experiment == "sweep"}):
        own = [task for task in tasks if (task.experiment, task.system) == ("sweep", system)]
        results = [store.result(task) for task in own]
        best = min(range(len(own)), key=lambda index: results[index].validation_rmse_mev)
        chosen[system] = own[best].architecture, results[best].learning_rate
    return chosen


def fold_tasks(
    config: StudyConfig, systems: Sequence[StoredSystem], descriptor: Bispectrum, chosen: Chosen
) -> list[TrainTask]:
    """Out-of-fold trainings of each system's chosen architecture at its chosen learning rate."""
    cross, shared = config.cross_validation, _shared(config, systems) | {"gap": config.split.gap}
    shared |= {"members": cross.members, "descriptor": descriptor}
    tasks = []
    for system, (architecture, rate) in chosen.items():
        update = {"learning_rates": (rate,), "search_members": cross.members}
        shared["settings"] = config.optimiser.model_copy(update=update)
        for fold, turn in product(range(cross.folds), range(cross.inner)):
            place = (fold, cross.folds, turn, cross.inner)
            tasks.append(TrainTask("cross_validation", system, architecture, fold=place, **shared))
    return tasks


def grid_tasks(config: TrainConfig, systems: Sequence[StoredSystem], descriptor: Bispectrum) -> list[TrainTask]:
    """One training for each combination of what the config lists.

    In the results they are the experiments ``learning_curve`` where `n_train` is given, else ``parametrisation``,
    ``initial_scale`` or, for those of the first parametrisation and scale listed, ``sweep``.
    """
    main = [system.name for system in systems if system.split is not None]
    grid = product(
        dict.fromkeys(config.system or main),
        dict.fromkeys(config.activation),
        dict.fromkeys(config.depth),
        dict.fromkeys(config.width),
        dict.fromkeys(config.parametrisation),
        dict.fromkeys(config.initial_scale),
        dict.fromkeys(config.n_train) if config.n_train else (None,),
        dict.fromkeys(config.seed),
    )
    shared = _shared(config, systems) | {"descriptor": descriptor, "pair_potential": config.pair_potential}
    tasks = []
    for system, activation, depth, width, parametrisation, scale, n_train, seed in grid:
        first = parametrisation == config.parametrisation[0], scale == config.initial_scale[0]
        usual = {"sweep": all(first), "parametrisation": first[1]}
        experiment = next((name for name, holds in usual.items() if holds), "initial_scale")
        architecture = Architecture(activation, depth, width, parametrisation, scale, config.biases)
        changes = {"n_train": n_train, "seed": seed}
        tasks.append(
            TrainTask(experiment if n_train is None else "learning_curve", system, architecture, **(shared | changes))
        )
    return tasks
