"""A pair potential fitted to total energies: c6 and c12 of every pair of species by linear least squares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from basinet.errors import InputError
from basinet.models.pair_potential import LITERATURE_CUTOFF, LennardJones, PairCoefficients
from basinet.models.pairs import half_list, neighbour_pairs, species_indices, species_pairs

FloatArray = NDArray[np.float64]


def power_sums(atoms: Atoms, cutoff: float, elements: Sequence[str] | None = None) -> FloatArray:
    """Sum ``r^-6`` and ``r^-12`` over each atom's neighbours, by species pair.

    A pair potential's local energies are linear in them:
    ``e_i = 1/2 sum_p (c12_p S[i, p, 1] - c6_p S[i, p, 0])``.

    Parameters
    ----------
    atoms
        The frame.
    cutoff
        Neighbours up to this distance count, A.
    elements
        Species that span the pairs, sorted; those of `atoms` unless given.

    Returns
    -------
    ndarray of shape (n_atoms, n_pairs, 2)
        Pairs in the order of `species_pairs`; last axis A^-6, A^-12. Pairs that atom `i` has no part in are
        zero.
    """
    names = tuple(sorted(set(elements if elements is not None else atoms.get_chemical_symbols())))
    species = species_indices(atoms, names)
    pairs = species_pairs(names)
    table = np.zeros((len(names), len(names)), dtype=np.int64)
    for index, (a, b) in enumerate(pairs):
        i, j = names.index(a), names.index(b)
        table[i, j] = table[j, i] = index
    first, second, _, squared = neighbour_pairs(atoms, half_list(cutoff))
    pair = table[species[first], species[second]]
    slots = np.concatenate([first, second]) * len(pairs) + np.concatenate([pair, pair])
    sixth = np.tile(squared**-3.0, 2)
    size = len(atoms) * len(pairs)
    sums = np.empty((size, 2))
    sums[:, 0] = np.bincount(slots, sixth, size)
    sums[:, 1] = np.bincount(slots, sixth**2, size)
    return sums.reshape(len(atoms), len(pairs), 2)


def fit_pair_potential(
    frames: Sequence[Atoms], energies: NDArray[np.floating], cutoff: float = LITERATURE_CUTOFF
) -> LennardJones:
    """Fit c6 and c12 of every species pair to total energies by linear least squares.

    Minimises ``sum_A (E_A - sum_p (c12_p S12_Ap - c6_p S6_Ap))^2`` where ``S_Ap`` sums `power_sums` of frame
    ``A`` over its atoms, halved. Local energies are never seen.

    Parameters
    ----------
    frames
        Training frames.
    energies
        (n_frames,) total energies relative to isolated atoms, eV.
    cutoff
        Range of the potential, A.

    Returns
    -------
    LennardJones
        Coefficients may come out negative where the frames hardly constrain them; nothing is clipped.

    Raises
    ------
    InputError
        Energies and frames differ in number, are not finite, or are too few or too alike for the
        coefficients.
    """
    target = np.asarray(energies, dtype=np.float64)
    if target.shape != (len(frames),) or not np.all(np.isfinite(target)):
        raise InputError(f"pair-potential fit: {len(frames)} frames need as many finite energies")
    elements = tuple(sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()}))
    pairs = species_pairs(elements)
    sums = np.array([power_sums(atoms, cutoff, elements).sum(axis=0) for atoms in frames])
    design = 0.5 * (sums * np.array([-1.0, 1.0])).reshape(len(frames), 2 * len(pairs))
    # Columns differ by twelve orders of magnitude in A; scaled, the conditioning is the physics' alone.
    scale = np.sqrt((design**2).sum(axis=0))
    scale[scale == 0.0] = 1.0
    solution, _, rank, _ = np.linalg.lstsq(design / scale, target, rcond=None)
    if rank < design.shape[1]:
        raise InputError(
            f"pair-potential fit: {len(frames)} frames determine {rank} of {design.shape[1]} coefficients; "
            "give more, or more varied, training frames"
        )
    values = (solution / scale).reshape(len(pairs), 2)
    return LennardJones(
        {pair: PairCoefficients(c6=float(c6), c12=float(c12)) for pair, (c6, c12) in zip(pairs, values, strict=True)},
        cutoff,
    )
