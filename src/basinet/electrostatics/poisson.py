r"""Charge density and Hartree potential from the valence density alone, by real FFTs.

The Nyquist wave of an axis with an even number of points stands for n/2 and -n/2 at once. Cores enter it with the
mean of both, and :math:`G^2` with the mean over both signs, that is without its mixed terms. The charge density is
then real and obeys every symmetry of the grid, and the potential solves Poisson's equation exactly on the grid, with
the Laplacian of trigonometric interpolation.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from basinet.electrostatics.cores import COULOMB, Core, CoreLike, as_cores
from basinet.electrostatics.grid import (
    checked_cell,
    checked_field,
    cross_wave_numbers,
    phase_factors,
    reciprocal_metric,
    wave_numbers,
)
from basinet.errors import InputError
from basinet.io.provenance import available_processors

if TYPE_CHECKING:
    from basinet.electrostatics.kernel import CoreWaves, Waves

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

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
        A :class:`~basinet.electrostatics.Core` or (Z, rloc in Angstrom) per atom.
    charge
        Of the cell, e: cores less electrons. A charged cell is neutralised by a uniform background, which
        the charge density does not show.
    workers
        Threads; all processors by default. The result does not depend on it.

    Returns
    -------
    rho : (n1, n2, n3) array
        Electrons less cores, e / A^3. It integrates to what the density does, less the cores: see
        :func:`~basinet.electrostatics.renormalise`.
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
    from basinet.electrostatics.kernel import subtract_cores_and_solve  # here: numba takes a moment to import

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
    from basinet.electrostatics.kernel import Waves

    half = shape[2] // 2 + 1
    along, cross = ([rule(points) for points in shape] for rule in (wave_numbers, cross_wave_numbers))
    return Waves((along[0], along[1], along[2][:half]), (cross[0], cross[1], cross[2][:half]), reciprocal_metric(cell))


def waves_of_cores(shape: tuple[int, ...], cell: FloatArray, fractions: FloatArray, cores: Sequence[Core]) -> CoreWaves:
    """Phase factors of the cores, sorted by species: atoms with the same charge and radius."""
    from basinet.electrostatics.kernel import CoreWaves

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
