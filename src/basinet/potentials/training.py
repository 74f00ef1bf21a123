"""Training of networks on total energies, on forces beside them, or on local energies, and its settings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pydantic import Field

from basinet.arrays import FloatArray
from basinet.config.loading import Cutoff, Positive, Section, TwoJMax, validated
from basinet.descriptors.bispectrum import Bispectrum, element_radii
from basinet.errors import InputError
from basinet.frames.reading import system_of
from basinet.frames.splits import by_system, divided, elements_of
from basinet.potentials.dataset import (
    Dataset,
    PackedFrames,
    Scaling,
    _pack_forces,
    build_dataset,
    fit_range,
    fit_scaling,
    isolated_energies,
    minibatches,
    pack,
)
from basinet.potentials.ensemble import Ensemble
from basinet.potentials.network import Activation, Architecture, Layer, Network, Parametrisation, _effective
from basinet.potentials.pair_potential import LennardJones, PairChoice, _fitted_pair_potential, chosen_pair_potential


class TrainingSettings(Section):
    """Adam on minibatches of frames, cosine decay, early stopping of every network by itself."""

    method: Literal["adam", "gradient_descent", "lbfgs"] = Field(
        "adam", description="gradient_descent: without momentum; lbfgs: without line search, always in full batches"
    )
    learning_rates: tuple[Positive, ...] = Field(
        (3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
        min_length=1,
        description="candidates; validation frames choose per architecture",
    )
    search_members: int = Field(
        3, ge=1, description="members that take part in that choice; where there are more, all are trained again"
    )
    max_steps: int = Field(3000, ge=1, description="most steps, and the length of the cosine decay")
    batch_size: int = Field(10, ge=1, description="frames per step; with all training frames, full batches")
    evaluate_every: int = Field(25, ge=1, description="steps between looks at the validation frames")
    patience: int = Field(600, ge=1, description="steps without improvement after which a network stops")
    weight_decay: float = Field(0.0, ge=0, description="decoupled weight decay (AdamW), relative to the learning rate")
    targets: Literal["per_atom", "per_frame"] = Field(
        "per_atom",
        description="unit of a network: the spread of total energies over the root of the atoms, or that spread itself",
    )
    descriptors: Literal["standardised", "raw"] = Field("standardised", description="what networks read")
    dtype: Literal["float32", "float64"] = Field("float32", description="precision of training; prediction is float64")
    force_weight: float = Field(
        0.0, ge=0, description="weight of the forces beside total energies, A^2; 0: total energies only"
    )


class FixedDescriptor(Section):
    """One descriptor."""

    rcut: Cutoff = Field(5.25, description="cutoff, A")
    twojmax: TwoJMax = Field(6, description="twice the largest momentum")
    weights: dict[str, float] = Field({"Ar": 1.0, "Kr": 1.0}, description="neighbour weight of each element")
    radii: Literal["equal", "van_der_waals"] | dict[str, float] = Field(
        "van_der_waals", description="sizes R of the elements, or their kind; a pair is cut off at rcut (R_i + R_j)"
    )

    def bispectrum(self) -> Bispectrum:
        """Build the descriptor."""
        return Bispectrum(self.rcut, self.twojmax, self.weights, element_radii(self.weights, self.radii))


def default_descriptor(elements: Iterable[str]) -> Bispectrum:
    """Bispectrum with the defaults of a config: its elements, or others, weigh alike and are told apart by size."""
    usual = FixedDescriptor()
    if set(elements) <= set(usual.weights):
        return usual.bispectrum()
    return FixedDescriptor(weights=dict.fromkeys(elements, 1.0)).bispectrum()


def initial_networks(seeds: Sequence[int], architecture: Architecture, n_species: int, n_components: int) -> Network:
    """Random weights and biases of one network per seed and species; leading axes (networks, species), float64.

    >>> layers = initial_networks([0, 1], Architecture(width=8), n_species=1, n_components=30)
    >>> [layer.weight.shape for layer in layers]
    [(2, 1, 30, 8), (2, 1, 8, 1)]
    """
    sizes = architecture.sizes(n_components)
    rules = architecture.rules(n_components)
    generators = [np.random.default_rng([seed, 7]) for seed in seeds]
    layers = []
    limit = 3**0.5  # of a uniform distribution of variance 1

    def draw(std: float, *shape: int) -> FloatArray:
        if architecture.parametrisation == "pytorch":
            return np.stack([std * generator.uniform(-limit, limit, shape) for generator in generators])
        return np.stack([std * generator.standard_normal(shape) for generator in generators])

    for rule, fan_in, fan_out in zip(rules, sizes[:-1], sizes[1:], strict=True):
        weight = draw(rule.initial_std, n_species, fan_in, fan_out)
        bias = draw(rule.bias_std, n_species, fan_out) if rule.bias_std > 0.0 else np.zeros_like(weight[..., 0, :])
        layers.append(Layer(weight, bias))
    return tuple(layers)


Target = Literal["total", "local"]
BLOCKS = ("train", "validation")


@dataclass(frozen=True)
class _Preparation:
    """Everything about a training that does not depend on members and rates.

    Root mean square errors of the program are multiplied by `energy_unit` and `force_unit`: eV per atom, and eV/A.
    """

    train: PackedFrames
    validation: PackedFrames
    batches: NDArray[np.int32]
    architecture: Architecture
    settings: TrainingSettings
    atoms_per_frame: float
    energy_unit: float
    force_unit: float

    def run(self, seed: int, members: int, rates: FloatArray) -> tuple[Network, dict[str, FloatArray]]:
        """Train ``members x len(rates)`` networks; results carry the leading axes (rates, members).

        The record holds errors at the best weights: ``train`` and ``validation`` of energies, ``train_force`` and
        ``validation_force`` with forces, ``loss`` (the root of the validation frames' loss); with ``_curve`` behind
        their names those at every look, and further ``block`` and ``cpu_seconds``.
        """
        import jax

        from basinet.potentials.program import _run_program

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
                np.asarray(max(self.settings.patience // self.settings.evaluate_every, 1), np.int32),
                np.asarray(self.settings.weight_decay, dtype),
                None if self.train.forces is None else np.asarray(self.settings.force_weight, dtype),
            )
            outcome, seconds = _run_program(arguments, self.architecture, self.settings.method)
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

    def _curves(self, outcome: Any) -> dict[str, FloatArray]:
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
    """Pack the frames and draw the minibatches; InputError if the frames lack what is to be trained on."""
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
            frames._replace(forces=_pack_forces(data, scaling, summed=summed, dtype=settings.dtype))
            for frames, data in ((packed, train), (held, validation))
        )
    n_blocks = -(-settings.max_steps // settings.evaluate_every)
    rng = np.random.default_rng([seed, train.n_frames])
    batch_size = train.n_frames if settings.method == "lbfgs" else settings.batch_size
    batches = minibatches(rng, train.n_frames, batch_size, n_blocks, settings.evaluate_every)
    unit = float(scaling.scale.mean())
    per_atom = unit / np.sqrt(n_atoms) if target == "total" else unit
    train_frames, validation_frames = packed.padded(pad_frames[0]), held.padded(pad_frames[1])
    return _Preparation(train_frames, validation_frames, batches, architecture, settings, n_atoms, per_atom, unit)


@dataclass(frozen=True)
class TrainedEnsemble:
    """An ensemble, with the weights of every member that are best on validation frames, and the record of its training.

    RMSE per member are in eV per atom of total energies (local ones for the ceiling), those of forces in eV/A; with
    forces, the loss decides. Epochs are passes over the training frames until those weights. Curves are
    ``epoch (n_blocks,)`` and ``train``, ``validation`` and with forces ``train_force``, ``validation_force``,
    ``(n_blocks, members)``, NaN once stopped. There is the mean validation RMSE for each candidate learning rate (with
    forces the root of the loss), and the CPU time of search and training, compilation not included.
    """

    ensemble: Ensemble
    learning_rate: float
    train_rmse: FloatArray
    validation_rmse: FloatArray
    epochs: FloatArray
    curves: Mapping[str, FloatArray]
    rate_errors: Mapping[float, float]
    cpu_seconds: float
    force_rmse: Mapping[str, FloatArray]


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

    Validation frames choose learning rate and stopping time; with forces by the loss (`basinet.potentials.program`) in
    place of the error of totals. Where datasets carry a pair potential's share, networks learn the difference, and the
    ensemble stands on that potential. Members differ by their initial weights, of the seeds from `seed` on, and share
    minibatches. Descriptor and `e0` (eV) are kept with the model. Frames are padded to `pad_frames`, so that trainings
    of other sizes share compiled programs. The target is ``"total"``, the paper's loss, or ``"local"``: the ceiling,
    fitted to local energies.
    """
    baseline = None if train.pairs is None else train.pairs.potential
    train, validation = train.without_pairs(), validation.without_pairs()
    scaling = fit_scaling(train, target, targets=settings.targets, descriptors=settings.descriptors)
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
    kept = chosen = int(np.argmin(errors))
    if searchers < members:
        networks, record = prepared.run(seed, members, rates[chosen : chosen + 1])
        cpu_seconds += float(record["cpu_seconds"])
        kept = 0
    epochs_per_block = prepared.batches[0].size / train.n_frames
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
    scaling: Scaling | None = None,
) -> Ensemble:
    """Networks with their initial weights, the floor that a correlation has to clear; scaled by `train` unless told."""
    n_components = train.descriptors.shape[1]
    start = initial_networks(range(seed, seed + members), architecture, len(train.elements), n_components)
    layers = _effective(start, architecture, n_components)
    return Ensemble(
        descriptor, architecture, train.elements, dict(e0), scaling or fit_scaling(train), layers, {}, fit_range(train)
    )


GAP = 1  # frames left out between training and validation frames


def train(
    frames: Sequence[Atoms],
    descriptor: Bispectrum | None = None,
    *,
    width: int = 32,
    depth: int = 1,
    activation: Activation = "tanh",
    parametrisation: Parametrisation = "pytorch",
    members: int = 8,
    seed: int = 0,
    validation: float | Sequence[Atoms] = 0.2,
    pair_potential: PairChoice | Literal["fitted"] = None,
    **optimiser: Any,
) -> Ensemble:
    r"""Train an ensemble of networks on total energies only or, with a `force_weight`, on forces as well.

    .. math:: E = \sum_i E_{0,s(i)} + f_{s(i)}(g_i), \qquad
       L = \frac{1}{|B|} \sum_{A \in B} \Big(E_A - \sum_{i \in A} f_{s(i)}(g_i)\Big)^2

    with one network :math:`f_s` per species and the bispectrum :math:`g_i` of atom i (the seed's eq. 6). The part
    that ``force_weight=0.1`` (in A^2) adds is in `basinet.potentials.program`.

    - `frames`: labelled with ``REF_energy`` (eV). Isolated atoms among them (``config_type=IsolatedAtom``) give E0;
      where an element has none, least squares do.
    - `descriptor`: a cutoff of 5.25 A and ``twojmax`` 6 unless given. Models of different elements compose only if
      their descriptors are equal, weights of both elements included.
    - `width`, `depth`, `activation`, `parametrisation`: architecture, see `basinet.potentials.network.Architecture`.
    - `members`, `seed`: networks of the ensemble have the seeds ``seed`` to ``seed + members - 1``.
    - `validation`: frames that choose learning rate and stopping time; or their share, which is then taken from the end
      of each system, a frame away from what is trained on.
    - `pair_potential`: networks learn the difference to this potential: the literature's (of noble gases), one fitted
      to the total energies of the frames trained on (`LennardJones`), or your own. Both of the former have a cutoff of
      11 A, where energy and force are shifted to vanish. None: networks learn everything.
    - `optimiser`: any of `TrainingSettings`, such as ``max_steps=1000``, ``learning_rates=[0.01]`` or
      ``force_weight=0.1``, which needs frames with ``REF_forces`` (eV/A).

    InputError if labels are missing, there are too few frames, or a setting is unknown or out of range.

    >>> import basinet
    >>> frames = basinet.load_reference("ar")[:20]
    >>> small = basinet.train(frames, width=4, members=2, learning_rates=[0.01], max_steps=50)
    >>> small.local_energies(frames[0]).shape
    (2, 32)
    """
    settings = validated(TrainingSettings, optimiser, "train()")
    architecture = Architecture(activation, depth, width, parametrisation)
    if members < 1:
        raise InputError(f"members is {members}; give at least 1")
    liquid, isolated = divided(frames)
    fitted, held = _held_out(liquid, validation)
    elements = elements_of(fitted)
    if elements_of(held) != elements:
        found = ", ".join(elements_of(held))
        raise InputError(f"validation frames hold {found}, training frames {', '.join(elements)}: give both the same")
    e0 = isolated_energies(isolated, fitted)
    name = "+".join(dict.fromkeys(system_of(atoms) for atoms in fitted))
    descriptor = descriptor or default_descriptor(elements)
    derivatives = descriptor.derivatives if settings.force_weight > 0.0 else None
    pairs: LennardJones | None
    if pair_potential == "fitted":
        pairs = _fitted_pair_potential(fitted, e0, isolated)
    else:
        pairs = chosen_pair_potential(pair_potential, elements)
    data, checked = (
        build_dataset(name, part, descriptor, e0, derivatives=derivatives, pair_potential=pairs)
        for part in (fitted, held)
    )
    trained = train_ensemble(data, checked, descriptor, e0, architecture, settings, members=members, seed=seed)
    return trained.ensemble


def _held_out(frames: Sequence[Atoms], validation: float | Sequence[Atoms]) -> tuple[list[Atoms], list[Atoms]]:
    if not isinstance(validation, int | float):
        return list(frames), divided(validation)[0]
    if not 0 < validation < 1:
        raise InputError(f"validation is {validation}; give a share between 0 and 1, or frames")
    fitted: list[Atoms] = []
    held: list[Atoms] = []
    for name, own in by_system(frames).items():
        n_held = max(round(validation * len(own)), 1)
        n_fitted = len(own) - n_held - GAP
        if n_fitted < 2:
            msg = f"system {name}: {len(own)} frames are too few to train on and to hold out {n_held}; give more"
            raise InputError(msg)
        fitted += own[:n_fitted]
        held += own[-n_held:]
    return fitted, held
