"""Energy density and potential of rVV10's non-local correlation, by convolutions of functions of the density.

O. A. Vydrov and T. Van Voorhis, J. Chem. Phys. 133, 244103 (2010); R. Sabatini, T. Gorni and S. de Gironcoli, Phys.
Rev. B 87, 041108 (2013); the sum over interpolated kernels is that of G. Roman-Perez and J. M. Soler, Phys. Rev. Lett.
103, 096102 (2009). Mesh, saturation, splines and the sphere of plane waves are those of CP2K 2023.1
(``qs_dispersion_nonloc.F``), so that its printed energy is met, not only that of the functional.
"""

from functools import cache

import numpy as np
from scipy.fft import irfftn, next_fast_len, rfftn
from scipy.interpolate import CubicSpline

from basinet.arrays import ComplexArray, FloatArray, IntArray
from basinet.compiled import jit
from basinet.units import Bohr, Hartree

Q_MESH = np.array(
    [
        1.00000000000000e-4, 3.00000000000000e-4, 5.89385084561889e-4, 1.00810372039635e-3, 1.61395835958931e-3,
        2.49058483956465e-3, 3.75899797974893e-3, 5.59429719890712e-3, 8.24983829756942e-3, 1.20922082245392e-2,
        1.76518309557103e-2, 2.56961904266710e-2, 3.73357786554219e-2, 5.41773947746352e-2, 7.85459572987222e-2,
        1.13805449932145e-1, 1.64823306218807e-1, 2.38642339497217e-1, 3.45452975434964e-1, 5.00000000000000e-1,
    ]
)  # fmt: skip
"""1/bohr^2: values of q0 = omega0 / kappa between which the kernel is interpolated (Sabatini et al.)."""
RADIUS, POINTS = 100.0, 1024
"""bohr, and intervals in it: where the kernel is transformed, and so the spacing 2 pi / RADIUS of wave numbers."""
LEAST_DENSITY = 1e-12  # e/bohr^3, at or below which a point has no part in the convolution
SATURATION_ORDER = 12


def rvv10_correlation(
    density: FloatArray, cell: FloatArray, *, b: float = 6.3, c: float = 0.0093, cutoff: float = 160.0
) -> tuple[FloatArray, FloatArray]:
    r"""Energy density (eV/Å^3) and potential (eV) :math:`\delta E / \delta \rho` of the non-local correlation of rVV10.

    .. math:: E_c^{nl} = \int \rho \left[ \beta + \tfrac12 \int \Phi(r, r') \rho(r') dr' \right] dr
                       = \int \left[ \beta \rho + \tfrac14 \sum_i \theta_i u_i \right] dr,
              \quad u_i = \sum_j \Phi_{ij} * \theta_j,
              \quad \theta_i = \frac{\rho^{3/4} P_i(q_0)}{3 b^{3/2} \pi^{5/4}}

    with :math:`\beta = (3 / b^2)^{3/4} / 32`, cubic splines :math:`P_i` that are 1 at the i-th :math:`q` and 0 at the
    others, and :math:`q_0 = \omega_0 / \kappa` where :math:`\omega_0^2 = 4 C |\nabla \rho / \rho|^4 + 16 \pi \rho / 3`
    and :math:`\kappa = 3 \pi b (\rho / 9 \pi)^{1/6}` (atomic units), saturated at the largest q. The density (nx, ny,
    nz), e/Å^3, is that of both spins, on a grid that spans the cell (3, 3), rows in Å. Plane waves end at a cutoff in
    Ry: the convolution is done on a grid of its own, as CP2K's ``CUTOFF`` of ``&NON_LOCAL``; inf for that of the
    density.
    """
    grid = _Grid(np.asarray(cell) / Bohr, density.shape, cutoff)
    rho_g = grid.to_coarse(density * Bohr**3)
    rho, gradient = grid.real(rho_g), [grid.real(1j * g * rho_g) for g in grid.waves]
    q0, dq0_drho, dq0_dslope = _wave_number(rho, np.sum(np.square(gradient), axis=0), b, c)
    weight = np.where(rho > LEAST_DENSITY, np.abs(rho), 0.0) ** 0.75 / (3 * b**1.5 * np.pi**1.25)
    splines = CubicSpline(Q_MESH, np.eye(len(Q_MESH)), bc_type="natural")
    waves = np.empty((len(Q_MESH), *grid.wave_numbers.shape), dtype=complex)
    for part, value in zip(waves, np.moveaxis(splines(q0), -1, 0), strict=True):
        part[...] = grid.waved(weight * value)
    _convolve(waves.reshape(len(Q_MESH), -1), grid.wave_numbers.ravel(), *_kernel_table())
    u = np.stack([grid.real(part) for part in waves])
    del waves
    energy, slope = (0.5 * weight * np.einsum("qxyz,xyzq->xyz", u, splines(q0, order)) for order in (0, 1))
    beta = (3 / b**2) ** 0.75 / 32
    flux = [grid.waved(slope * dq0_dslope * part) for part in gradient]
    divergence = sum(1j * g * part for g, part in zip(grid.waves, flux, strict=True))
    local = beta + 0.75 * energy / np.maximum(rho, LEAST_DENSITY) + slope * dq0_drho
    fine = grid.to_fine(grid.waved(beta * rho + 0.5 * energy)), grid.to_fine(grid.waved(local) - divergence)
    return fine[0] * Hartree / Bohr**3, fine[1] * Hartree


class _Grid:
    """The plane waves within a cutoff, on the smallest grid that holds them, and on the one given."""

    def __init__(self, cell: FloatArray, fine: tuple[int, ...], cutoff: float) -> None:
        """Cell in bohr, points of the fine grid, cutoff in Ry (``|G|^2`` in 1/bohr^2)."""
        reach = np.minimum(np.sqrt(cutoff) * np.linalg.norm(cell, axis=1) / (2 * np.pi), fine)
        points = [next_fast_len(int(2 * np.floor(n) + 1), real=True) for n in reach]
        self.fine = fine
        self.shape = tuple(min(n, m) for n, m in zip(points, fine, strict=True))
        index = [np.fft.fftfreq(n, 1 / n) for n in self.shape[:2]] + [np.arange(self.shape[2] // 2 + 1.0)]
        reciprocal = 2 * np.pi * np.linalg.inv(cell).T
        miller = np.meshgrid(*index, indexing="ij")
        self.waves = [sum(reciprocal[k, axis] * miller[k] for k in range(3)) for axis in range(3)]
        self.wave_numbers = np.sqrt(sum(g**2 for g in self.waves))
        # The highest waves of an even grid stand for two, and have no gradient.
        alone = np.zeros(self.wave_numbers.shape, dtype=bool)
        for k, n in enumerate(self.shape):
            alone |= (n % 2 == 0) & (np.abs(miller[k]) == n // 2)
        self.inside = (self.wave_numbers**2 <= cutoff) & ~alone

    def waved(self, values: FloatArray) -> ComplexArray:
        return np.where(self.inside, rfftn(values, workers=1), 0.0)

    def real(self, coefficients: ComplexArray) -> FloatArray:
        return np.asarray(irfftn(coefficients, self.shape, workers=1))

    def to_coarse(self, values: FloatArray) -> ComplexArray:
        scale = np.prod(self.shape) / np.prod(self.fine)
        return np.where(self.inside, rfftn(values, workers=1)[self._places(self.fine)] * scale, 0.0)

    def to_fine(self, coefficients: ComplexArray) -> FloatArray:
        wide = np.zeros((*self.fine[:2], self.fine[2] // 2 + 1), dtype=complex)
        wide[self._places(self.fine)] = coefficients * (np.prod(self.fine) / np.prod(self.shape))
        return np.asarray(irfftn(wide, self.fine, workers=1))

    def _places(self, shape: tuple[int, ...]) -> tuple[IntArray, ...]:
        """Where the waves of the coarse grid lie among those of another."""
        first, second = (np.fft.fftfreq(n, 1 / n).astype(int) % m for n, m in zip(self.shape[:2], shape, strict=False))
        return np.ix_(first, second, np.arange(self.shape[2] // 2 + 1))


def _wave_number(rho: FloatArray, slope: FloatArray, b: float, c: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    r"""Saturated q0, its derivative by the density, and :math:`\partial q_0 / \partial |\nabla\rho| / |\nabla\rho|`.

    ``slope`` is the squared gradient. :math:`q_0 = q_c [1 - \exp(-\sum_{m=1}^{12} (q / q_c)^m / m)]`.
    """
    inside = rho > LEAST_DENSITY
    density = np.where(inside, rho, 1.0)
    gap = 4 * c * (slope / density**2) ** 2
    omega = np.sqrt(gap + 16 * np.pi * density / 3)
    kappa = 3 * np.pi * b * (density / (9 * np.pi)) ** (1 / 6)
    largest = Q_MESH[-1]
    ratio = omega / kappa / largest
    with np.errstate(over="ignore"):
        exponent = sum(ratio**m / m for m in range(1, SATURATION_ORDER + 1))
        damping = np.exp(-exponent)
        change = np.where(damping > 0, damping * sum(ratio**m for m in range(SATURATION_ORDER)), 0.0)
    q0 = np.where(inside, np.maximum(largest * (1 - damping), Q_MESH[0]), largest)
    by_density = ((16 * np.pi / 3 - 4 * gap / density) / (2 * omega) - omega / (6 * density)) / kappa
    by_slope = np.where(slope > 0, 2 * gap / np.where(slope > 0, slope, 1.0), 0.0) / (kappa * omega)
    return q0, np.where(inside, change * by_density, 0.0), np.where(inside, change * by_slope, 0.0)


@cache
def _kernel_table() -> tuple[FloatArray, FloatArray]:
    r"""Transformed kernels :math:`\Phi_{ij}(k)` and their second derivatives, (POINTS + 1, pairs i <= j), a.u.

    :math:`\Phi_{ij}(r) = -24 / [(q_i r^2 + 1) (q_j r^2 + 1) (q_i r^2 + q_j r^2 + 2)]`, transformed by the trapezoidal
    rule; the natural spline through wave numbers :math:`2 \pi n / 100` bohr is CP2K's.
    """
    radii = RADIUS / POINTS * np.arange(POINTS + 1)
    waves = 2 * np.pi / RADIUS * np.arange(POINTS + 1)
    first, second = np.triu_indices(len(Q_MESH))
    a, d = (np.outer(radii**2, Q_MESH[pair]) for pair in (first, second))
    values = -24 / ((a + 1) * (d + 1) * (a + d + 2))
    weights = 4 * np.pi * RADIUS / POINTS * np.where(np.arange(POINTS + 1) == POINTS, 0.5, 1.0) * radii
    rows = np.sin(np.outer(waves[1:], radii)) / waves[1:, None]
    table = (np.concatenate([radii[None], rows]) * weights) @ values
    return table, CubicSpline(waves, table, bc_type="natural")(waves, 2)


@jit()
def _convolve(theta: ComplexArray, wave_numbers: FloatArray, table: FloatArray, bend: FloatArray) -> None:
    """Replace theta_i by sum_j Phi_ij theta_j at each wave; ``theta`` is (q, waves), zero beyond the cutoff."""
    spacing = 2 * np.pi / RADIUS
    count = len(theta)
    kernel = np.empty(table.shape[1])
    old, new = np.empty(count, dtype=np.complex128), np.empty(count, dtype=np.complex128)
    for k in range(theta.shape[1]):
        if theta[0, k] == 0.0 and theta[count - 1, k] == 0.0:
            continue
        lower = min(int(wave_numbers[k] / spacing), POINTS - 1)
        up = wave_numbers[k] / spacing - lower
        down = 1.0 - up
        bend_down, bend_up = (down**3 - down) * spacing**2 / 6, (up**3 - up) * spacing**2 / 6
        for pair in range(len(kernel)):
            kernel[pair] = (
                down * table[lower, pair] + up * table[lower + 1, pair]
                + bend_down * bend[lower, pair] + bend_up * bend[lower + 1, pair]
            )  # fmt: skip
        for i in range(count):
            old[i], new[i] = theta[i, k], 0.0
        pair = 0
        for i in range(count):
            new[i] += kernel[pair] * old[i]
            pair += 1
            for j in range(i + 1, count):
                new[i] += kernel[pair] * old[j]
                new[j] += kernel[pair] * old[i]
                pair += 1
        for i in range(count):
            theta[i, k] = new[i]
