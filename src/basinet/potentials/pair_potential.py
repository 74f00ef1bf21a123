"""Pair potentials in powers of the distance, and the Lennard-Jones potential of the literature.

They are baselines: they say how much of a local energy two-body physics explains, and the literature potential is the
one that sampled the reference configurations.

    E = sum_{i<j} v(r_ij),   v(r) = c12 / r^12 - c6 / r^6   (r < rcut)
    e_i = 1/2 sum_j v(r_ij)                                  (half of each pair to each atom)

so that the local energies sum to the total exactly. Truncated plainly, or with energy and force shifted to vanish at
the cutoff, which molecular dynamics needs to conserve energy (LAMMPS' ``lj/smooth/linear``):

    v_s(r) = v(r) - v(rcut) - (r - rcut) v'(rcut)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Annotated, Any, Literal, Self, TypeAlias

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pydantic import Field
from vesin import NeighborList

from basinet.arrays import FloatArray
from basinet.config.loading import Section, validated
from basinet.errors import InputError
from basinet.frames.labels import TOTAL_ENERGY, energy_label
from basinet.frames.neighbours import Pair, half_list, neighbour_pairs, ordered_pair, species_indices, species_pairs
from basinet.frames.splits import elements_of

LITERATURE_CUTOFF = 11.0


@dataclass(frozen=True)
class PairCoefficients:
    """Coefficients of a pair of species in ``v(r) = c12 / r^12 - c6 / r^6``: c6 in eV A^6, c12 in eV A^12."""

    c6: float
    c12: float

    @classmethod
    def from_lennard_jones(cls, epsilon: float, sigma: float) -> Self:
        """Convert ``v(r) = 4 epsilon ((sigma/r)^12 - (sigma/r)^6)``, with epsilon in eV and sigma in A.

        >>> argon = PairCoefficients.from_lennard_jones(epsilon=0.0103, sigma=3.405)
        >>> round(argon.c6, 2)
        64.21
        """
        return cls(c6=4.0 * epsilon * sigma**6, c12=4.0 * epsilon * sigma**12)


@dataclass(frozen=True)
class PairEvaluation:
    """Local energies (n_atoms,) in eV, forces (n_atoms, 3) in eV/A, and the virial (3, 3) in eV."""

    local_energies: FloatArray
    forces: FloatArray
    virial: FloatArray


class _Settings(Section):
    pairs: dict[Annotated[str, Field(pattern="^[A-Z][a-z]?-[A-Z][a-z]?$")], PairCoefficients]
    cutoff: float
    smooth: bool


class LennardJones:
    """Potential ``v(r) = c12 / r^12 - c6 / r^6`` with `PairCoefficients` per species pair, cut off at a distance, A.

    Any cell, any mixture of periodic and open directions, and cutoffs beyond half the box (an atom then meets images of
    itself) are allowed. With `smooth`, energy and force are shifted to vanish at the cutoff; otherwise the potential
    ends there as it is. InputError where a pair of the species named is missing, or the cutoff is not positive.
    """

    def __init__(self, parameters: Mapping[Pair, PairCoefficients], cutoff: float, *, smooth: bool = False) -> None:
        if not (np.isfinite(cutoff) and cutoff > 0.0):
            raise InputError(f"pair potential: the cutoff is {cutoff} A; give a positive distance")
        self.parameters = {ordered_pair(a, b): value for (a, b), value in parameters.items()}
        self.cutoff, self.smooth = float(cutoff), smooth
        self.elements = tuple(sorted({element for pair in self.parameters for element in pair}))
        for a, b in species_pairs(self.elements):
            if (a, b) not in self.parameters:
                raise InputError(f"pair potential: no parameters for {a}-{b}; give c6 and c12 of every pair")
        size = len(self.elements)
        self._c6, self._c12 = np.zeros((size, size)), np.zeros((size, size))
        for (a, b), value in self.parameters.items():
            i, j = self.elements.index(a), self.elements.index(b)
            self._c6[i, j] = self._c6[j, i] = value.c6
            self._c12[i, j] = self._c12[j, i] = value.c12
        attraction, repulsion = self._c6.ravel() / cutoff**6, self._c12.ravel() / cutoff**12
        self._end, self._end_slope = repulsion - attraction, (6.0 * attraction - 12.0 * repulsion) / cutoff

    def __repr__(self) -> str:
        """Show the parameters and the cutoff."""
        return f"LennardJones({self.parameters!r}, cutoff={self.cutoff!r}, smooth={self.smooth!r})"

    def __eq__(self, other: object) -> bool:
        """Compare all settings."""
        return isinstance(other, LennardJones) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain numbers and names, fit for JSON."""
        pairs = {"-".join(pair): asdict(value) for pair, value in self.parameters.items()}
        return {"pairs": pairs, "cutoff": self.cutoff, "smooth": self.smooth}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Make a potential from what `to_dict` returned."""
        given = validated(_Settings, dict(settings), "pair potential")
        pairs = {(name.split("-")[0], name.split("-")[1]): value for name, value in given.pairs.items()}
        return cls(pairs, given.cutoff, smooth=given.smooth)

    def local_energies(self, atoms: Atoms) -> FloatArray:
        """Give half of each pair to each atom, ``1/2 sum_j v(r_ij)``: (n_atoms,) in eV."""
        return self.evaluate(atoms).local_energies

    def energy(self, atoms: Atoms) -> float:
        """Sum the local energies: ``sum_i e_i`` in eV, relative to isolated atoms."""
        return float(self.local_energies(atoms).sum())

    def forces(self, atoms: Atoms) -> FloatArray:
        """Compute the forces ``-dE/dR_i``: (n_atoms, 3) in eV/A."""
        return self.evaluate(atoms).forces

    def evaluate(self, atoms: Atoms, neighbours: NeighborList | None = None) -> PairEvaluation:
        """Local energies, forces and virial from one neighbour list.

        One of this potential's cutoff, with each pair once, may be given to be used again, where a run asks for many
        steps. InputError where an atom's species has no parameters, or two atoms coincide.
        """
        species = species_indices(atoms, self.elements)
        first, second, vectors, squared = neighbour_pairs(atoms, neighbours or half_list(self.cutoff))
        pair = species[first] * len(self.elements) + species[second]
        inverse_square = 1.0 / squared
        inverse_sixth = inverse_square * inverse_square * inverse_square
        attraction = self._c6.ravel()[pair] * inverse_sixth
        repulsion = self._c12.ravel()[pair] * inverse_sixth * inverse_sixth
        half = 0.5 * (repulsion - attraction)
        # -v'(r)/r; times the vector from i to j it is the force on j.
        push = (12.0 * repulsion - 6.0 * attraction) * inverse_square
        if self.smooth:
            half -= 0.5 * (self._end[pair] + (np.sqrt(squared) - self.cutoff) * self._end_slope[pair])
            push += self._end_slope[pair] * np.sqrt(inverse_square)
        n = len(atoms)
        local = np.asarray(np.bincount(first, half, n) + np.bincount(second, half, n), dtype=np.float64)
        on_second = push[:, None] * vectors
        forces = np.stack([np.bincount(second, f, n) - np.bincount(first, f, n) for f in on_second.T], axis=1)
        return PairEvaluation(local, forces, vectors.T @ on_second)


FLUIDS = {"Ne": (44.4918, 62061.1), "Ar": (150.687, 35465.2), "Kr": (209.48, 29197.3), "Xe": (289.733, 22592.3)}
"""Critical temperature in K and density of the liquid at the triple point in mol/m^3, by the equations of state of
R. S. Katti et al., Adv. Cryog. Eng. 31, 1189 (1986) (Ne); C. Tegeler, R. Span and W. Wagner, J. Phys. Chem. Ref. Data
28, 779 (1999) (Ar); E. W. Lemmon and R. Span, J. Chem. Eng. Data 51, 785 (2006) (Kr, Xe), as evaluated by CoolProp."""
GIVEN: dict[Pair, tuple[float, float]] = {
    ("Ar", "Ar"): (0.0103, 3.405),
    ("Kr", "Kr"): (0.0143, 3.633),
    ("Ar", "Kr"): (0.01214, 3.519),
}
"""Parameters stated with the reference frames, which they sampled (``basinet/frames/data/README.md``): epsilon in eV,
sigma in A. Those of Ar-Kr are the geometric mean of the depths and the arithmetic mean of the diameters (Lorentz and
Berthelot)."""


def _corresponding_states(element: str) -> tuple[float, float]:
    """Scale argon's epsilon (eV) and sigma (A) to another element.

    >>> [round(value, 3) for value in (1000 * _corresponding_states("Xe")[0], _corresponding_states("Xe")[1])]
    [19.804, 3.957]
    """
    epsilon, sigma = GIVEN["Ar", "Ar"]
    (temperature, density), (of_argon, density_of_argon) = FLUIDS[element], FLUIDS["Ar"]
    return epsilon * temperature / of_argon, sigma * (density_of_argon / density) ** (1.0 / 3.0)


def pair_parameters(a: str, b: str) -> tuple[float, float]:
    """Give epsilon (eV) and sigma (A) of a pair of elements.

    >>> pair_parameters("Kr", "Ar")
    (0.01214, 3.519)
    """
    pair = ordered_pair(a, b)
    if pair in GIVEN:
        return GIVEN[pair]
    if a == b:
        return _corresponding_states(a)
    (first, second), (sigma_first, sigma_second) = zip(pair_parameters(a, a), pair_parameters(b, b), strict=True)
    return sqrt(first * second), 0.5 * (sigma_first + sigma_second)


def noble_gas_potential(elements: Iterable[str], cutoff: float = LITERATURE_CUTOFF) -> LennardJones:
    """Potential of a liquid of Ne, Ar, Kr and Xe, with a cutoff in A; InputError for any other element.

    >>> noble_gas_potential(["Kr", "Ar"]).elements
    ('Ar', 'Kr')
    """
    chosen = sorted(set(elements))
    for element in chosen:
        if element not in FLUIDS:
            raise InputError(f"sampling: no pair potential for {element}; there are {', '.join(FLUIDS)}")
    pairs = species_pairs(chosen)
    return LennardJones({pair: PairCoefficients.from_lennard_jones(*pair_parameters(*pair)) for pair in pairs}, cutoff)


def literature_lennard_jones(cutoff: float = LITERATURE_CUTOFF) -> LennardJones:
    """Lennard-Jones potential of argon and krypton that sampled the reference frames.

    >>> dimer = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 3.405 * 2 ** (1 / 6)]])
    >>> [round(1000 * float(e), 3) for e in literature_lennard_jones().local_energies(dimer)]
    [-5.15, -5.15]
    """
    return noble_gas_potential(("Ar", "Kr"), cutoff)


def _power_sums(atoms: Atoms, cutoff: float, elements: Sequence[str] | None = None) -> FloatArray:
    """Sum ``r^-6`` and ``r^-12`` over each atom's neighbours within a cutoff (A), by species: (n_atoms, n_pairs, 2).

    A pair potential's local energies are linear in them: ``e_i = 1/2 sum_p (c12_p S[i, p, 1] - c6_p S[i, p, 0])``.
    Pairs are in the order of `species_pairs` of `elements`; those without atom i are zero.
    """
    names = tuple(sorted(set(elements if elements is not None else atoms.get_chemical_symbols())))
    species = species_indices(atoms, names)
    pairs = species_pairs(names)
    table = np.zeros((len(names), len(names)), dtype=np.int64)
    for index, (a, b) in enumerate(pairs):
        i, j = names.index(a), names.index(b)
        table[i, j] = table[j, i] = index
    first, second, _, squared = neighbour_pairs(atoms, half_list(cutoff))
    pair = table[species[first], species[second]]
    slots = np.concatenate([first, second]) * len(pairs) + np.concatenate([pair, pair])
    sixth = np.tile(squared**-3.0, 2)
    size = len(atoms) * len(pairs)
    sums = np.stack([np.bincount(slots, power, size) for power in (sixth, sixth**2)], axis=1)
    return np.asarray(sums.reshape(len(atoms), len(pairs), 2), dtype=np.float64)


def fit_pair_potential(frames: Sequence[Atoms], energies: NDArray[np.floating]) -> LennardJones:
    """Fit c6 and c12 of every pair of species to total energies (n_frames,), eV above isolated atoms, by least squares.

    Minimises ``sum_A (E_A - sum_p (c12_p S12_Ap - c6_p S6_Ap))^2`` where ``S_Ap`` sums `_power_sums` of frame ``A``
    over its atoms, halved. Local energies are never seen. Coefficients may come out negative where the frames hardly
    constrain them; nothing is clipped. InputError where the energies are not as many finite numbers, or do not
    determine the coefficients.
    """
    target = np.asarray(energies, dtype=np.float64)
    if target.shape != (len(frames),) or not np.all(np.isfinite(target)):
        raise InputError(f"pair-potential fit: {len(frames)} frames need as many finite energies")
    elements = elements_of(frames)
    pairs = species_pairs(elements)
    sums = np.array([_power_sums(atoms, LITERATURE_CUTOFF, elements).sum(axis=0) for atoms in frames])
    design = 0.5 * (sums * np.array([-1.0, 1.0])).reshape(len(frames), 2 * len(pairs))
    # Columns differ by twelve orders of magnitude in A; scaled, the conditioning is the physics' alone.
    scale = np.sqrt((design**2).sum(axis=0))
    scale[scale == 0.0] = 1.0
    solution, _, rank, _ = np.linalg.lstsq(design / scale, target, rcond=None)
    if rank < design.shape[1]:
        raise InputError(
            f"pair-potential fit: {len(frames)} frames determine {rank} of {design.shape[1]} coefficients; "
            "give more, or more varied, training frames"
        )
    values = (solution / scale).reshape(len(pairs), 2)
    fitted = {pair: PairCoefficients(float(c6), float(c12)) for pair, (c6, c12) in zip(pairs, values, strict=True)}
    return LennardJones(fitted, LITERATURE_CUTOFF)


PairChoice: TypeAlias = LennardJones | Literal["literature"] | None


def chosen_pair_potential(choice: PairChoice, elements: Sequence[str]) -> LennardJones | None:
    """Pair potential of that name, ``"literature"``: Lennard-Jones parameters of noble gases, smoothly ended.

    A potential of your own is taken as it is, and None stays None; InputError for other names, or elements without
    parameters.
    """
    if choice is None or isinstance(choice, LennardJones):
        return choice
    if choice != "literature":
        raise InputError(f"pair_potential is {choice!r}; choose literature or fitted, or pass a LennardJones")
    return _smoothly_ended(noble_gas_potential(elements))


def _fitted_pair_potential(frames: Sequence[Atoms], e0: Mapping[str, float], isolated: Sequence[Atoms]) -> LennardJones:
    """Pair potential fitted to the total energies of frames (`fit_pair_potential`), smoothly ended.

    InputError without isolated atoms: E0 is then a guess, above which a pair potential means nothing.
    """
    unknown = set(elements_of(frames)) - set(elements_of(isolated))
    if unknown:
        names = ", ".join(sorted(unknown))
        msg = f"a pair potential is fitted to energies above those of isolated atoms; give {names} alone, too"
        raise InputError(msg)
    own = [sum(e0[symbol] for symbol in atoms.get_chemical_symbols()) for atoms in frames]
    total = [energy_label(atoms, TOTAL_ENERGY, index) for index, atoms in enumerate(frames)]
    return _smoothly_ended(fit_pair_potential(frames, np.subtract(total, own)))


def _smoothly_ended(potential: LennardJones) -> LennardJones:
    """Shift energy and force to vanish at the cutoff, as molecular dynamics needs."""
    return LennardJones(potential.parameters, potential.cutoff, smooth=True)
