"""Local prediction rigidity: how firmly totals determine the energy of one atom.

Source: Chong, Grasselli, Ben Mahmoud, Morrow, Deringer, Ceriotti, J. Chem. Theory Comput. 19, 8020 (2023),
arXiv:2306.15638.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from basinet.arrays import FloatArray


def frame_sums(features: ArrayLike, frame: ArrayLike) -> FloatArray:
    """Sum the features of each frame's atoms, (n_frames, n_features), in order of the frame index."""
    values, index = np.asarray(features, dtype=np.float64), np.asarray(frame, dtype=np.int64)
    sums = np.zeros((int(index.max()) + 1, values.shape[-1]))
    np.add.at(sums, index, values)
    return sums


def local_prediction_rigidity(
    features: ArrayLike, training_features: ArrayLike, training_frame: ArrayLike, ridge: float
) -> FloatArray:
    r"""Local prediction rigidity of atoms.

    .. math:: LPR_i = \frac{1}{g_i^T \left(\sum_A G_A G_A^T + \lambda I\right)^{-1} g_i},
        \qquad G_A = \sum_{i \in A} g_i

    Parameters
    ----------
    features
        (n_atoms, n_features) :math:`g_i = \partial e_i / \partial w` of the atoms asked about: descriptors of
        a linear model, or the last layer's features of a network.
    training_features
        (n_training_atoms, n_features) the same of the training set's atoms.
    training_frame
        (n_training_atoms,) frame index of each.
    ridge
        :math:`\lambda > 0`, in the square of the features' unit.

    Returns
    -------
    (n_atoms,), dimensionless; ratios between atoms of one model carry meaning. An atom without features is
    infinitely rigid.

    Raises
    ------
    ValueError
        If the ridge is not positive.

    Examples
    --------
    Two atoms with features of their own; only the first one's energy is known from a frame:

    >>> rigidity = local_prediction_rigidity(np.eye(2), [[1.0, 0.0]], [0], ridge=0.1)
    >>> print(f"{rigidity[0]:.1f} {rigidity[1]:.1f}")
    1.1 0.1
    """
    if not ridge > 0.0:
        raise ValueError(f"ridge {ridge} must be positive: where totals leave freedom, it alone is finite")
    g = np.asarray(features, dtype=np.float64)
    # Singular vectors of the sums, and not the inverse of a product: its condition number is squared.
    _, singular, basis = np.linalg.svd(frame_sums(training_features, training_frame), full_matrices=False)
    inside = g @ basis.T
    outside = np.maximum((g * g).sum(axis=-1) - (inside * inside).sum(axis=-1), 0.0)
    variance = (inside**2 / (singular**2 + ridge)).sum(axis=-1) + outside / ridge
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / variance, dtype=np.float64)
