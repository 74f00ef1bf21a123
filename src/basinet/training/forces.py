r"""Forces of networks while they are trained.

.. math:: \mathbf F_k = -\sum_i \sum_c \frac{\partial f}{\partial g_{ic}} \frac{\partial g_{ic}}{\partial \mathbf r_k}

The slopes of the networks change with every step, the derivatives of the descriptors never
(`basinet.descriptors.jacobian`): a frame is one dense matrix of the latter, and the forces of all networks are one
matrix product. Linear networks have the same slopes at every atom of a species, so that the derivatives are summed over
atoms once, before training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from basinet.training.layout import species_energies

if TYPE_CHECKING:
    from jax import Array

    from basinet.training.layout import Layout


class Forces(NamedTuple):
    """Packed forces as the program takes them; see `basinet.training.packing.PackedForces`."""

    derivative: Any
    target: Any
    weight: Any

    def take(self, index: Any) -> Forces:
        """Return some of the frames."""
        return Forces(*(jnp.take(array, index, 0) for array in self))

    def errors(self, slopes: Array) -> Array:
        """Mean squared error of the forces of each network, from `energies_and_slopes`."""
        squares = self.weight[:, None] * (forces_of(slopes, self.derivative) - self.target[:, None]) ** 2
        return jnp.sum(squares, (0, 2)) / jnp.sum(self.weight)


def energies_and_slopes(vectors: Array, rows: Array, count: Array, layout: Layout) -> tuple[Array, Array]:
    """Energies ``(species, networks, frames)`` and their derivatives in the rows, without the count's.

    Networks ``(species, networks, parameters)``; rows and count as in `basinet.training.losses.Frames`, the count
    before the components. The derivatives have the axes ``(species, networks, frames, rows, components)``.
    """

    def of_one(vector: Array, own: Array, number: Array) -> tuple[Array, Array]:
        energies, back = jax.vjp(lambda x: species_energies(vector, x, number, layout, totals=True), own)
        return energies, back(jnp.ones_like(energies))[0][..., 1 : 1 + layout.n_components]

    energies, slopes = jax.vmap(jax.vmap(of_one, (0, None, None)))(vectors, rows, count)
    return energies, slopes


def forces_of(slopes: Array, derivative: Array) -> Array:
    """Forces ``(frames, networks, components of force)`` from `energies_and_slopes` and the frames' derivatives."""
    n_networks, n_frames = slopes.shape[1:3]
    return slopes.transpose(2, 1, 0, 3, 4).reshape(n_frames, n_networks, -1) @ derivative
