"""Liquids of noble gases: densities, box, a lattice to start from, its melting, and whether the outcome is liquid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from ase import Atoms, units
from ase.data import atomic_masses, atomic_numbers

from basinet.errors import InputError
from basinet.md.statistics import _growth_exponent, _travelled
from basinet.md.structure import CRYSTALLINE, _lattice_order
from basinet.potentials.pair_potential import pair_parameters

if TYPE_CHECKING:
    from basinet.md.sampling import _Liquid

DALTON_PER_CUBIC_ANGSTROM = 1.0e-24 * units.mol  # one g/cm3 in dalton per cubic Angstrom


# Close to saturation at 120 K; the densities of the reference frames, so that both describe one state point.
DENSITIES = {"Ar": 1.1627, "Kr": 2.4100}  # g/cm3 of the pure liquids at 120 K, which fix the volumes per atom
SYSTEMS = {"ar": ("Ar",), "kr": ("Kr",), "mix": ("Ar", "Kr")}

KNOWN_TEMPERATURE = 120.0  # K, at which the densities of argon and krypton are known here
DENSEST = 1.1
"""Number density times sigma^3 beyond which no liquid is started: the Lennard-Jones crystal at rest has 1.09."""
THINNEST = 0.4
"""The same below which it is a gas, or nearly: argon has 0.32 at its critical point (13.407 mol/l by Tegeler et al., as
in `potentials`)."""
Cell = Literal["cubic"] | tuple[float, float, float]
Density = float | Mapping[str, float] | None


def _volume(element: str, density: float) -> float:
    """Volume per atom in the pure liquid, A^3, from its density in g/cm3."""
    return float(atomic_masses[atomic_numbers[element]] / (density * DALTON_PER_CUBIC_ANGSTROM))


def _composition(system: str, n_atoms: int) -> list[str]:
    """List the elements of `n_atoms` atoms, equal shares of each (the first take what is left over)."""
    if system not in SYSTEMS:
        raise InputError(f"sampling: unknown system {system!r}; choose one of {', '.join(SYSTEMS)}")
    if n_atoms < 8:
        raise InputError(f"sampling: {n_atoms} atoms are no liquid; give at least 8")
    elements = SYSTEMS[system]
    return sorted(elements[i % len(elements)] for i in range(n_atoms))


def _box_length(system: str, n_atoms: int) -> float:
    """Edge of the cubic box in A: the pure liquids' volumes per atom, ideally mixed.

    >>> round(_box_length("ar", 108), 3), round(_box_length("kr", 108), 3), round(_box_length("mix", 108), 3)
    (18.333, 18.406, 18.37)
    """
    return float(sum(_volume(element, DENSITIES[element]) for element in _composition(system, n_atoms)) ** (1.0 / 3.0))


def _volume_of(counts: Mapping[str, int], temperature: float, density: Density) -> float:
    """Volume in A^3 of a liquid with so many atoms of each element at a temperature (K).

    The density, in g/cm3, is that of the liquid; or of each pure liquid, whose volumes are added (ideal mixing); or
    None for the known densities of argon and krypton.
    """
    if isinstance(density, float | int):
        mass = sum(count * atomic_masses[atomic_numbers[element]] for element, count in counts.items())
        return float(mass / (density * DALTON_PER_CUBIC_ANGSTROM))
    given = dict(density or {})
    known = DENSITIES if abs(temperature - KNOWN_TEMPERATURE) <= 1.0 else {}
    stray = sorted(given.keys() - counts.keys())
    if stray:
        raise InputError(f"density: {', '.join(stray)} is not in the composition; leave it out")
    missing = sorted(counts.keys() - given.keys() - known.keys())
    if missing:
        msg = f"density: that of {', '.join(missing)} at {temperature:g} K is not known here; give density, in g/cm3"
        raise InputError(msg)
    return sum(count * _volume(element, (known | given)[element]) for element, count in counts.items())


def _box_edges(counts: Mapping[str, int], temperature: float, density: Density, cell: Cell) -> tuple[float, ...]:
    """Edges of the box in A: three given ones, or those of a cube at the density."""
    if cell != "cubic":
        return cell
    return (float(_volume_of(counts, temperature, density) ** (1.0 / 3.0)),) * 3


def _refuse_no_liquid(counts: Mapping[str, int], edges: Sequence[float]) -> None:
    """Refuse a box in which the atoms would overlap with each other or with their own images, or that holds a gas."""
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


def _starting_lattice(system: str, n_atoms: int, rng: np.random.Generator, displacement: float = 0.15) -> Atoms:
    """Perturbed lattice in a cube of the liquid's density: ``ar``, ``kr`` or ``mix``, half and half."""
    return _perturbed_lattice(_composition(system, n_atoms), (_box_length(system, n_atoms),) * 3, rng, displacement)


def _perturbed_lattice(
    symbols: Sequence[str], edges: Sequence[float], rng: np.random.Generator, displacement: float = 0.15
) -> Atoms:
    """Place atoms near the sites of a face-centred cubic lattice that fills a box of some edges (A), at random.

    Where the box's lattice has more sites than there are atoms, sites stay empty at random; no two atoms share one. The
    displacement (A) is a standard deviation.
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


MELTING_ATTEMPTS = 4

WINDOW = 20  # snapshots that are judged together
ARRESTED = 0.4
"""Exponent of the mean-square displacement's growth below which the atoms of a window count as bound to their places.

Krypton in a box of 32 atoms at 120 K, windows of 20 ps: crystals have -0.2 to 0.33, the liquid 0.55 to 1.1.
"""
LINEAR = 0.6
"""Mean exponent of all windows below which the displacement does not grow linearly; the same liquid has 0.85."""


@dataclass(frozen=True)
class _Schedule:
    """Steps and temperatures (K) of melting (no steps leave it out), settling, and being judged."""

    melt_steps: int
    melt_temperature: float
    settle_steps: int
    check_steps: int
    temperature: float

    @property
    def steps(self) -> int:
        return self.melt_steps + self.settle_steps + self.check_steps


@dataclass(frozen=True)
class _Judgement:
    """A stretch of a run: `_lattice_order`, 0 to 1, and exponent of its mean-square displacement, 1 for a liquid."""

    order: float
    exponent: float

    @property
    def fault(self) -> str | None:
        if self.order >= CRYSTALLINE:
            return f"a Bragg peak of {self.order:.2f} N survives (a liquid stays below {CRYSTALLINE} N)"
        if self.exponent < ARRESTED:
            return _growth(self.exponent)
        return None


def _judge(snapshots: Sequence[Atoms]) -> list[_Judgement]:
    """Judge a run by windows of 20 equally spaced snapshots, not wrapped, the last one flush with the end.

    20 of them should span ten picoseconds or more.
    """
    windows = []
    for first in range(0, max(len(snapshots) - WINDOW, 0) + WINDOW, WINDOW):
        last = min(first + WINDOW, len(snapshots))
        window = snapshots[max(last - WINDOW, 0) : last]
        windows.append(_Judgement(_lattice_order(window), _growth_exponent(_travelled(window))))
    return windows


def _fault_of(judgements: Sequence[_Judgement]) -> str | None:
    fault = next((judgement.fault for judgement in judgements if judgement.fault), None)
    mean = sum(judgement.exponent for judgement in judgements) / len(judgements)
    return _growth(mean) if fault is None and mean < LINEAR else fault


def _growth(exponent: float) -> str:
    return f"the mean-square displacement grows as t^{exponent:.2f} (a liquid's nearly as t)"


def _melt_and_cool(run: _Liquid, schedule: _Schedule) -> tuple[int, list[_Judgement]]:
    """Melt, cool and judge, again as long as it is no liquid; return the meltings it took, and the judgements.

    InputError where it is no liquid after four attempts, or after one where nothing was to be melted.
    """
    attempts = MELTING_ATTEMPTS if schedule.melt_steps else 1
    fault: str | None = None
    for attempt in range(attempts):
        if attempt:
            run.expect(schedule.steps)
        run.advance(schedule.melt_steps, schedule.melt_temperature)
        run.advance(schedule.settle_steps, schedule.temperature)
        judgements = _judge(run.watch(schedule.check_steps, schedule.temperature))
        fault = _fault_of(judgements)
        if fault is None:
            return attempt + 1, judgements
    if not schedule.melt_steps:
        raise InputError(f"sampling: no liquid, and nothing was melted: {fault}; melt it, or raise the temperature")
    raise InputError(
        f"sampling: no liquid after {attempts} meltings at {schedule.melt_temperature:g} K: {fault}; "
        "raise melt_temperature, the time of melting or the temperature"
    )
