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


def row_energies(
    network: Network, rows: NDArray[np.float64], count: NDArray[np.float64], activation: Activation
) -> NDArray[np.float64]:
    """Energy of every row, ``(n_rows,)``, in the network's own units, from rows ``(n_rows, n_components)``.

    (Training has its own form of these equations, for many networks at once: `basinet.training.program`. A test holds
    the two together.)
    """
    hidden = rows
    for layer in network[:-1]:
        hidden = hidden @ layer.weight + count[:, None] * layer.bias
        if activation == "tanh":
            hidden = np.tanh(hidden)
    readout = network[-1]
    return np.asarray(hidden @ readout.weight[:, 0] + count * readout.bias)
