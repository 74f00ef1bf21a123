"""Ridge regression of total energies on summed descriptors: what every linear network could reach.

    E - sum_i offset = sum_s w_s . X_s,    X_s = sum over the atoms of species s of standardised descriptors,
    w = argmin |E - X w|^2 + strength |w|^2,

and the local energy of an atom is its own term, ``offset + w_s . x_i``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from basinet.arrays import FloatArray
from basinet.errors import InputError
from basinet.frames.splits import blocked_folds
from basinet.potentials.dataset import Dataset, Scaling, fit_scaling

STRENGTHS = tuple(10.0 ** np.arange(-4, 5))
N_FOLDS = 5


@dataclass(frozen=True)
class RidgeModel:
    """A linear potential; `weights` ``(n_elements, n_components)`` act on standardised descriptors, eV."""

    elements: tuple[str, ...]
    scaling: Scaling
    weights: FloatArray
    strength: float

    def predict(self, dataset: Dataset) -> FloatArray:
        """Local energies relative to the isolated atoms, ``(n_atoms_total,)``, eV."""
        index = np.array([self.elements.index(element) for element in dataset.elements])[dataset.species]
        rows = self.scaling.standardise(dataset, index)
        return np.asarray(self.scaling.offset[index] + np.einsum("ic,ic->i", rows, self.weights[index]))


def _design(dataset: Dataset, scaling: Scaling) -> tuple[FloatArray, FloatArray]:
    """Summed standardised descriptors ``(n_frames, n_elements * n_components)`` and energies above the offsets."""
    counts = dataset.composition()
    summed = (dataset.summed_descriptors() - counts[..., None] * scaling.mean) / scaling.std
    return summed.reshape(dataset.n_frames, -1), dataset.energy - counts @ scaling.offset


def _solve(design: FloatArray, energy: FloatArray, strengths: Sequence[float]) -> FloatArray:
    """Weights for each strength, ``(n_strengths, n_features)``, from one singular value decomposition."""
    left, singular, right = np.linalg.svd(design, full_matrices=False)
    filtered = singular / (singular**2 + np.asarray(strengths)[:, None])
    return np.asarray((filtered * (left.T @ energy)) @ right)


def out_of_fold_errors(dataset: Dataset) -> tuple[FloatArray, FloatArray]:
    """Total-energy errors of each strength by contiguous folds, ``(n_strengths, n_frames)``, and their mean squares."""
    errors = np.zeros((len(STRENGTHS), dataset.n_frames))
    # A fold holds two frames at least: a short trajectory is cut into fewer.
    for rest, held in blocked_folds(np.arange(dataset.n_frames), max(min(N_FOLDS, dataset.n_frames // 2), 2)):
        fitted = dataset.select(rest)
        scaling = fit_scaling(fitted)
        weights = _solve(*_design(fitted, scaling), STRENGTHS)
        design, energy = _design(dataset.select(held), scaling)
        errors[:, held] = weights @ design.T - energy
    return errors, (errors**2).mean(1)


def fit_ridge(train: Dataset, strength: float | None = None) -> RidgeModel:
    """Fit total energies; without a `strength`, contiguous folds of `train` choose one of `STRENGTHS`."""
    if strength is None:
        strength = float(STRENGTHS[int(np.argmin(out_of_fold_errors(train)[1]))])
    scaling = fit_scaling(train)
    weights = _solve(*_design(train, scaling), [strength])[0].reshape(len(train.elements), -1)
    return RidgeModel(train.elements, scaling, weights, strength)


def determination(train: Dataset, strength: float) -> dict[str, FloatArray]:
    r"""What totals determine of the local energies of `train`, by the singular directions of the summed descriptors.

    With :math:`X = U S V^T` the sums over the atoms of each frame, and x those of one atom. Returns arrays
    (n_elements * n_components,), the directions that fewer frames do not see at all included:

    - ``singular_value`` :math:`s_k`;
    - ``kept``, :math:`s_k^2 / (s_k^2 + \lambda)`: what ridge of strength :math:`\lambda` on totals gives back of the
      weights of a linear potential along :math:`v_k`, mean over noise (Hoerl and Kennard, Technometrics 12, 55 (1970));
    - ``variance_share``: the part of the direction in the variance of the local energies, those of species centred. It
      is the covariance with them of :math:`(w \cdot v_k)(v_k \cdot x)`, w the weights of least squares on local
      energies: the parts add up to the coefficient of determination of w;
    - ``start_share``: its part in the variance of a linear potential of random weights, of :math:`v_k \cdot x`.

    InputError: the frames carry no local energies.
    """
    if train.local_energy is None:
        raise InputError(f"system {train.system}: frames without local energies tell not what totals determine of them")
    scaling = fit_scaling(train)
    sums = _design(train, scaling)[0]
    _, seen, right = np.linalg.svd(sums, full_matrices=len(sums) < sums.shape[1])  # unseen directions too
    singular = np.pad(seen, (0, len(right) - len(seen)))
    n_elements, n_components = scaling.mean.shape
    rows = np.zeros((len(train.species), n_elements, n_components))
    rows[np.arange(len(rows)), train.species] = scaling.standardise(train)
    means = np.bincount(train.species, train.local_energy) / np.bincount(train.species)
    local, atoms = train.local_energy - means[train.species], rows.reshape(len(rows), -1)
    along, weights = atoms @ right.T, right @ np.linalg.lstsq(atoms, local, rcond=None)[0]
    variance = along.var(0)
    return {
        "singular_value": singular,
        "kept": singular**2 / (singular**2 + strength),
        "variance_share": weights * (along.T @ local) / (local @ local),
        "start_share": variance / variance.sum(),
    }
