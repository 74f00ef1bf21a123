"""The network of one species: local energies from descriptors, and the sums over atoms that totals need.

With descriptors ``g`` and the count ``c`` of atoms that a row stands for,

    h_0 = g,    h_{l+1} = act(h_l W_l + c b_l),    f = h_L W_L + c b_L.

``c = 1`` gives one atom. Since ``act(0) = 0``, a row of zeros with ``c = 0`` gives exactly 0: padding costs nothing.
For linear activations the map is additive, so one row with ``g = sum_i g_i`` and ``c = N`` gives ``sum_i f(g_i)``
exactly: totals of linear networks need one row a frame instead of one an atom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from types import ModuleType

    from basinet.models.architecture import Activation


class Layer(NamedTuple):
    """Weights ``(..., fan_in, fan_out)`` and biases ``(..., fan_out)``; arrays of NumPy or JAX."""

    weight: Any
    bias: Any


Network = tuple[Layer, ...]


def hidden_features(network: Network, rows: Any, count: Any, activation: Activation, xp: ModuleType) -> Any:
    """Last hidden layer ``(..., n_rows, width)`` of rows ``(..., n_rows, n_components)`` with counts ``(..., n_rows)``.

    `xp` is the array library: ``numpy`` for evaluation, ``jax.numpy`` for training.
    """
    hidden = rows
    for layer in network[:-1]:
        hidden = hidden @ layer.weight + count[..., None] * layer.bias
        if activation == "tanh":
            hidden = xp.tanh(hidden)
    return hidden


def row_energies(network: Network, rows: Any, count: Any, activation: Activation, xp: ModuleType) -> Any:
    """Energy of every row, ``(..., n_rows)``, in the network's own units."""
    readout = network[-1]
    hidden = hidden_features(network, rows, count, activation, xp)
    return hidden @ readout.weight[:, 0] + count * readout.bias


def summed_energies(network: Network, rows: Any, count: Any, activation: Activation, xp: ModuleType) -> Any:
    """Energy summed over the rows, ``(...)``.

    The readout is linear, so hidden features are summed first: one product with the readout a frame.
    """
    readout = network[-1]
    hidden = hidden_features(network, rows, count, activation, xp)
    return hidden.sum(-2) @ readout.weight[:, 0] + count.sum(-1) * readout.bias[0]
