r"""Least-squares fit of the relation :math:`E_{rest} = a E_{es} + b` (the seed's Figs. 1, 5, 6).

It is empirical: with non-local pseudopotentials and away from stationary states the virial theorem does not give it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from basinet.arrays import FloatArray
from basinet.errors import InputError
from basinet.frames.bootstrap import Interval, choose_block_length, percentile_interval, resample_sums
from basinet.frames.labels import (
    CORE_SELF_ENERGY,
    FrameEnergies,
    energy_label,
    frame_energies,
    frame_name,
    is_isolated_atom,
)
from basinet.relation.relation import PinnedBy, Relation

_RANK_TOLERANCE = 1e-8  # compositions that differ by less than this fraction are one composition
_STATISTICS = ("slope", "rmse", "pearson_r", "pearson_r_total_es", "unexplained_variance")


def fit_relation(
    frames: Sequence[Atoms],
    isolated: Sequence[Atoms] | Mapping[str, Atoms] | None = None,
    *,
    block_length: int | None = None,
    n_resamples: int = 1000,
    n_shuffles: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> Relation:
    r"""Least-squares fit of :math:`E_{rest} / N = a E_{es} / N + \sum_s x_s b_s` over frames.

    Energies per atom are fitted, so frames of any size count alike. Frames of one composition determine only
    the sum over species; see ``Relation.pinned_by`` for the rest. Isolated atoms pin :math:`b_s = E_{rest,0}
    - a E_{es,0}`, and what the liquid's line misses them by (14 meV in Ar and Kr) is shared equally by all
    atoms.

    - `frames`: at least three (two more than there are compositions to tell apart), with ``REF_energy`` and
      ``REF_electrostatic_energy`` in ``info``, in the order of time.
    - `isolated`: isolated atoms with the same labels, in a sequence or by element; other elements than those of the
      frames do not matter. None: those frames marked ``config_type=IsolatedAtom``, if any. Either way such frames are
      not fitted to.
    - `block_length`, `n_resamples`, `level`, `seed`: of the block bootstrap over frames; the block length is chosen
      from the autocorrelation by default.
    - `n_shuffles`: shuffles behind ``null_r``.

    InputError if labels are missing or not finite, there are too few frames, or E_es does not vary.
    """
    numbers = [index for index, atoms in enumerate(frames) if not is_isolated_atom(atoms)]
    liquid = [frames[index] for index in numbers]
    energies = frame_energies(liquid, numbers)
    known = _isolated_atoms(isolated, frames)
    alone = [atoms for atoms in known if len(atoms) != 1 or atoms.get_chemical_symbols()[0] in energies.elements]
    centred = _fittable(energies)
    if block_length is None:
        block_length = choose_block_length(np.stack([centred.electrostatic, centred.total], axis=-1))
    slope, rmse, pearson_r, pearson_r_total_es, unexplained = map(float, _fitted_statistics(centred))
    offsets, pinned_by = _species_offsets(energies, slope, _isolated_energies(alone))
    return Relation(
        slope=slope,
        intercept=float(np.mean(energies.fractions @ list(offsets.values()))),
        species_offsets=offsets,
        pinned_by=pinned_by,
        rmse=rmse,
        pearson_r=pearson_r,
        null_r=_shuffled_correlation(centred, n_shuffles, seed),
        pearson_r_total_es=pearson_r_total_es,
        unexplained_variance=unexplained,
        r2_out_of_sample=_out_of_sample_r2(centred),
        p_value=_chance(centred, block_length, n_shuffles, seed),
        n_frames=energies.n_frames,
        intervals=_line_intervals(centred, block_length=block_length, n_resamples=n_resamples, level=level, seed=seed),
        self_energies=_core_self_energies(liquid, numbers, energies, alone),
    )


@dataclass(frozen=True)
class _CentredEnergies:
    """Energies per atom without the part that is linear in the composition, (n_frames,) eV each.

    Constants of 1e3 eV then do not swamp variances of 1e-4 eV^2. ``basis`` (n_frames, rank) spans the compositions,
    with columns of unit mean square.
    """

    electrostatic: FloatArray
    total: FloatArray
    basis: FloatArray


def _centre_on_composition(energies: FrameEnergies) -> _CentredEnergies:
    """Residuals of energies per atom from a constant per species (Frisch-Waugh-Lovell).

    A least-squares line through the residuals has the slope of the joint fit of slope and constants, without
    the cancellation that the constants cause.
    """
    n_frames = energies.n_frames
    left, singular, _ = np.linalg.svd(energies.fractions, full_matrices=False)
    basis = left[:, singular > 1e-8 * singular[0]] * np.sqrt(n_frames)

    def residual(values: FloatArray) -> FloatArray:
        result = values / energies.n_atoms
        result = result - result.mean()
        for _ in range(2):  # the second pass removes the rounding of the first
            result = result - basis @ (basis.T @ result) / n_frames
        return np.asarray(result, dtype=np.float64)

    return _CentredEnergies(residual(energies.electrostatic), residual(energies.total), basis)


def _fittable(energies: FrameEnergies) -> _CentredEnergies:
    centred = _centre_on_composition(energies)
    needed = 2 + centred.basis.shape[-1]
    if energies.n_frames < needed:
        msg = f"the relation needs at least {needed} frames besides isolated atoms, there are {energies.n_frames}"
        raise InputError(msg)
    if np.abs(centred.electrostatic).max() <= 1e-11 * np.abs(energies.electrostatic / energies.n_atoms).max():
        raise InputError("the electrostatic energy of a composition is the same in all frames: there is no line")
    return centred


def _line_statistics(n: FloatArray, xx: FloatArray, xt: FloatArray, tt: FloatArray) -> FloatArray:
    r"""Figures of the line from centred sums over n frames, of x = E_es and t = E_tot per atom.

    The sums of E_rest follow: with y = t - x, :math:`S_{xy} = S_{xt} - S_{xx}` and
    :math:`S_{yy} = S_{tt} - 2 S_{xt} + S_{xx}`.

    (..., 5) in the order of ``_STATISTICS``: slope a, RMSE (eV/atom), r(E_rest, E_es), r(E_tot, E_es), and the
    variance of E_tot that the line leaves, :math:`1 - R^2`. A figure that is not defined is nan.
    """
    xy, yy = xt - xx, tt - 2.0 * xt + xx
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.maximum(tt - xt * xt / xx, 0.0)
        figures = (xy / xx, np.sqrt(left / n), xy / np.sqrt(xx * yy), xt / np.sqrt(xx * tt), left / tt)
        return np.stack(figures, axis=-1)


def _fitted_statistics(energies: _CentredEnergies) -> FloatArray:
    """:func:`_line_statistics` of all frames, (5,)."""
    x, t = energies.electrostatic, energies.total
    return _line_statistics(np.asarray(float(len(x))), np.asarray(x @ x), np.asarray(x @ t), np.asarray(t @ t))


def _line_intervals(
    energies: _CentredEnergies, *, block_length: int, n_resamples: int, level: float, seed: int
) -> dict[str, Interval]:
    """Block-bootstrap intervals of the figures; every resample refits the slope and the constants."""
    x, t, basis = energies.electrostatic, energies.total, energies.basis
    columns = np.column_stack([x, t, basis])
    sums = np.einsum("fi,fj->fij", columns, columns)
    gram = resample_sums(sums, block_length, n_resamples, seed)
    cross = gram[:, :2, 2:]
    inverse = np.linalg.pinv(gram[:, 2:, 2:], rcond=1e-10, hermitian=True)
    schur = gram[:, :2, :2] - cross @ inverse @ np.swapaxes(cross, -1, -2)
    xx = schur[:, 0, 0]
    xx = np.where(xx > 1e-12 * (x @ x), xx, np.nan)  # a resample of one frame over and over has no slope
    samples = _line_statistics(np.asarray(float(len(x))), xx, schur[:, 0, 1], schur[:, 1, 1])
    estimates = _fitted_statistics(energies)
    return {
        name: percentile_interval(samples[:, k], float(estimates[k]), level=level, block_length=block_length)
        for k, name in enumerate(_STATISTICS)
    }


def _shuffled_correlation(energies: _CentredEnergies, n_shuffles: int = 200, seed: int = 0) -> float:
    r"""Mean r(E_rest, E_es) with E_tot shuffled over frames: the part-whole correlation that means nothing.

    E_es stands on both axes of the relation, in E_rest = E_tot - E_es with a minus sign. Without any connection between
    E_tot and E_es, r is still about :math:`-\sigma_{es} / \sqrt{\sigma_{es}^2 + \sigma_{tot}^2}`.
    """
    x, t = energies.electrostatic, energies.total
    rng = np.random.default_rng(seed)
    shuffled = rng.permuted(np.broadcast_to(t, (n_shuffles, len(t))), axis=-1)
    rest = shuffled - x
    rest = rest - rest.mean(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.mean(rest @ x / np.sqrt((rest * rest).sum(axis=-1) * (x @ x))))


def _out_of_sample_r2(energies: _CentredEnergies, n_folds: int = 5) -> float:
    r""":math:`1 - \sum (t - \hat t)^2 / \sum (t - \bar t)^2` over frames left out in contiguous blocks.

    Slope and constants are those of the other frames; so are the constants alone, which the line has to beat.
    """
    x, t, basis = energies.electrostatic, energies.total, energies.basis
    columns, left = np.column_stack([x, basis]), np.zeros(2)
    for test in np.array_split(np.arange(len(t)), min(n_folds, len(t))):
        train = np.setdiff1d(np.arange(len(t)), test)
        for k, known in enumerate((columns, basis)):
            found = np.linalg.lstsq(known[train], t[train], rcond=None)[0]
            left[k] += float(np.sum((t[test] - known[test] @ found) ** 2))
    return float(1.0 - left[0] / left[1]) if left[1] > 0.0 else np.nan


_FEWEST_BLOCKS = 5  # blocks of which fewer have too few orders to tell


def _chance(energies: _CentredEnergies, block_length: int, n_shuffles: int, seed: int) -> float:
    """P value of r(E_tot, E_es): share of orders of blocks of frames, the present one included, with as large an r."""
    x, t = energies.electrostatic, energies.total
    blocks = np.array_split(np.arange(len(t)), max(1, len(t) // block_length))
    if len(blocks) < _FEWEST_BLOCKS:
        return np.nan
    rng = np.random.default_rng(seed)
    orders = [np.concatenate([blocks[k] for k in rng.permutation(len(blocks))]) for _ in range(n_shuffles)]
    return float((1 + sum(abs(t[order] @ x) >= abs(t @ x) for order in orders)) / (1 + n_shuffles))


@dataclass(frozen=True)
class RelationScores:
    """Figures of a relation on some frames.

    ``rmse`` and ``bias`` are the root mean square (bias included) and the mean of the residual, eV per atom; the
    correlations are those within each composition; ``unexplained_variance`` is the variance of E_tot that the relation
    leaves, :math:`1 - R^2`, bias included, and may exceed 1.
    """

    rmse: float
    bias: float
    pearson_r: float
    pearson_r_total_es: float
    unexplained_variance: float
    n_frames: int


def evaluate_relation(relation: Relation, frames: Sequence[Atoms]) -> RelationScores:
    """Scores of a relation on labelled frames; isolated atoms among them are left out.

    InputError if there is no frame, a label is missing or not finite, or a species is unknown to the relation.
    """
    liquid = [index for index, atoms in enumerate(frames) if not is_isolated_atom(atoms)]
    energies = frame_energies([frames[index] for index in liquid], liquid)
    residuals = relation.energy_residuals(energies) / energies.n_atoms
    centred = _centre_on_composition(energies)
    _, _, pearson_r, pearson_r_total_es, _ = map(float, _fitted_statistics(centred))
    variance = float(centred.total @ centred.total)
    return RelationScores(
        rmse=float(np.sqrt(np.mean(residuals**2))),
        bias=float(residuals.mean()),
        pearson_r=pearson_r,
        pearson_r_total_es=pearson_r_total_es,
        unexplained_variance=float(residuals @ residuals) / variance if variance > 0.0 else np.nan,
        n_frames=energies.n_frames,
    )


def isolated_atom_check(relation: Relation, isolated: Sequence[Atoms] | Mapping[str, Atoms]) -> dict[str, float]:
    r"""Error of the relation at isolated atoms, :math:`b_s - (E_{rest,0} - a E_{es,0})`, meV by element.

    The seed's remark that intercepts relate to isolated atoms: about -14 meV in argon and krypton. In a mixture pinned
    by isolated atoms every species has the same deviation. Elements that the relation does not know are left out.
    """
    return {
        element: -1e3 * float(relation.energy_residuals(energies)[0])
        for element, energies in _isolated_energies(_isolated_atoms(isolated)).items()
        if element in relation.species_offsets
    }


def _isolated_atoms(
    isolated: Sequence[Atoms] | Mapping[str, Atoms] | None, frames: Sequence[Atoms] = ()
) -> list[Atoms]:
    if isolated is None:
        return [atoms for atoms in frames if is_isolated_atom(atoms)]
    return list(isolated.values() if isinstance(isolated, Mapping) else isolated)


def _isolated_energies(isolated: Iterable[Atoms]) -> dict[str, FrameEnergies]:
    """Energies of isolated atoms by element; InputError for a frame of several atoms, or an element given twice."""
    energies: dict[str, FrameEnergies] = {}
    for index, atoms in enumerate(isolated):
        if len(atoms) != 1:
            msg = f"isolated {frame_name(atoms, index)} has {len(atoms)} atoms; give one atom in a large box"
            raise InputError(msg)
        element = atoms.get_chemical_symbols()[0]
        if element in energies:
            raise InputError(f"isolated {frame_name(atoms, index)}: {element} is given twice; keep one of the two")
        energies[element] = frame_energies([atoms])
    return energies


def _species_constants(fractions: FloatArray, target: FloatArray, base: FloatArray) -> FloatArray:
    r"""Constants b_s, (n_species,) eV, with :math:`\sum_s x_s b_s` closest to the target (n_frames,) eV per atom.

    Where the compositions (n_frames, n_species) leave freedom, the constants keep the differences of ``base``: first
    the same shift for every atom, then the smallest further change that the compositions ask for.
    """
    shifted = base + np.mean(target - fractions @ base)
    change = np.linalg.lstsq(fractions, target - fractions @ shifted, rcond=_RANK_TOLERANCE)[0]
    return np.asarray(shifted + change, dtype=np.float64)


def _species_offsets(
    energies: FrameEnergies, slope: float, isolated: Mapping[str, FrameEnergies]
) -> tuple[dict[str, float], PinnedBy]:
    """Offsets b_s of the relation with the given slope, eV by element, and what pins them.

    Isolated atoms pin the differences of the b_s where the compositions leave them open; then every species needs one.
    """
    fractions, elements = energies.fractions, energies.elements
    rank = np.linalg.matrix_rank(fractions, tol=_RANK_TOLERANCE * np.sqrt(len(fractions)))
    pinned_by: PinnedBy = "single species" if len(elements) == 1 else "compositions"
    base = np.zeros(len(elements))
    if rank < len(elements):
        pinned_by = "isolated atoms" if isolated else "equal shares"
    if pinned_by == "isolated atoms":
        absent = [element for element in elements if element not in isolated]
        if absent:
            raise InputError(f"isolated atoms are given, but none of {', '.join(absent)}; add it to pin its offset")
        alone = [isolated[element] for element in elements]
        base = np.array([float(atom.total[0] - (1.0 + slope) * atom.electrostatic[0]) for atom in alone])
    target = (energies.total - (1.0 + slope) * energies.electrostatic) / energies.n_atoms
    values = _species_constants(fractions, target, base)
    return dict(zip(elements, values.tolist(), strict=True)), pinned_by


def _core_self_energies(
    frames: Sequence[Atoms], numbers: Sequence[int], energies: FrameEnergies, isolated: Sequence[Atoms]
) -> dict[str, float]:
    """Self energy of the core charge of each species, eV; empty if no frame carries the label.

    In a mixture of one composition only isolated atoms tell the species apart; without them (or without their
    label) the self energies are shared equally.
    """
    if not any(CORE_SELF_ENERGY in atoms.info for atoms in frames):
        return {}
    numbered = zip(frames, numbers, strict=True)
    labels = np.array([energy_label(atoms, CORE_SELF_ENERGY, number) for atoms, number in numbered])
    known = {
        atoms.get_chemical_symbols()[0]: energy_label(atoms, CORE_SELF_ENERGY, index)
        for index, atoms in enumerate(isolated)
        if CORE_SELF_ENERGY in atoms.info
    }
    complete = all(element in known for element in energies.elements)
    base = np.array([known[element] if complete else 0.0 for element in energies.elements])
    values = _species_constants(energies.fractions, labels / energies.n_atoms, base)
    return dict(zip(energies.elements, values.tolist(), strict=True))
