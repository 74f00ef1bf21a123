"""Frames calculated again under other settings: by how much energies change, apart from constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from basinet.campaign.verification import ENERGY_TOLERANCE, LOCAL, LOCAL_TOLERANCE, Stored, compare
from basinet.io.frames import system_of


@dataclass(frozen=True)
class Change:
    """What other settings change in a frame, in meV.

    Attributes
    ----------
    number, system, n_atoms
        Of the frame.
    energy
        Change of the total energy per atom.
    energy_centred
        The same less the mean over the frames of its system and size, a constant that no potential and no difference
        of energies sees; None where there is no second frame to tell.
    local, local_largest
        Change of the atoms' local DFT energies less the mean over the atoms of the same element in frames of the same
        system and size: root mean square, and largest. None where densities were not partitioned.
    forces
        Largest change of a force's component, meV/Å.
    """

    number: int
    system: str
    n_atoms: int
    energy: float
    energy_centred: float | None
    local: float | None
    local_largest: float | None
    forces: float | None

    @property
    def agrees(self) -> bool:
        """Whether what can be told is within the tolerances: 0.01 meV per atom, and 0.1 meV (root mean square)."""
        energy = self.energy_centred is None or abs(self.energy_centred) <= ENERGY_TOLERANCE
        return energy and (self.local is None or self.local <= LOCAL_TOLERANCE)


def changes(stored: Stored, calculated: Sequence[Atoms]) -> list[Change]:
    """Compare frames with what is stored of them under other settings.

    Local DFT energies change by 1 + a times what local Hartree energies change, a being the stored frames' slope.
    """
    groups = [(system_of(atoms), len(atoms)) for atoms in stored.frames]
    plain = compare(stored, calculated)
    local = [
        local_changes(old, new, stored.slopes.get(system_of(old)))
        for old, new in zip(stored.frames, calculated, strict=True)
    ]
    found = []
    for item, group, mine, old in zip(plain, groups, local, stored.frames, strict=True):
        others = [index for index, other in enumerate(groups) if other == group]
        mean = float(np.mean([plain[index].energy for index in others]))
        rest = None
        if mine is not None:
            rest = mine.copy()
            symbols = np.array(old.get_chemical_symbols())
            for symbol in set(symbols):
                rest[symbols == symbol] -= mean_change(
                    symbol, [(stored.frames[index], local[index]) for index in others]
                )
        found.append(
            Change(
                number=item.number,
                system=item.system,
                n_atoms=item.n_atoms,
                energy=item.energy,
                energy_centred=item.energy - mean if len(others) > 1 else None,
                local=None if rest is None else float(np.sqrt(np.mean(rest**2))),
                local_largest=None if rest is None else float(np.abs(rest).max()),
                forces=item.forces,
            )
        )
    return found


def local_changes(old: Atoms, new: Atoms, slope: float | None) -> NDArray[np.float64] | None:
    """Changes of local DFT energies (n_atoms,), meV; None where a frame has none."""
    if LOCAL not in old.arrays or LOCAL not in new.arrays:
        return None
    change: NDArray[np.float64] = 1000 * (new.arrays[LOCAL] - old.arrays[LOCAL]) * (1.0 if slope is None else slope)
    return change


def mean_change(symbol: str, frames: Sequence[tuple[Atoms, NDArray[np.float64] | None]]) -> float:
    """Mean change over the atoms of an element."""
    values = [
        change[np.array(atoms.get_chemical_symbols()) == symbol] for atoms, change in frames if change is not None
    ]
    return float(np.concatenate(values).mean())
