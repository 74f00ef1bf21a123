"""Initial weights, drawn by NumPy: a seed means the same network in every ensemble, on every device and JAX version.

(Drawing them inside the compiled program would double its compilation time.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from basinet.models.network import Layer, Network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from basinet.models import Architecture


def initial_networks(seeds: Sequence[int], architecture: Architecture, n_species: int, n_components: int) -> Network:
    """Random weights of one network per seed and species, biases zero; leading axes (networks, species), float64.

    >>> from basinet.models import Architecture
    >>> layers = initial_networks([0, 1], Architecture(width=8), n_species=1, n_components=30)
    >>> [layer.weight.shape for layer in layers]
    [(2, 1, 30, 8), (2, 1, 8, 1)]
    """
    sizes = architecture.sizes(n_components)
    rules = architecture.rules(n_components)
    generators = [np.random.default_rng([seed, 7]) for seed in seeds]
    layers = []
    for rule, fan_in, fan_out in zip(rules, sizes[:-1], sizes[1:], strict=True):
        shape = (n_species, fan_in, fan_out)
        weight = np.stack([rule.initial_std * generator.standard_normal(shape) for generator in generators])
        layers.append(Layer(weight, np.zeros((len(seeds), n_species, fan_out))))
    return tuple(layers)
