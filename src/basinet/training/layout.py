"""Networks as vectors of parameters, which an optimiser moves in one loop."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from basinet.models.network import Layer, Network

if TYPE_CHECKING:
    from jax import Array

    from basinet.models.architecture import Architecture

COLUMNS = 8
"""The first matrix has a multiple of this many columns: vector registers are filled, which gains 10 to 20 %."""


def effective(networks: Network, architecture: Architecture, n_components: int) -> Network:
    """Fold the forward multipliers of the parametrisation into the weights."""
    rules = architecture.rules(n_components)
    return tuple(Layer(rule.multiplier * layer.weight, layer.bias) for rule, layer in zip(rules, networks, strict=True))


@dataclass(frozen=True)
class Layout:
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

    def with_counts(self, rows: Array, count: Array) -> Array:
        """Put the count, which the bias multiplies, before the components of every row, zeros behind them."""
        return _pad_last(jnp.concatenate([count[..., None], rows], -1), self.shapes[0][1])


def _pad_last(array: Array, size: int) -> Array:
    return jnp.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, size - array.shape[-1])])


def species_energies(vector: Array, rows: Array, count: Array, layout: Layout, *, totals: bool) -> Array:
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
