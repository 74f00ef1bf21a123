"""The network of one species, from descriptors to local energies, and how its weights are parametrised.

With descriptors ``g`` and the count ``c`` of atoms that a row stands for,

    h_0 = g,    h_{l+1} = act(h_l W_l + c b_l),    f = h_L W_L + c b_L.

``c = 1`` gives one atom. Since ``act(0) = 0``, a row of zeros with ``c = 0`` gives exactly 0: padding costs nothing.
For linear activations the map is additive, so one row with ``g = sum_i g_i`` and ``c = N`` gives ``sum_i f(g_i)``
exactly: totals of linear networks need one row a frame instead of one an atom.

**Parametrisations.** With ``n = width / BASE_WIDTH``, fan-in ``m`` and fan-out ``k`` of a layer, and weights drawn from
a normal distribution unless told otherwise:

=============  ===================  ==================  ====================  ============================
name           initial variance     forward multiplier  Adam rate of hidden   initial readout
=============  ===================  ==================  ====================  ============================
standard       1 / m                1                   lr                    random
glorot         2 / (m + k)          1                   lr                    random
pytorch        1 / (3 m), uniform   1                   lr                    random, biases like weights
unit_readout   1 / m (hidden)       1                   lr                    random, variance 1
zero_readout   1 / m                1                   lr                    zero
ntk            1                    1 / sqrt(m)         lr                    random
mup            1 / m (hidden)       1 / n (readout)     lr / n                random, variance 1 / BASE_WIDTH
=============  ===================  ==================  ====================  ============================

``standard`` starts with outputs of order one at every width, ``unit_readout`` with outputs that grow as the root of the
width. ``glorot`` is that of Glorot and Bengio (AISTATS 2010), ``pytorch`` the default of ``torch.nn.Linear``. In
``mup`` (Yang and Hu, arXiv:2011.14522; table 8 of arXiv:2203.03466 for Adam) every layer learns features at the same
pace at every width. The initial readout, biases included, is multiplied by `Architecture.initial_scale`.
"""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from basinet.arrays import FloatArray
from basinet.errors import InputError

BASE_WIDTH = 16
MAX_WIDTH = 512

Activation = Literal["linear", "tanh"]
Parametrisation = Literal["standard", "glorot", "pytorch", "unit_readout", "zero_readout", "ntk", "mup"]


class _LayerRule(NamedTuple):
    initial_std: float
    multiplier: float = 1.0
    rate_factor: float = 1.0
    bias_std: float = 0.0
    bias_rate_factor: float = 1.0  # times that of the weights


@dataclass(frozen=True)
class Architecture:
    """A multilayer perceptron ``n_components -> width (x depth) -> 1``.

    - `activation`: ``"tanh"`` or ``"linear"`` after every hidden layer.
    - `depth`, `width`: hidden layers, 1 or 2, and nodes of each, 1 to 512; InputError beyond.
    - `parametrisation`: see the table of this module.
    - `initial_scale`: factor of the readout's initial weights, alpha, 0 or more. Nothing else depends on it.
    - `biases`: without them, those of all layers are zero and stay so.
    """

    activation: Activation = "tanh"
    depth: int = 1
    width: int = 32
    parametrisation: Parametrisation = "standard"
    initial_scale: float = 1.0
    biases: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        allowed: dict[str, tuple[object, ...] | range] = {
            "activation": get_args(Activation),
            "depth": (1, 2),
            "width": range(1, MAX_WIDTH + 1),
            "parametrisation": get_args(Parametrisation),
        }
        for name, values in allowed.items():
            value = getattr(self, name)
            if value not in values:
                choices = f"1 to {MAX_WIDTH}" if name == "width" else ", ".join(map(str, values))
                raise InputError(f"{name} = {value!r} is not possible: choose {choices}")
        if not 0.0 <= self.initial_scale < np.inf:
            raise InputError(f"initial_scale = {self.initial_scale!r} is not possible: choose 0 or a positive number")

    def __str__(self) -> str:
        """Read as in a figure's legend, such as ``tanh 2x32``."""
        suffix = "" if self.parametrisation == "standard" else f" {self.parametrisation}"
        scale = "" if self.initial_scale == 1.0 else f" from {self.initial_scale:g}"
        return f"{self.activation} {self.depth}x{self.width}{suffix}{scale}{'' if self.biases else ' without biases'}"

    def as_dict(self) -> dict[str, str | int | float]:
        """Return the fields, for a file."""
        return asdict(self)

    def sizes(self, n_components: int) -> list[int]:
        """Nodes of every layer from the descriptors to the energy.

        >>> Architecture(depth=2, width=8).sizes(30)
        [30, 8, 8, 1]
        """
        return [n_components, *[self.width] * self.depth, 1]

    def rules(self, n_components: int) -> tuple[_LayerRule, ...]:
        """Return initial standard deviations, forward multiplier and rate factor of every layer."""
        sizes, n = self.sizes(n_components), self.width / BASE_WIDTH
        fans = list(pairwise(sizes))
        rules = [_LayerRule(m**-0.5) for m, _ in fans]
        match self.parametrisation:
            case "glorot":
                rules = [_LayerRule((2 / (m + k)) ** 0.5) for m, k in fans]
            case "pytorch":
                rules = [_LayerRule((3 * m) ** -0.5, bias_std=(3 * m) ** -0.5) for m, _ in fans]
            case "unit_readout":
                rules[-1] = _LayerRule(1.0)
            case "zero_readout":
                rules[-1] = _LayerRule(0.0)
            case "ntk":
                rules = [_LayerRule(1.0, m**-0.5) for m, _ in fans]
            case "mup":
                rules[1:-1] = [rule._replace(rate_factor=1 / n) for rule in rules[1:-1]]
                rules[-1] = _LayerRule(BASE_WIDTH**-0.5, 1 / n)
        scale, last = self.initial_scale, rules[-1]
        rules[-1] = last._replace(initial_std=scale * last.initial_std, bias_std=scale * last.bias_std)
        return tuple(rule if self.biases else rule._replace(bias_std=0.0, bias_rate_factor=0.0) for rule in rules)


class Layer(NamedTuple):
    """Weights ``(..., fan_in, fan_out)`` and biases ``(..., fan_out)``; arrays of NumPy or JAX."""

    weight: Any
    bias: Any


Network = tuple[Layer, ...]


def _effective(networks: Network, architecture: Architecture, n_components: int) -> Network:
    """Fold the forward multipliers of the parametrisation into the weights."""
    rules = architecture.rules(n_components)
    return tuple(Layer(rule.multiplier * layer.weight, layer.bias) for rule, layer in zip(rules, networks, strict=True))


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


def _slopes_in_layers(network: Network, hidden: list[FloatArray], activation: Activation) -> list[FloatArray]:
    """Derivatives of the energy of every row in the sums of every layer, first to last, each (n_rows, fan_out).

    Backwards through the layers, with ``z_l = h_{l-1} W_l + c b_l`` and ``h'`` the activation's derivative:
    ``d_L = 1``, ``d_l = h'_l * (d_{l+1} W_{l+1}^T)``.
    """
    slopes = [np.ones((len(hidden[-1]), 1))]
    for layer, values in zip(network[:0:-1], hidden[::-1], strict=True):
        back = slopes[-1] @ layer.weight.T
        slopes.append(back * (1.0 - values**2) if activation == "tanh" else back)
    return slopes[::-1]


def _slopes_in_rows(network: Network, hidden: list[FloatArray], activation: Activation) -> FloatArray:
    """Derivatives of the energy of every row in its components, ``(n_rows, n_components)``, of the hidden values."""
    return np.asarray(_slopes_in_layers(network, hidden, activation)[0] @ network[0].weight.T)
