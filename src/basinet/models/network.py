"""The network of one species: local energies from descriptors.

With descriptors ``g`` and the count ``c`` of atoms that a row stands for,

    h_0 = g,    h_{l+1} = act(h_l W_l + c b_l),    f = h_L W_L + c b_L.

``c = 1`` gives one atom. Since ``act(0) = 0``, a row of zeros with ``c = 0`` gives exactly 0: padding costs nothing.
For linear activations the map is additive, so one row with ``g = sum_i g_i`` and ``c = N`` gives ``sum_i f(g_i)``
exactly: totals of linear networks need one row a frame instead of one an atom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from basinet.models.architecture import Activation


class Layer(NamedTuple):
    """Weights ``(..., fan_in, fan_out)`` and biases ``(..., fan_out)``; arrays of NumPy or JAX."""

    weight: Any
    bias: Any


Network = tuple[Layer, ...]


def hidden_values(
    network: Network, rows: NDArray[np.float64], count: NDArray[np.float64], activation: Activation
) -> list[NDArray[np.float64]]:
    """Values of the hidden layers, first to last, each (n_rows, width)."""
    hidden = [rows]
    for layer in network[:-1]:
        value = hidden[-1] @ layer.weight + count[:, None] * layer.bias
        hidden.append(np.tanh(value) if activation == "tanh" else value)
    return hidden[1:]


def row_energies(
    network: Network, rows: NDArray[np.float64], count: NDArray[np.float64], activation: Activation
) -> NDArray[np.float64]:
    """Energy of every row, ``(n_rows,)``, in the network's own units, from rows ``(n_rows, n_components)``.

    (Training has its own form of these equations, for many networks at once: `basinet.training.layout`. A test holds
    the two together.)
    """
    hidden = hidden_values(network, rows, count, activation)[-1]
    return readout_energies(network, hidden, count)


def readout_energies(network: Network, hidden: NDArray[np.float64], count: NDArray[np.float64]) -> NDArray[np.float64]:
    """Energy of every row from the last hidden layer."""
    readout = network[-1]
    return np.asarray(hidden @ readout.weight[:, 0] + count * readout.bias)


def atom_energies_and_slopes(
    network: Network, rows: NDArray[np.float64], activation: Activation
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Energy of every atom ``(n_atoms,)`` and its derivatives in the atom's row, ``(n_atoms, n_components)``.

    Backwards through the layers, with ``h'`` the activation's derivative at the layer's values::

        d_L = W_L,    d_l = (d_{l+1} * h'_{l+1}) W_l^T
    """
    count = np.ones(len(rows))
    hidden = hidden_values(network, rows, count, activation)
    slopes = np.broadcast_to(network[-1].weight[:, 0], hidden[-1].shape)
    for layer, values in zip(network[-2::-1], hidden[::-1], strict=True):
        if activation == "tanh":
            slopes = slopes * (1.0 - values**2)
        slopes = slopes @ layer.weight.T
    return readout_energies(network, hidden[-1], count), slopes
