r"""What training makes small: errors of total energies, of local energies (the ceiling), and of forces if asked for.

.. math:: L = \frac{1}{|B|} \sum_{A \in B} \left[ \frac{1}{N} \Big(E_A - \sum_{i \in A} f(g_i)\Big)^2
   + \frac{w}{3 N_A} \sum_{k \in A} \Big|\mathbf F_k + \sum_{i \in A} \partial f(g_i) / \partial \mathbf r_k\Big|^2
   \right]

The first term is the paper's eq. 6, averaged over frames and per mean number of atoms N; energies are in the unit of
`basinet.models.Scaling`. The weight w of the forces is in A^2, and 0 unless given. It has a meaning: displace every
coordinate of a frame by a random amount of standard deviation ``sqrt(w / 3)``, and the forces' part is the squared
error that this adds, to first order, to the frame's energy.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from basinet.training.forces import energies_and_slopes
from basinet.training.layout import species_energies

if TYPE_CHECKING:
    from jax import Array

    from basinet.training.forces import Forces
    from basinet.training.layout import Layout


class Frames(NamedTuple):
    """Packed frames as the program takes them, see `basinet.training.packing`; `forces` is None without forces."""

    rows: Any
    count: Any
    target: Any
    weight: Any
    forces: Forces | None = None


class Errors(NamedTuple):
    """Mean squared errors in packed units: of energies, and of forces (None without them)."""

    energy: Any
    force: Any = None

    def combined(self, force_weight: Any) -> Any:
        """The loss."""
        return self.energy if self.force is None else self.energy + force_weight * self.force


def mean_squared_errors(vectors: Array, frames: Frames, layout: Layout, unit: Any) -> Errors:
    """Errors of networks ``(species, networks, parameters)``; totals or local energies by the target's rank."""
    totals = frames.target.ndim == 1
    if frames.forces is not None:
        energies, slopes = energies_and_slopes(vectors, frames.rows, frames.count, layout)
        return Errors(_of_totals(energies, frames, unit), frames.forces.errors(slopes))
    energy = partial(species_energies, layout=layout, totals=totals)
    prediction = jax.vmap(jax.vmap(energy, (0, None, None)))(vectors, frames.rows, frames.count)
    if totals:
        return Errors(_of_totals(prediction, frames, unit))
    errors = jnp.sum(frames.weight[:, None] * (prediction - frames.target[:, None]) ** 2, (0, 2, 3))
    return Errors(errors / jnp.sum(frames.weight))


def errors_in_turn(vectors: Array, frames: Frames, layout: Layout, unit: Any) -> Errors:
    """`mean_squared_errors` network after network, which keeps intermediate values of many frames in the cache."""

    def alone(vector: Array) -> Any:
        if frames.forces is None:
            return mean_squared_errors(vector[:, None], frames, layout, unit)
        return energies_and_slopes(vector[:, None], frames.rows, frames.count, layout)

    each = jax.lax.map(alone, vectors.swapaxes(0, 1))
    if frames.forces is None:
        return Errors(each.energy[:, 0])
    # The forces of all networks at once: derivatives are too large to be read again for each.
    energies, slopes = (values[:, :, 0].swapaxes(0, 1) for values in each)
    return Errors(_of_totals(energies, frames, unit), frames.forces.errors(slopes))


def _of_totals(prediction: Array, frames: Frames, unit: Any) -> Array:
    errors = jnp.sum(frames.weight * (prediction.sum(0) / unit - frames.target) ** 2, -1)
    return errors / jnp.sum(frames.weight)


def take_frames(frames: Frames, index: Any) -> Frames:
    """Return some of the frames."""
    axis = 0 if frames.target.ndim == 1 else 1
    return Frames(
        jnp.take(frames.rows, index, 1),
        jnp.take(frames.count, index, 1),
        jnp.take(frames.target, index, axis),
        jnp.take(frames.weight, index, axis),
        None if frames.forces is None else frames.forces.take(index),
    )
