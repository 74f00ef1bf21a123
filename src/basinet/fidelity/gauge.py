r"""The pair gauge of a mixture: what totals leave free in the local energies, and its removal.

With one network per species, the energy of an Ar-Kr pair can be split between its two atoms in any ratio, as
a function of distance, without changing any total energy:

.. math:: e_i \to e_i + s_i \sum_{j:\, species(j) \neq species(i)} h(r_{ij})

with s = +1 for argon and -1 for krypton.

The sum over all atoms counts every pair once with each sign and vanishes. :math:`h` is a sum of Gaussians whose
coefficients are fitted to local energies of validation frames and applied to test frames. Beside it stands the control,
the same correction with equal signs, which is no gauge: it has as many coefficients, but changes the totals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike

from basinet.arrays import FloatArray
from basinet.fidelity.metrics import centre_groups, centring_groups

GaugeKind = Literal["pair", "control"]

_CENTRES = np.linspace(3.0, 6.5, 8)  # centres of the Gaussians, A
_GAUSSIAN_WIDTH = 0.5  # standard deviation of the Gaussians, A: their spacing
_TAPER_START, _GAUGE_CUTOFF = 6.0, 7.0  # h is brought to zero between these two distances, A
_RIDGE = 1e-6  # ridge on coefficients of features scaled to unit variance: it only settles what the frames do not


def _radial_basis(distances: ArrayLike) -> FloatArray:
    r"""Gaussians times a cosine taper.

    .. math:: \phi_k(r) = \exp\left(-\frac{(r - c_k)^2}{2 \sigma^2}\right) f(r)

    of distances (...) in A: (..., 8), dimensionless; zero from 7 A on.
    """
    r = np.asarray(distances, dtype=np.float64)[..., None]
    fraction = np.clip((r - _TAPER_START) / (_GAUGE_CUTOFF - _TAPER_START), 0.0, 1.0)
    taper = 0.5 * (1.0 + np.cos(np.pi * fraction))
    return np.asarray(np.exp(-0.5 * ((r - _CENTRES) / _GAUSSIAN_WIDTH) ** 2) * taper, dtype=np.float64)


def pair_features(atoms: Atoms, elements: Sequence[str]) -> FloatArray:
    r"""Sum the radial basis over neighbours of the other species, periodic images included.

    .. math:: F_{i,k} = \sum_{j:\, species(j) \neq species(i)} \phi_k(r_{ij})

    Returns (n_atoms, 8 n_pairs), without signs: a block of 8 for every unordered pair of ``elements`` (in the order of
    the species index), zero for atoms of neither; one species: (n_atoms, 0). The cutoff of 7 A may exceed half the box.
    ValueError where an atom's element is not among ``elements``.
    """
    from vesin import NeighborList

    pairs = list(combinations(range(len(elements)), 2))
    position = {element: index for index, element in enumerate(elements)}
    unknown = sorted(set(atoms.get_chemical_symbols()) - set(position))
    if unknown:
        raise ValueError(f"element {unknown[0]} is not among {list(elements)}")
    features = np.zeros((len(atoms), len(pairs), _CENTRES.size))
    if pairs:
        species = np.array([position[symbol] for symbol in atoms.get_chemical_symbols()])
        neighbours = NeighborList(cutoff=_GAUGE_CUTOFF, full_list=True, n_threads=1)
        first, second, distance = neighbours.compute(atoms.positions, atoms.cell.array, atoms.pbc, "ijd")
        for index, (s, t) in enumerate(pairs):
            lower, upper = np.sort([species[first], species[second]], axis=0)
            chosen = (lower == s) & (upper == t)
            np.add.at(features[:, index], first[chosen], _radial_basis(distance[chosen]))
    return features.reshape(len(atoms), -1)


def stack_pair_features(frames: Sequence[Atoms], elements: Sequence[str]) -> FloatArray:
    """:func:`pair_features` of several frames, atoms in frame order: (n_atoms_total, 8 n_pairs)."""
    return np.concatenate([pair_features(atoms, elements) for atoms in frames])


def _gauge_signs(kind: GaugeKind, species: ArrayLike, n_pairs: int) -> FloatArray:
    """Sign of each atom in each pair of species, (n_atoms, n_pairs): +1, -1, or 0 for an atom of neither.

    Of a pair, the species that comes first in the alphabet has +1; in the control both have +1.
    """
    index = np.asarray(species, dtype=np.int64)
    n_species = round((1.0 + np.sqrt(1.0 + 8.0 * n_pairs)) / 2.0)
    other = -1.0 if kind == "pair" else 1.0
    signs = np.zeros((index.size, n_pairs))
    for pair, (s, t) in enumerate(combinations(range(n_species), 2)):
        signs[:, pair] = np.where(index == s, 1.0, np.where(index == t, other, 0.0))
    return signs


def _signed_features(kind: GaugeKind, features: ArrayLike, species: ArrayLike) -> FloatArray:
    """Features times the sign of each atom in their pair of species, (n_atoms, 8 n_pairs)."""
    values = np.asarray(features, dtype=np.float64)
    n_pairs, left = divmod(values.shape[-1], _CENTRES.size)
    if left:
        raise ValueError(f"{values.shape[-1]} features are not {_CENTRES.size} for every pair of species")
    signs = _gauge_signs(kind, species, n_pairs)
    return values * np.repeat(signs, _CENTRES.size, axis=-1)


@dataclass(frozen=True)
class Gauge:
    """A fitted correction of local energies: ``pair`` (a gauge: totals stay) or ``control`` (equal signs: they do not).

    ``coefficients`` are (..., 8 n_pairs) eV, with the member axes of the prediction they were fitted to.
    """

    kind: GaugeKind
    coefficients: FloatArray

    def apply(self, prediction: ArrayLike, features: ArrayLike, species: ArrayLike) -> FloatArray:
        """Corrected local energies, (..., n_atoms) eV as the prediction; with ``pair`` the sum over each frame stays.

        Features are those of :func:`pair_features`, species (n_atoms,) indices into the elements.
        """
        correction = self.coefficients @ _signed_features(self.kind, features, species).T
        return np.asarray(np.asarray(prediction, dtype=np.float64) + correction, dtype=np.float64)

    def h(self, distances: ArrayLike, pair: int = 0) -> FloatArray:
        """Evaluate h of one pair of species: (..., n_distances) eV for ``distances`` (n_distances,) in A."""
        start = pair * _CENTRES.size
        chosen = self.coefficients[..., start : start + _CENTRES.size]
        return np.asarray(chosen @ _radial_basis(distances).T, dtype=np.float64)


def fit_gauge(
    features: ArrayLike,
    kind: GaugeKind,
    prediction: ArrayLike,
    reference: ArrayLike,
    species: ArrayLike,
    frame: ArrayLike,
) -> Gauge:
    r"""Least-squares correction of local energies.

    .. math:: \min_c \sum_i \left(q_i - p_i - s_i \sum_k c_k F_{i,k}\right)^2

    with all of p, q and sF centred per species and size, as the metrics are. Fit it on frames that are not scored.
    The prediction is (..., n_atoms), the reference (n_atoms,), eV, leading axes being members with coefficients of
    their own; features are those of :func:`pair_features`, species and frame (n_atoms,) indices of each atom.
    """
    p, q = np.asarray(prediction, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    of_frame, index = np.asarray(frame, dtype=np.int64), np.asarray(species, dtype=np.int64)
    group, n_groups = centring_groups(of_frame, index)
    design = centre_groups(_signed_features(kind, features, index).T, group, n_groups)
    target = centre_groups(q - p, group, n_groups)
    scale = np.sqrt((design * design).mean(axis=-1))
    largest = scale.max(initial=0.0)
    if largest == 0.0:
        return Gauge(kind, np.zeros((*p.shape[:-1], len(design))))
    scale = np.maximum(scale, 1e-6 * largest)
    scaled = design / scale[:, None]
    normal = scaled @ scaled.T / q.size + _RIDGE * np.eye(len(scaled))
    moments = target.reshape(-1, q.size) @ scaled.T / q.size
    coefficients = np.linalg.solve(normal, moments.T).T / scale
    return Gauge(kind, coefficients.reshape(*p.shape[:-1], len(design)))


def _frame_sums(features: ArrayLike, frame: ArrayLike) -> FloatArray:
    """Sum the features of each frame's atoms, (n_frames, n_features), in order of the frame index."""
    values, index = np.asarray(features, dtype=np.float64), np.asarray(frame, dtype=np.int64)
    sums = np.zeros((int(index.max()) + 1, values.shape[-1]))
    np.add.at(sums, index, values)
    return sums


def local_prediction_rigidity(
    features: ArrayLike, training_features: ArrayLike, training_frame: ArrayLike, ridge: float
) -> FloatArray:
    r"""Local prediction rigidity: how firmly totals determine the energies of single atoms.

    .. math:: LPR_i = \frac{1}{g_i^T \left(\sum_A G_A G_A^T + \lambda I\right)^{-1} g_i},
        \qquad G_A = \sum_{i \in A} g_i

    Source: Chong, Grasselli, Ben Mahmoud, Morrow, Deringer, Ceriotti, J. Chem. Theory Comput. 19, 8020 (2023),
    arXiv:2306.15638.

    - `features`: (n_atoms, n_features) :math:`g_i = \partial e_i / \partial w` of the atoms asked about: descriptors of
      a linear model, or the last layer's features of a network.
    - `training_features`, `training_frame`: (n_training_atoms, n_features) the same of the training set's atoms, and
      (n_training_atoms,) their frames.
    - `ridge`: :math:`\lambda > 0`, in the square of the features' unit; else ValueError.

    Returns (n_atoms,), dimensionless; ratios between atoms of one model carry meaning. An atom without features is
    infinitely rigid.

    Two atoms with features of their own; only the first one's energy is known from a frame:

    >>> rigidity = local_prediction_rigidity(np.eye(2), [[1.0, 0.0]], [0], ridge=0.1)
    >>> print(f"{rigidity[0]:.1f} {rigidity[1]:.1f}")
    1.1 0.1
    """
    if not ridge > 0.0:
        raise ValueError(f"ridge {ridge} must be positive: where totals leave freedom, it alone is finite")
    g = np.asarray(features, dtype=np.float64)
    # Singular vectors of the sums, and not the inverse of a product: its condition number is squared.
    _, singular, basis = np.linalg.svd(_frame_sums(training_features, training_frame), full_matrices=False)
    inside = g @ basis.T
    outside = np.maximum((g * g).sum(axis=-1) - (inside * inside).sum(axis=-1), 0.0)
    variance = (inside**2 / (singular**2 + ridge)).sum(axis=-1) + outside / ridge
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / variance, dtype=np.float64)
