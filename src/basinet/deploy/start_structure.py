"""A structure to start from where the user has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase.build import bulk
from ase.data import atomic_numbers, covalent_radii, vdw_radii

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

CELLS = 3
"""Face-centred cubic cells along every edge: 108 atoms."""

SHAKE = 0.15
"""Standard deviation of the displacements, Angstrom."""


def shaken_crystal(elements: Sequence[str], *, seed: int = 0) -> Atoms:
    """Build a face-centred cubic crystal of 108 atoms, equal shares of each element at random sites, shaken.

    Neighbours are two van der Waals radii apart (1.5 covalent ones where none is known), of the elements' mean volume,
    which is close to the equilibrium of noble gases.

    Examples
    --------
    >>> atoms = shaken_crystal(["Ar", "Kr"])
    >>> atoms.get_chemical_formula(), bool(atoms.pbc.all())
    ('Ar54Kr54', True)
    """
    rng = np.random.default_rng(seed)
    numbers = [atomic_numbers[element] for element in elements]
    radii = [vdw_radii[z] if np.isfinite(vdw_radii[z]) else 1.5 * covalent_radii[z] for z in numbers]
    distance = 2.0 * float(np.mean(np.power(radii, 3)) ** (1.0 / 3.0))
    atoms: Atoms = bulk(elements[0], "fcc", a=np.sqrt(2.0) * distance, cubic=True).repeat(CELLS)
    atoms.numbers = rng.permutation([numbers[i % len(numbers)] for i in range(len(atoms))])
    atoms.positions += rng.normal(scale=SHAKE, size=atoms.positions.shape)
    return atoms
