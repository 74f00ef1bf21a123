"""The compiled training program: an ensemble's networks side by side, each with its own optimiser and early stopping.

The loss is that of `basinet.training.losses`. Networks share minibatches, so the product of descriptors and first
weights is one matrix product for all of them. What makes it fast on a CPU (measured by ``benchmarks/training.py``):

- hidden values have the axes (networks, width, rows): neither the product nor its gradient has to transpose them;
- a bias is one more weight, of the count that `Frames` carry, so that its gradient comes out of the matrix product;
- a network is one vector, so that Adam is one loop, and one to compile;
- networks take turns when they are evaluated on all frames, which keeps intermediate values in the cache.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from basinet.training.layout import Layout, effective
from basinet.training.losses import Errors, errors_in_turn, mean_squared_errors, take_frames

if TYPE_CHECKING:
    from jax import Array

    from basinet.models.architecture import Architecture
    from basinet.models.network import Network
    from basinet.training.losses import Frames


class Outcome(NamedTuple):
    """What a run returns, per network: best weights, the block they come from, and curves ``(n_blocks, networks)``.

    Curves hold mean squared errors in the packed unit; blocks after the last one run are NaN.
    """

    best: Network
    best_block: Any
    train_curve: Errors
    validation_curve: Errors


class _State(NamedTuple):
    block: Any
    vectors: Any
    optimiser: Any
    best: Any
    best_error: Any
    best_block: Any
    active: Any
    train_curve: Errors
    validation_curve: Errors


@partial(jax.jit, static_argnames=("architecture", "patience", "weight_decay"))
def train_networks(
    networks: Network,
    rates: Array,
    train: Frames,
    validation: Frames,
    batches: Array,
    unit: Array,
    force_weight: Array | None = None,
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
    force_weight
        Weight of the forces' part of the loss, A^2, where frames carry forces; None where not.
    patience
        Blocks without improvement after which a network stops.
    """
    (n_blocks, steps), n_networks = batches.shape[:2], len(rates)
    dtype, n_components = train.rows.dtype, train.rows.shape[-1]
    layout = Layout(architecture, n_components)
    train, validation = (f._replace(rows=layout.with_counts(f.rows, f.count)) for f in (train, validation))
    decay = optax.cosine_decay_schedule(1.0, n_blocks * steps)
    transform = optax.chain(optax.scale_by_adam(), optax.add_decayed_weights(weight_decay))
    parameter_rates = rates[:, None] * layout.rate_factors(dtype)

    def loss(vectors: Array, batch: Frames) -> Array:
        # One network's error depends on its own parameters only: the gradient of the sum holds all their gradients.
        total: Array = mean_squared_errors(vectors, batch, layout, unit).combined(force_weight).sum()
        return total

    def step(carry: tuple[Array, Any], inputs: tuple[Array, Array]) -> tuple[tuple[Array, Any], None]:
        (vectors, optimiser), (index, number) = carry, inputs
        gradient = jax.grad(loss)(vectors, take_frames(train, index))
        updates, optimiser = transform.update(gradient, optimiser, vectors)
        return (vectors - decay(number) * parameter_rates * updates, optimiser), None

    def body(state: _State) -> _State:
        numbers = state.block * steps + jnp.arange(steps)
        carry = (state.vectors, state.optimiser)
        (vectors, optimiser), _ = jax.lax.scan(step, carry, (batches[state.block], numbers))
        train_errors, validation_errors = (errors_in_turn(vectors, f, layout, unit) for f in (train, validation))
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
    curves = Errors(empty, None if train.forces is None else empty)
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
    best = effective(layout.networks(end.best), architecture, n_components)
    return Outcome(best, end.best_block, end.train_curve, end.validation_curve)
