"""Pair potentials in powers of the distance, and the Lennard-Jones potential of the literature.

They are baselines: they say how much of a local energy two-body physics explains, and the literature potential is the
one that sampled the reference configurations. Fitted coefficients: `basinet.models.pair_fit`.

    E = sum_{i<j} v(r_ij),   v(r) = c12 / r^12 - c6 / r^6   (r < rcut)
    e_i = 1/2 sum_j v(r_ij)                                  (half of each pair to each atom)

so that the local energies sum to the total exactly. Truncated plainly, or with energy and force shifted to vanish at
the cutoff, which molecular dynamics needs to conserve energy (LAMMPS' ``lj/smooth/linear``):

    v_s(r) = v(r) - v(rcut) - (r - rcut) v'(rcut)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from ase import Atoms
from vesin import NeighborList

from basinet.errors import InputError
from basinet.models.pairs import (
    FloatArray,
    Pair,
    half_list,
    neighbour_pairs,
    ordered_pair,
    species_indices,
    species_pairs,
)

LITERATURE_CUTOFF = 11.0


@dataclass(frozen=True)
class PairCoefficients:
    """Coefficients of one species pair in ``v(r) = c12 / r^12 - c6 / r^6``.

    Attributes
    ----------
    c6
        Strength of the attraction, eV A^6.
    c12
        Strength of the repulsion, eV A^12.
    """

    c6: float
    c12: float

    @classmethod
    def from_lennard_jones(cls, epsilon: float, sigma: float) -> PairCoefficients:
        """Convert the parameters of ``v(r) = 4 epsilon ((sigma/r)^12 - (sigma/r)^6)``.

        Parameters
        ----------
        epsilon
            Depth of the well, eV.
        sigma
            Distance at which ``v`` is zero, A.

        Examples
        --------
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


class LennardJones:
    """Pair potential ``v(r) = c12 / r^12 - c6 / r^6`` with parameters per species pair, truncated.

    Any cell, any mixture of periodic and open directions, and cutoffs beyond half the box (an atom then meets
    images of itself) are allowed.

    Parameters
    ----------
    parameters
        `PairCoefficients` for every pair of the species, in either order: ``("Ar", "Kr")`` or ``("Kr",
        "Ar")``.
    cutoff
        Distance beyond which a pair does not interact, A.
    smooth
        Shift energy and force to vanish at the cutoff; otherwise the potential ends there as it is.

    Raises
    ------
    InputError
        A pair of the species named in `parameters` is missing, or the cutoff is not positive.
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
    def from_dict(cls, settings: Mapping[str, Any]) -> LennardJones:
        """Make a potential from what `to_dict` returned."""
        pairs = {}
        for name, value in settings["pairs"].items():
            a, b = name.split("-")
            pairs[a, b] = PairCoefficients(**value)
        return cls(pairs, settings["cutoff"], smooth=settings["smooth"])

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
        """Compute local energies and forces from one neighbour list.

        Parameters
        ----------
        atoms
            The frame.
        neighbours
            A half list of this potential's cutoff to use again, where one run asks for many steps of one
            system.

        Raises
        ------
        InputError
            An atom's species has no parameters, or two atoms coincide.
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
        local = np.zeros(n)
        local += np.bincount(first, half, n)
        local += np.bincount(second, half, n)
        forces = np.empty((n, 3))
        for axis in range(3):
            component = push * vectors[:, axis]
            forces[:, axis] = np.bincount(second, component, n) - np.bincount(first, component, n)
        return PairEvaluation(local, forces, vectors.T @ (push[:, None] * vectors))


def literature_lennard_jones(cutoff: float = LITERATURE_CUTOFF) -> LennardJones:
    """Build the Lennard-Jones potential of argon and krypton that sampled the reference frames.

    Ar 10.3 meV and 3.405 A; Kr 14.3 meV and 3.633 A; Ar-Kr 12.14 meV and 3.519 A, which are the geometric
    mean of the depths and the arithmetic mean of the diameters (Lorentz and Berthelot). The values and the
    cutoff of 11 A are those stated with the reference data (``basinet/data/reference/README.md``).

    Examples
    --------
    >>> from ase import Atoms
    >>> dimer = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 3.405 * 2 ** (1 / 6)]])
    >>> [round(1000 * float(e), 3) for e in literature_lennard_jones().local_energies(dimer)]
    [-5.15, -5.15]
    """
    return LennardJones(
        {
            ("Ar", "Ar"): PairCoefficients.from_lennard_jones(0.0103, 3.405),
            ("Kr", "Kr"): PairCoefficients.from_lennard_jones(0.0143, 3.633),
            ("Ar", "Kr"): PairCoefficients.from_lennard_jones(0.01214, 3.519),
        },
        cutoff,
    )
