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

PairChoice: TypeAlias = LennardJones | Literal["literature", "fitted"] | None


def chosen_pair_potential(
    choice: PairChoice,
    frames: Sequence[Atoms],
    e0: Mapping[str, float],
    isolated: Sequence[Atoms],
) -> LennardJones | None:
    """Pair potential of a name, ended smoothly: energy and force vanish at the cutoff.

    Parameters
    ----------
    choice
        ``"literature"``: Lennard-Jones parameters of noble gases (`basinet.sampling.potentials`); ``"fitted"``: fitted
        to the total energies of the frames (`basinet.models.pair_fit`); a potential of your own, taken as it is; None.
    frames
        Frames that networks are trained on (``REF_energy``, eV).
    e0
        Energy of each element's isolated atom, eV.
    isolated
        The isolated atoms: without them E0 is a guess, above which a pair potential means nothing.

    Raises
    ------
    InputError
        The name is unknown, the literature has no potential for an element, or isolated atoms are missing.
    """
    elements = {symbol for atoms in frames for symbol in atoms.get_chemical_symbols()}
    if choice is None or isinstance(choice, LennardJones):
        return choice
    if choice == "literature":
        potential = noble_gas_potential(sorted(elements))
    elif choice == "fitted":
        unknown = elements - {symbol for atoms in isolated for symbol in atoms.get_chemical_symbols()}
        if unknown:
            msg = (
                f"a pair potential is fitted to energies above those of isolated atoms; give {', '.join(unknown)} alone"
            )
            raise InputError(msg)
        own = [sum(e0[symbol] for symbol in atoms.get_chemical_symbols()) for atoms in frames]
        total = [energy_label(atoms, TOTAL_ENERGY, index) for index, atoms in enumerate(frames)]
        potential = fit_pair_potential(frames, np.subtract(total, own))
    else:
        msg = f"pair_potential is {choice!r}; choose literature or fitted, or pass a LennardJones"
        raise InputError(msg)
    return LennardJones(potential.parameters, potential.cutoff, smooth=True)
