"""The pair potential to which networks learn the difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from basinet.errors import InputError
from basinet.models.pair_fit import fit_pair_potential
from basinet.models.pair_potential import LennardJones
from basinet.relation.labels import TOTAL_ENERGY, energy_label
from basinet.sampling.potentials import noble_gas_potential

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ase import Atoms

PairChoice: TypeAlias = LennardJones | Literal["literature"] | None


def chosen_pair_potential(choice: PairChoice, elements: Sequence[str]) -> LennardJones | None:
    """Pair potential of that name: ``"literature"``, Lennard-Jones parameters of noble gases, smoothly ended.

    A potential of your own is taken as it is, and None stays None.

    Raises
    ------
    InputError
        The name is unknown, or the literature (`basinet.sampling.potentials`) has no potential for an element.
    """
    if choice is None or isinstance(choice, LennardJones):
        return choice
    if choice != "literature":
        msg = f"pair_potential is {choice!r}; choose literature or fitted, or pass a LennardJones"
        raise InputError(msg)
    return smoothly_ended(noble_gas_potential(elements))


def fitted_pair_potential(frames: Sequence[Atoms], e0: Mapping[str, float], isolated: Sequence[Atoms]) -> LennardJones:
    """Pair potential fitted to the total energies of frames (`basinet.models.pair_fit`), smoothly ended.

    Parameters
    ----------
    frames
        Frames that networks are trained on (``REF_energy``, eV).
    e0
        Energy of each element's isolated atom, eV.
    isolated
        The isolated atoms: without them E0 is a guess, above which a pair potential means nothing.

    Raises
    ------
    InputError
        Isolated atoms are missing, or the frames do not determine the coefficients.
    """
    unknown = {symbol for atoms in frames for symbol in atoms.get_chemical_symbols()} - {
        symbol for atoms in isolated for symbol in atoms.get_chemical_symbols()
    }
    if unknown:
        names = ", ".join(sorted(unknown))
        msg = f"a pair potential is fitted to energies above those of isolated atoms; give {names} alone, too"
        raise InputError(msg)
    own = [sum(e0[symbol] for symbol in atoms.get_chemical_symbols()) for atoms in frames]
    total = [energy_label(atoms, TOTAL_ENERGY, index) for index, atoms in enumerate(frames)]
    return smoothly_ended(fit_pair_potential(frames, np.subtract(total, own)))


def smoothly_ended(potential: LennardJones) -> LennardJones:
    """Shift energy and force to vanish at the cutoff, as molecular dynamics needs."""
    return LennardJones(potential.parameters, potential.cutoff, smooth=True)
