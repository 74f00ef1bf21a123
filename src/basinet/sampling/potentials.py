"""Lennard-Jones potentials of neon, argon, krypton and xenon, and of their mixtures.

    v(r) = 4 epsilon ((sigma / r)^12 - (sigma / r)^6)   (r < cutoff, plainly truncated)

Argon, krypton and their pair: those that sampled the reference frames (``basinet/data/reference/README.md``).

Neon and xenon follow from argon by the law of corresponding states (E. A. Guggenheim, J. Chem. Phys. 13, 253 (1945)):
epsilon in proportion to the critical temperature, sigma to the cube root of the volume of a mole of liquid at the
triple point. Krypton, by the same rule, comes out at 14.32 meV and 3.633 A, against the 14.3 meV and 3.633 A given.
Pairs of unlike atoms: arithmetic mean of sigma, geometric mean of epsilon (Lorentz and Berthelot).

The motion is classical. For neon that is a crude picture: its thermal wavelength at 30 K is 0.7 A.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

from basinet.errors import InputError
from basinet.models.pair_potential import LITERATURE_CUTOFF, LennardJones, PairCoefficients
from basinet.models.pairs import Pair, ordered_pair, species_pairs


@dataclass(frozen=True)
class Fluid:
    """What the rule of corresponding states needs to know of an element.

    Attributes
    ----------
    critical_temperature
        K.
    triple_density
        Density of the liquid at the triple point, mol/m^3.
    """

    critical_temperature: float
    triple_density: float


FLUIDS = {
    "Ne": Fluid(44.4918, 62061.1),
    "Ar": Fluid(150.687, 35465.2),
    "Kr": Fluid(209.48, 29197.3),
    "Xe": Fluid(289.733, 22592.3),
}
"""By the equations of state of R. S. Katti et al., Adv. Cryog. Eng. 31, 1189 (1986) (Ne); C. Tegeler, R. Span and
W. Wagner, J. Phys. Chem. Ref. Data 28, 779 (1999) (Ar); E. W. Lemmon and R. Span, J. Chem. Eng. Data 51, 785 (2006)
(Kr, Xe), as CoolProp evaluates them."""

GIVEN: dict[Pair, tuple[float, float]] = {
    ("Ar", "Ar"): (0.0103, 3.405),
    ("Kr", "Kr"): (0.0143, 3.633),
    ("Ar", "Kr"): (0.01214, 3.519),
}
"""Pairs of the reference frames: epsilon in eV, sigma in A."""


def corresponding_states(element: str) -> tuple[float, float]:
    """Scale argon's epsilon (eV) and sigma (A) to another element.

    Examples
    --------
    >>> [round(value, 3) for value in (1000 * corresponding_states("Kr")[0], corresponding_states("Kr")[1])]
    [14.319, 3.633]
    >>> [round(value, 3) for value in (1000 * corresponding_states("Xe")[0], corresponding_states("Xe")[1])]
    [19.804, 3.957]
    """
    epsilon, sigma = GIVEN["Ar", "Ar"]
    fluid, argon = FLUIDS[element], FLUIDS["Ar"]
    return (
        epsilon * fluid.critical_temperature / argon.critical_temperature,
        sigma * (argon.triple_density / fluid.triple_density) ** (1.0 / 3.0),
    )


def pair_parameters(a: str, b: str) -> tuple[float, float]:
    """Give epsilon (eV) and sigma (A) of a pair of elements.

    Examples
    --------
    >>> pair_parameters("Kr", "Ar")
    (0.01214, 3.519)
    """
    pair = ordered_pair(a, b)
    if pair in GIVEN:
        return GIVEN[pair]
    if a == b:
        return corresponding_states(a)
    (first, second), (sigma_first, sigma_second) = zip(pair_parameters(a, a), pair_parameters(b, b), strict=True)
    return sqrt(first * second), 0.5 * (sigma_first + sigma_second)


def largest_sigma(elements: Iterable[str]) -> float:
    """Largest sigma of all pairs of these elements, A: that of the largest atoms among themselves.

    Examples
    --------
    >>> largest_sigma(["Ar", "Kr"])
    3.633
    """
    return max(pair_parameters(element, element)[1] for element in elements)


def noble_gas_potential(elements: Iterable[str], cutoff: float = LITERATURE_CUTOFF) -> LennardJones:
    """Build the potential of a liquid of these elements.

    Parameters
    ----------
    elements
        Of Ne, Ar, Kr and Xe.
    cutoff
        A.

    Raises
    ------
    InputError
        There is no potential for an element.

    Examples
    --------
    >>> noble_gas_potential(["Kr", "Ar"]).elements
    ('Ar', 'Kr')
    """
    chosen = sorted(set(elements))
    for element in chosen:
        if element not in FLUIDS:
            raise InputError(f"sampling: no pair potential for {element}; there are {', '.join(FLUIDS)}")
    pairs = species_pairs(chosen)
    return LennardJones({pair: PairCoefficients.from_lennard_jones(*pair_parameters(*pair)) for pair in pairs}, cutoff)
