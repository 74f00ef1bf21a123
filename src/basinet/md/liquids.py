"""Where a run starts: the liquids' densities, the box, and a perturbed lattice in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from ase import Atoms, units
from ase.data import atomic_masses, atomic_numbers

from basinet.errors import InputError
from basinet.potentials.pair_potential import pair_parameters

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

KNOWN_TEMPERATURE = 120.0
"""K, at which the densities of argon and krypton are known here."""

DENSEST = 1.1
"""Number density times sigma^3 beyond which no liquid is started: the Lennard-Jones crystal at rest has 1.09."""

THINNEST = 0.4
"""The same below which it is a gas, or nearly: argon has 0.32 at its critical point (13.407 mol/l by Tegeler et al., as
in `potentials`)."""

Cell = Literal["cubic"] | tuple[float, float, float]
Density = float | Mapping[str, float] | None


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


def volume_of(counts: Mapping[str, int], temperature: float, density: Density) -> float:
    """Volume in A^3 of a liquid with so many atoms of each element.

    Parameters
    ----------
    counts
        Atoms of each element.
    temperature
        K; decides whether the known densities serve.
    density
        g/cm3 of the liquid; or of each pure liquid, whose volumes are added (ideal mixing); or None for the known
        densities of argon and krypton.

    Raises
    ------
    InputError
        A density is missing, or belongs to no element of the composition.
    """
    if isinstance(density, float | int):
        mass = sum(count * atomic_masses[atomic_numbers[element]] for element, count in counts.items())
        return float(mass / (density * DALTON_PER_CUBIC_ANGSTROM))
    given = dict(density or {})
    known = {kind.symbol: kind.density for kind in (ARGON, KRYPTON)} if at_known_temperature(temperature) else {}
    stray = sorted(given.keys() - counts.keys())
    if stray:
        raise InputError(f"density: {', '.join(stray)} is not in the composition; leave it out")
    missing = sorted(counts.keys() - given.keys() - known.keys())
    if missing:
        raise InputError(
            f"density: that of {', '.join(missing)} at {temperature:g} K is not known here; give density, in g/cm3"
        )
    return sum(count * Species(element, (known | given)[element]).volume for element, count in counts.items())


def at_known_temperature(temperature: float) -> bool:
    """Whether the known densities serve at a temperature (K)."""
    return abs(temperature - KNOWN_TEMPERATURE) <= 1.0


def box_edges(counts: Mapping[str, int], temperature: float, density: Density, cell: Cell) -> tuple[float, ...]:
    """Edges of the box in A: three given ones, or those of a cube at the density."""
    if cell != "cubic":
        return cell
    return (float(volume_of(counts, temperature, density) ** (1.0 / 3.0)),) * 3


def refuse_no_liquid(counts: Mapping[str, int], edges: Sequence[float]) -> None:
    """Refuse a box in which the atoms would overlap with each other or with their own images, or would be a gas.

    Raises
    ------
    InputError
        The number density times the mean sigma^3 is beyond that of a crystal at rest, or below that of any liquid; or
        an edge is below 1.5 sigma.
    """
    sigmas = {element: pair_parameters(element, element)[1] for element in counts}
    if min(edges) < 1.5 * max(sigmas.values()):
        raise InputError(f"cell: an edge of {min(edges):g} A is too short for atoms of {max(sigmas.values()):.1f} A")
    filled, volume = sum(count * sigmas[element] ** 3 for element, count in counts.items()), float(np.prod(edges))
    if filled > DENSEST * volume:
        raise InputError(
            f"density: {sum(counts.values())} atoms in {volume:.0f} A^3 overlap (number density times sigma^3 is "
            f"{filled / volume:.2f}, a liquid has some 0.6 to 0.9); lower the density or enlarge the cell"
        )
    if filled < THINNEST * volume:
        raise InputError(
            f"density: {sum(counts.values())} atoms in {volume:.0f} A^3 are a gas (number density times sigma^3 is "
            f"{filled / volume:.2g}, a liquid has some 0.6 to 0.9); raise the density, in g/cm3, or shrink the cell"
        )


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
    symbols = [kind.symbol for kind in composition(system, n_atoms)]
    return perturbed_lattice(symbols, (box_length(system, n_atoms),) * 3, rng, displacement)


def perturbed_lattice(
    symbols: Sequence[str], edges: Sequence[float], rng: np.random.Generator, displacement: float = 0.15
) -> Atoms:
    """Place atoms near the sites of a face-centred cubic lattice that fills a box, at random.

    Parameters
    ----------
    symbols
        Element of each atom.
    edges
        Edges of the box, A. Where its lattice has more sites than there are atoms, sites stay empty at random.
    rng, displacement
        As for `starting_lattice`.
    """
    n_atoms, lengths = len(symbols), np.asarray(edges, dtype=np.float64)
    spacing = (4.0 * np.prod(lengths) / n_atoms) ** (1.0 / 3.0)
    cells = np.ceil(lengths / spacing - 1e-9).astype(int)
    motif = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    corners = np.stack(np.meshgrid(*[np.arange(n) for n in cells], indexing="ij"), axis=-1).reshape(-1, 1, 3)
    sites = ((corners + motif) / cells).reshape(-1, 3)
    chosen = sites[rng.choice(len(sites), size=n_atoms, replace=False)]
    positions = chosen * lengths + rng.normal(scale=displacement, size=(n_atoms, 3))
    return Atoms(list(symbols), positions=positions, cell=lengths, pbc=True)
