"""Datasets packed into the dense arrays that a compiled training program wants.

Axes: species s, frame f, row r, component c. A row stands for one atom (tanh) or for all atoms of its species in the
frame (linear: exact, see `basinet.potentials.network`). Rows and frames are padded with zeros to a common shape, so
that one compiled program serves several systems and training-set sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from basinet.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from basinet.potentials.dataset import Dataset, Scaling


@dataclass(frozen=True)
class PackedForces:
    """Forces, in units of ``scale`` per A, and what turns networks' slopes into them.

    Attributes
    ----------
    derivative
        ``(f, s r c, 3 n)``: minus the derivative of each component of each row in the place of each atom of the frame,
        the largest frame's atoms n; 12 bytes times the square of the atoms times the components in single precision,
        0.4 MB a frame of 32 atoms at ``twojmax`` 6 (linear networks: per species in place of per atom).
    target, weight
        ``(f, 3 n)``; weights sum to 1 in every frame, and are 0 for padding.
    """

    derivative: NDArray[np.floating]
    target: NDArray[np.float64]
    weight: NDArray[np.float64]

    def padded(self, extra: int) -> PackedForces:
        """Add so many frames of zeros."""
        arrays = (self.derivative, self.target, self.weight)
        return PackedForces(*(np.pad(a, [(0, extra)] + [(0, 0)] * (a.ndim - 1)) for a in arrays))


@dataclass(frozen=True)
class PackedFrames:
    """Rows ``(s, f, r, c)``, counts ``(s, f, r)``, targets and weights of the loss.

    `target` is ``(f,)`` for totals, in units of ``scale * sqrt(n_atoms)``, and ``(s, f, r)`` for local energies, in
    units of ``scale``; `weight` has its shape, 1 for what counts and 0 for padding.
    """

    rows: NDArray[np.float64]
    count: NDArray[np.float64]
    target: NDArray[np.float64]
    weight: NDArray[np.float64]
    n_frames: int
    atoms_per_frame: float
    forces: PackedForces | None = None

    def padded(self, n_frames: int) -> PackedFrames:
        """Pad the frame axis with zeros to `n_frames`."""
        extra = max(n_frames - self.rows.shape[1], 0)

        def pad(array: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
            widths = [(0, extra if i == axis else 0) for i in range(array.ndim)]
            return np.pad(array, widths)

        axis = 0 if self.target.ndim == 1 else 1
        return PackedFrames(
            pad(self.rows, 1),
            pad(self.count, 1),
            pad(self.target, axis),
            pad(self.weight, axis),
            self.n_frames,
            self.atoms_per_frame,
            None if self.forces is None else self.forces.padded(extra),
        )


def pack(
    dataset: Dataset,
    scaling: Scaling,
    *,
    summed: bool,
    target: str = "total",
    atoms_per_frame: float | None = None,
) -> PackedFrames:
    """Pack a dataset.

    Parameters
    ----------
    summed
        Put all atoms of a species into one row (linear networks on totals only).
    target
        ``"total"`` or ``"local"``.
    atoms_per_frame
        Sets the unit of totals; the dataset's own mean unless given. Validation frames take that of training.
    """
    composition = dataset.composition()
    n_species, n_frames = len(dataset.elements), dataset.n_frames
    atoms_per_frame = float(dataset.n_atoms.mean()) if atoms_per_frame is None else atoms_per_frame
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
        return PackedFrames(rows, count, _local_target(dataset, scaling, count), count, n_frames, atoms_per_frame)
    unit = scaling.scale.mean() * np.sqrt(atoms_per_frame)
    energy = (dataset.energy - composition @ scaling.offset) / unit
    return PackedFrames(rows, count, energy, np.ones(n_frames), n_frames, atoms_per_frame)


def pack_forces(dataset: Dataset, scaling: Scaling, *, summed: bool, dtype: str = "float64") -> PackedForces:
    """Pack the forces of a dataset that carries them.

    Parameters
    ----------
    summed
        As in `pack`.
    dtype
        Of the derivatives, which take all the room.

    Raises
    ------
    InputError
        If the dataset was built without forces.
    """
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
    return PackedForces(
        derivative.reshape(frames, -1, 3 * shape[4]), target.reshape(frames, -1), weight.reshape(frames, -1)
    )


def _slots(dataset: Dataset) -> NDArray[np.int64]:
    """Running number of each atom among the atoms of its species and frame."""
    group = dataset.frame * len(dataset.elements) + dataset.species
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    first = np.searchsorted(ordered, ordered)
    slot = np.empty(len(group), dtype=np.int64)
    slot[order] = np.arange(len(group)) - first
    return slot


def _local_target(dataset: Dataset, scaling: Scaling, count: NDArray[np.float64]) -> NDArray[np.float64]:
    if dataset.local_energy is None:
        msg = f"system {dataset.system}: training on local energies needs frames that carry them"
        raise InputError(msg)
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
