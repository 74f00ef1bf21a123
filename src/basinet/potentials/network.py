"""The network of one species, from descriptors to local energies, and how its weights are parametrised.

With descriptors ``g`` and the count ``c`` of atoms that a row stands for,

    h_0 = g,    h_{l+1} = act(h_l W_l + c b_l),    f = h_L W_L + c b_L.

``c = 1`` gives one atom. Since ``act(0) = 0``, a row of zeros with ``c = 0`` gives exactly 0: padding costs nothing.
For linear activations the map is additive, so one row with ``g = sum_i g_i`` and ``c = N`` gives ``sum_i f(g_i)``
exactly: totals of linear networks need one row a frame instead of one an atom.

**Parametrisations.** With ``n = width / BASE_WIDTH`` and fan-in ``m`` of a layer:

=============  ==================  ==================  ====================  =====================
name           initial variance    forward multiplier  Adam rate of hidden   initial readout
=============  ==================  ==================  ====================  =====================
standard       1 / m               1                   lr                    random
zero_readout   1 / m               1                   lr                    zero
ntk            1                   1 / sqrt(m)         lr                    random
mup            1 / m (hidden)      1 / n (readout)     lr / n                random, 1 / BASE_WIDTH
=============  ==================  ==================  ====================  =====================

``standard`` starts with outputs of order one at every width. In ``mup`` (Yang and Hu, arXiv:2011.14522; table 8 of
arXiv:2203.03466 for Adam) every layer learns features at the same pace at every width.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from basinet.arrays import FloatArray
from basinet.errors import InputError

BASE_WIDTH = 16
MAX_WIDTH = 512

Activation = Literal["linear", "tanh"]
Parametrisation = Literal["standard", "zero_readout", "ntk", "mup"]


class _LayerRule(NamedTuple):
    initial_std: float
    multiplier: float
    rate_factor: float


@dataclass(frozen=True)
class Architecture:
    """A multilayer perceptron ``n_components -> width (x depth) -> 1``.

    - `activation`: ``"tanh"`` or ``"linear"`` after every hidden layer.
    - `depth`, `width`: hidden layers, 1 or 2, and nodes of each, 1 to 512; InputError beyond.
    - `parametrisation`: see the table of this module.
    """

    activation: Activation = "tanh"
    depth: int = 1
    width: int = 32
    parametrisation: Parametrisation = "standard"

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        allowed: dict[str, tuple[object, ...] | range] = {
            "activation": ("linear", "tanh"),
            "depth": (1, 2),
            "width": range(1, MAX_WIDTH + 1),
            "parametrisation": ("standard", "zero_readout", "ntk", "mup"),
        }
        for name, values in allowed.items():
            value = getattr(self, name)
            if value not in values:
                choices = f"1 to {MAX_WIDTH}" if name == "width" else ", ".join(map(str, values))
                raise InputError(f"{name} = {value!r} is not possible: choose {choices}")

    def __str__(self) -> str:
        """Read as in a figure's legend, such as ``tanh 2x32``."""
        suffix = "" if self.parametrisation == "standard" else f" {self.parametrisation}"
        return f"{self.activation} {self.depth}x{self.width}{suffix}"

    def as_dict(self) -> dict[str, str | int]:
        """Return the fields, for a file."""
        return asdict(self)

    def sizes(self, n_components: int) -> list[int]:
        """Nodes of every layer from the descriptors to the energy.

        >>> Architecture(depth=2, width=8).sizes(30)
        [30, 8, 8, 1]
        """
        return [n_components, *[self.width] * self.depth, 1]

    def rules(self, n_components: int) -> tuple[_LayerRule, ...]:
        """Return initial standard deviation, forward multiplier and rate factor of every layer."""
        fan_in = self.sizes(n_components)[:-1]
        n = self.width / BASE_WIDTH
        if self.parametrisation == "ntk":
            return tuple(_LayerRule(1.0, m**-0.5, 1.0) for m in fan_in)
        rules = [_LayerRule(m**-0.5, 1.0, 1.0) for m in fan_in]
        if self.parametrisation == "zero_readout":
            rules[-1] = _LayerRule(0.0, 1.0, 1.0)
        if self.parametrisation == "mup":
            rules[1:-1] = [_LayerRule(m**-0.5, 1.0, 1 / n) for m in fan_in[1:-1]]
            rules[-1] = _LayerRule(BASE_WIDTH**-0.5, 1 / n, 1.0)
        return tuple(rules)


class Layer(NamedTuple):
    """Weights ``(..., fan_in, fan_out)`` and biases ``(..., fan_out)``; arrays of NumPy or JAX."""

    weight: Any
    bias: Any


Network = tuple[Layer, ...]


def _hidden_values(network: Network, rows: FloatArray, count: FloatArray, activation: Activation) -> list[FloatArray]:
    """Values of the hidden layers, first to last, each (n_rows, width)."""
    hidden = [rows]
    for layer in network[:-1]:
        value = hidden[-1] @ layer.weight + count[:, None] * layer.bias
        hidden.append(np.tanh(value) if activation == "tanh" else value)
    return hidden[1:]


def _readout_energies(network: Network, hidden: FloatArray, count: FloatArray) -> FloatArray:
    """Energy of every row from the last hidden layer."""
    readout = network[-1]
    return np.asarray(hidden @ readout.weight[:, 0] + count * readout.bias)


def _slopes_in_rows(network: Network, hidden: list[FloatArray], activation: Activation) -> FloatArray:
    """Derivatives of the energy of every atom in its row, ``(n_atoms, n_components)``, from the hidden layers' values.

    Backwards through the layers, with ``h'`` the activation's derivative: ``d_L = W_L``,
    ``d_l = (d_{l+1} * h'_{l+1}) W_l^T``.
    """
    slopes = np.broadcast_to(network[-1].weight[:, 0], hidden[-1].shape)
    for layer, values in zip(network[-2::-1], hidden[::-1], strict=True):
        if activation == "tanh":
            slopes = slopes * (1.0 - values**2)
        slopes = slopes @ layer.weight.T
    return slopes
