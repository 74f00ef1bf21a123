"""Units in which networks learn: standardised descriptors in, energies relative to an offset out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from basinet.dataset import Dataset

STD_FLOOR = 1e-6


@dataclass(frozen=True)
class Scaling:
    """Per species s: ``x = (g - mean_s) / std_s`` and ``e = offset_s + scale_s f(x)``.

    Attributes
    ----------
    mean, std
        Of the training atoms' descriptors, ``(n_elements, n_components)``.
    offset, scale
        ``(n_elements,)``, eV.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    offset: NDArray[np.float64]
    scale: NDArray[np.float64]

    def standardise(self, dataset: Dataset, species: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Standardised descriptors of all atoms; `species` maps them to this scaling's rows."""
        index = dataset.species if species is None else species
        return (dataset.descriptors - self.mean[index]) / self.std[index]


@dataclass(frozen=True)
class DescriptorRange:
    """Smallest and largest value of every component among the training atoms, per species: (n_elements, n_components).

    Outside of it a network extrapolates.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def excess(self, descriptors: NDArray[np.float64], species: NDArray[np.int64]) -> NDArray[np.float64]:
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


def fit_scaling(train: Dataset, target: str = "total") -> Scaling:
    """Scaling of a training set.

    Standard deviations have a floor of 1e-6 of the largest root mean square, so that a component that is constant in
    training stays harmless. The offset is the mean energy per atom, the same for every species (totals at one
    composition fix no more), or, with the target ``"local"``, each species' own mean local energy, which may lie
    anywhere without isolated atoms. The scale is the spread of total energies over ``sqrt(n_atoms)``: the spread of
    the local energies if they were independent.
    """
    n_elements, n_components = len(train.elements), train.descriptors.shape[1]
    mean = np.zeros((n_elements, n_components))
    std = np.ones((n_elements, n_components))
    for index in range(n_elements):
        own = train.descriptors[train.species == index]
        mean[index] = own.mean(0)
        root_mean_square = np.sqrt((own**2).mean(0))
        std[index] = np.maximum(own.std(0), STD_FLOOR * root_mean_square.max())
    per_atom = train.energy / train.n_atoms
    offset = per_atom.mean()
    scale = float(np.std((per_atom - offset) * np.sqrt(train.n_atoms)))
    offsets = np.full(n_elements, offset)
    if target == "local" and train.local_energy is not None:
        offsets = np.array([train.local_energy[train.species == index].mean() for index in range(n_elements)])
    return Scaling(mean, std, offsets, np.full(n_elements, scale if scale > 0 else 1.0))
