r"""Electrostatic energy of each atom: the Hartree energy of its Bader region, with its core's constants.

.. math::

    E_{H,i} = \frac12 \int_{\Omega_i} \rho V_H, \qquad E_{es,i} = E_{H,i} + E_{self,i} + E_{ovl,i}

Two readings of :math:`\rho`: ``total``, electrons less cores, whose energies add up to the Hartree energy; and
``electronic``, the electrons alone, which do not, and which a shift c of the potential moves by :math:`c N_i / 2`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from basinet.arrays import FloatArray
from basinet.density.basins import integrate_basins
from basinet.density.cores import CoreLike, as_cores, core_overlap_energies, core_self_energies
from basinet.density.error_bars import GridErrors, grid_errors
from basinet.density.grid import TOLERANCE, checked_cell, checked_field, renormalise
from basinet.density.potential import hartree_potential
from basinet.errors import InputError

if TYPE_CHECKING:
    from basinet.density.basins import Basins

TOTAL, ELECTRONIC = "hartree_energy", "hartree_energy_electronic"


@dataclass(frozen=True)
class LocalEnergies:
    """Energies and charges of atoms in their Bader regions; arrays are (n_atoms,), energies in eV.

    Attributes
    ----------
    hartree_energy
        1/2 int rho V_H, reading ``total``; None without cores.
    hartree_energy_electronic
        1/2 int rho_e V_H, reading ``electronic``.
    core_self_energy, core_overlap_energy
        Of each atom's core, the overlap half of each pair's; None without cores.
    population
        Electrons.
    net_charge
        Charge of the core less the population, e; None without cores.
    volume
        A^3.
    maximum_distance
        From the nucleus to the farthest of its maxima, A; NaN for an atom without one.
    errors
        Error bars from the grid's spacing, the energies under the names of these attributes; None if switched
        off, or if the grid is too small to tell.
    total_energy
        1/2 int rho V_H over the cell, which is the Hartree energy; None without cores.
    renormalisation
        Factor by which the density was scaled to the exact number of electrons.
    basins
        All else: maxima, what belongs to no atom, and how exactly basins add up to the cell.
    """

    hartree_energy: FloatArray | None
    hartree_energy_electronic: FloatArray
    core_self_energy: FloatArray | None
    core_overlap_energy: FloatArray | None
    population: FloatArray
    net_charge: FloatArray | None
    volume: FloatArray
    maximum_distance: FloatArray
    errors: GridErrors | None
    total_energy: float | None
    renormalisation: float
    basins: Basins

    @property
    def electrostatic_energy(self) -> FloatArray | None:
        """E_es,i, eV; the sum over atoms is CP2K's Hartree + self + overlap energy. None without cores."""
        if self.hartree_energy is None or self.core_self_energy is None or self.core_overlap_energy is None:
            return None
        return self.hartree_energy + self.core_self_energy + self.core_overlap_energy


def local_hartree_energies(
    density: ArrayLike,
    cell: ArrayLike,
    positions: ArrayLike,
    cores: Sequence[CoreLike],
    *,
    charge: float = 0.0,
    tolerance: float = TOLERANCE,
    nuclear_radius: float = 1.0,
    vacuum: float | None = None,
    error_bars: bool = True,
    threads: int | None = None,
) -> LocalEnergies:
    """Local energies of both readings, from a valence density and Gaussian cores, in one walk over the grid.

    The peak of memory is some six and a half arrays of the density's size, the caller's included.

    Parameters
    ----------
    density : (n1, n2, n3) array_like
        Valence electrons, e / A^3; left as it is. It is scaled to the charge of the cores.
    cell : (3, 3) array_like
        Of the calculation, not of a cube's header; vectors as rows, Angstrom.
    positions : (n_atoms, 3) array_like
        Angstrom.
    cores
        A :class:`~basinet.density.cores.Core` or (Z, rloc in Angstrom) per atom.
    charge
        Of the cell, e.
    tolerance
        Share of the electrons by which the density may be off before it is scaled.
    nuclear_radius, vacuum
        See :func:`~basinet.density.basins.integrate_basins`.
    error_bars
        Whether to repeat the partition on blocks of points, for a sixth more time.
    threads
        All processors by default. The result does not depend on it.

    Raises
    ------
    InputError
        If shapes do not fit, numbers are not finite, or the density has another number of electrons.
    """
    box = checked_cell(cell)
    points = np.asarray(positions, dtype=np.float64)
    checked = as_cores(cores, len(points))
    charges = np.array([core.charge for core in checked])
    scaled, factor = renormalise(density, box, float(charges.sum()) - charge, tolerance)
    rho, v_h = hartree_potential(scaled, box, points, checked, charge=charge, workers=threads)
    rho *= v_h
    rho *= 0.5  # what is integrated takes the place of what it is made of
    v_h *= scaled
    v_h *= 0.5
    fields = {TOTAL: rho, ELECTRONIC: v_h}
    basins, errors = partition(scaled, box, points, fields, nuclear_radius, vacuum, error_bars, threads)
    return LocalEnergies(
        hartree_energy=basins.integrals[TOTAL],
        hartree_energy_electronic=basins.integrals[ELECTRONIC],
        core_self_energy=core_self_energies(checked),
        core_overlap_energy=core_overlap_energies(box, points, checked),
        population=basins.population,
        net_charge=charges - basins.population,
        volume=basins.volume,
        maximum_distance=basins.maximum_distance,
        errors=errors,
        total_energy=float(rho.sum() * abs(np.linalg.det(box)) / rho.size),
        renormalisation=factor,
        basins=basins,
    )


def local_electronic_energies(
    density: ArrayLike,
    potential: ArrayLike,
    cell: ArrayLike,
    positions: ArrayLike,
    *,
    nuclear_radius: float = 1.0,
    vacuum: float | None = None,
    error_bars: bool = True,
    threads: int | None = None,
) -> LocalEnergies:
    """Local energies of the reading ``electronic``, from a density and the potential that its program wrote.

    For programs without Gaussian cores, such as VASP (CHGCAR and LOCPOT). The density is taken as it is.

    Parameters
    ----------
    density, potential : (n1, n2, n3) array_like
        e / A^3, and eV for an electron, on one grid.
    cell, positions, nuclear_radius, vacuum, error_bars, threads
        As for :func:`local_hartree_energies`.

    Raises
    ------
    InputError
        If the grids differ, shapes do not fit, or numbers are not finite.
    """
    electrons, box = checked_field(density, "the density"), checked_cell(cell)
    field = checked_field(potential, "the potential")
    if field.shape != electrons.shape:
        raise InputError(f"density and potential are on different grids, {electrons.shape} and {field.shape}")
    points = np.asarray(positions, dtype=np.float64)
    fields = {ELECTRONIC: 0.5 * electrons * field}
    basins, errors = partition(electrons, box, points, fields, nuclear_radius, vacuum, error_bars, threads)
    return LocalEnergies(
        hartree_energy=None,
        hartree_energy_electronic=basins.integrals[ELECTRONIC],
        core_self_energy=None,
        core_overlap_energy=None,
        population=basins.population,
        net_charge=None,
        volume=basins.volume,
        maximum_distance=basins.maximum_distance,
        errors=errors,
        total_energy=None,
        renormalisation=1.0,
        basins=basins,
    )


def partition(
    density: FloatArray,
    cell: FloatArray,
    positions: FloatArray,
    fields: dict[str, FloatArray],
    nuclear_radius: float,
    vacuum: float | None,
    error_bars: bool,
    threads: int | None,
) -> tuple[Basins, GridErrors | None]:
    """Integrals over basins, and their error bars if they are asked for."""
    basins = integrate_basins(
        density, cell, positions, fields, nuclear_radius=nuclear_radius, vacuum=vacuum, threads=threads
    )
    if not error_bars:
        return basins, None
    return basins, grid_errors(
        density, cell, positions, fields, basins, nuclear_radius=nuclear_radius, vacuum=vacuum, threads=threads
    )
