r"""The compiled training program: an ensemble's networks side by side, each with its own optimiser and early stopping.

What training makes small:

.. math:: L = \frac{1}{|B|} \sum_{A \in B} \left[ \frac{1}{N} \Big(E_A - \sum_{i \in A} f(g_i)\Big)^2
   + \frac{w}{3 N_A} \sum_{k \in A} \Big|\mathbf F_k + \sum_{i \in A} \partial f(g_i) / \partial \mathbf r_k\Big|^2
   \right]

The first term is the paper's eq. 6, averaged over frames and per mean number of atoms N; energies are in the unit of
`basinet.potentials.dataset.Scaling`. The weight w of the forces is in A^2, and 0 unless given. It has a meaning:
displace every coordinate of a frame by a random amount of standard deviation ``sqrt(w / 3)``, and the forces' part is
the squared error that this adds, to first order, to the frame's energy.

The slopes of the networks change with every step, the derivatives of the descriptors never: a frame is one dense matrix
of the latter, and the forces of all networks are one matrix product. Linear networks have the same slopes at every atom
of a species, so that the derivatives are summed over atoms once, before training.

Networks share minibatches, so the product of descriptors and first
weights is one matrix product for all of them. What makes it fast on a CPU (measured by ``benchmarks/training.py``):

- hidden values have the axes (networks, width, rows): neither the product nor its gradient has to transpose them;
- a bias is one more weight, of the count of a row, so that its gradient comes out of the matrix product;
- a network is one vector, so that Adam is one loop, and one to compile;
- networks take turns when they are evaluated on all frames, which keeps intermediate values in the cache.
"""

import hashlib
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from basinet.files import holding
from basinet.potentials.dataset import PackedFrames, _PackedForces
from basinet.potentials.network import Architecture, Layer, Network, _effective

COLUMNS = 8  # the first matrix has a multiple of this many columns: vector registers are filled, which gains 10 to 20 %


@dataclass(frozen=True)
class _Layout:
    """Networks as vectors: for every layer the matrix ``(fan_out, 1 + fan_in)`` of biases and transposed weights."""

    architecture: Architecture
    n_components: int

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Shape of every matrix; columns that pad the first one are zero and stay so."""
        sizes = self.architecture.sizes(self.n_components)
        columns = [1 + fan_in for fan_in in sizes[:-1]]
        columns[0] = -(-columns[0] // COLUMNS) * COLUMNS
        return list(zip(sizes[1:], columns, strict=True))

    def vectors(self, networks: Network) -> Array:
        """Join the layers of networks (axes networks, species, fan_in, fan_out): (species, networks, parameters)."""
        parts = []
        for layer, shape in zip(networks, self.shapes, strict=True):
            matrix = jnp.concatenate([layer.bias[..., None, :], layer.weight], -2).swapaxes(-1, -2)
            matrix = _pad_last(matrix, shape[1]).swapaxes(0, 1)
            parts.append(matrix.reshape(*matrix.shape[:2], -1))
        return jnp.concatenate(parts, -1)

    def matrices(self, vectors: Array) -> list[Array]:
        ends = [sum(map(prod, self.shapes[: i + 1])) for i in range(len(self.shapes) - 1)]
        parts = jnp.split(vectors, ends, -1)
        return [part.reshape(*vectors.shape[:-1], *shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def networks(self, vectors: Array) -> Network:
        fan_in = self.architecture.sizes(self.n_components)
        layers = zip((m.swapaxes(0, 1) for m in self.matrices(vectors)), fan_in[:-1], strict=True)
        return tuple(Layer(m[..., 1 : 1 + n].swapaxes(-1, -2), m[..., 0]) for m, n in layers)

    def scaled(self, vector: Array) -> list[Array]:
        rules = self.architecture.rules(self.n_components)
        matrices = zip(rules, self.matrices(vector), strict=True)
        return [jnp.full(m.shape[1], rule.multiplier, m.dtype).at[0].set(1) * m for rule, m in matrices]

    def rate_factors(self, dtype: Any) -> Array:
        rules = zip(self.architecture.rules(self.n_components), self.shapes, strict=True)
        factors = [(jnp.full(shape, rule.rate_factor, dtype), rule.bias_rate_factor) for rule, shape in rules]
        return jnp.concatenate([factor.at[:, 0].multiply(of_bias).ravel() for factor, of_bias in factors])

    def with_counts(self, rows: Array, count: Array) -> Array:
        """Put the count, which the bias multiplies, before the components of every row, zeros behind them."""
        return _pad_last(jnp.concatenate([count[..., None], rows], -1), self.shapes[0][1])


def _pad_last(array: Array, size: int) -> Array:
    return jnp.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, size - array.shape[-1])])


def _species_energies(vector: Array, rows: Array, count: Array, layout: _Layout, *, totals: bool) -> Array:
    """Energies that one network gives its species: ``(frames,)``, or of every row ``(frames, rows)``.

    The equations of `basinet.potentials.network`. Rows ``(frames, rows, columns)`` begin with their count.
    """
    first, *later, readout = layout.scaled(vector)
    activate = jnp.tanh if layout.architecture.activation == "tanh" else lambda x: x
    flat = rows.reshape(-1, rows.shape[-1])
    hidden = activate(first @ flat.T)
    for matrix in later:  # the bias by a matrix product too: its gradient is then one, where a sum would be slow
        hidden = activate(matrix[:, 1:] @ hidden + matrix[:, :1] @ flat[:, :1].T)
    hidden = hidden.reshape(-1, *count.shape)
    if totals:  # the readout is linear: sum first
        hidden, count = hidden.sum(-1), count.sum(-1)
    return jnp.tensordot(readout[0, 1:], hidden, 1) + readout[0, 0] * count


def _force_errors(slopes: Array, forces: _PackedForces) -> Array:
    """Mean squared error of the forces of each network, from `_energies_and_slopes`."""
    n_networks, n_frames = slopes.shape[1:3]
    predicted = slopes.transpose(2, 1, 0, 3, 4).reshape(n_frames, n_networks, -1) @ forces.derivative
    squares = forces.weight[:, None] * (predicted - forces.target[:, None]) ** 2
    return jnp.sum(squares, (0, 2)) / jnp.sum(forces.weight)


def _energies_and_slopes(vectors: Array, rows: Array, count: Array, layout: _Layout) -> tuple[Array, Array]:
    """Energies ``(species, networks, frames)`` and their derivatives in the rows, without the count's.

    Networks ``(species, networks, parameters)``; rows and count as in `basinet.potentials.dataset`, the count
    before the components. The derivatives have the axes ``(species, networks, frames, rows, components)``.
    """

    def of_one(vector: Array, own: Array, number: Array) -> tuple[Array, Array]:
        energies, back = jax.vjp(lambda x: _species_energies(vector, x, number, layout, totals=True), own)
        return energies, back(jnp.ones_like(energies))[0][..., 1 : 1 + layout.n_components]

    found: tuple[Array, Array] = jax.vmap(jax.vmap(of_one, (0, None, None)))(vectors, rows, count)
    return found


class _Errors(NamedTuple):
    """Mean squared errors in packed units: of energies, and of forces (None without them)."""

    energy: Any
    force: Any = None

    def combined(self, force_weight: Any) -> Any:
        return self.energy if self.force is None else self.energy + force_weight * self.force


def _mean_squared_errors(vectors: Array, frames: PackedFrames, layout: _Layout, unit: Any) -> _Errors:
    """Errors of networks ``(species, networks, parameters)``; totals or local energies by the target's rank."""
    totals = frames.target.ndim == 1
    if frames.forces is not None:
        energies, slopes = _energies_and_slopes(vectors, frames.rows, frames.count, layout)
        return _Errors(_of_totals(energies, frames, unit), _force_errors(slopes, frames.forces))
    energy = partial(_species_energies, layout=layout, totals=totals)
    prediction = jax.vmap(jax.vmap(energy, (0, None, None)))(vectors, frames.rows, frames.count)
    if totals:
        return _Errors(_of_totals(prediction, frames, unit))
    errors = jnp.sum(frames.weight[:, None] * (prediction - frames.target[:, None]) ** 2, (0, 2, 3))
    return _Errors(errors / jnp.sum(frames.weight))


def _errors_in_turn(vectors: Array, frames: PackedFrames, layout: _Layout, unit: Any) -> _Errors:
    """`_mean_squared_errors` network after network, which keeps intermediate values of many frames in the cache."""

    def alone(vector: Array) -> Any:
        if frames.forces is None:
            return _mean_squared_errors(vector[:, None], frames, layout, unit)
        return _energies_and_slopes(vector[:, None], frames.rows, frames.count, layout)

    each = jax.lax.map(alone, vectors.swapaxes(0, 1))
    if frames.forces is None:
        return _Errors(each.energy[:, 0])
    # The forces of all networks at once: derivatives are too large to be read again for each.
    energies, slopes = (values[:, :, 0].swapaxes(0, 1) for values in each)
    return _Errors(_of_totals(energies, frames, unit), _force_errors(slopes, frames.forces))


def _of_totals(prediction: Array, frames: PackedFrames, unit: Any) -> Array:
    errors = jnp.sum(frames.weight * (prediction.sum(0) / unit - frames.target) ** 2, -1)
    return errors / jnp.sum(frames.weight)


class _Outcome(NamedTuple):
    """What a run returns, per network: best weights, the block they come from, and curves ``(n_blocks, networks)``.

    Curves hold mean squared errors in the packed unit; blocks after the last one run are NaN.
    """

    best: Network
    best_block: Any
    train_curve: _Errors
    validation_curve: _Errors


class _State(NamedTuple):
    block: Any
    vectors: Any
    optimiser: Any
    best: Any
    best_error: Any
    best_block: Any
    active: Any
    train_curve: _Errors
    validation_curve: _Errors


def _lbfgs_of_each_network() -> optax.GradientTransformation:
    """L-BFGS directions, each network's from its own history, without a line search; networks along the second axis."""
    one = optax.scale_by_lbfgs()
    return optax.GradientTransformation(jax.vmap(one.init, 1), jax.vmap(one.update, (1, 0, 1), (1, 0)))


_METHODS = {"adam": optax.scale_by_adam, "gradient_descent": optax.identity, "lbfgs": _lbfgs_of_each_network}


@partial(jax.jit, static_argnames=("architecture", "method"))
def train_networks(  # noqa: PLR0913 - the arguments of one compiled program
    networks: Network,
    rates: Array,
    train: PackedFrames,
    validation: PackedFrames,
    batches: Array,
    unit: Array,
    patience: Array,
    weight_decay: Array,
    force_weight: Array | None = None,
    *,
    architecture: Architecture,
    method: str = "adam",
) -> _Outcome:
    """Train all networks, along the first axis, until each has stopped improving on the validation frames.

    Each network has its own learning rate; the method is one of `TrainingSettings.method`. Frame indices of the
    minibatches are ``(n_blocks, steps, batch)``; validation frames are looked at after every block, and a network stops
    after `patience` blocks without improvement. Totals are fitted in units of ``scale * unit``, ``unit`` the root of
    the number of atoms. The force weight, A^2, is None where frames carry no forces.
    """
    (n_blocks, steps), n_networks = batches.shape[:2], len(rates)
    dtype, n_components = train.rows.dtype, train.rows.shape[-1]
    layout = _Layout(architecture, n_components)
    train, validation = (f._replace(rows=layout.with_counts(f.rows, f.count)) for f in (train, validation))
    decay = optax.cosine_decay_schedule(1.0, n_blocks * steps)
    transform = optax.chain(_METHODS[method](), optax.add_decayed_weights(weight_decay))
    factors = layout.rate_factors(dtype)
    if method == "lbfgs":  # its directions have a scale of their own
        factors = (factors > 0.0).astype(dtype)
    parameter_rates = rates[:, None] * factors

    def loss(vectors: Array, batch: PackedFrames) -> Array:
        # One network's error depends on its own parameters only: the gradient of the sum holds all their gradients.
        total: Array = _mean_squared_errors(vectors, batch, layout, unit).combined(force_weight).sum()
        return total

    def step(carry: tuple[Array, Any], inputs: tuple[Array, Array]) -> tuple[tuple[Array, Any], None]:
        (vectors, optimiser), (index, number) = carry, inputs
        gradient = jax.grad(loss)(vectors, train.along_frames(lambda array, axis: jnp.take(array, index, axis)))
        if method == "lbfgs":  # what does not move is not to enter the history
            gradient = gradient * factors
        updates, optimiser = transform.update(gradient, optimiser, vectors)
        return (vectors - decay(number) * parameter_rates * updates, optimiser), None

    def body(state: _State) -> _State:
        numbers = state.block * steps + jnp.arange(steps)
        carry = (state.vectors, state.optimiser)
        (vectors, optimiser), _ = jax.lax.scan(step, carry, (batches[state.block], numbers))
        train_errors, validation_errors = (_errors_in_turn(vectors, f, layout, unit) for f in (train, validation))
        validation_error = validation_errors.combined(force_weight)
        improved = state.active & (validation_error < state.best_error)
        best_block = jnp.where(improved, state.block, state.best_block)

        def noted(curve: Array, error: Array) -> Array:
            return curve.at[state.block].set(jnp.where(state.active, error, jnp.nan))

        return _State(
            state.block + 1,
            vectors,
            optimiser,
            jnp.where(improved[:, None], vectors, state.best),
            jnp.where(improved, validation_error, state.best_error),
            best_block,
            state.active & (state.block - best_block < patience),
            jax.tree.map(noted, state.train_curve, train_errors),
            jax.tree.map(noted, state.validation_curve, validation_errors),
        )

    empty = jnp.full((n_blocks, n_networks), jnp.nan, dtype)
    curves = _Errors(empty, None if train.forces is None else empty)
    start = layout.vectors(networks)
    initial = _State(
        jnp.int32(0),
        start,
        transform.init(start),
        start,
        jnp.full(n_networks, jnp.inf, dtype),
        jnp.full(n_networks, -1, jnp.int32),
        jnp.ones(n_networks, bool),
        curves,
        curves,
    )
    end = jax.lax.while_loop(lambda state: (state.block < n_blocks) & state.active.any(), body, initial)
    best = _effective(layout.networks(end.best), architecture, n_components)
    return _Outcome(best, end.best_block, end.train_curve, end.validation_curve)


@lru_cache(maxsize=64)
def _compiled_program(
    structure: Any, shapes: tuple[tuple[tuple[int, ...], str], ...], architecture: Architecture, method: str
) -> Any:
    leaves = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in shapes]
    arguments = jax.tree.unflatten(structure, leaves)
    return _compile_once(train_networks.lower(*arguments, architecture=architecture, method=method))


def _compile_once(lowered: Any) -> Any:
    """Compile a lowered program; of the processes that share JAX's cache of programs one does, and others wait for it.

    Workers of a study begin with the same architectures, and compiling takes longer than most trainings. Nobody waits
    where locks cannot be written.
    """
    cache: str | None = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if cache is None or "://" in cache:  # JAX takes buckets (gs://...), too
        return lowered.compile()
    with suppress(OSError):
        Path(cache).mkdir(parents=True, exist_ok=True)
    if not os.access(cache, os.W_OK):
        return lowered.compile()
    name = hashlib.sha256(lowered.as_text().encode()).hexdigest()[:16]
    with holding(Path(cache) / f"{name}.lock", wait=True):
        return lowered.compile()


def _run_program(arguments: tuple[Any, ...], architecture: Architecture, method: str) -> tuple[_Outcome, float]:
    """Run `train_networks`, compiling it where these shapes are new; return the CPU seconds of the run alone."""
    leaves, structure = jax.tree.flatten(arguments)
    shapes = tuple((tuple(leaf.shape), str(leaf.dtype)) for leaf in leaves)
    program = _compiled_program(structure, shapes, architecture, method)
    started = time.process_time()
    outcome = jax.block_until_ready(program(*arguments))
    return outcome, time.process_time() - started
