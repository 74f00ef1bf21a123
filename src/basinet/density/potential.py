r"""Compiled loop over plane waves: subtract the cores, divide by :math:`G^2`.

One pass over the half spectrum of a real field. The structure factors are built row by row from one phase factor
per axis and atom, so no exponential is taken for an atom, and no array of waves times atoms exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from basinet.arrays import ComplexArray, FloatArray
from basinet.compiled import jit
from basinet.density.cores import COULOMB, Core, CoreLike, as_cores
from basinet.density.grid import (
    checked_cell,
    checked_field,
    cross_wave_numbers,
    phase_factors,
    reciprocal_metric,
    wave_numbers,
)
from basinet.errors import InputError
from basinet.jobs.provenance import available_processors

if TYPE_CHECKING:
    from numpy.typing import NDArray


class CoreWaves(NamedTuple):
    """Cores grouped by species, and their phase factors.

    Attributes
    ----------
    first : (n_species + 1,) array
        Where each species starts among the atoms.
    weight : (n_species,) array
        Z / V times the number of grid points, e / A^3: the forward FFT does not divide by it.
    half_square_radius : (n_species,) array
        :math:`r_{loc}^2 / 2`, A^2.
    along_1, along_2 : (n_waves, n_atoms) arrays
        Phase factors of the first two axes.
    real_3, imag_3 : (n_atoms, n_waves) arrays
        Phase factors of the third axis, real and imaginary parts.
    """

    first: NDArray[np.int64]
    weight: NDArray[np.float64]
    half_square_radius: NDArray[np.float64]
    along_1: NDArray[np.complex128]
    along_2: NDArray[np.complex128]
    real_3: NDArray[np.float64]
    imag_3: NDArray[np.float64]


class Waves(NamedTuple):
    """Wave numbers along each axis, those for products of two axes, and the metric of reciprocal space."""

    along: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    cross: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    metric: NDArray[np.float64]


NEGLIGIBLE = 45.0
"""Exponent beyond which a core has no wave: exp(-45) is 3e-20 of its charge, far below round-off."""


@jit(fastmath={"contract"})
def structure_factors(
    species: int,
    phase: NDArray[np.complex128],
    cores: CoreWaves,
    real: NDArray[np.float64],
    imag: NDArray[np.float64],
) -> None:
    """Sum over the atoms of one species of their waves along the start of a row, real and imaginary parts."""
    real[:] = 0.0
    imag[:] = 0.0
    for atom in range(cores.first[species], cores.first[species + 1]):
        a, b = phase[atom].real, phase[atom].imag
        for wave in range(len(real)):
            c, d = cores.real_3[atom, wave], cores.imag_3[atom, wave]
            real[wave] += a * c - b * d
            imag[wave] += a * d + b * c


@jit()
def waves_within(exponent: NDArray[np.float64]) -> int:
    """Waves up to the last that is not negligible."""
    for last in range(len(exponent), 0, -1):
        if exponent[last - 1] < NEGLIGIBLE:
            return last
    return 0


@jit()
def form_factors(
    exponent: NDArray[np.float64],
    separable: bool,
    along_3: NDArray[np.float64],
    form: NDArray[np.float64],
) -> None:
    """Gaussians of a core along the start of a row; one exponential will do where the third axis stands apart."""
    if separable and len(exponent) > 0:
        rest = np.exp(-exponent[0])
        for wave in range(len(exponent)):
            form[wave] = rest * along_3[wave]
    else:
        for wave in range(len(exponent)):
            form[wave] = np.exp(-exponent[wave])


@jit(fastmath={"contract"})
def subtract_cores_and_solve(
    first: int,
    last: int,
    waves: Waves,
    cores: CoreWaves,
    four_pi: float,
    density: NDArray[np.complex128],
    potential: NDArray[np.complex128],
) -> None:
    r"""Subtract the cores from a density's spectrum and solve Poisson's equation, for some planes of waves.

    .. math::

        \rho(G) = \rho_e(G) - \frac1V \sum_j Z_j e^{-G^2 r_j^2 / 2} e^{-i G R_j}, \qquad
        V(G) = 4 \pi \rho(G) / G^2, \quad V(0) = 0

    Parameters
    ----------
    first, last
        Waves along the first axis.
    four_pi
        :math:`4 \pi e^2 / 4 \pi \epsilon_0`, eV A.
    density, potential : (n1, n2, n3 / 2 + 1) arrays
        Of the electrons, to become the whole charge; and of the potential, overwritten.
    """
    n2, n3 = density.shape[1], density.shape[2]
    n_atoms = cores.along_1.shape[1]
    phase = np.empty(n_atoms, dtype=np.complex128)
    square, exponent, form, real, imag = np.empty(n3), np.empty(n3), np.empty(n3), np.empty(n3), np.empty(n3)
    metric = waves.metric
    along_3 = np.exp(-np.outer(cores.half_square_radius, metric[2, 2] * waves.along[2] ** 2))
    for h in range(first, last):
        for k in range(n2):
            h_cross, k_cross = waves.cross[0][h], waves.cross[1][k]
            rest = metric[0, 0] * waves.along[0][h] ** 2 + metric[1, 1] * waves.along[1][k] ** 2
            rest += 2.0 * metric[0, 1] * h_cross * k_cross
            slope = 2.0 * (metric[0, 2] * h_cross + metric[1, 2] * k_cross)
            for wave in range(n3):
                square[wave] = rest + slope * waves.cross[2][wave] + metric[2, 2] * waves.along[2][wave] ** 2
            for atom in range(n_atoms):
                phase[atom] = cores.along_1[h, atom] * cores.along_2[k, atom]
            for species in range(len(cores.weight)):
                exponent[:] = cores.half_square_radius[species] * square
                within = waves_within(exponent)
                structure_factors(species, phase, cores, real[:within], imag[:within])
                form_factors(exponent[:within], slope == 0.0, along_3[species], form)
                for wave in range(within):
                    factor = cores.weight[species] * form[wave]
                    density[h, k, wave] -= complex(factor * real[wave], factor * imag[wave])
            if h == 0 and k == 0:
                square[0] = np.inf  # the potential's mean is zero
            for wave in range(n3):
                potential[h, k, wave] = density[h, k, wave] * (four_pi / square[wave])


MAX_CHARGE_ERROR = 0.01
"""Share of the cores' charge by which the electrons may miss it."""


def hartree_potential(
    density: ArrayLike,
    cell: ArrayLike,
    positions: ArrayLike,
    cores: Sequence[CoreLike],
    *,
    charge: float = 0.0,
    workers: int | None = None,
) -> tuple[FloatArray, FloatArray]:
    r"""Charge density of electrons and Gaussian cores, and its Hartree potential.

    .. math::

        \rho(G) = \rho_e(G) - \frac1V \sum_j Z_j e^{-G^2 r_j^2 / 2} e^{-i G R_j}, \qquad
        V_H(G) = \frac{4 \pi \rho(G)}{G^2}, \quad V_H(0) = 0

    Signs are CP2K's: electrons count positive, and V_H is the potential energy of an electron, negative at nuclei.
    The peak of memory, the density included, is four arrays of its size; one of them is gone at the end.

    Parameters
    ----------
    density : (n1, n2, n3) array_like
        Valence electrons, e / A^3, at the fractions (i / n1, j / n2, k / n3) of the cell; left as it is.
    cell : (3, 3) array_like
        Vectors as rows, Angstrom.
    positions : (n_atoms, 3) array_like
        Angstrom; any periodic image of an atom will do.
    cores
        A :class:`~basinet.density.cores.Core` or (Z, rloc in Angstrom) per atom.
    charge
        Of the cell, e: cores less electrons. A charged cell is neutralised by a uniform background, which
        the charge density does not show.
    workers
        Threads; all processors by default. The result does not depend on it.

    Returns
    -------
    rho : (n1, n2, n3) array
        Electrons less cores, e / A^3. It integrates to what the density does, less the cores: see
        :func:`~basinet.density.grid`.
    v_h : (n1, n2, n3) array
        eV, with mean zero.

    Raises
    ------
    InputError
        If shapes do not fit, a number is not finite, or the electrons miss the charge of the cores by more
        than a hundredth.

    Examples
    --------
    Electrons in the shape of their core cancel it:

    >>> import numpy as np
    >>> x = np.arange(24) / 24 * 6.0 - 3.0
    >>> square = x[:, None, None] ** 2 + x[:, None] ** 2 + x**2
    >>> density = 8.0 * np.exp(-square / (2 * 0.5**2)) / (2 * np.pi * 0.5**2) ** 1.5
    >>> rho, v_h = hartree_potential(density, 6.0 * np.eye(3), [[3.0, 3.0, 3.0]], [(8.0, 0.5)])
    >>> bool(abs(rho).max() < 1e-6 * density.max())
    True
    """
    field, box = checked_field(density, "the density"), checked_cell(cell)
    fractions = checked_fractions(positions, box)
    checked = as_cores(cores, len(fractions))
    check_charge(field, box, checked, charge)
    threads = max(1, workers or available_processors() or 1)
    waves, core_waves = waves_of_grid(field.shape, box), waves_of_cores(field.shape, box, fractions, checked)
    charge_spectrum = fft.rfftn(field, workers=threads)
    potential_spectrum = np.empty_like(charge_spectrum)

    def solve(planes: NDArray[np.int64], rho_g: ComplexArray, v_g: ComplexArray) -> None:
        first, last = planes[0], planes[-1] + 1
        subtract_cores_and_solve(first, last, waves, core_waves, 4.0 * np.pi * COULOMB, rho_g, v_g)

    slabs = np.array_split(np.arange(len(field)), min(threads, len(field)))
    if len(slabs) == 1:
        solve(slabs[0], charge_spectrum, potential_spectrum)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(solve, slabs, repeat(charge_spectrum), repeat(potential_spectrum)))
    rho = to_real_space(charge_spectrum, field.shape[2], threads)
    del charge_spectrum
    return rho, to_real_space(potential_spectrum, field.shape[2], threads)


def hartree_energy(rho: ArrayLike, v_h: ArrayLike, cell: ArrayLike) -> float:
    r""":math:`E_H = \frac12 \int \rho V_H`, eV: the interaction of the charge with itself, cores' own included.

    Parameters
    ----------
    rho, v_h : (n1, n2, n3) array_like
        e / A^3 and eV, as :func:`hartree_potential` returns them.
    cell : (3, 3) array_like
        Vectors as rows, Angstrom.

    Raises
    ------
    InputError
        If the grids differ.
    """
    charge, potential = checked_field(rho, "the charge density"), checked_field(v_h, "the potential")
    if charge.shape != potential.shape:
        raise InputError(f"charge density and potential are on different grids, {charge.shape} and {potential.shape}")
    volume = abs(np.linalg.det(checked_cell(cell)))
    return float(0.5 * volume / charge.size * np.vdot(charge, potential))


def to_real_space(spectrum: ComplexArray, last: int, workers: int) -> FloatArray:
    """Inverse real FFT to ``last`` points on the third axis; destroys the spectrum instead of copying it."""
    planes = fft.ifft2(spectrum, axes=(0, 1), overwrite_x=True, workers=workers)
    values: FloatArray = fft.irfft(planes, n=last, axis=2, overwrite_x=True, workers=workers)
    return values


def waves_of_grid(shape: tuple[int, ...], cell: FloatArray) -> Waves:
    """Wave numbers of the half spectrum of a real field."""
    half = shape[2] // 2 + 1
    along, cross = ([rule(points) for points in shape] for rule in (wave_numbers, cross_wave_numbers))
    return Waves((along[0], along[1], along[2][:half]), (cross[0], cross[1], cross[2][:half]), reciprocal_metric(cell))


def waves_of_cores(shape: tuple[int, ...], cell: FloatArray, fractions: FloatArray, cores: Sequence[Core]) -> CoreWaves:
    """Phase factors of the cores, sorted by species: atoms with the same charge and radius."""
    kinds = sorted(set(cores), key=lambda core: (core.charge, core.radius))
    species = np.array([kinds.index(core) for core in cores], dtype=np.int64)
    order = np.argsort(species, kind="stable")
    per_volume = np.prod(shape) / abs(np.linalg.det(cell))
    last = phase_factors(fractions[order, 2], shape[2])[: shape[2] // 2 + 1]
    return CoreWaves(
        np.searchsorted(species[order], np.arange(len(kinds) + 1)),
        np.array([core.charge * per_volume for core in kinds], dtype=np.float64),
        np.array([0.5 * core.radius**2 for core in kinds], dtype=np.float64),
        phase_factors(fractions[order, 0], shape[0]),
        phase_factors(fractions[order, 1], shape[1]),
        np.ascontiguousarray(last.real.T),
        np.ascontiguousarray(last.imag.T),
    )


def checked_fractions(positions: ArrayLike, cell: FloatArray) -> FloatArray:
    """Positions as fractions of the cell, (n_atoms, 3), wrapped into it."""
    points = np.asarray(positions, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise InputError(
            f"positions have the shape {points.shape}; they must be (n_atoms, 3) finite numbers in Angstrom"
        )
    fractions: FloatArray = points @ np.linalg.inv(cell)
    return fractions - np.floor(fractions)


def check_charge(density: FloatArray, cell: FloatArray, cores: Sequence[Core], charge: float) -> None:
    """Refuse electrons that do not belong to the cores: another unit, another cell, other pseudopotentials."""
    electrons = float(density.mean() * abs(np.linalg.det(cell)))
    total = sum(core.charge for core in cores)
    if abs(total - electrons - charge) > MAX_CHARGE_ERROR * max(total, abs(charge)):
        raise InputError(
            f"the density integrates to {electrons:.6g} electrons, but the cores have the charge {total:.6g} and the "
            f"cell {charge:g}; check the density's unit (e/A^3), its cell and the pseudopotentials"
        )
