r"""Compiled loop over plane waves: subtract the cores, divide by :math:`G^2`.

One pass over the half spectrum of a real field. The structure factors are built row by row from one phase factor
per axis and atom, so no exponential is taken for an atom, and no array of waves times atoms exists.
"""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

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


@njit(cache=True, nogil=True, fastmath={"contract"})
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


@njit(cache=True, nogil=True)
def waves_within(exponent: NDArray[np.float64]) -> int:
    """Waves up to the last that is not negligible."""
    for last in range(len(exponent), 0, -1):
        if exponent[last - 1] < NEGLIGIBLE:
            return last
    return 0


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True, fastmath={"contract"})
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
