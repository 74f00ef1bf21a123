"""The compiled training program: all networks of an ensemble side by side, each with its own optimiser and early stopping.

Loss of one network on a batch B of frames (the paper's eq. 6, averaged over frames):

    L = 1/|B| sum_{A in B} (E_A - sum_{i in A} f(g_i))^2.

`jax.vmap` runs the step over networks; they share minibatches, so the product of descriptors and first
weights is one matrix product for all of them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from basinet.models.architecture import Architecture
from basinet.models.network import Layer, Network, row_energies, summed_energies

if TYPE_CHECKING:
    from collections.abc import Callable

    from jax import Array


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
    networks: Network
    optimiser: Any
    best: Network
    best_error: Any
    best_block: Any
    active: Any
    train_curve: Any
    validation_curve: Any


def effective(networks: Network, architecture: Architecture, n_components: int) -> Network:
    """Fold the forward multipliers of the parametrisation into the weights."""
    rules = architecture.rules(n_components)
    return tuple(Layer(rule.multiplier * layer.weight, layer.bias) for rule, layer in zip(rules, networks, strict=True))


def mean_squared_error(network: Network, frames: Frames, architecture: Architecture, unit: Any) -> Any:
    """Error of one network (species axis first) on frames; totals or local energies by the target's rank."""
    folded = effective(network, architecture, frames.rows.shape[-1])
    if frames.target.ndim == 1:
        per_species = jax.vmap(lambda n, r, c: summed_energies(n, r, c, architecture.activation, jnp))
        prediction = per_species(folded, frames.rows, frames.count).sum(0) / unit
    else:
        per_species = jax.vmap(lambda n, r, c: row_energies(n, r, c, architecture.activation, jnp))
        prediction = per_species(folded, frames.rows, frames.count)
    return jnp.sum(frames.weight * (prediction - frames.target) ** 2) / jnp.sum(frames.weight)


def _take(frames: Frames, index: Any) -> Frames:
    """Pick frames of a batch."""
    axis = 0 if frames.target.ndim == 1 else 1
    return Frames(
        jnp.take(frames.rows, index, 1),
        jnp.take(frames.count, index, 1),
        jnp.take(frames.target, index, axis),
        jnp.take(frames.weight, index, axis),
    )


def _where(mask: Array, new: Any, old: Any) -> Any:
    """Choose leaf by leaf along the leading axis of networks."""
    return jax.tree.map(lambda a, b: jnp.where(mask.reshape((-1,) + (1,) * (a.ndim - 1)), a, b), new, old)


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
    n_blocks, steps = batches.shape[:2]
    n_networks, n_components = len(rates), train.rows.shape[-1]
    decay = optax.cosine_decay_schedule(1.0, n_blocks * steps)
    transform = optax.chain(optax.scale_by_adam(), optax.add_decayed_weights(weight_decay))
    factors = [rule.rate_factor for rule in architecture.rules(n_components)]

    def error(network: Network, frames: Frames) -> Any:
        return mean_squared_error(network, frames, architecture, unit)

    def step(network: Network, optimiser: Any, rate: Array, batch: Frames) -> tuple[Network, Any]:
        updates, optimiser = transform.update(jax.grad(error)(network, batch), optimiser, network)
        moved = tuple(
            jax.tree.map(lambda p, u, f=factor: p - rate * f * u, layer, update)
            for layer, update, factor in zip(network, updates, factors, strict=True)
        )
        return moved, optimiser

    def block_of_steps(carry: tuple[Network, Any], inputs: tuple[Array, Array]) -> tuple[tuple[Network, Any], None]:
        index, number = inputs
        batched: Callable[..., tuple[Network, Any]] = jax.vmap(step, in_axes=(0, 0, 0, None))
        return batched(*carry, rates * decay(number), _take(train, index)), None

    def body(state: _State) -> _State:
        numbers = state.block * steps + jnp.arange(steps)
        (networks, optimiser), _ = jax.lax.scan(
            block_of_steps, (state.networks, state.optimiser), (batches[state.block], numbers)
        )
        train_error, validation_error = (jax.vmap(error, (0, None))(networks, frames) for frames in (train, validation))
        improved = state.active & (validation_error < state.best_error)
        best_block = jnp.where(improved, state.block, state.best_block)
        return _State(
            state.block + 1,
            networks,
            optimiser,
            _where(improved, networks, state.best),
            jnp.where(improved, validation_error, state.best_error),
            best_block,
            state.active & (state.block - best_block < patience),
            state.train_curve.at[state.block].set(jnp.where(state.active, train_error, jnp.nan)),
            state.validation_curve.at[state.block].set(jnp.where(state.active, validation_error, jnp.nan)),
        )

    dtype = train.rows.dtype
    curve = jnp.full((n_blocks, n_networks), jnp.nan, dtype)
    start = _State(
        jnp.int32(0),
        networks,
        jax.vmap(transform.init)(networks),
        networks,
        jnp.full(n_networks, jnp.inf, dtype),
        jnp.full(n_networks, -1, jnp.int32),
        jnp.ones(n_networks, bool),
        curve,
        curve,
    )
    end = jax.lax.while_loop(lambda state: (state.block < n_blocks) & state.active.any(), body, start)
    best = effective(end.best, architecture, n_components)
    return Outcome(best, end.best_block, end.train_curve, end.validation_curve)
