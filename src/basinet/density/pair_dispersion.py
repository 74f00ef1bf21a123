r"""Dispersion energies of pairs, shared out to atoms: DFT-D2, DFT-D3 and DFT-D3(BJ), with D3's three-body term.

.. math::

    E_{ij}^{D2} &= -s_6 \frac{\sqrt{C_i C_j}}{r^6} \frac{1}{1 + e^{-d (r / (R_i + R_j) - 1)}}, \qquad
    E_{ij}^{D3} = -s_6 \frac{C_{6,ij}}{r^6} f_6(r) - s_8 \frac{C_{8,ij}}{r^8} f_8(r)

    E_{ijk} &= s_6 \sqrt{C_{6,ij} C_{6,jk} C_{6,ki}} \frac{1 + 3 \cos a \cos b \cos c}{(r_{ij} r_{jk} r_{ki})^3}
        \frac{1}{1 + 6 (4 r_0 / 3 r)^{16}}, \qquad r^3 = r_{ij} r_{jk} r_{ki}

Either atom of a pair gets half of its energy, each atom of a triple a third, as in CP2K (``qs_dispersion_pairpot.F``).
D3's coefficients and pairs are those of simple-dftd3 (S. Ehlert, J. Open Source Softw. 9, 7169 (2024)), package dftd3.
S. Grimme, J. Comput. Chem. 27, 1787 (2006); S. Grimme, J. Antony, S. Ehrlich, H. Krieg, J. Chem. Phys. 132, 154104
(2010); S. Grimme, S. Ehrlich, L. Goerigk, J. Comput. Chem. 32, 1456 (2011).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms

from basinet.arrays import FloatArray, IntArray
from basinet.compiled import jit
from basinet.errors import InputError
from basinet.frames.neighbours import find_neighbours
from basinet.units import Bohr, Hartree

_COORDINATION_CUTOFF = 40.0  # bohr, of coordination numbers; they vanish far within it
_SWITCHED = 1.0  # bohr before the cutoff, over which CP2K takes D3's zero damping to nothing
_FARTHEST_TRIPLE = 0.1  # (r_ij r_jk r_ki) / cutoff^3, beyond which CP2K counts no triple
_ADJACENT, _APART = 0.5, 2.0 / 3.0
"""Weights by which CP2K (2023.1 and later) counts triples that hold images of one atom: two of the three atoms in one
cell, all in different cells. By D3's definition they count in full, which the total energy of CP2K does not."""


@dataclass(frozen=True)
class PairDispersion:
    """A dispersion of pairs: its parameters by name, in atomic units, and the distance (A) up to which pairs count.

    D2 has s6 and d, and of every element C6 (eV A^6) and radius (A); D3 s6, rs6 and s8; D3(BJ) s6, s8, a1 and a2.
    """

    parameters: Mapping[str, float]
    cutoff: float
    elements: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    three_body: bool = False


def pair_dispersion_energies(atoms: Atoms, dispersion: PairDispersion) -> FloatArray:
    """Dispersion energy of each atom of a periodic cell, eV, (n_atoms,).

    InputError: D2 without the coefficients of an element, D3 without the package dftd3.
    """
    return (_d2_energies if "d" in dispersion.parameters else _d3_energies)(atoms, dispersion)


def _d2_energies(atoms: Atoms, dispersion: PairDispersion) -> FloatArray:
    missing = sorted(set(atoms.symbols) - set(dispersion.elements))
    if missing:
        raise InputError(f"there are no D2 coefficients of {missing[0]}")
    neighbours = find_neighbours(atoms.positions, atoms.cell.array, True, dispersion.cutoff)
    one, other = np.repeat(np.arange(len(atoms)), np.diff(neighbours.first)), neighbours.atom
    c6, radius = np.array([dispersion.elements[symbol] for symbol in atoms.symbols]).T
    distance = np.linalg.norm(neighbours.vector, axis=1)
    damping = 1.0 + np.exp(-dispersion.parameters["d"] * (distance / (radius[one] + radius[other]) - 1.0))
    energies = -dispersion.parameters["s6"] * np.sqrt(c6[one] * c6[other]) / distance**6 / damping
    return np.bincount(one, 0.5 * energies, len(atoms)).astype(np.float64)


def _d3_energies(atoms: Atoms, dispersion: PairDispersion) -> FloatArray:
    try:
        from dftd3.interface import DispersionModel, RationalDampingParam, ZeroDampingParam
    except ImportError as error:
        raise InputError("sharing out DFT-D3 needs the package dftd3; pip install 'basinet[d3]'") from error
    model = DispersionModel(atoms.numbers, atoms.positions / Bohr, atoms.cell.array / Bohr, np.full(3, True))
    cutoff = dispersion.cutoff / Bohr

    def pairs(damping: Any, switched: float = 0.0, **parameters: float) -> FloatArray:
        """Energies of all pairs of atoms with all images, hartree, (n, n), half of each on either side."""
        model.set_realspace_cutoff(cutoff, cutoff, _COORDINATION_CUTOFF, switched)
        found = model.get_pairwise_dispersion(damping(**parameters, s9=0.0))
        return np.asarray(found["additive pairwise energy"], dtype=np.float64)

    if "rs6" in dispersion.parameters:
        energies = pairs(ZeroDampingParam, _SWITCHED, **dispersion.parameters).sum(axis=1)
    else:
        energies = pairs(RationalDampingParam, **dispersion.parameters).sum(axis=1)
    if dispersion.three_body:
        undamped = pairs(RationalDampingParam, s6=1.0, s8=0.0, a1=0.0, a2=0.0)
        energies += dispersion.parameters["s6"] * _three_body_energies(atoms, undamped, cutoff)
    return np.asarray(energies * Hartree)


def _three_body_energies(atoms: Atoms, undamped: FloatArray, cutoff: float) -> FloatArray:
    """Three-body energy of each atom at s6 = 1, hartree, from the energies -C6 / 2 r^6 of its pairs, (n, n)."""
    cell, n_atoms = atoms.cell.array / Bohr, len(atoms)
    neighbours = find_neighbours(atoms.positions, atoms.cell.array, True, cutoff * Bohr)
    one, vector = np.repeat(np.arange(n_atoms), np.diff(neighbours.first)), neighbours.vector / Bohr
    inverse_sixth = np.bincount(
        one * n_atoms + neighbours.atom, np.einsum("ij,ij->i", vector, vector) ** -3, n_atoms * n_atoms
    ).reshape(n_atoms, n_atoms)
    c6 = np.divide(-2.0 * undamped, inverse_sixth, out=np.zeros_like(undamped), where=inverse_sixth > 0.0)
    # CP2K's cell is that around the origin; halves are rounded away from it.
    places = atoms.positions / Bohr @ np.linalg.inv(cell)
    places -= np.trunc(places + np.copysign(0.5, places))
    images = np.rint(vector @ np.linalg.inv(cell) - places[neighbours.atom] + places[one]).astype(np.int64)
    elements, kind = np.unique(atoms.numbers, return_inverse=True)
    radii = np.array([[_cutoff_radius(a, b) for b in elements] for a in elements])[np.ix_(kind, kind)]
    return _sum_triples(
        neighbours.first, neighbours.atom, vector, images @ np.array([1, 1 << 20, 1 << 40]), c6, radii, cutoff
    )


def _cutoff_radius(one: int, other: int) -> float:
    """D3's radius r0 of a pair of elements, bohr, from its damping 1 / (1 + 6 (s r0 / r)^14) with two factors s."""
    from dftd3.interface import DispersionModel, ZeroDampingParam

    pair, distance, factor = DispersionModel(np.array([one, other]), np.diag([0.0, 40.0, 0.0])[:2]), 40.0, 10.0
    free, damped = (
        pair.get_dispersion(ZeroDampingParam(s6=1.0, s8=0.0, rs6=s, s9=0.0), grad=False)["energy"]
        for s in (1e-3, factor)
    )
    return float(((free / damped - 1.0) / 6.0) ** (1.0 / 14.0) * distance / factor)


@jit()
def _sum_triples(
    first: IntArray,
    atom: IntArray,
    vector: FloatArray,
    image: IntArray,
    c6: FloatArray,
    radius: FloatArray,
    cutoff: float,
) -> FloatArray:
    """Third of the energies of all triples of an atom with two of its neighbours, hartree, (n_atoms,)."""
    energies = np.zeros(len(first) - 1)
    for i in range(len(energies)):
        for p in range(first[i], first[i + 1]):
            j = atom[p]
            ij = vector[p, 0] ** 2 + vector[p, 1] ** 2 + vector[p, 2] ** 2
            for q in range(first[i], p):
                k = atom[q]
                ik = vector[q, 0] ** 2 + vector[q, 1] ** 2 + vector[q, 2] ** 2
                jk = 0.0
                for axis in range(3):
                    jk += (vector[p, axis] - vector[q, axis]) ** 2
                product = ij * ik * jk
                if jk >= cutoff**2 or product > (_FARTHEST_TRIPLE * cutoff**3) ** 2:
                    continue
                weight = 1.0
                if i in (j, k) or j == k:
                    together = image[p] == 0 or image[q] == 0 or image[p] == image[q]
                    weight = _ADJACENT if together else _APART
                angles = 0.375 * (ij + ik - jk) * (ij + jk - ik) * (ik + jk - ij) / product + 1.0
                mean = (radius[i, j] * radius[i, k] * radius[j, k]) ** (1.0 / 3.0) / product ** (1.0 / 6.0)
                damping = 1.0 + 6.0 * (4.0 / 3.0 * mean) ** 16
                strength = np.sqrt(c6[i, j] * c6[i, k] * c6[j, k])
                energies[i] += weight * strength * angles / (3.0 * product**1.5 * damping)
    return energies
