r"""Networks as ``pair_style mliap model nn`` reads them: means and standard deviations, then one list of coefficients.

LAMMPS computes :math:`e = f((g - \mu) / \sigma)`; ours is :math:`e = E_0 + o + s f((g - \mu) / \sigma)`, so that scale
:math:`s`, offset :math:`o` and the energy of the isolated atom :math:`E_0` go into the last layer. LAMMPS' ``pe`` is
then comparable with DFT's energies.

Two identities keep what LAMMPS has to compute small. A network with linear activations is one linear layer,
:math:`W_1 W_2 \cdots`, whatever its depth and width. And the mean of M networks is one network too: their hidden layers
side by side (block-diagonal between the layers), the last weights divided by M.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import block_diag

from basinet.errors import InputError
from basinet.potentials.network import Layer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from basinet.potentials.ensemble import Ensemble

ACTIVATIONS = ("linear", "tanh")
"""Activations of ours that LAMMPS has under the same name. It takes any name that it does not know for linear."""

WORDS = 30
"""Numbers on a line of a model file: the most that LAMMPS takes, which broadcasts line by line. They have 24 characters
at most, and LAMMPS reads 1023 of a line."""

SMALLEST = 1e-290
"""Weights below are written as 0: LAMMPS refuses numbers that double precision holds with fewer digits."""

DESCRIPTOR_COST = 1_000
"""What a component of an atom's descriptors costs LAMMPS, forces included, in coefficients of a wide network: chosen so
that the mean changes over where it pays by ``benchmarks/lammps_ensembles.py``, between 2x64 and 2x128 for 8 members."""


@dataclass(frozen=True)
class ElementNetwork:
    """The network of one element, in eV: linear map, activation, ..., linear map."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    layers: tuple[Layer, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Nodes of the layers, the last of which is the energy."""
        return tuple(len(layer.bias) for layer in self.layers)


def n_coefficients(n_components: int, sizes: Sequence[int]) -> int:
    """Weights and biases of a network.

    >>> n_coefficients(30, [32, 1])
    1025
    """
    return sum((before + 1) * after for before, after in pairwise([n_components, *sizes]))


def refuse_what_lammps_gets_wrong(ensemble: Ensemble) -> None:
    """Refuse models that LAMMPS would read without complaint and evaluate to something else.

    Raises
    ------
    InputError
        An activation or a setting of the descriptor that a file for LAMMPS cannot carry, layers that do not fit the
        architecture (LAMMPS has one for all elements), or numbers that are not finite.
    """
    activation = ensemble.architecture.activation
    if activation not in ACTIVATIONS:
        msg = (
            f"LAMMPS would take the activation {activation!r} for linear; export models with {' or '.join(ACTIVATIONS)}"
        )
        raise InputError(msg)
    strange = set(ensemble.descriptor.to_dict()) - {"rcut", "twojmax", "weights", "radii"}
    if strange:
        msg = f"the descriptor's {', '.join(sorted(strange))} cannot be exported: LAMMPS' forces would be wrong with it"
        raise InputError(msg)
    n, members = len(ensemble.elements), ensemble.members
    sizes = ensemble.architecture.sizes(ensemble.descriptor.n_components)
    expected = [((members, n, before, after), (members, n, after)) for before, after in pairwise(sizes)]
    if [(np.shape(layer.weight), np.shape(layer.bias)) for layer in ensemble.networks] != expected:
        msg = f"the networks are not all {ensemble.architecture}: LAMMPS has one architecture for all elements"
        raise InputError(msg)
    scaling = ensemble.scaling
    parts = [
        scaling.mean,
        scaling.std,
        scaling.offset,
        scaling.scale,
        *(a for layer in ensemble.networks for a in layer),
    ]
    finite = all(np.isfinite(part).all() for part in parts) and all(isfinite(e) for e in ensemble.e0.values())
    if not (finite and (scaling.std > 0.0).all()):
        msg = "the model holds numbers that are not finite, or a standard deviation of 0; train it again"
        raise InputError(msg)


def member_networks(ensemble: Ensemble, member: int) -> list[ElementNetwork]:
    """Networks of one member, one for each of the ensemble's elements."""
    networks = []
    for s, element in enumerate(ensemble.elements):
        layers = [Layer(layer.weight[member, s], layer.bias[member, s]) for layer in ensemble.networks]
        scale, origin = ensemble.scaling.scale[s], ensemble.e0[element] + ensemble.scaling.offset[s]
        layers[-1] = Layer(scale * layers[-1].weight, scale * layers[-1].bias + origin)
        if ensemble.architecture.activation == "linear":
            layers = [multiplied_out(layers)]
        networks.append(ElementNetwork(ensemble.scaling.mean[s], ensemble.scaling.std[s], tuple(layers)))
    return networks


def multiplied_out(layers: Sequence[Layer]) -> Layer:
    """Join linear layers without activations in between to a single one."""
    weight, bias = layers[0]
    for layer in layers[1:]:
        weight, bias = weight @ layer.weight, bias @ layer.weight + layer.bias
    return Layer(weight, bias)


def mean_networks(ensemble: Ensemble) -> list[ElementNetwork] | None:
    """Networks that equal the mean of all members, or None where evaluating the members in turn costs LAMMPS less.

    A single wide network spares M - 1 evaluations of the descriptors, but between two hidden layers it multiplies by
    M^2 blocks, most of them zero.
    """
    count, n_components = ensemble.members, ensemble.descriptor.n_components
    *hidden, last = member_networks(ensemble, 0)[0].sizes
    together = n_coefficients(n_components, [*(count * size for size in hidden), last])
    in_turn = count * (n_coefficients(n_components, [*hidden, last]) + DESCRIPTOR_COST * n_components)
    if together > in_turn:
        return None
    members = [member_networks(ensemble, m) for m in range(count)]
    return [_mean([member[s] for member in members]) for s in range(len(ensemble.elements))]


def _mean(networks: Sequence[ElementNetwork]) -> ElementNetwork:
    """Mean of one element's networks in different members, which share their scaling."""
    count, depth = len(networks), len(networks[0].layers)
    layers = []
    for index in range(depth):
        weights = [network.layers[index].weight for network in networks]
        biases = [network.layers[index].bias for network in networks]
        if index == depth - 1:  # rows of the last layer below one another: a sum over members
            weight = np.mean(weights, axis=0) if depth == 1 else np.concatenate(weights) / count
            layers.append(Layer(weight, np.mean(biases, axis=0)))
        else:
            weight = np.concatenate(weights, axis=1) if index == 0 else block_diag(*weights)
            layers.append(Layer(weight, np.concatenate(biases)))
    return ElementNetwork(networks[0].mean, networks[0].std, tuple(layers))


def model_text(networks: Sequence[ElementNetwork], activation: str, title: str) -> Iterator[str]:
    """Yield the lines of a model file, all numbers with the digits that give them back exactly."""
    sizes, n_components = networks[0].sizes, len(networks[0].mean)
    shape = " ".join(f"{activation} {size}" for size in sizes[:-1])
    yield f"# UNITS: metal  {title}\n"
    yield f"{len(networks)} {n_coefficients(n_components, sizes)}\n"
    yield f"NET {n_components} {len(sizes)} {shape} linear {sizes[-1]}\n".replace("  ", " ")
    for network in networks:
        # For every node its bias, then the weights of what goes into it.
        rows = [np.column_stack([layer.bias, layer.weight.T]).ravel() for layer in network.layers]
        for values in (network.mean, network.std, np.concatenate(rows)):
            yield from _lines(values)


def _lines(values: NDArray[np.float64]) -> Iterator[str]:
    """Write numbers, some to a line."""
    words = [repr(value) if abs(value) > SMALLEST else "0" for value in values.tolist()]
    for start in range(0, len(words), WORDS):
        yield " ".join(words[start : start + WORDS]) + "\n"
