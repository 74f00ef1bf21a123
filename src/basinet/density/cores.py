r"""Gaussian core charges of Goedecker-Teter-Hutter pseudopotentials, and the energies they have alone.

.. math:: \rho_c(r) = Z \left(\frac{\alpha}{\pi}\right)^{3/2} e^{-\alpha r^2}, \qquad \alpha = \frac{1}{2 r_{loc}^2}

The Hartree energy holds each core's interaction with itself, which is no energy of the system: CP2K subtracts
it as the *core self energy*, and adds what the true short-ranged interaction of two cores differs by as the
*core overlap energy*.

Source: S. Goedecker, M. Teter, J. Hutter, Phys. Rev. B 54, 1703 (1996), Eq. 1; J. VandeVondele et al., Comput.
Phys. Commun. 167, 103 (2005), Eqs. 6-9.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from basinet.arrays import FloatArray
from basinet.errors import InputError
from basinet.units import Bohr, Hartree

COULOMB = Hartree * Bohr
r"""Energy of two elementary charges at a distance of one Angstrom, :math:`e^2 / 4 \pi \epsilon_0`, eV A."""
OVERLAP_RANGE = 6.0  # reach of the core overlap in units of its own width: erfc(6) is 2e-17


@dataclass(frozen=True)
class Core:
    """Gaussian core of one atom: charge Z of nucleus and core electrons (e; 0 for a ghost atom), radius r_loc (A).

    InputError for a negative charge, or a radius that is not positive. Argon of GTH-PBE (files of pseudopotentials
    state r_loc in bohr), -45.135 Ha:

    >>> argon = Core(charge=8.0, radius=0.4 * Bohr)
    >>> round(argon.self_energy / Hartree, 3)
    -45.135
    """

    charge: float
    radius: float

    def __post_init__(self) -> None:
        """Refuse what no pseudopotential has."""
        if not (math.isfinite(self.charge) and self.charge >= 0.0):
            raise InputError(f"a core has the charge {self.charge}; give the charge of its pseudopotential, such as 8")
        if not (math.isfinite(self.radius) and self.radius > 0.0):
            raise InputError(f"a core has the radius {self.radius} A; give rloc of its pseudopotential, such as 0.21")

    @property
    def self_energy(self) -> float:
        r""":math:`-Z^2 / (2 \sqrt\pi r_{loc}) = -Z^2 \sqrt{\alpha / 2 \pi}`, eV."""
        return -COULOMB * self.charge**2 / (2.0 * math.sqrt(math.pi) * self.radius)


CoreLike = Core | tuple[float, float]  # a core, or its (Z, rloc)


def as_cores(cores: Sequence[CoreLike], n_atoms: int) -> tuple[Core, ...]:
    """One `Core` per atom, each given as such or as (Z, rloc in Angstrom); InputError for another number of them."""
    if len(cores) != n_atoms:
        raise InputError(f"there are {len(cores)} cores for {n_atoms} atoms; give one (Z, rloc) per atom")
    try:
        return tuple(core if isinstance(core, Core) else Core(*map(float, core)) for core in cores)
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("a core is not a pair of numbers; give (Z, rloc in Angstrom) for each atom") from error


def core_self_energies(cores: Sequence[CoreLike]) -> FloatArray:
    r"""Self energy of each core, :math:`-Z^2 / (2 \sqrt\pi r_{loc})`, (n_atoms,) eV; a constant of its species."""
    return np.array([core.self_energy for core in as_cores(cores, len(cores))])


def core_overlap_energies(cell: ArrayLike, positions: ArrayLike, cores: Sequence[CoreLike]) -> FloatArray:
    r"""Core overlap energy of each atom, (n_atoms,) eV: half of every pair's.

    .. math::

        E_{ovl,i} = \frac12 \sum_{j \ne i} \frac{Z_i Z_j}{R_{ij}}
            \operatorname{erfc} \frac{R_{ij}}{\sqrt{2 (r_{loc,i}^2 + r_{loc,j}^2)}}

    over all periodic images. Below 1e-16 Ha in liquids of noble gases; not so in a covalent bond. Cell (3, 3), vectors
    as rows, and positions (n_atoms, 3) in Angstrom, a `Core` or (Z, rloc in Angstrom) per atom. InputError where two
    atoms are in one place, the cell has no volume, or there is another number of cores than of atoms.
    """
    from scipy.special import erfc  # these take a moment to import

    from basinet.frames.neighbours import find_neighbours

    points = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
    checked = as_cores(cores, len(points))
    if not checked:
        return np.zeros(0)
    charge, radius = np.array([[core.charge, core.radius] for core in checked]).T
    neighbours = find_neighbours(points, cell, True, 2.0 * OVERLAP_RANGE * radius.max())
    one = np.repeat(np.arange(len(points)), np.diff(neighbours.first))
    other = neighbours.atom
    distance = np.linalg.norm(neighbours.vector, axis=-1)
    width = np.sqrt(2.0 * (radius[one] ** 2 + radius[other] ** 2))
    energy = 0.5 * COULOMB * charge[one] * charge[other] / distance * erfc(distance / width)
    return np.asarray(np.bincount(one, weights=energy, minlength=len(points)), dtype=np.float64)
