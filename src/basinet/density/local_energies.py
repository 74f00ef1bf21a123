r"""Electrostatic energy of each atom: the Hartree energy of its Bader region, with its core's constants.

.. math::

    E_{H,i} = \frac12 \int_{\Omega_i} \rho V_H, \qquad E_{es,i} = E_{H,i} + E_{self,i} + E_{ovl,i}

Two readings of :math:`\rho`: ``total``, electrons less cores, whose energies add up to the Hartree energy; and
``electronic``, the electrons alone, which do not, and which a shift c of the potential moves by :math:`c N_i / 2`.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from basinet.arrays import FloatArray
from basinet.density.basins import Basins, GridErrors, checked_fields, grid_errors, integrate_basins
from basinet.density.cores import Core, CoreLike, as_cores, core_overlap_energies, core_self_energies
from basinet.density.grid import TOLERANCE, checked_field, renormalise
from basinet.density.potential import hartree_potential, laplacian_energy_density
from basinet.errors import InputError
from basinet.frames.neighbours import checked_cell

TOTAL, ELECTRONIC, DIRECT = "hartree_energy", "hartree_energy_electronic", "direct_energy"
LAPLACIAN = "direct_energy_laplacian"
"""Names of the integrals: of the two readings, of the energy density, and of the laplacian beside it."""
_VARIANCE = "direct_energy_variance"


@dataclass(frozen=True)
class LocalEnergies:
    """Energies and charges of atoms in their Bader regions; arrays are (n_atoms,), energies in eV.

    - `hartree_energy`: 1/2 int rho V_H, reading ``total``; None without cores.
    - `hartree_energy_electronic`: 1/2 int rho_e V_H, reading ``electronic``; None without cores or a potential.
    - `core_self_energy`, `core_overlap_energy`: of each core, the overlap half of each pair's; None without cores.
    - `net_charge`: charge of the core less the population, e; None without cores.
    - `errors`: error bars from the grid's spacing, the energies under the names of these attributes; None if switched
      off, or if the grid is too small to tell.
    - `rounding_error`: of direct energies (part of `errors`), from the error of the energy density at each point; None
      where that is not given.
    - `total_energy`: 1/2 int rho V_H over the cell, the Hartree energy; None without cores.
    - `renormalisation`: factor by which the density was scaled to the exact number of electrons.
    - `basins`: all else: volumes, further fields, maxima, what belongs to no atom, how exactly basins sum to the cell.
    - `seconds`: wall time of each step: ``renormalise``, ``electrostatics``, ``basins``, ``error bars``.
    """

    hartree_energy: FloatArray | None
    hartree_energy_electronic: FloatArray | None
    core_self_energy: FloatArray | None
    core_overlap_energy: FloatArray | None
    net_charge: FloatArray | None
    errors: GridErrors | None
    rounding_error: FloatArray | None
    total_energy: float | None
    renormalisation: float
    basins: Basins
    seconds: dict[str, float]

    @property
    def population(self) -> FloatArray:
        """Electrons."""
        return self.basins.population

    @property
    def volume(self) -> FloatArray:
        """A^3."""
        return self.basins.volume

    @property
    def maximum_distance(self) -> FloatArray:
        """From the nucleus to the farthest of its maxima, A; NaN for an atom without one."""
        return self.basins.maximum_distance

    @property
    def direct_energy(self) -> FloatArray | None:
        r"""DFT energy of each region, eV: :math:`\int_{\Omega_i} e(r) dr + E_{self,i} + E_{ovl,i}`.

        None without cores or an energy density.
        """
        density = self.basins.integrals.get(DIRECT)
        if density is None or self.core_self_energy is None or self.core_overlap_energy is None:
            return None
        return density + self.core_self_energy + self.core_overlap_energy

    @property
    def direct_energy_laplacian(self) -> FloatArray | None:
        r""":math:`\frac14 \int_{\Omega_i} \nabla^2 \rho`, eV: by which direct energies of the two kinetic forms differ.

        Zero but for the grid's error where the basins are those of the density itself. None without an energy density.
        """
        return self.basins.integrals.get(LAPLACIAN)

    @property
    def electrostatic_energy(self) -> FloatArray | None:
        """E_es,i, eV; the sum over atoms is CP2K's Hartree + self + overlap energy. None without cores."""
        if self.hartree_energy is None or self.core_self_energy is None or self.core_overlap_energy is None:
            return None
        return self.hartree_energy + self.core_self_energy + self.core_overlap_energy


def local_hartree_energies(  # noqa: PLR0913 - one keyword per option
    density: ArrayLike,
    cell: ArrayLike,
    positions: ArrayLike,
    cores: Sequence[CoreLike] | None = None,
    *,
    potential: ArrayLike | None = None,
    energy_density: ArrayLike | None = None,
    energy_density_error: ArrayLike | None = None,
    fields: Mapping[str, ArrayLike] | None = None,
    reference: ArrayLike | None = None,
    charge: float = 0.0,
    tolerance: float = TOLERANCE,
    nuclear_radius: float = 1.0,
    vacuum: float | None = None,
    error_bars: bool = True,
    threads: int | None = None,
    overwrite_density: bool = False,
    inspect: Callable[[FloatArray, FloatArray], None] | None = None,
) -> LocalEnergies:
    """Local energies from a density, in one walk over the grid.

    With Gaussian cores, of both readings; with the potential that a program wrote, such as VASP (CHGCAR and LOCPOT),
    of the reading ``electronic``; with neither, charges and volumes only. The peak of memory is some eight arrays
    of the density's size, the caller's included.

    - `density`: (n1, n2, n3), valence electrons, e/A^3. With cores it is scaled to their charge.
    - `cell`: (3, 3), of the calculation, not of a cube's header; vectors as rows, Angstrom.
    - `positions`: (n_atoms, 3), Angstrom.
    - `cores`: a :class:`~basinet.density.cores.Core` or (Z, rloc in Angstrom) per atom.
    - `potential`: (n1, n2, n3), Hartree potential, eV for an electron, in place of cores.
    - `energy_density`: (n1, n2, n3), of Kohn and Sham, cores left out, eV/A^3; see `LocalEnergies.direct_energy`.
    - `energy_density_error`: (n1, n2, n3), its standard deviation, eV/A^3, independent from point to point, such as
      that of the digits of a cube.
    - `fields`: more arrays (n1, n2, n3) to integrate, by name; see ``basins.integrals``.
    - `charge`: of the cell, e.
    - `tolerance`: share of the electrons by which the density may be off before it is scaled.
    - `reference`, `nuclear_radius`, `vacuum`: see :func:`~basinet.density.basins.integrate_basins`.
    - `error_bars`: repeat the partition on blocks of points, for a sixth more time.
    - `threads`: all processors by default. The result does not depend on it.
    - `overwrite_density`: a float64 array may be scaled in place, which saves memory.
    - `inspect`: called with the charge density (e/A^3, electrons less cores) and its Hartree potential (eV) before they
      are overwritten by energy densities.

    InputError if shapes do not fit, numbers are not finite, the density has another number of electrons, or there are
    both cores and a potential.
    """
    seconds: dict[str, float] = {}
    electrons, box = checked_field(density, "the density"), checked_cell(cell)
    points = np.asarray(positions, dtype=np.float64)
    checked = None if cores is None else as_cores(cores, len(points))
    further = _further_fields(fields, energy_density, electrons.shape)
    variance = _variance(energy_density, energy_density_error, electrons.shape)
    factor, total = 1.0, None
    energies: dict[str, FloatArray] = {}
    if checked is not None:
        if potential is not None:
            raise InputError("there are both cores and a potential; give one of them")
        with _timed(seconds, "renormalise"):
            expected = float(sum(core.charge for core in checked)) - charge
            electrons, factor = renormalise(electrons, box, expected, tolerance, overwrite=overwrite_density)
        with _timed(seconds, "electrostatics"):
            energies = _energy_densities(electrons, box, points, checked, charge, threads, inspect)
            total = float(energies[TOTAL].sum() * abs(np.linalg.det(box)) / electrons.size)
    elif potential is not None:
        field = checked_field(potential, "the potential")
        if field.shape != electrons.shape:
            raise InputError(f"density and potential are on different grids, {electrons.shape} and {field.shape}")
        energies[ELECTRONIC] = electrons * field  # 1/2 rho_e V, eV/A^3
        energies[ELECTRONIC] *= 0.5
    if energy_density is not None:
        further[LAPLACIAN] = laplacian_energy_density(electrons, box, threads)
    integrands = energies | further
    leading = None if reference is None else checked_field(reference, "the reference density")
    options: dict[str, Any] = {"nuclear_radius": nuclear_radius, "reference": leading, "vacuum": vacuum}
    options["threads"] = threads
    with _timed(seconds, "basins"):
        basins = integrate_basins(electrons, box, points, integrands | variance, **options)
    errors = None
    if error_bars:
        with _timed(seconds, "error bars"):
            errors = grid_errors(electrons, box, points, integrands, basins, **options)
    rounding = None
    if variance:
        basins, errors, rounding = _with_point_errors(basins, errors, abs(np.linalg.det(box)) / electrons.size)
    return LocalEnergies(
        hartree_energy=basins.integrals.get(TOTAL),
        hartree_energy_electronic=basins.integrals.get(ELECTRONIC),
        core_self_energy=None if checked is None else core_self_energies(checked),
        core_overlap_energy=None if checked is None else core_overlap_energies(box, points, checked),
        net_charge=None if checked is None else np.array([core.charge for core in checked]) - basins.population,
        errors=errors,
        rounding_error=rounding,
        total_energy=total,
        renormalisation=factor,
        basins=basins,
        seconds=seconds,
    )


def direct_energies(
    density: ArrayLike, energy_density: ArrayLike, cell: ArrayLike, positions: ArrayLike, cores: Sequence[CoreLike]
) -> FloatArray:
    r"""DFT energy of every Bader region, eV, (n_atoms,): nothing fitted, and together the energy of the cell.

    .. math:: E_i = \int_{\Omega_i} e(r) dr + E_{self,i} + E_{ovl,i}, \qquad e = \sum_n f_n \epsilon_n |\psi_n|^2
        + \tfrac12 V_H (\rho_c - \rho_e) + [e_{xc} - v_{xc} \rho_e] + [e_{nl} - v_{nl} \rho_e]

    Over Bader regions: M. Yu, D. R. Trinkle and R. M. Martin, Phys. Rev. B 83, 115113 (2011). Parameters as for
    `local_hartree_energies`, which gives error bars, charges and volumes as well; the energy density in eV/A^3, as
    CP2K's ``LOCAL_ENERGY_CUBE`` gives it in hartree/bohr^3, with rVV10's last bracket added (`rvv10_correlation`); a
    dispersion of pairs comes on top (`pair_dispersion_energies`).
    """
    local = local_hartree_energies(density, cell, positions, cores, energy_density=energy_density, error_bars=False)
    if local.direct_energy is None:
        raise InputError("direct energies need the cores; give (Z, rloc) of every atom")
    return local.direct_energy


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    seconds[step] = time.perf_counter() - begun


def _further_fields(
    fields: Mapping[str, ArrayLike] | None, energy_density: ArrayLike | None, shape: tuple[int, ...]
) -> dict[str, FloatArray]:
    """The energy density and the caller's own fields, none of them under the name of an energy."""
    further = dict(fields or {})
    for name in (TOTAL, ELECTRONIC, DIRECT, LAPLACIAN, _VARIANCE):
        if name in further:
            raise InputError(f"a field is named {name!r}, which is an energy; give it another name")
    if energy_density is not None:
        further[DIRECT] = energy_density
    return checked_fields(further, shape)


def _variance(
    energy_density: ArrayLike | None, error: ArrayLike | None, shape: tuple[int, ...]
) -> dict[str, FloatArray]:
    """Variance of the energy density at each point, (eV/A^3)^2, under its name; empty where none is given."""
    if error is None:
        return {}
    if energy_density is None:
        raise InputError("there is an error of the energy density, but no energy density; give both")
    return checked_fields({_VARIANCE: np.square(error)}, shape)


def _with_point_errors(
    basins: Basins, errors: GridErrors | None, voxel: float
) -> tuple[Basins, GridErrors | None, FloatArray]:
    """Basins without the variance of the energy density, its error bars with it, and the error that it makes, eV.

    Points are independent: the variance of a sum over them, each of weight dV, is dV int sigma^2.
    """
    integrals = dict(basins.integrals)
    rounding = np.sqrt(voxel * integrals.pop(_VARIANCE))
    if errors is not None:
        both = np.hypot(errors.integrals[DIRECT], rounding)
        errors = replace(errors, integrals=errors.integrals | {DIRECT: both})
    residuals = {name: residual for name, residual in basins.residuals.items() if name != _VARIANCE}
    return replace(basins, integrals=integrals, residuals=residuals), errors, rounding


def _energy_densities(
    electrons: FloatArray,
    cell: FloatArray,
    positions: FloatArray,
    cores: Sequence[Core],
    charge: float,
    threads: int | None,
    inspect: Callable[[FloatArray, FloatArray], None] | None,
) -> dict[str, FloatArray]:
    """1/2 rho V_H and 1/2 rho_e V_H, (n1, n2, n3), eV/A^3."""
    rho, v_h = hartree_potential(electrons, cell, positions, cores, charge=charge, workers=threads)
    if inspect is not None:
        inspect(rho, v_h)
    rho *= v_h
    rho *= 0.5  # the products take the place of their factors
    v_h *= electrons
    v_h *= 0.5
    return {TOTAL: rho, ELECTRONIC: v_h}
