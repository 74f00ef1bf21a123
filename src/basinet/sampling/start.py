"""Where a run starts: the liquids' densities, the box, and a perturbed lattice in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.data import atomic_masses, atomic_numbers

from basinet.errors import InputError

DALTON_PER_CUBIC_ANGSTROM = 1.0e-24 * units.mol
"""One g/cm3 in dalton per cubic Angstrom."""


@dataclass(frozen=True)
class Species:
    """A liquid's species: its density as a pure liquid at 120 K (g/cm3), which fixes its volume per atom."""

    symbol: str
    density: float

    @property
    def volume(self) -> float:
        """Volume per atom in the pure liquid, A^3."""
        return float(atomic_masses[atomic_numbers[self.symbol]] / (self.density * DALTON_PER_CUBIC_ANGSTROM))


# Close to saturation at 120 K; the densities of the reference frames, so that both describe one state point.
ARGON = Species("Ar", 1.1627)
KRYPTON = Species("Kr", 2.4100)
SYSTEMS: dict[str, tuple[Species, ...]] = {"ar": (ARGON,), "kr": (KRYPTON,), "mix": (ARGON, KRYPTON)}


def composition(system: str, n_atoms: int) -> list[Species]:
    """List the species of `n_atoms` atoms, equal shares of each (the first take what is left over).

    Raises
    ------
    InputError
        The system is not one of ``ar``, ``kr``, ``mix``, or there are too few atoms for a liquid.
    """
    if system not in SYSTEMS:
        raise InputError(f"sampling: unknown system {system!r}; choose one of {', '.join(SYSTEMS)}")
    if n_atoms < 8:
        raise InputError(f"sampling: {n_atoms} atoms are no liquid; give at least 8")
    species = SYSTEMS[system]
    return sorted((species[i % len(species)] for i in range(n_atoms)), key=lambda kind: kind.symbol)


def box_length(system: str, n_atoms: int) -> float:
    """Compute the edge of the cubic box in A: the pure liquids' volumes per atom, ideally mixed.

    Examples
    --------
    >>> round(box_length("ar", 108), 3), round(box_length("kr", 108), 3), round(box_length("mix", 108), 3)
    (18.333, 18.406, 18.37)
    """
    return float(sum(kind.volume for kind in composition(system, n_atoms)) ** (1.0 / 3.0))


def starting_lattice(system: str, n_atoms: int, rng: np.random.Generator, displacement: float = 0.15) -> Atoms:
    """Build a perturbed face-centred cubic lattice at the liquid's density, species placed at random.

    Parameters
    ----------
    system
        ``ar``, ``kr`` or ``mix`` (half and half).
    n_atoms
        Number of atoms. Where it is not 4 m^3, sites of the next larger lattice stay empty at random.
    rng
        Source of the vacancies, the species' order and the displacements.
    displacement
        Standard deviation of the displacements, A.

    Returns
    -------
    Atoms
        A cubic periodic box; the atoms stay near sites that no two share.
    """
    kinds = composition(system, n_atoms)
    edge = box_length(system, n_atoms)
    cells = int(np.ceil((n_atoms / 4.0) ** (1.0 / 3.0) - 1e-9))
    motif = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    corners = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    sites = ((corners + motif) / cells).reshape(-1, 3)
    chosen = sites[rng.choice(len(sites), size=n_atoms, replace=False)]
    positions = chosen * edge + rng.normal(scale=displacement, size=(n_atoms, 3))
    return Atoms([kind.symbol for kind in kinds], positions=positions, cell=[edge] * 3, pbc=True)
