"""Energies, forces and virial of one frame by an ensemble."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from basinet.descriptors.gradient import energy_gradient
from basinet.errors import InputError
from basinet.models.network import atom_energies_and_slopes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from numpy.typing import NDArray

    from basinet.models.ensemble import Ensemble


@dataclass(frozen=True)
class Evaluation:
    """What an ensemble says of a frame.

    Attributes
    ----------
    local_energies : (members, n_atoms) array
        eV, E0 included: their sum over atoms compares with ``REF_energy``.
    forces : (n_atoms, 3) array
        Of the members' mean, eV/A.
    virial : (3, 3) array
        Of the members' mean: minus the derivative of the energy in the strain, eV. The stress is minus the virial
        over the volume.
    descriptors : (n_atoms, n_components) array
        What the networks read.
    """

    local_energies: NDArray[np.float64]
    forces: NDArray[np.float64]
    virial: NDArray[np.float64]
    descriptors: NDArray[np.float64]


def chosen_members(ensemble: Ensemble, members: Sequence[int]) -> Sequence[int]:
    """Members as they are, or an error where they are none, doubled, or not the ensemble's."""
    if not len(members) or len(set(members)) < len(members) or not set(members) <= set(range(ensemble.members)):
        msg = f"mean_over is {list(members)}; name some of the members 0 to {ensemble.members - 1}, each once"
        raise InputError(msg)
    return members


def evaluate_frame(
    ensemble: Ensemble, atoms: Atoms, *, threads: int = 1, mean_over: Sequence[int] | None = None
) -> Evaluation:
    """Evaluate an ensemble on a frame; see `Ensemble.evaluate`."""
    symbols = atoms.get_chemical_symbols()
    network_of = ensemble.network_of(tuple(symbols))
    weight, radius = ensemble.descriptor.of_atoms(symbols)
    energies = np.zeros((ensemble.members, len(atoms)))
    averaged = range(ensemble.members) if mean_over is None else chosen_members(ensemble, mean_over)

    def slopes(block: NDArray[np.int64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
        mean_slopes = np.zeros_like(rows)
        for s in np.unique(network_of[block]):
            own = network_of[block] == s
            std, scale = ensemble.scaling.std[s], ensemble.scaling.scale[s]
            standard = (rows[own] - ensemble.scaling.mean[s]) / std
            total = np.zeros_like(standard)
            for m in range(ensemble.members):
                raw, slope = atom_energies_and_slopes(
                    ensemble.network(m, s), standard, ensemble.architecture.activation
                )
                energies[m, block[own]] = ensemble.scaling.offset[s] + scale * raw
                if m in averaged:
                    total += slope
            mean_slopes[own] = total * (scale / len(averaged)) / std
        return mean_slopes

    gradient = energy_gradient(
        atoms.positions, np.array(atoms.cell), atoms.pbc, weight, ensemble.descriptor.rcut, ensemble.descriptor.twojmax,
        slopes, radii_per_atom=radius, threads=threads,
    )  # fmt: skip
    energies += [ensemble.e0[symbol] for symbol in symbols]
    forces, virial = gradient.forces, gradient.virial
    if ensemble.baseline is not None:
        pairs = ensemble.baseline.evaluate(atoms)
        energies += pairs.local_energies
        forces, virial = forces + pairs.forces, virial + pairs.virial
    return Evaluation(energies, forces, virial, gradient.descriptors)
