"""Electrostatic energy of each atom, from the Hartree energy of its Bader region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from ase import Atoms

from basinet.arrays import FloatArray
from basinet.errors import InputError
from basinet.frames.labels import (
    CORE_SELF_ENERGY,
    ELECTROSTATIC_ENERGY,
    LOCAL_HARTREE_ENERGY,
    atom_labels,
    energy_label,
    frame_name,
)

Definition = Literal["total", "electronic"]
OTHER_DEFINITION: Mapping[Definition, Definition] = {"total": "electronic", "electronic": "total"}

MAX_CLOSURE_ERROR = 0.05
"""eV per atom. Converged grids close to 1e-4; beyond this the labels are not parts of this Hartree energy."""
MAX_SELF_ENERGY_ERROR = 1e-3
"""eV per atom by which a frame's core self energy, a constant, may differ from the sum over its species."""


def local_electrostatic_energies(
    atoms: Atoms,
    self_energies: Mapping[str, float],
    definition: Definition = "total",
    index: int | None = None,
) -> FloatArray:
    r"""Electrostatic energy of each atom.

    .. math:: E_{es,i} = \frac12 \int_{\Omega_i} \rho V_H + E_{self,s(i)} + c

    With the reading ``total`` (rho neutral) the constant c makes the atoms sum to the frame's E_es exactly.
    It holds the core overlaps (zero in noble-gas liquids) less the closure error of the grid, an equal share
    for every atom. With ``electronic`` (rho of the electrons alone) the integrals are not parts of the
    Hartree energy, and c is left out; the sum then means nothing.

    Source: the seed's definition of the energy of an atom (arXiv:2403.00377, "Local energy computation"), and
    Yu, Trinkle, Martin, Phys. Rev. B 83, 115113 (2011) for the role of the self terms.

    Parameters
    ----------
    atoms
        Frame with ``REF_local_hartree_energy`` (or ``..._electronic``) and, for ``total``,
        ``REF_electrostatic_energy``.
    self_energies
        Core self energy of each species, eV. Empty: the frame's own ``REF_core_self_energy``, which must then
        be a frame of one species.
    index
        Number of the frame, for messages.

    Returns
    -------
    (n_atoms,) eV

    Raises
    ------
    InputError
        If a label is missing or not finite, a species has no self energy, or the frame does not close.
    """
    if definition not in LOCAL_HARTREE_ENERGY:
        raise InputError(f"definition {definition!r} is unknown; it is one of {', '.join(LOCAL_HARTREE_ENERGY)}")
    key = LOCAL_HARTREE_ENERGY[definition]
    energies = atom_labels(atoms, key, index) + atom_self_energies(atoms, self_energies, index)
    if definition == "total":
        open_part = (energy_label(atoms, ELECTROSTATIC_ENERGY, index) - energies.sum()) / len(atoms)
        if abs(open_part) > MAX_CLOSURE_ERROR:
            raise InputError(
                f"{frame_name(atoms, index)}: {key} and core self energies miss {ELECTROSTATIC_ENERGY} by "
                f"{open_part:.3g} eV per atom; partition the frame on a finer grid, or check its labels"
            )
        energies = energies + open_part
    return energies


def atom_self_energies(atoms: Atoms, self_energies: Mapping[str, float], index: int | None) -> FloatArray:
    """Core self energy of each atom, (n_atoms,) eV, checked against the frame's where it has one."""
    symbols = atoms.get_chemical_symbols()
    name = frame_name(atoms, index)
    if not self_energies:
        share = energy_label(atoms, CORE_SELF_ENERGY, index) / len(atoms)
        if len(set(symbols)) > 1:
            raise InputError(
                f"{name}: the relation knows no core self energies to tell {', '.join(sorted(set(symbols)))} "
                f"apart; fit it to frames labelled with {CORE_SELF_ENERGY}"
            )
        return np.full(len(atoms), share)
    unknown = sorted(set(symbols) - set(self_energies))
    if unknown:
        raise InputError(f"{name}: the relation knows no {unknown[0]}; fit it to frames that hold this species")
    values = np.array([self_energies[symbol] for symbol in symbols])
    if CORE_SELF_ENERGY in atoms.info:
        difference = (energy_label(atoms, CORE_SELF_ENERGY, index) - values.sum()) / len(atoms)
        if abs(difference) > MAX_SELF_ENERGY_ERROR:
            raise InputError(
                f"{name}: {CORE_SELF_ENERGY} is {difference:.3g} eV per atom off that of the frames the "
                "relation was fitted to; label both with one set of pseudopotentials, and fit mixtures with "
                "isolated atoms"
            )
    return values
