"""Datasets packed into the dense arrays that a compiled training program wants.

Axes: species s, frame f, row r, component c. A row stands for one atom (tanh) or for all atoms of its species in the
frame (linear: exact, see `basinet.potentials.network`). Rows and frames are padded with zeros to a common shape, so
that one compiled program serves several systems and training-set sizes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from basinet.arrays import FloatArray, IntArray
from basinet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from basinet.potentials.dataset import Dataset, Scaling


class _PackedForces(NamedTuple):
    """Forces, in units of ``scale`` per A, and what turns networks' slopes into them; arrays of NumPy or JAX.

    `derivative` ``(f, s r c, 3 n)`` is minus the derivative of each component of each row (linear networks: per
    species) in the place of each atom, n of them in the largest frame: 0.4 MB a frame of 32 atoms at ``twojmax`` 6 in
    single precision. `target` and `weight` are ``(f, 3 n)``; weights sum to 1 in every frame, and are 0 for padding.
    """

    derivative: Any
    target: Any
    weight: Any


class PackedFrames(NamedTuple):
    """Rows ``(s, f, r, c)``, counts ``(s, f, r)``, targets and weights of the loss; arrays of NumPy or JAX.

    `target` is ``(f,)`` for totals, in units of ``scale * sqrt(atoms per frame)``, and ``(s, f, r)`` for local
    energies, in units of ``scale``; `weight` has its shape, 1 for what counts and 0 for padding.
    """

    rows: Any
    count: Any
    target: Any
    weight: Any
    forces: _PackedForces | None = None

    def along_frames(self, change: Callable[[Any, int], Any]) -> PackedFrames:
        """Apply a change to every array, which is told the axis of frames."""
        axis = 0 if self.target.ndim == 1 else 1
        return PackedFrames(
            change(self.rows, 1),
            change(self.count, 1),
            change(self.target, axis),
            change(self.weight, axis),
            None if self.forces is None else _PackedForces(*(change(array, 0) for array in self.forces)),
        )

    def padded(self, n_frames: int) -> PackedFrames:
        """Pad the frame axis with zeros to `n_frames`."""
        extra = max(n_frames - self.rows.shape[1], 0)
        return self.along_frames(
            lambda array, axis: np.pad(array, [(0, extra if i == axis else 0) for i in range(array.ndim)])
        )


def pack(
    dataset: Dataset, scaling: Scaling, *, summed: bool, target: str = "total", atoms_per_frame: float | None = None
) -> PackedFrames:
    """Pack a dataset, all atoms of a species into one row if `summed` (linear networks on totals only).

    The target is ``"total"`` or ``"local"``; `atoms_per_frame` sets the unit of totals, the dataset's own mean unless
    given: validation frames take that of training.
    """
    composition = dataset.composition()
    n_species, n_frames = len(dataset.elements), dataset.n_frames
    standard = scaling.standardise(dataset)
    if summed:
        count = composition.T[..., None].astype(float)
        rows = np.zeros((n_species, n_frames, standard.shape[1]))
        np.add.at(rows, (dataset.species, dataset.frame), standard)
        rows = rows[:, :, None, :]
    else:
        slot = _slots(dataset)
        shape = (n_species, n_frames, int(composition.max()))
        count = np.zeros(shape)
        rows = np.zeros((*shape, standard.shape[1]))
        rows[dataset.species, dataset.frame, slot] = standard
        count[dataset.species, dataset.frame, slot] = 1.0
    if target == "local":
        return PackedFrames(rows, count, _local_target(dataset, scaling, count), count)
    unit = scaling.scale.mean() * np.sqrt(float(dataset.n_atoms.mean()) if atoms_per_frame is None else atoms_per_frame)
    energy = (dataset.energy - composition @ scaling.offset) / unit
    return PackedFrames(rows, count, energy, np.ones(n_frames))


def _pack_forces(dataset: Dataset, scaling: Scaling, *, summed: bool, dtype: str = "float64") -> _PackedForces:
    """Pack the forces that a dataset carries; `dtype` is that of the derivatives, which take all the room."""
    if dataset.forces is None or dataset.derivatives is None:
        msg = f"system {dataset.system}: training on forces needs frames that carry them, and their derivatives"
        raise InputError(msg)
    n_atoms, n_components = dataset.n_atoms, dataset.descriptors.shape[1]
    slot = np.zeros_like(dataset.species) if summed else _slots(dataset)
    shape = (dataset.n_frames, len(dataset.elements), int(slot.max()) + 1, n_components, int(n_atoms.max()), 3)
    derivative, target, weight = np.zeros(shape, dtype), *np.zeros((2, shape[0], *shape[4:]))
    unit = scaling.scale.mean()
    for f, (pairs, n) in enumerate(zip(dataset.derivatives, n_atoms, strict=True)):
        own = dataset.frame == f
        species = dataset.species[own]
        slopes = -pairs.in_places() / scaling.std[species][:, :, None, None]
        np.add.at(derivative[f, :, :, :, :n], (species, slot[own]), slopes)
        target[f, :n], weight[f, :n] = dataset.forces[own] / unit, 1.0 / (3 * n)
    frames = dataset.n_frames
    return _PackedForces(
        derivative.reshape(frames, -1, 3 * shape[4]), target.reshape(frames, -1), weight.reshape(frames, -1)
    )


def _slots(dataset: Dataset) -> IntArray:
    """Running number of each atom among the atoms of its species and frame."""
    group = dataset.frame * len(dataset.elements) + dataset.species
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    first = np.searchsorted(ordered, ordered)
    slot = np.empty(len(group), dtype=np.int64)
    slot[order] = np.arange(len(group)) - first
    return slot


def _local_target(dataset: Dataset, scaling: Scaling, count: FloatArray) -> FloatArray:
    if dataset.local_energy is None:
        raise InputError(f"system {dataset.system}: training on local energies needs frames that carry them")
    target = np.zeros_like(count)
    own = dataset.species
    target[own, dataset.frame, _slots(dataset)] = (dataset.local_energy - scaling.offset[own]) / scaling.scale[own]
    return target


def minibatches(
    rng: np.random.Generator, n_frames: int, batch_size: int, n_blocks: int, steps: int
) -> NDArray[np.int32]:
    """Frame indices ``(n_blocks, steps, batch_size)``: shuffled epochs, every frame once in each, joined end to end."""
    needed = n_blocks * steps * batch_size
    epochs = -(-needed // n_frames)
    order = rng.permuted(np.tile(np.arange(n_frames, dtype=np.int32), (epochs, 1)), axis=1)
    return order.ravel()[:needed].reshape(n_blocks, steps, batch_size)
