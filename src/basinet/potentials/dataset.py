"""What a model is fitted to and judged by: descriptors, total energies and local energies as flat arrays.

And packed into the dense arrays that a compiled training program wants, with the axes species s, frame f, row r and
component c. A row stands for one atom (tanh) or for all atoms of its species in the frame (linear: exact, see
`basinet.potentials.network`). Rows and frames are padded with zeros to a common shape, so that one compiled program
serves several systems and training-set sizes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from ase import Atoms
from numpy.typing import NDArray

from basinet.arrays import FloatArray, IntArray
from basinet.descriptors.bispectrum import PairDerivatives
from basinet.errors import InputError
from basinet.files import refuse_beyond_memory
from basinet.frames.labels import TOTAL_ENERGY, energy_label, for_each_frame, force_labels, frame_name
from basinet.frames.splits import elements_of
from basinet.potentials.pair_potential import LennardJones


@dataclass(frozen=True)
class PairShare:
    """Energies (eV, half of each pair to each atom) and forces (eV/A) of all atoms by a pair potential."""

    potential: LennardJones
    local_energy: FloatArray
    forces: FloatArray


@dataclass(frozen=True)
class Dataset:
    """Frames of one system, atom after atom; energies in eV above those of the isolated atoms, ``sum_i E0[element_i]``.

    Every atom has its frame (non-decreasing from 0), its species (an index into the sorted elements), its descriptors
    ``(n_atoms_total, n_components)`` and, where frames carry them, its DFT local energy, ``(n_atoms_total,)``; every
    frame its total energy. There are DFT forces ``(n_atoms_total, 3)``, eV/A, and derivatives of each frame's
    descriptors (24 n_components bytes a pair of neighbours) only if forces are to be trained on, and the share of a
    pair potential in all of these if networks are to learn the rest.

    >>> pair = Dataset(
    ...     "ar", ("Ar",), np.array([0, 0, 1, 1]), np.zeros(4, int), np.ones((4, 3)), np.array([-1.0, -2.0]), None
    ... )
    >>> pair.n_atoms
    array([2, 2])
    >>> pair.select([1]).energy
    array([-2.])
    """

    system: str
    elements: tuple[str, ...]
    frame: IntArray
    species: IntArray
    descriptors: FloatArray
    energy: FloatArray
    local_energy: FloatArray | None
    forces: FloatArray | None = None
    derivatives: tuple[PairDerivatives, ...] | None = None
    pairs: PairShare | None = None

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.energy)

    @property
    def n_atoms(self) -> IntArray:
        """Number of atoms of each frame, ``(n_frames,)``."""
        return np.bincount(self.frame, minlength=self.n_frames)

    def select(self, frames: Sequence[int] | IntArray) -> Self:
        """Return the given frames, in ascending order, renumbered from 0."""
        chosen = np.unique(np.asarray(frames, dtype=np.int64))
        number = np.full(self.n_frames, -1, dtype=np.int64)
        number[chosen] = np.arange(len(chosen))
        keep = number[self.frame] >= 0
        share = self.pairs
        return replace(
            self,
            frame=number[self.frame[keep]],
            species=self.species[keep],
            descriptors=self.descriptors[keep],
            energy=self.energy[chosen],
            local_energy=None if self.local_energy is None else self.local_energy[keep],
            forces=None if self.forces is None else self.forces[keep],
            derivatives=None if self.derivatives is None else tuple(self.derivatives[index] for index in chosen),
            pairs=share and PairShare(share.potential, share.local_energy[keep], share.forces[keep]),
        )

    def without_pairs(self) -> Self:
        """Return what the pair potential leaves to be learnt: the same frames, its share taken away."""
        if self.pairs is None:
            return self
        share = self.pairs
        return replace(
            self,
            energy=self.energy - self.sum_over_atoms(share.local_energy),
            local_energy=None if self.local_energy is None else self.local_energy - share.local_energy,
            forces=None if self.forces is None else self.forces - share.forces,
            pairs=None,
        )

    def composition(self) -> IntArray:
        """Number of atoms of each element in each frame, ``(n_frames, n_elements)``."""
        counts = np.zeros((self.n_frames, len(self.elements)), dtype=np.int64)
        np.add.at(counts, (self.frame, self.species), 1)
        return counts

    def summed_descriptors(self) -> FloatArray:
        """Sum of the descriptors over the atoms of each element and frame, ``(n_frames, n_elements, n_components)``.

        A model that is linear in the descriptors needs nothing else to predict total energies.
        """
        summed = np.zeros((self.n_frames, len(self.elements), self.descriptors.shape[1]))
        np.add.at(summed, (self.frame, self.species), self.descriptors)
        return summed

    def sum_over_atoms(self, values: FloatArray) -> FloatArray:
        """Sum per-atom values ``(..., n_atoms_total)`` over the atoms of each frame, ``(..., n_frames)``."""
        starts = np.searchsorted(self.frame, np.arange(self.n_frames))
        return np.add.reduceat(values, starts, axis=-1)


def isolated_energies(isolated: Sequence[Atoms], frames: Sequence[Atoms]) -> dict[str, float]:
    """Energy E0 of each element's isolated atom, eV; InputError if one is none, or a label is missing or not finite.

    Where isolated atoms are missing, E0 comes from a least-squares fit of ``E = sum_s N_s E0_s`` to the frames (of
    least norm where compositions do not determine it), which shifts energies by constants but changes no difference.
    """
    known = {}
    for index, atoms in enumerate(isolated):
        if len(atoms) != 1:
            msg = f"isolated {frame_name(atoms, index)} has {len(atoms)} atoms; give one atom in a large box"
            raise InputError(msg)
        known[atoms.get_chemical_symbols()[0]] = energy_label(atoms, TOTAL_ENERGY, index)
    elements = elements_of(frames)
    if all(element in known for element in elements):
        return {element: known[element] for element in elements}
    counts = np.array([[atoms.get_chemical_symbols().count(e) for e in elements] for atoms in frames], dtype=float)
    energy = np.array([energy_label(atoms, TOTAL_ENERGY, index) for index, atoms in enumerate(frames)])
    e0 = np.linalg.lstsq(counts, energy, rcond=None)[0]
    return dict(zip(elements, map(float, e0), strict=True))


def build_dataset(
    system: str,
    frames: Sequence[Atoms],
    descriptor: Callable[[Atoms], FloatArray],
    e0: Mapping[str, float],
    local_energies: Callable[[Atoms], FloatArray] | None = None,
    derivatives: Callable[[Atoms], PairDerivatives] | None = None,
    pair_potential: LennardJones | None = None,
) -> Dataset:
    """Flatten labelled frames of one system (``REF_energy``, eV), in order of time; `e0` are the isolated atoms', eV.

    Functions of a frame give its descriptors ``(n_atoms, n_components)``, its local DFT energies ``(n_atoms,)`` in eV,
    E0 included, and for training on forces the derivatives of its descriptors; frames then carry ``REF_forces`` (eV/A).
    To a pair potential, networks are to give the difference. InputError where there is no frame, a label is missing or
    not finite, or an element has no E0.
    """
    if not frames:
        raise InputError(f"system {system}: no frames; give at least one")
    symbols = [atoms.get_chemical_symbols() for atoms in frames]
    elements = tuple(elements_of(frames))
    missing = [element for element in elements if element not in e0]
    if missing:
        raise InputError(f"system {system}: no isolated-atom energy for {', '.join(missing)}")
    number = {element: index for index, element in enumerate(elements)}
    species = np.array([number[symbol] for frame in symbols for symbol in frame], dtype=np.int64)
    energy = [energy_label(atoms, TOTAL_ENERGY, i) - sum(e0[s] for s in symbols[i]) for i, atoms in enumerate(frames)]
    local = None
    if local_energies is not None:
        own = np.array([e0[element] for element in elements])[species]
        local = np.concatenate(for_each_frame(local_energies, frames)) - own
    return Dataset(
        system,
        elements,
        np.repeat(np.arange(len(frames)), [len(atoms) for atoms in frames]),
        species,
        np.concatenate(for_each_frame(descriptor, frames)),
        np.array(energy),
        local,
        None if derivatives is None else np.concatenate([force_labels(atoms, i) for i, atoms in enumerate(frames)]),
        None if derivatives is None else frame_derivatives(derivatives, frames),
        None if pair_potential is None else pair_share(frames, pair_potential),
    )


def frame_derivatives(
    derivatives: Callable[[Atoms], PairDerivatives], frames: Sequence[Atoms]
) -> tuple[PairDerivatives, ...]:
    """Derivatives of all frames' descriptors; InputError where the memory does not hold as many as the first's."""
    size = len(frames) * for_each_frame(derivatives, frames[:1])[0].derivative.nbytes
    refuse_beyond_memory(size, f"the derivatives of the descriptors of {len(frames)} frames", _SMALLER)
    return tuple(for_each_frame(derivatives, frames))


_SMALLER = "choose a smaller cutoff or twojmax, or fewer frames"


def pair_share(frames: Sequence[Atoms], potential: LennardJones) -> PairShare:
    """Energies and forces that a pair potential gives to the atoms of all frames."""
    evaluated = for_each_frame(potential.evaluate, frames)
    return PairShare(
        potential,
        np.concatenate([evaluation.local_energies for evaluation in evaluated]),
        np.concatenate([evaluation.forces for evaluation in evaluated]),
    )


STD_FLOOR = 1e-6


class Scaling(NamedTuple):
    """Per species ``x = (g - mean) / std``, (n_elements, n_components), and ``e = offset + scale f(x)`` in eV."""

    mean: FloatArray
    std: FloatArray
    offset: FloatArray
    scale: FloatArray

    def standardise(self, dataset: Dataset, species: IntArray | None = None) -> FloatArray:
        """Standardised descriptors of all atoms; `species` maps them to this scaling's rows."""
        index = dataset.species if species is None else species
        return (dataset.descriptors - self.mean[index]) / self.std[index]


class DescriptorRange(NamedTuple):
    """Smallest and largest value of every component among the training atoms, per species: (n_elements, n_components).

    Outside of it a network extrapolates.
    """

    low: FloatArray
    high: FloatArray

    def excess(self, descriptors: FloatArray, species: IntArray) -> FloatArray:
        """Largest distance of each atom's components beyond the range, in widths of the range: (n_atoms,), 0 inside.

        A component that was constant in training counts in units of its scale's floor, as in `fit_scaling`.
        """
        low, high = self.low[species], self.high[species]
        floor = STD_FLOOR * np.maximum(np.abs(self.low), np.abs(self.high)).max(initial=1e-300)
        beyond = np.maximum(low - descriptors, descriptors - high) / np.maximum(high - low, floor)
        return np.asarray(np.maximum(beyond.max(axis=1, initial=0.0), 0.0))


def fit_range(train: Dataset) -> DescriptorRange:
    """Range of a training set's descriptors."""
    own = [train.descriptors[train.species == index] for index in range(len(train.elements))]
    return DescriptorRange(np.array([rows.min(0) for rows in own]), np.array([rows.max(0) for rows in own]))


def fit_scaling(
    train: Dataset, target: str = "total", *, targets: str = "per_atom", descriptors: str = "standardised"
) -> Scaling:
    """Scaling of a training set.

    Standard deviations have a floor of 1e-6 of the largest root mean square, so that a component that is constant in
    training stays harmless. The offset is the mean energy per atom, the same for every species (totals at one
    composition fix no more), or, with the target ``"local"``, each species' own mean local energy, which may lie
    anywhere without isolated atoms. The scale is the spread of total energies over ``sqrt(n_atoms)``: the spread of
    the local energies if they were independent. The targets ``"per_frame"`` have the spread of total energies itself
    for a scale, descriptors that are ``"raw"`` no mean and unit standard deviations.
    """
    n_elements, n_components = len(train.elements), train.descriptors.shape[1]
    mean = np.zeros((n_elements, n_components))
    std = np.ones((n_elements, n_components))
    for index in range(n_elements) if descriptors == "standardised" else ():
        own = train.descriptors[train.species == index]
        mean[index] = own.mean(0)
        root_mean_square = np.sqrt((own**2).mean(0))
        std[index] = np.maximum(own.std(0), STD_FLOOR * root_mean_square.max())
    per_atom = train.energy / train.n_atoms
    offset = per_atom.mean()
    scale = float(np.std((per_atom - offset) * train.n_atoms ** (0.5 if targets == "per_atom" else 1.0)))
    offsets = np.full(n_elements, offset)
    if target == "local" and train.local_energy is not None:
        offsets = np.array([train.local_energy[train.species == index].mean() for index in range(n_elements)])
    return Scaling(mean, std, offsets, np.full(n_elements, scale if scale > 0 else 1.0))


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

    def along_frames(self, change: Callable[[Any, int], Any]) -> Self:
        """Apply a change to every array, which is told the axis of frames."""
        axis = 0 if self.target.ndim == 1 else 1
        axes = {"rows": 1, "count": 1, "target": axis, "weight": axis}
        packed = {name: change(getattr(self, name), along) for name, along in axes.items()}
        forces = None if self.forces is None else _PackedForces(*(change(array, 0) for array in self.forces))
        return self._replace(**packed, forces=forces)

    def padded(self, n_frames: int) -> Self:
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
        if dataset.local_energy is None:
            raise InputError(f"system {dataset.system}: training on local energies needs frames that carry them")
        local, own = np.zeros_like(count), dataset.species
        local[own, dataset.frame, _slots(dataset)] = (dataset.local_energy - scaling.offset[own]) / scaling.scale[own]
        return PackedFrames(rows, count, local, count)
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
    size = np.dtype(dtype).itemsize * math.prod(shape)
    refuse_beyond_memory(size, f"training on the forces of {dataset.n_frames} frames", _SMALLER)
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
    """Number of each atom among those of its species in its frame, from 0."""
    return np.asarray(pd.Series(dataset.species).groupby([dataset.frame, dataset.species]).cumcount(), dtype=np.int64)


def minibatches(
    rng: np.random.Generator, n_frames: int, batch_size: int, n_blocks: int, steps: int
) -> NDArray[np.int32]:
    """Frame indices ``(n_blocks, steps, batch_size)``: shuffled epochs, every frame once in each, joined end to end."""
    needed = n_blocks * steps * batch_size
    epochs = -(-needed // n_frames)
    order = rng.permuted(np.tile(np.arange(n_frames, dtype=np.int32), (epochs, 1)), axis=1)
    return order.ravel()[:needed].reshape(n_blocks, steps, batch_size)
