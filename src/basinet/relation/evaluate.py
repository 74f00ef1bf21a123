"""A relation on frames that it was not fitted to, and on isolated atoms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from basinet.relation.labels import frame_energies, is_isolated_atom, isolated_atoms
from basinet.relation.line import centre_on_composition, fitted_statistics
from basinet.relation.offsets import isolated_energies
from basinet.relation.relation import Relation

FloatArray = NDArray[np.float64]


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
