r"""Least-squares fit of the relation :math:`E_{rest} = a E_{es} + b` (the seed's Figs. 1, 5, 6).

It is empirical: with non-local pseudopotentials and away from stationary states the virial theorem does not
give it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from basinet.errors import InputError
from basinet.frames.labels import FrameEnergies, frame_energies, is_isolated_atom, isolated_atoms
from basinet.relation.line import (
    CentredEnergies,
    centre_on_composition,
    fitted_statistics,
    line_intervals,
    shuffled_correlation,
)
from basinet.relation.offsets import core_self_energies, isolated_energies, species_offsets
from basinet.relation.relation import Relation


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
    alone = isolated_atoms(isolated, frames)
    energies = frame_energies(liquid, numbers)
    centred = centred_energies(energies)
    slope, rmse, pearson_r, pearson_r_total_es, unexplained = map(float, fitted_statistics(centred))
    offsets, pinned_by = species_offsets(energies, slope, isolated_energies(alone))
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
        self_energies=core_self_energies(liquid, numbers, energies, alone),
    )


def centred_energies(energies: FrameEnergies) -> CentredEnergies:
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
    r"""How far the relation misses isolated atoms: :math:`b_s - (E_{rest,0} - a E_{es,0})`, meV by element.

    The seed's remark that intercepts relate to isolated atoms: about -14 meV in argon and krypton. In a
    mixture pinned by isolated atoms every species has the same deviation. Elements that the relation does not
    know are left out.
    """
    return {
        element: -1e3 * float(relation.energy_residuals(energies)[0])
        for element, energies in isolated_energies(isolated_atoms(isolated)).items()
        if element in relation.species_offsets
    }
