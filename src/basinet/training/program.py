"""The compiled training program: an ensemble's networks side by side, each with its own optimiser and early stopping.

Loss of one network on a batch B of frames (the paper's eq. 6, averaged over frames):

    L = 1/|B| sum_{A in B} (E_A - sum_{i in A} f(g_i))^2.

Networks share minibatches, so the product of descriptors and first weights is one matrix product for all of them. What
makes it fast on a CPU (measured by ``benchmarks/training.py``):

- hidden values have the axes (networks, width, rows): neither the product nor its gradient has to transpose them;
- a bias is one more weight, of the count that `Frames` carry, so that its gradient comes out of the matrix product;
- a network is one vector, so that Adam is one loop, and one to compile;
- networks take turns when they are evaluated on all frames, which keeps intermediate values in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from basinet.models.architecture import Architecture
from basinet.models.network import Layer, Network

if TYPE_CHECKING:
    from jax import Array

COLUMNS = 8
"""The first matrix has a multiple of this many columns: vector registers are filled, which gains 10 to 20 %."""


class Frames(NamedTuple):
    """Packed frames as the program takes them; see `basinet.training.packing`."""

    rows: Any
    count: Any
    target: Any
    weight: Any


class Outcome(NamedTuple):
    """What a run returns, per network: best weights, the block they come from, and curves ``(n_blocks, networks)``.

    Curves hold mean squared errors in the packed unit; blocks after the last one run are NaN.
    """

    best: Network
    best_block: Any
    train_curve: Any
    validation_curve: Any


class _State(NamedTuple):
    block: Any
    vectors: Any
    optimiser: Any
    best: Any
    best_error: Any
    best_block: Any
    active: Any
    train_curve: Any
    validation_curve: Any


def effective(networks: Network, architecture: Architecture, n_components: int) -> Network:
    """Fold the forward multipliers of the parametrisation into the weights."""
    rules = architecture.rules(n_components)
    return tuple(Layer(rule.multiplier * layer.weight, layer.bias) for rule, layer in zip(rules, networks, strict=True))


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
        """Split vectors along their last axis."""
        ends = [sum(map(prod, self.shapes[: i + 1])) for i in range(len(self.shapes) - 1)]
        parts = jnp.split(vectors, ends, -1)
        return [part.reshape(*vectors.shape[:-1], *shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def networks(self, vectors: Array) -> Network:
        """Undo `vectors`."""
        fan_in = self.architecture.sizes(self.n_components)
        layers = zip((m.swapaxes(0, 1) for m in self.matrices(vectors)), fan_in[:-1], strict=True)
        return tuple(Layer(m[..., 1 : 1 + n].swapaxes(-1, -2), m[..., 0]) for m, n in layers)

    def scaled(self, vector: Array) -> list[Array]:
        """Matrices of one network, with the forward multipliers of the parametrisation."""
        rules = self.architecture.rules(self.n_components)
        matrices = zip(rules, self.matrices(vector), strict=True)
        return [jnp.full(m.shape[1], rule.multiplier, m.dtype).at[0].set(1) * m for rule, m in matrices]

    def rate_factors(self, dtype: Any) -> Array:
        """Rate factor of every parameter."""
        rules = zip(self.architecture.rules(self.n_components), self.shapes, strict=True)
        return jnp.concatenate([jnp.full(prod(shape), rule.rate_factor, dtype) for rule, shape in rules])

    def with_counts(self, frames: Frames) -> Frames:
        """Put the count, which the bias multiplies, before the components of every row, zeros behind them."""
        rows = jnp.concatenate([frames.count[..., None], frames.rows], -1)
        return frames._replace(rows=_pad_last(rows, self.shapes[0][1]))


def _pad_last(array: Array, size: int) -> Array:
    return jnp.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, size - array.shape[-1])])


def species_energies(vector: Array, rows: Array, count: Array, layout: _Layout, *, totals: bool) -> Array:
    """Energies that one network gives its species: ``(frames,)``, or of every row ``(frames, rows)``.

    The equations of `basinet.models.network`. Rows ``(frames, rows, columns)`` begin with their count.
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


def mean_squared_errors(vectors: Array, frames: Frames, layout: _Layout, unit: Any) -> Array:
    """Errors of networks ``(species, networks, parameters)``; totals or local energies by the target's rank."""
    totals = frames.target.ndim == 1
    energies = partial(species_energies, layout=layout, totals=totals)
    prediction = jax.vmap(jax.vmap(energies, (0, None, None)))(vectors, frames.rows, frames.count)
    if totals:
        errors = jnp.sum(frames.weight * (prediction.sum(0) / unit - frames.target) ** 2, -1)
    else:
        errors = jnp.sum(frames.weight[:, None] * (prediction - frames.target[:, None]) ** 2, (0, 2, 3))
    return errors / jnp.sum(frames.weight)


def _take(frames: Frames, index: Any) -> Frames:
    axis = 0 if frames.target.ndim == 1 else 1
    return Frames(*(jnp.take(array, index, i) for array, i in zip(frames, (1, 1, axis, axis), strict=True)))


@partial(jax.jit, static_argnames=("architecture", "patience", "weight_decay"))
def train_networks(
    networks: Network,
    rates: Array,
    train: Frames,
    validation: Frames,
    batches: Array,
    unit: Array,
    *,
    architecture: Architecture,
    patience: int,
    weight_decay: float,
) -> Outcome:
    """Train all networks until each has stopped improving on the validation frames.

    Parameters
    ----------
    networks
        Initial weights, networks along the first axis; see `basinet.training.initial`.
    rates
        Learning rates, one per network.
    batches
        Frame indices ``(n_blocks, steps, batch)``; validation frames are looked at after every block.
    unit
        ``sqrt(n_atoms)``: totals are fitted in units of ``scale * sqrt(n_atoms)``.
    patience
        Blocks without improvement after which a network stops.
    """
    (n_blocks, steps), n_networks = batches.shape[:2], len(rates)
    dtype, n_components = train.rows.dtype, train.rows.shape[-1]
    layout = _Layout(architecture, n_components)
    train, validation = layout.with_counts(train), layout.with_counts(validation)
    decay = optax.cosine_decay_schedule(1.0, n_blocks * steps)
    transform = optax.chain(optax.scale_by_adam(), optax.add_decayed_weights(weight_decay))
    parameter_rates = rates[:, None] * layout.rate_factors(dtype)

    def step(carry: tuple[Array, Any], inputs: tuple[Array, Array]) -> tuple[tuple[Array, Any], None]:
        (vectors, optimiser), (index, number) = carry, inputs
        batch = _take(train, index)
        # One network's error depends on its own parameters only: the gradient of the sum holds all their gradients.
        gradient = jax.grad(lambda v: mean_squared_errors(v, batch, layout, unit).sum())(vectors)
        updates, optimiser = transform.update(gradient, optimiser, vectors)
        return (vectors - decay(number) * parameter_rates * updates, optimiser), None

    def errors_of_one(vector: Array) -> list[Array]:
        return [mean_squared_errors(vector[:, None], frames, layout, unit)[0] for frames in (train, validation)]

    def body(state: _State) -> _State:
        numbers = state.block * steps + jnp.arange(steps)
        carry = (state.vectors, state.optimiser)
        (vectors, optimiser), _ = jax.lax.scan(step, carry, (batches[state.block], numbers))
        train_error, validation_error = jax.lax.map(errors_of_one, vectors.swapaxes(0, 1))
        improved = state.active & (validation_error < state.best_error)
        best_block = jnp.where(improved, state.block, state.best_block)
        return _State(
            state.block + 1,
            vectors,
            optimiser,
            jnp.where(improved[:, None], vectors, state.best),
            jnp.where(improved, validation_error, state.best_error),
            best_block,
            state.active & (state.block - best_block < patience),
            state.train_curve.at[state.block].set(jnp.where(state.active, train_error, jnp.nan)),
            state.validation_curve.at[state.block].set(jnp.where(state.active, validation_error, jnp.nan)),
        )

    curve = jnp.full((n_blocks, n_networks), jnp.nan, dtype)
    start = layout.vectors(networks)
    initial = _State(
        jnp.int32(0),
        start,
        transform.init(start),
        start,
        jnp.full(n_networks, jnp.inf, dtype),
        jnp.full(n_networks, -1, jnp.int32),
        jnp.ones(n_networks, bool),
        curve,
        curve,
    )
    end = jax.lax.while_loop(lambda state: (state.block < n_blocks) & state.active.any(), body, initial)
    best = effective(layout.networks(end.best), architecture, n_components)
    return Outcome(best, end.best_block, end.train_curve, end.validation_curve)
