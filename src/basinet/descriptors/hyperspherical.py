r"""Neighbour density on the four-dimensional sphere: sums of Wigner matrices, for eight atoms at a time.

A neighbour at (x, y, z) of length r becomes the rotation with the Cayley-Klein parameters
(Thompson et al., J. Comput. Phys. 285, 316 (2015), section 2, with the signs of LAMMPS ``compute sna/atom``)

.. math:: a = \cos\theta_0 - i \frac{z}{r} \sin\theta_0, \qquad b = \frac{y - i x}{r} \sin\theta_0, \qquad
   \theta_0 = 0.99363\, \pi\, r / r_\mathrm{cut},

and adds the matrices of that rotation to those of its atom,

.. math:: U^j = 1 + \sum_k w_k f_c(r_k)\, u^j(a_k, b_k), \qquad
   f_c(r) = \tfrac12 [1 + \cos(\pi r / r_\mathrm{cut})].

Row b of :math:`u^j` (j doubled) holds, up to factorials, the coefficients of the polynomial

.. math:: (\bar a - \bar b t)^{j - b} (b + a t)^b,

so the row of j follows from that of j - 1 by multiplication with :math:`\bar a - \bar b t`: two complex
products for each coefficient and no square roots (the recursion of Varshalovich, Moskalev & Khersonskii,
section 4.8.2, less its normalisation). The factorials are the same for all neighbours and enter once, after
the sum; the weight enters at j = 0, from where the recursion, linear in the row, carries it to all j. The
rows b > j/2 follow from :math:`u^j_{j-b,\,j-a} = (-1)^{a-b} \bar u^j_{b a}`.

The derivative with respect to a neighbour's place is :mod:`basinet.descriptors.slopes`.
"""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from functools import lru_cache
from math import factorial, pi, sqrt
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from basinet.descriptors.lanes import LANES, add, div, fma, fnma, load, mul, root, splat, store

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from basinet.descriptors.lanes import Lanes
    from basinet.descriptors.neighbours import Neighbours

RFAC0 = 0.99363
"""Part of the half circle that the cutoff maps to; LAMMPS' recommended value."""


@lru_cache(maxsize=16)
def normalisation(twojmax: int) -> NDArray[np.float64]:
    r"""Factors :math:`\sqrt{(j-a)!\, a! / ((j-b)!\, b!)}` from polynomials to Wigner matrices.

    Returns
    -------
    (n_elements,) float64 array
        In the order of :func:`basinet.descriptors.clebsch_gordan.matrix_offsets`.

    Examples
    --------
    >>> normalisation(1).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    return np.array(
        [
            sqrt(factorial(j - a) * factorial(a) / (factorial(j - b) * factorial(b)))
            for j in range(twojmax + 1)
            for b in range(j + 1)
            for a in range(j + 1)
        ]
    )


def taylor_coefficients(first: int) -> tuple[float, ...]:
    r"""Coefficients of sine (``first`` 1) or cosine (0) in the square of the argument, highest power first.

    Eleven terms leave less than :math:`(\pi/2)^{22} / 22! = 2 \cdot 10^{-17}` on :math:`|x| \le \pi / 2`.
    """
    return tuple((-1) ** k / factorial(2 * k + first) for k in reversed(range(11)))


COSINE, SINE = taylor_coefficients(0), taylor_coefficients(1)


@njit(cache=True, nogil=True)
def polynomial(coefficients: tuple[float, ...], x: Lanes) -> Lanes:
    """Horner's rule in every lane."""
    value = splat(0.0)
    for coefficient in coefficients:
        value = fma(value, x, splat(coefficient))
    return value


@njit(cache=True, nogil=True)
def gather_neighbours(
    rank: int,
    atoms: NDArray[np.int64],
    neighbours: Neighbours,
    weight: NDArray[np.float64],
    reach: NDArray[np.float64],
    gathered: NDArray[np.float64],
) -> None:
    """Write x, y, z, weight and cutoff of neighbour number ``rank`` of each atom to the rows of ``gathered``, (5, 8).

    An atom with fewer neighbours, a neighbour beyond its pair's cutoff, and a lane without an atom get one on the
    cutoff with the weight zero.
    """
    for lane in range(LANES):
        gathered[0, lane] = gathered[1, lane] = gathered[3, lane] = 0.0
        gathered[2, lane] = gathered[4, lane] = 1.0
        if lane >= len(atoms):
            continue
        pair = neighbours.first[atoms[lane]] + rank
        if pair >= neighbours.first[atoms[lane] + 1]:
            continue
        x, y, z = neighbours.vector[pair, 0], neighbours.vector[pair, 1], neighbours.vector[pair, 2]
        other = neighbours.atom[pair]
        cutoff = reach[atoms[lane]] + reach[other]
        if x * x + y * y + z * z < cutoff * cutoff:
            gathered[0, lane], gathered[1, lane], gathered[2, lane] = x, y, z
            gathered[3, lane] = weight[other]
            gathered[4, lane] = cutoff


@njit(cache=True, nogil=True)
def angles(gathered: NDArray[np.float64]) -> tuple[Lanes, Lanes, Lanes, Lanes, Lanes]:
    """Distance r, pi / r_cut, the switch's angle, cos(theta_0) and sin(theta_0) / r of one neighbour in each lane.

    Both angles are counted from a quarter turn, where the series of sine and cosine converge on the whole
    range.
    """
    x, y, z = load(gathered, 0), load(gathered, 1), load(gathered, 2)
    rate = div(splat(pi), load(gathered, 4))
    r = root(fma(x, x, fma(y, y, mul(z, z))))
    half_turn, quarter_turn = mul(rate, r), splat(pi / 2)
    switch = fnma(splat(1.0), quarter_turn, half_turn)
    theta = fnma(splat(1.0), quarter_turn, mul(splat(RFAC0), half_turn))
    square = mul(theta, theta)
    cosine = fnma(theta, polynomial(SINE, square), splat(0.0))
    return r, rate, switch, cosine, div(polynomial(COSINE, square), r)


@njit(cache=True, nogil=True)
def rotations(gathered: NDArray[np.float64]) -> tuple[Lanes, Lanes, Lanes, Lanes, Lanes]:
    """Real and imaginary parts of a and b, and weight times cutoff function, of one neighbour in each lane."""
    x, y, z, weight = load(gathered, 0), load(gathered, 1), load(gathered, 2), load(gathered, 3)
    _, _, switch, cosine, sine_by_r = angles(gathered)
    switch_sine = mul(switch, polynomial(SINE, mul(switch, switch)))
    zero, half_weight = splat(0.0), mul(splat(0.5), weight)
    a_imag, b_imag = fnma(z, sine_by_r, zero), fnma(x, sine_by_r, zero)
    return cosine, a_imag, mul(y, sine_by_r), b_imag, fnma(half_weight, switch_sine, half_weight)


@njit(cache=True, nogil=True)
def next_coefficient(
    rotation: tuple[Lanes, Lanes, Lanes, Lanes], old_real: Lanes, old_imag: Lanes, left_real: Lanes, left_imag: Lanes
) -> tuple[Lanes, Lanes]:
    """Coefficient of the next momentum's row, ``conj(a) old[a] - conj(b) old[a - 1]``."""
    a_real, a_imag, b_real, b_imag = rotation
    new_real = fma(a_imag, old_imag, mul(a_real, old_real))
    new_imag = fnma(a_imag, old_real, mul(a_real, old_imag))
    return (
        fnma(b_imag, left_imag, fnma(b_real, left_real, new_real)),
        fma(b_imag, left_real, fnma(b_real, left_imag, new_imag)),
    )


@njit(cache=True, nogil=True)
def keep_mirror_row(row: NDArray[np.float64], length: int, b: int) -> None:
    """Set the mirror image of row b of the momentum 2b + 1 aside, by symmetry the row where b + 1 starts."""
    j = 2 * b + 1
    for a in range(j + 1):
        sign = splat(1.0 if (a + b) % 2 == 0 else -1.0)
        store(row, 2 * length + j - a, mul(sign, load(row, a)))
        store(row, 3 * length + j - a, fnma(sign, load(row, length + a), splat(0.0)))


@njit(cache=True, nogil=True)
def take_mirror_row(row: NDArray[np.float64], length: int, b: int) -> None:
    """Go on from the row that :func:`keep_mirror_row` set aside."""
    for a in range(2 * b + 2):
        store(row, a, load(row, 2 * length + a))
        store(row, length + a, load(row, 3 * length + a))


@njit(cache=True, nogil=True)
def add_neighbour(
    twojmax: int,
    offsets: NDArray[np.int64],
    rotation: tuple[Lanes, Lanes, Lanes, Lanes, Lanes],
    row: NDArray[np.float64],
    real: NDArray[np.float64],
    imag: NDArray[np.float64],
) -> None:
    """Add one neighbour of each lane's atom to the upper rows (2b <= j) of the matrices, not yet normalised.

    Parameters
    ----------
    rotation
        From :func:`rotations`.
    row : (4 (twojmax + 1), 8) array
        Scratch: the row in hand (real, imaginary) and the row that the next b starts from.
    real, imag : (n_elements, 8) arrays
        The sums.
    """
    turn, weight = rotation[:4], rotation[4]
    length = twojmax + 1
    zero = splat(0.0)
    store(row, 0, weight)
    store(row, length, zero)
    store(real, 0, add(load(real, 0), weight))
    for b in range(twojmax // 2 + 1):
        for j in range(max(1, 2 * b), twojmax + 1):
            left_real, left_imag = zero, zero
            store(row, j, zero)
            store(row, length + j, zero)
            k = offsets[j] + b * (j + 1)
            for a in range(j + 1):
                old_real, old_imag = load(row, a), load(row, length + a)
                new_real, new_imag = next_coefficient(turn, old_real, old_imag, left_real, left_imag)
                store(row, a, new_real)
                store(row, length + a, new_imag)
                store(real, k + a, add(load(real, k + a), new_real))
                store(imag, k + a, add(load(imag, k + a), new_imag))
                left_real, left_imag = old_real, old_imag
            if j == 2 * b + 1:
                keep_mirror_row(row, length, b)
        if 2 * b + 1 <= twojmax:
            take_mirror_row(row, length, b)


@njit(cache=True, nogil=True)
def complete_matrices(
    twojmax: int,
    offsets: NDArray[np.int64],
    factors: NDArray[np.float64],
    real: NDArray[np.float64],
    imag: NDArray[np.float64],
) -> None:
    """Normalise the summed rows, add the atom itself (the unit matrix), and fill the lower rows."""
    zero = splat(0.0)
    for j in range(twojmax + 1):
        for b in range(j // 2 + 1):
            k = offsets[j] + b * (j + 1)
            for a in range(j + 1):
                factor = splat(factors[k + a])
                value_real = fma(factor, load(real, k + a), splat(1.0 if a == b else 0.0))
                value_imag = mul(factor, load(imag, k + a))
                store(real, k + a, value_real)
                store(imag, k + a, value_imag)
                if 2 * b < j:
                    sign = splat(1.0 if (a + b) % 2 == 0 else -1.0)
                    mirror = offsets[j + 1] - 1 - b * (j + 1) - a
                    store(real, mirror, mul(sign, value_real))
                    store(imag, mirror, fnma(sign, value_imag, zero))
