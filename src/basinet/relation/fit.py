r"""Least-squares fit of the relation :math:`E_{rest} = a E_{es} + b` (the seed's Figs. 1, 5, 6).

It is empirical: with non-local pseudopotentials and away from stationary states the virial theorem does not
give it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from basinet.arrays import FloatArray
from basinet.errors import InputError
from basinet.frames.labels import (
    CORE_SELF_ENERGY,
    FrameEnergies,
    energy_label,
    frame_energies,
    frame_name,
    is_isolated_atom,
)
from basinet.relation.line import (
    CentredEnergies,
    centre_on_composition,
    fitted_statistics,
    line_intervals,
    shuffled_correlation,
)
from basinet.relation.relation import PinnedBy, Relation

_RANK_TOLERANCE = 1e-8
"""Compositions that differ by less than this fraction are one composition."""


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

    Parameters
    ----------
    frames
        At least three (two more than there are compositions to tell apart), with ``REF_energy`` and
        ``REF_electrostatic_energy`` in ``info``, in the order of time.
    isolated
        Isolated atoms with the same labels, in a sequence or by element. None: those frames marked
        ``config_type=IsolatedAtom``, if any. Either way such frames are not fitted to.
    block_length, n_resamples, level, seed
        Of the block bootstrap over frames; the block length is chosen from the autocorrelation by default.
    n_shuffles
        Shuffles behind ``null_r``.

    Raises
    ------
    InputError
        If labels are missing or not finite, there are too few frames, or E_es does not vary.
    """
    numbers = [index for index, atoms in enumerate(frames) if not is_isolated_atom(atoms)]
    liquid = [frames[index] for index in numbers]
    alone = _isolated_atoms(isolated, frames)
    energies = frame_energies(liquid, numbers)
    centred = _centred_energies(energies)
    slope, rmse, pearson_r, pearson_r_total_es, unexplained = map(float, fitted_statistics(centred))
    offsets, pinned_by = _species_offsets(energies, slope, _isolated_energies(alone))
    return Relation(
        slope=slope,
        intercept=float(np.mean(energies.fractions @ list(offsets.values()))),
        species_offsets=offsets,
        pinned_by=pinned_by,
        rmse=rmse,
        pearson_r=pearson_r,
        null_r=shuffled_correlation(centred, n_shuffles, seed),
        pearson_r_total_es=pearson_r_total_es,
        unexplained_variance=unexplained,
        n_frames=energies.n_frames,
        intervals=line_intervals(centred, block_length=block_length, n_resamples=n_resamples, level=level, seed=seed),
        self_energies=_core_self_energies(liquid, numbers, energies, alone),
    )


def _centred_energies(energies: FrameEnergies) -> CentredEnergies:
    """Energies per atom, centred on composition, if a line can be fitted to them.

    Raises
    ------
    InputError
        If there are too few frames, or E_es does not vary.
    """
    electrostatic = energies.electrostatic / energies.n_atoms
    centred = centre_on_composition(electrostatic, energies.total / energies.n_atoms, energies.fractions)
    needed = 2 + centred.basis.shape[-1]
    if energies.n_frames < needed:
        raise InputError(
            f"the relation needs at least {needed} frames besides isolated atoms, there are {energies.n_frames}"
        )
    if np.abs(centred.electrostatic).max() <= 1e-11 * np.abs(electrostatic).max():
        raise InputError("the electrostatic energy of a composition is the same in all frames: there is no line")
    return centred


@dataclass(frozen=True)
class RelationScores:
    """Figures of a relation on some frames.

    Attributes
    ----------
    rmse, bias
        Root mean square and mean of the residual, eV per atom; ``rmse`` includes the bias.
    pearson_r, pearson_r_total_es
        r(E_rest, E_es) and r(E_tot, E_es) in these frames, each composition centred.
    unexplained_variance
        Variance of E_tot that the relation leaves, :math:`1 - R^2`, bias included; may exceed 1.
    n_frames
        Number of frames.
    """

    rmse: float
    bias: float
    pearson_r: float
    pearson_r_total_es: float
    unexplained_variance: float
    n_frames: int


def evaluate_relation(relation: Relation, frames: Sequence[Atoms]) -> RelationScores:
    """Scores of a relation on labelled frames; isolated atoms among them are left out.

    Raises
    ------
    InputError
        If there is no frame, a label is missing or not finite, or a species is unknown to the relation.
    """
    liquid = [index for index, atoms in enumerate(frames) if not is_isolated_atom(atoms)]
    energies = frame_energies([frames[index] for index in liquid], liquid)
    n_atoms = energies.n_atoms
    residuals = relation.energy_residuals(energies) / n_atoms
    centred = centre_on_composition(energies.electrostatic / n_atoms, energies.total / n_atoms, energies.fractions)
    _, _, pearson_r, pearson_r_total_es, _ = (float(value) for value in fitted_statistics(centred))
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

    The seed's remark that intercepts relate to isolated atoms: about -14 meV in argon and krypton. In a
    mixture pinned by isolated atoms every species has the same deviation. Elements that the relation does not
    know are left out.
    """
    return {
        element: -1e3 * float(relation.energy_residuals(energies)[0])
        for element, energies in _isolated_energies(_isolated_atoms(isolated)).items()
        if element in relation.species_offsets
    }


def _isolated_atoms(
    isolated: Sequence[Atoms] | Mapping[str, Atoms] | None, frames: Sequence[Atoms] = ()
) -> list[Atoms]:
    """Isolated atoms as a list: those given, in a sequence or by element, else those among the frames."""
    if isolated is None:
        return [atoms for atoms in frames if is_isolated_atom(atoms)]
    return list(isolated.values() if isinstance(isolated, Mapping) else isolated)


def _isolated_energies(isolated: Iterable[Atoms]) -> dict[str, FrameEnergies]:
    """Energies of isolated atoms by element.

    Raises
    ------
    InputError
        If a frame holds more than one atom, an element occurs twice, or a label is missing.
    """
    energies: dict[str, FrameEnergies] = {}
    for index, atoms in enumerate(isolated):
        if len(atoms) != 1:
            raise InputError(
                f"isolated {frame_name(atoms, index)} has {len(atoms)} atoms; give one atom in a large box"
            )
        element = atoms.get_chemical_symbols()[0]
        if element in energies:
            raise InputError(f"isolated {frame_name(atoms, index)}: {element} is given twice; keep one of the two")
        energies[element] = frame_energies([atoms])
    return energies


def _how_pinned(fractions: FloatArray, elements: Sequence[str], isolated: Mapping[str, object]) -> PinnedBy:
    """Tell what determines the constants of the species, given the compositions (n_frames, n_species).

    Raises
    ------
    InputError
        If isolated atoms are needed and given, but not for every species.
    """
    if len(elements) == 1:
        return "single species"
    if np.linalg.matrix_rank(fractions, tol=_RANK_TOLERANCE * np.sqrt(len(fractions))) == len(elements):
        return "compositions"
    if not isolated:
        return "equal shares"
    absent = [element for element in elements if element not in isolated]
    if absent:
        raise InputError(f"isolated atoms are given, but none of {', '.join(absent)}; add it to pin its offset")
    return "isolated atoms"


def _species_constants(fractions: FloatArray, target: FloatArray, base: FloatArray) -> FloatArray:
    r"""Constants per species with :math:`\sum_s x_s b_s` closest to the target.

    Where the compositions leave freedom, the constants keep the differences of ``base``: first the same shift
    for every atom, then the smallest further change that the compositions ask for.

    Parameters
    ----------
    fractions
        (n_frames, n_species) mole fractions.
    target
        (n_frames,) eV per atom.
    base
        (n_species,) eV.

    Returns
    -------
    (n_species,) eV
    """
    shifted = base + np.mean(target - fractions @ base)
    change = np.linalg.lstsq(fractions, target - fractions @ shifted, rcond=_RANK_TOLERANCE)[0]
    return np.asarray(shifted + change, dtype=np.float64)


def _species_offsets(
    energies: FrameEnergies, slope: float, isolated: Mapping[str, FrameEnergies]
) -> tuple[dict[str, float], PinnedBy]:
    """Offsets b_s of the relation with the given slope, eV by element, and what pins them.

    Isolated atoms pin the differences of the b_s where the compositions leave them open.
    """
    pinned_by = _how_pinned(energies.fractions, energies.elements, isolated)
    base = np.zeros(len(energies.elements))
    if pinned_by == "isolated atoms":
        alone = [isolated[element] for element in energies.elements]
        base = np.array([float(atom.total[0] - (1.0 + slope) * atom.electrostatic[0]) for atom in alone])
    target = (energies.total - (1.0 + slope) * energies.electrostatic) / energies.n_atoms
    values = _species_constants(energies.fractions, target, base)
    return {element: float(b) for element, b in zip(energies.elements, values, strict=True)}, pinned_by


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
    return {element: float(value) for element, value in zip(energies.elements, values, strict=True)}
