r"""Slope of an energy in the place of a neighbour, eight atoms side by side.

A neighbour at :math:`\mathbf r` adds :math:`w f_c(r)\, u^j(a, b)` to the density of its atom
(:mod:`basinet.descriptors.hyperspherical`), and so :math:`w f_c(r) P(a, b)` to the first order of the energy, with

.. math:: P = \sum_j P_j, \qquad P_j = \mathrm{Re} \sum_{b \le j/2,\, a} W^j_{b a}\, u^j_{b a}(a, b),

where W is the slope Y of :mod:`basinet.descriptors.adjoint`, conjugated, normalised and folded onto the upper rows.
:math:`P_j` is a homogeneous polynomial of degree j in the four numbers Re a, Im a, Re b, Im b. Row b of
:math:`u^j` holds the coefficients of :math:`(\bar a - \bar b t)^{j - b} (b + a t)^b`, so that its derivatives are
rows of :math:`u^{j-1}` themselves,

.. math:: \partial_{\bar a} u^j_b = (j - b)\, u^{j-1}_b, \quad \partial_{\bar b} u^j_b = -(j - b)\, t\, u^{j-1}_b,
   \quad \partial_b u^j_b = b\, u^{j-1}_{b-1}, \quad \partial_a u^j_b = b\, t\, u^{j-1}_{b-1},

and the gradient of P is a sum over the rows up to :math:`2j_\mathrm{max} - 1` with coefficients that all
neighbours of an atom share: :func:`gradient_coefficients` makes them once, and a neighbour costs one run of the
recursion and eight multiplications per coefficient. :math:`P` itself follows from Euler's theorem,
:math:`j P_j = q \cdot \nabla P_j`.
"""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from basinet.descriptors.hyperspherical import (
    COSINE,
    RFAC0,
    SINE,
    angles,
    keep_mirror_row,
    next_coefficient,
    polynomial,
    take_mirror_row,
)
from basinet.descriptors.lanes import add, div, fma, fnma, load, mul, splat, store

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from basinet.descriptors.lanes import Lanes

TABLES = 8
"""Real and imaginary parts of the coefficients for the derivatives in Re a, Im a, Re b and Im b."""


@njit(cache=True, nogil=True)
def gradient_coefficients(
    twojmax: int,
    offsets: NDArray[np.int64],
    factors: NDArray[np.float64],
    y_real: NDArray[np.float64],
    y_imag: NDArray[np.float64],
    gradient: NDArray[np.float64],
) -> None:
    """Coefficients of the gradient of P in the upper rows of the matrices of all momenta but the largest.

    Parameters
    ----------
    factors
        Of :func:`basinet.descriptors.hyperspherical.normalisation`.
    y_real, y_imag : (n_elements, 8) arrays
        Of :func:`basinet.descriptors.adjoint.density_slopes`.
    gradient : (8 n_elements, 8) array
        Written: eight rows for each element of a matrix.
    """
    gradient[:] = 0.0
    for j in range(1, twojmax + 1):
        for b in range(j // 2 + 1):
            twice = 1.0 if 2 * b == j else 2.0  # this row stands for its mirror image too
            for a in range(j + 1):
                k = offsets[j] + b * (j + 1) + a
                scale = twice * factors[k]
                real, imag = mul(splat(scale), load(y_real, k)), mul(splat(-scale), load(y_imag, k))
                spread(offsets, j, b, a, real, imag, gradient)


@njit(cache=True, nogil=True)
def spread(
    offsets: NDArray[np.int64], j: int, b: int, a: int, real: Lanes, imag: Lanes, gradient: NDArray[np.float64]
) -> None:
    """Share a coefficient W of momentum j among the derivatives in the four real numbers (module docstring).

    The derivatives in a and its conjugate are those in Re a, their sum, and Im a, i times their difference; b alike.
    """
    low = j - 1
    for conjugate in range(2):
        row = b if conjugate else b - 1
        count = float(j - b) if conjugate else float(b)
        if count == 0.0:
            continue
        for shifted in range(2):  # the product with t moves a coefficient up by one
            column = a - shifted
            if not 0 <= column <= low:
                continue
            k, scale, mirrored = offsets[low] + row * j + column, count, 1.0
            if 2 * row > low:  # a lower row is the conjugate, signed, of an upper one
                k = offsets[low] + (low - row) * j + low - column
                scale, mirrored = (count if (row + column) % 2 == 0 else -count), -1.0
            if conjugate and shifted:
                scale = -scale
            k = TABLES * k + (4 if conjugate == shifted else 0)
            turned = -scale if conjugate else scale
            add_to(gradient, k, scale, real)
            add_to(gradient, k + 1, mirrored * scale, imag)
            add_to(gradient, k + 2, -turned, imag)
            add_to(gradient, k + 3, mirrored * turned, real)


@njit(cache=True, nogil=True)
def add_to(array: NDArray[np.float64], row: int, scale: float, value: Lanes) -> None:
    """Add a scaled vector to a row."""
    store(array, row, fma(splat(scale), value, load(array, row)))


@njit(cache=True, nogil=True)
def neighbour_slope(
    twojmax: int,
    offsets: NDArray[np.int64],
    gathered: NDArray[np.float64],
    constant: Lanes,
    gradient: NDArray[np.float64],
    row: NDArray[np.float64],
    slope: NDArray[np.float64],
) -> None:
    """Derivative of the energy of eight atoms in the place of one neighbour of each.

    Parameters
    ----------
    gathered : (5, 8) array
        Of :func:`basinet.descriptors.hyperspherical.gather_neighbours`.
    constant
        :math:`P_0`.
    gradient
        Of :func:`gradient_coefficients`.
    row : (4 (twojmax + 1), 8) array
        Scratch.
    slope : (3, 8) array
        Written: derivative in x, y and z.
    """
    x, y, z, weight = load(gathered, 0), load(gathered, 1), load(gathered, 2), load(gathered, 3)
    r, rate, switch, a_real, sine_by_r = angles(gathered)
    zero = splat(0.0)
    a_imag, b_real, b_imag = fnma(z, sine_by_r, zero), mul(y, sine_by_r), fnma(x, sine_by_r, zero)
    total, g1, g2, g3, g4 = polynomial_gradient(twojmax, offsets, (a_real, a_imag, b_real, b_imag), gradient, row)
    total = add(total, constant)
    square = mul(switch, switch)
    cutoff = fnma(splat(0.5), mul(switch, polynomial(SINE, square)), splat(0.5))
    cutoff_slope = mul(mul(splat(-0.5), rate), polynomial(COSINE, square))
    # d cos(theta_0)/dr = -k sin(theta_0), d (sin(theta_0)/r)/dr = (k cos(theta_0) - sin(theta_0)/r) / r.
    k = mul(splat(RFAC0), rate)
    inverse = div(splat(1.0), r)
    turned = fnma(x, g4, fnma(z, g2, mul(y, g3)))
    radial = mul(turned, mul(fnma(splat(1.0), sine_by_r, mul(k, a_real)), inverse))
    radial = fnma(mul(mul(k, sine_by_r), r), g1, radial)
    along = mul(inverse, fma(cutoff, radial, mul(cutoff_slope, total)))
    across = mul(cutoff, sine_by_r)
    store(slope, 0, mul(weight, fnma(across, g4, mul(along, x))))
    store(slope, 1, mul(weight, fma(across, g3, mul(along, y))))
    store(slope, 2, mul(weight, fnma(across, g2, mul(along, z))))


@njit(cache=True, nogil=True)
def polynomial_gradient(
    twojmax: int,
    offsets: NDArray[np.int64],
    rotation: tuple[Lanes, Lanes, Lanes, Lanes],
    gradient: NDArray[np.float64],
    row: NDArray[np.float64],
) -> tuple[Lanes, Lanes, Lanes, Lanes, Lanes]:
    """P less its constant, and its derivatives in Re a, Im a, Re b and Im b, by the recursion over rows."""
    length = twojmax + 1
    zero, one = splat(0.0), splat(1.0)
    store(row, 0, one)
    store(row, length, zero)
    total, total_1, total_2, total_3, total_4 = zero, zero, zero, zero, zero
    for b in range((twojmax + 1) // 2):
        for j in range(2 * b, twojmax):
            left_real, left_imag = zero, zero
            g1, g2, g3, g4, h1, h2, h3, h4 = zero, zero, zero, zero, zero, zero, zero, zero
            if j > 0:
                store(row, j, zero)
                store(row, length + j, zero)
            k = TABLES * (offsets[j] + b * (j + 1))
            for a in range(j + 1):
                real, imag = load(row, a), load(row, length + a)
                if j > 0:
                    old_real, old_imag = real, imag
                    real, imag = next_coefficient(rotation, old_real, old_imag, left_real, left_imag)
                    store(row, a, real)
                    store(row, length + a, imag)
                    left_real, left_imag = old_real, old_imag
                g1, h1 = fma(load(gradient, k), real, g1), fma(load(gradient, k + 1), imag, h1)
                g2, h2 = fma(load(gradient, k + 2), real, g2), fma(load(gradient, k + 3), imag, h2)
                g3, h3 = fma(load(gradient, k + 4), real, g3), fma(load(gradient, k + 5), imag, h3)
                g4, h4 = fma(load(gradient, k + 6), real, g4), fma(load(gradient, k + 7), imag, h4)
                k += TABLES
            g1, g2, g3, g4 = fnma(one, h1, g1), fnma(one, h2, g2), fnma(one, h3, g3), fnma(one, h4, g4)
            total_1, total_2 = add(total_1, g1), add(total_2, g2)
            total_3, total_4 = add(total_3, g3), add(total_4, g4)
            product = fma(rotation[0], g1, fma(rotation[1], g2, fma(rotation[2], g3, mul(rotation[3], g4))))
            total = fma(splat(1.0 / (j + 1)), product, total)
            if j == 2 * b + 1:
                keep_mirror_row(row, length, b)
        if 2 * b + 1 < twojmax:
            take_mirror_row(row, length, b)
    return total, total_1, total_2, total_3, total_4
