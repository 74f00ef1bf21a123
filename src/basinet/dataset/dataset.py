"""What a model is fitted to and judged by: descriptors, total energies and local energies as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from numpy.typing import NDArray

    from basinet.descriptors.jacobian import PairDerivatives


class PairPotential(Protocol):
    """Whatever gives the atoms of a frame energies and forces, as `basinet.models.pair_potential.LennardJones` does."""

    def evaluate(self, atoms: Atoms) -> Any:
        """Return an object with ``local_energies`` (n_atoms,) in eV and ``forces`` (n_atoms, 3) in eV/A."""


@dataclass(frozen=True)
class PairShare:
    """What a pair potential gives of the energies, where networks are to learn the difference.

    Attributes
    ----------
    potential
        The potential.
    local_energy : (n_atoms_total,) array
        Half of each pair to each atom, eV.
    forces : (n_atoms_total, 3) array
        eV/A.
    """

    potential: PairPotential
    local_energy: NDArray[np.float64]
    forces: NDArray[np.float64]


@dataclass(frozen=True)
class Dataset:
    """Frames of one system, atom after atom.

    Energies are relative to the isolated atoms: eV above ``sum_i E0[element_i]``.

    Attributes
    ----------
    system
        Name of the system, such as ``"ar"``.
    elements
        Chemical symbols that occur, sorted.
    frame
        Frame of each atom, ``(n_atoms_total,)``, non-decreasing from 0.
    species
        Index into `elements` of each atom, ``(n_atoms_total,)``.
    descriptors
        ``(n_atoms_total, n_components)``.
    energy
        Total energy of each frame, ``(n_frames,)``, eV.
    local_energy
        DFT local energy of each atom, ``(n_atoms_total,)``, eV, or None where the frames carry none.
    forces
        DFT forces ``(n_atoms_total, 3)``, eV/A; None unless they are to be trained on.
    derivatives
        Derivatives of each frame's descriptors, with `forces`: 24 n_components bytes a pair of neighbours, 0.3 MB a
        frame of 32 atoms with 12 neighbours each at ``twojmax`` 6.
    pairs
        Share of a pair potential in all of these, if networks are to learn the rest.

    Examples
    --------
    >>> import numpy as np
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
    frame: NDArray[np.int64]
    species: NDArray[np.int64]
    descriptors: NDArray[np.float64]
    energy: NDArray[np.float64]
    local_energy: NDArray[np.float64] | None
    forces: NDArray[np.float64] | None = None
    derivatives: tuple[PairDerivatives, ...] | None = None
    pairs: PairShare | None = None

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.energy)

    @property
    def n_atoms(self) -> NDArray[np.int64]:
        """Number of atoms of each frame, ``(n_frames,)``."""
        return np.bincount(self.frame, minlength=self.n_frames)

    def select(self, frames: Sequence[int] | NDArray[np.int64]) -> Dataset:
        """Return the given frames, in ascending order, renumbered from 0."""
        chosen = np.unique(np.asarray(frames, dtype=np.int64))
        number = np.full(self.n_frames, -1, dtype=np.int64)
        number[chosen] = np.arange(len(chosen))
        keep = number[self.frame] >= 0
        return Dataset(
            self.system,
            self.elements,
            number[self.frame[keep]],
            self.species[keep],
            self.descriptors[keep],
            self.energy[chosen],
            None if self.local_energy is None else self.local_energy[keep],
            None if self.forces is None else self.forces[keep],
            None if self.derivatives is None else tuple(self.derivatives[index] for index in chosen),
            None
            if self.pairs is None
            else replace(self.pairs, local_energy=self.pairs.local_energy[keep], forces=self.pairs.forces[keep]),
        )

    def without_pairs(self) -> Dataset:
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

    def composition(self) -> NDArray[np.int64]:
        """Number of atoms of each element in each frame, ``(n_frames, n_elements)``."""
        counts = np.zeros((self.n_frames, len(self.elements)), dtype=np.int64)
        np.add.at(counts, (self.frame, self.species), 1)
        return counts

    def summed_descriptors(self) -> NDArray[np.float64]:
        """Sum of the descriptors over the atoms of each element and frame, ``(n_frames, n_elements, n_components)``.

        A model that is linear in the descriptors needs nothing else to predict total energies.
        """
        summed = np.zeros((self.n_frames, len(self.elements), self.descriptors.shape[1]))
        np.add.at(summed, (self.frame, self.species), self.descriptors)
        return summed

    def sum_over_atoms(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum per-atom values ``(..., n_atoms_total)`` over the atoms of each frame, ``(..., n_frames)``."""
        starts = np.searchsorted(self.frame, np.arange(self.n_frames))
        return np.add.reduceat(values, starts, axis=-1)
