r"""Compiled loops over atoms, eight side by side: neighbours to Wigner matrices to bispectrum, and the way back.

**Neighbour density on the four-dimensional sphere.**
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

Memory is bounded: a group of eight atoms needs two arrays of one Wigner matrix set each (36 kB together at
twojmax 8), used again for the next group, unless they are kept for the way back.

**Slope of an energy in the density.**
With :math:`\beta_c = \partial E / \partial B_c`,

.. math:: dE = \mathrm{Re} \sum_{j b a} \bar Y^j_{b a}\, dU^j_{b a}, \qquad
   Y^j = \sum_{j_1 \ge j_2} \beta_c\, f_c\, U^{j_1} \otimes_{j_1 j_2 j} U^{j_2}

(Thompson et al., J. Comput. Phys. 285, 316 (2015), section 3; the adjoint of Bachmayr, Csanyi, Ortner et al. and of
LAMMPS' ``SNA::compute_yi``). A component couples three matrices, and since :math:`B_{j_1 j_2 j} / (2j + 1)` does not
change when the momenta are permuted, its derivative in each of the three is the product of the other two, times the
ratio of the :math:`2j + 1`. So one kind of table serves all three, and no term has to be added to memory that
other terms write.

**Slope in the place of a neighbour.**
A neighbour at :math:`\mathbf r` adds :math:`w f_c(r)\, u^j(a, b)` to the density of its atom
and so :math:`w f_c(r) P(a, b)` to the first order of the energy, with

.. math:: P = \sum_j P_j, \qquad P_j = \mathrm{Re} \sum_{b \le j/2,\, a} W^j_{b a}\, u^j_{b a}(a, b),

where W is the slope Y above, conjugated, normalised and folded onto the upper rows. :math:`P_j` is a homogeneous
polynomial of degree j in the four numbers Re a, Im a, Re b, Im b. Row b of :math:`u^j` holds the coefficients of
:math:`(\bar a - \bar b t)^{j - b} (b + a t)^b`, so that its derivatives are rows of :math:`u^{j-1}` themselves,

.. math:: \partial_{\bar a} u^j_b = (j - b)\, u^{j-1}_b, \quad \partial_{\bar b} u^j_b = -(j - b)\, t\, u^{j-1}_b,
   \quad \partial_b u^j_b = b\, u^{j-1}_{b-1}, \quad \partial_a u^j_b = b\, t\, u^{j-1}_{b-1},

and the gradient of P is a sum over the rows up to :math:`2j_\mathrm{max} - 1` with coefficients that all neighbours of
an atom share: :func:`_gradient_coefficients` makes them once, and a neighbour costs one run of the recursion and eight
multiplications per coefficient. :math:`P` itself follows from Euler's theorem, :math:`j P_j = q \cdot \nabla P_j`.
"""

from math import factorial, pi

import numpy as np

from basinet.arrays import FloatArray, IntArray
from basinet.compiled import jit
from basinet.descriptors._vector import LANES, Lanes, add, div, fma, fnma, load_row, mul, root, splat, store_row
from basinet.descriptors.clebsch_gordan import _CouplingTables
from basinet.frames.neighbours import Neighbours

RFAC0 = 0.99363  # part of the half circle that the cutoff maps to; LAMMPS' recommended value


def _taylor_coefficients(first: int) -> tuple[float, ...]:
    r"""Coefficients of sine (``first`` 1) or cosine (0) in the square of the argument, highest power first.

    Eleven terms leave less than :math:`(\pi/2)^{22} / 22! = 2 \cdot 10^{-17}` on :math:`|x| \le \pi / 2`.
    """
    return tuple((-1) ** k / factorial(2 * k + first) for k in reversed(range(11)))


COSINE, SINE = _taylor_coefficients(0), _taylor_coefficients(1)


@jit()
def _polynomial(coefficients: tuple[float, ...], x: Lanes) -> Lanes:
    value = splat(0.0)
    for coefficient in coefficients:
        value = fma(value, x, splat(coefficient))
    return value


@jit()
def _gather_neighbours(
    rank: int, atoms: IntArray, neighbours: Neighbours, weight: FloatArray, reach: FloatArray, gathered: FloatArray
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


@jit()
def _angles(gathered: FloatArray) -> tuple[Lanes, Lanes, Lanes, Lanes, Lanes]:
    """Distance r, pi / r_cut, the switch's angle, cos(theta_0) and sin(theta_0) / r of one neighbour in each lane.

    Both angles are counted from a quarter turn, where the series of sine and cosine converge on the whole range.
    """
    x, y, z = load_row(gathered, 0), load_row(gathered, 1), load_row(gathered, 2)
    rate = div(splat(pi), load_row(gathered, 4))
    r = root(fma(x, x, fma(y, y, mul(z, z))))
    half_turn, quarter_turn = mul(rate, r), splat(pi / 2)
    switch = fnma(splat(1.0), quarter_turn, half_turn)
    theta = fnma(splat(1.0), quarter_turn, mul(splat(RFAC0), half_turn))
    square = mul(theta, theta)
    cosine = fnma(theta, _polynomial(SINE, square), splat(0.0))
    return r, rate, switch, cosine, div(_polynomial(COSINE, square), r)


@jit()
def _rotations(gathered: FloatArray) -> tuple[Lanes, Lanes, Lanes, Lanes, Lanes]:
    """Real and imaginary parts of a and b, and weight times cutoff function, of one neighbour in each lane."""
    x, y, z, weight = load_row(gathered, 0), load_row(gathered, 1), load_row(gathered, 2), load_row(gathered, 3)
    _, _, switch, cosine, sine_by_r = _angles(gathered)
    switch_sine = mul(switch, _polynomial(SINE, mul(switch, switch)))
    zero, half_weight = splat(0.0), mul(splat(0.5), weight)
    a_imag, b_imag = fnma(z, sine_by_r, zero), fnma(x, sine_by_r, zero)
    return cosine, a_imag, mul(y, sine_by_r), b_imag, fnma(half_weight, switch_sine, half_weight)


@jit()
def _next_coefficient(
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


@jit()
def _keep_mirror_row(row: FloatArray, length: int, b: int) -> None:
    """Set the mirror image of row b of the momentum 2b + 1 aside, by symmetry the row where b + 1 starts."""
    j = 2 * b + 1
    for a in range(j + 1):
        sign = splat(1.0 if (a + b) % 2 == 0 else -1.0)
        store_row(row, 2 * length + j - a, mul(sign, load_row(row, a)))
        store_row(row, 3 * length + j - a, fnma(sign, load_row(row, length + a), splat(0.0)))


@jit()
def _take_mirror_row(row: FloatArray, length: int, b: int) -> None:
    for a in range(2 * b + 2):
        store_row(row, a, load_row(row, 2 * length + a))
        store_row(row, length + a, load_row(row, 3 * length + a))


@jit()
def _add_neighbour(
    twojmax: int,
    offsets: IntArray,
    rotation: tuple[Lanes, Lanes, Lanes, Lanes, Lanes],
    row: FloatArray,
    real: FloatArray,
    imag: FloatArray,
) -> None:
    """Add one neighbour of each lane's atom to the upper rows (2b <= j) of (n_elements, 8) matrices, to be normalised.

    ``row`` (4 (twojmax + 1), 8) is scratch: the row in hand (real, imaginary), and the row that the next b starts from.
    """
    turn, weight = rotation[:4], rotation[4]
    length = twojmax + 1
    zero = splat(0.0)
    store_row(row, 0, weight)
    store_row(row, length, zero)
    store_row(real, 0, add(load_row(real, 0), weight))
    for b in range(twojmax // 2 + 1):
        for j in range(max(1, 2 * b), twojmax + 1):
            left_real, left_imag = zero, zero
            store_row(row, j, zero)
            store_row(row, length + j, zero)
            k = offsets[j] + b * (j + 1)
            for a in range(j + 1):
                old_real, old_imag = load_row(row, a), load_row(row, length + a)
                new_real, new_imag = _next_coefficient(turn, old_real, old_imag, left_real, left_imag)
                store_row(row, a, new_real)
                store_row(row, length + a, new_imag)
                store_row(real, k + a, add(load_row(real, k + a), new_real))
                store_row(imag, k + a, add(load_row(imag, k + a), new_imag))
                left_real, left_imag = old_real, old_imag
            if j == 2 * b + 1:
                _keep_mirror_row(row, length, b)
        if 2 * b + 1 <= twojmax:
            _take_mirror_row(row, length, b)


@jit()
def _complete_matrices(tables: _CouplingTables, real: FloatArray, imag: FloatArray) -> None:
    """Normalise the summed rows, add the atom itself (the unit matrix), and fill the lower rows."""
    zero, offsets = splat(0.0), tables.offsets
    for j in range(len(offsets) - 1):
        for b in range(j // 2 + 1):
            k = offsets[j] + b * (j + 1)
            for a in range(j + 1):
                factor = splat(tables.normalisation[k + a])
                value_real = fma(factor, load_row(real, k + a), splat(1.0 if a == b else 0.0))
                value_imag = mul(factor, load_row(imag, k + a))
                store_row(real, k + a, value_real)
                store_row(imag, k + a, value_imag)
                if 2 * b < j:
                    sign = splat(1.0 if (a + b) % 2 == 0 else -1.0)
                    mirror = offsets[j + 1] - 1 - b * (j + 1) - a
                    store_row(real, mirror, mul(sign, value_real))
                    store_row(imag, mirror, fnma(sign, value_imag, zero))


@jit()
def _couple(
    tables: _CouplingTables, n: int, real: FloatArray, imag: FloatArray, z_real: FloatArray, z_imag: FloatArray
) -> int:
    """Write the product of two matrices U of eight atoms by coupling n, upper rows (2b <= j), and return its length.

    The lower rows follow by symmetry. ``real`` and ``imag`` (n_elements, 8) are all rows of the matrices U.
    """
    zero = splat(0.0)
    offsets, coefficients, start = tables.offsets, tables.coefficients, tables.coefficient_start[n]
    j1, j2, j, _ = tables.couplings[n]
    shift = (j1 + j2 - j) // 2
    k = 0
    for b in range(j // 2 + 1):
        middle_row = b + shift
        first_row, last_row = max(0, middle_row - j2), min(j1, middle_row)
        if j1 == j2:  # the factors may be swapped: half of the pairs, twice
            last_row = middle_row // 2
        for a in range(j + 1):
            middle = a + shift
            first, last = max(0, middle - j2), min(j1, middle)
            total_real, total_imag = zero, zero
            for b1 in range(first_row, last_row + 1):
                k1 = offsets[j1] + b1 * (j1 + 1)
                k2 = offsets[j2] + (middle_row - b1) * (j2 + 1) + middle
                row_real, row_imag = zero, zero
                for a1 in range(first, last + 1):
                    coefficient = splat(coefficients[start[a] + a1 - first])
                    u1_real = mul(coefficient, load_row(real, k1 + a1))
                    u1_imag = mul(coefficient, load_row(imag, k1 + a1))
                    u2_real, u2_imag = load_row(real, k2 - a1), load_row(imag, k2 - a1)
                    row_real = fnma(u1_imag, u2_imag, fma(u1_real, u2_real, row_real))
                    row_imag = fma(u1_imag, u2_real, fma(u1_real, u2_imag, row_imag))
                row_coefficient = coefficients[start[b] + b1 - max(0, middle_row - j2)]
                if j1 == j2 and 2 * b1 != middle_row:
                    row_coefficient *= 2.0
                total_real = fma(splat(row_coefficient), row_real, total_real)
                total_imag = fma(splat(row_coefficient), row_imag, total_imag)
            store_row(z_real, k, total_real)
            store_row(z_imag, k, total_imag)
            k += 1
    return k


@jit()
def _contract(
    tables: _CouplingTables, real: FloatArray, imag: FloatArray, z_real: FloatArray, z_imag: FloatArray, out: FloatArray
) -> None:
    """Write the bispectrum (n_components, 8) of eight atoms, whose matrices are U; z (n_elements, 8) is scratch."""
    for component in range(len(tables.chosen)):
        n = tables.chosen[component]
        j = tables.couplings[n, 2]
        first, total = tables.offsets[j], splat(0.0)
        _couple(tables, n, real, imag, z_real, z_imag)
        for b in range(j // 2 + 1):
            row_total = splat(0.0)
            for k in range(b * (j + 1), (b + 1) * (j + 1)):
                row_total = fma(load_row(real, first + k), load_row(z_real, k), row_total)
                row_total = fma(load_row(imag, first + k), load_row(z_imag, k), row_total)
            total = fma(splat(1.0 if 2 * b == j else 2.0), row_total, total)  # the row stands for its mirror image too
        store_row(out, component, mul(splat(tables.chosen_factor[component]), total))


@jit()
def _density_slopes(
    tables: _CouplingTables,
    real: FloatArray,
    imag: FloatArray,
    slopes: FloatArray,
    z_real: FloatArray,
    z_imag: FloatArray,
    y_real: FloatArray,
    y_imag: FloatArray,
) -> None:
    """Write Y of eight atoms, (n_elements, 8), upper rows (2b <= j) only, from their slopes (n_components, 8)."""
    y_real[:] = 0.0
    y_imag[:] = 0.0
    for n in range(len(tables.couplings)):
        first = tables.offsets[tables.couplings[n, 2]]
        slope = mul(splat(tables.factor[n]), load_row(slopes, tables.couplings[n, 3]))
        for k in range(_couple(tables, n, real, imag, z_real, z_imag)):
            store_row(y_real, first + k, fma(slope, load_row(z_real, k), load_row(y_real, first + k)))
            store_row(y_imag, first + k, fma(slope, load_row(z_imag, k), load_row(y_imag, first + k)))


TABLES = 8  # real and imaginary parts of the coefficients for the derivatives in Re a, Im a, Re b and Im b


@jit()
def _gradient_coefficients(
    tables: _CouplingTables, y_real: FloatArray, y_imag: FloatArray, gradient: FloatArray
) -> None:
    """Coefficients of the gradient of P in the upper rows of the matrices of all momenta but the largest.

    Y comes from `_density_slopes`; ``gradient`` (8 n_elements, 8) is written: eight rows for each element of a matrix.
    """
    gradient[:] = 0.0
    offsets = tables.offsets
    for j in range(1, len(offsets) - 1):
        for b in range(j // 2 + 1):
            twice = 1.0 if 2 * b == j else 2.0  # this row stands for its mirror image too
            for a in range(j + 1):
                k = offsets[j] + b * (j + 1) + a
                scale = twice * tables.normalisation[k]
                real, imag = mul(splat(scale), load_row(y_real, k)), mul(splat(-scale), load_row(y_imag, k))
                _spread_coefficient(offsets, j, b, a, real, imag, gradient)


@jit()
def _spread_coefficient(
    offsets: IntArray, j: int, b: int, a: int, real: Lanes, imag: Lanes, gradient: FloatArray
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
            _add_to(gradient, k, scale, real)
            _add_to(gradient, k + 1, mirrored * scale, imag)
            _add_to(gradient, k + 2, -turned, imag)
            _add_to(gradient, k + 3, mirrored * turned, real)


@jit()
def _add_to(array: FloatArray, row: int, scale: float, value: Lanes) -> None:
    store_row(array, row, fma(splat(scale), value, load_row(array, row)))


@jit()
def _neighbour_slope(
    twojmax: int,
    offsets: IntArray,
    gathered: FloatArray,
    constant: Lanes,
    gradient: FloatArray,
    row: FloatArray,
    slope: FloatArray,
) -> None:
    """Write the derivative (3, 8) of the energy of eight atoms in the place of one neighbour of each.

    ``constant`` is :math:`P_0`, ``gradient`` comes from `_gradient_coefficients`, ``row`` (4 (twojmax + 1), 8) is
    scratch.
    """
    x, y, z, weight = load_row(gathered, 0), load_row(gathered, 1), load_row(gathered, 2), load_row(gathered, 3)
    r, rate, switch, a_real, sine_by_r = _angles(gathered)
    zero = splat(0.0)
    a_imag, b_real, b_imag = fnma(z, sine_by_r, zero), mul(y, sine_by_r), fnma(x, sine_by_r, zero)
    total, g1, g2, g3, g4 = _polynomial_gradient(twojmax, offsets, (a_real, a_imag, b_real, b_imag), gradient, row)
    total = add(total, constant)
    square = mul(switch, switch)
    cutoff = fnma(splat(0.5), mul(switch, _polynomial(SINE, square)), splat(0.5))
    cutoff_slope = mul(mul(splat(-0.5), rate), _polynomial(COSINE, square))
    # d cos(theta_0)/dr = -k sin(theta_0), d (sin(theta_0)/r)/dr = (k cos(theta_0) - sin(theta_0)/r) / r.
    k = mul(splat(RFAC0), rate)
    inverse = div(splat(1.0), r)
    turned = fnma(x, g4, fnma(z, g2, mul(y, g3)))
    radial = mul(turned, mul(fnma(splat(1.0), sine_by_r, mul(k, a_real)), inverse))
    radial = fnma(mul(mul(k, sine_by_r), r), g1, radial)
    along = mul(inverse, fma(cutoff, radial, mul(cutoff_slope, total)))
    across = mul(cutoff, sine_by_r)
    store_row(slope, 0, mul(weight, fnma(across, g4, mul(along, x))))
    store_row(slope, 1, mul(weight, fma(across, g3, mul(along, y))))
    store_row(slope, 2, mul(weight, fnma(across, g2, mul(along, z))))


@jit()
def _polynomial_gradient(
    twojmax: int, offsets: IntArray, rotation: tuple[Lanes, Lanes, Lanes, Lanes], gradient: FloatArray, row: FloatArray
) -> tuple[Lanes, Lanes, Lanes, Lanes, Lanes]:
    """P less its constant, and its derivatives in Re a, Im a, Re b and Im b, by the recursion over rows."""
    length = twojmax + 1
    zero, one = splat(0.0), splat(1.0)
    store_row(row, 0, one)
    store_row(row, length, zero)
    total, total_1, total_2, total_3, total_4 = zero, zero, zero, zero, zero
    for b in range((twojmax + 1) // 2):
        for j in range(2 * b, twojmax):
            left_real, left_imag = zero, zero
            g1, g2, g3, g4, h1, h2, h3, h4 = zero, zero, zero, zero, zero, zero, zero, zero
            if j > 0:
                store_row(row, j, zero)
                store_row(row, length + j, zero)
            k = TABLES * (offsets[j] + b * (j + 1))
            for a in range(j + 1):
                real, imag = load_row(row, a), load_row(row, length + a)
                if j > 0:
                    old_real, old_imag = real, imag
                    real, imag = _next_coefficient(rotation, old_real, old_imag, left_real, left_imag)
                    store_row(row, a, real)
                    store_row(row, length + a, imag)
                    left_real, left_imag = old_real, old_imag
                g1, h1 = fma(load_row(gradient, k), real, g1), fma(load_row(gradient, k + 1), imag, h1)
                g2, h2 = fma(load_row(gradient, k + 2), real, g2), fma(load_row(gradient, k + 3), imag, h2)
                g3, h3 = fma(load_row(gradient, k + 4), real, g3), fma(load_row(gradient, k + 5), imag, h3)
                g4, h4 = fma(load_row(gradient, k + 6), real, g4), fma(load_row(gradient, k + 7), imag, h4)
                k += TABLES
            g1, g2, g3, g4 = fnma(one, h1, g1), fnma(one, h2, g2), fnma(one, h3, g3), fnma(one, h4, g4)
            total_1, total_2 = add(total_1, g1), add(total_2, g2)
            total_3, total_4 = add(total_3, g3), add(total_4, g4)
            product = fma(rotation[0], g1, fma(rotation[1], g2, fma(rotation[2], g3, mul(rotation[3], g4))))
            total = fma(splat(1.0 / (j + 1)), product, total)
            if j == 2 * b + 1:
                _keep_mirror_row(row, length, b)
        if 2 * b + 1 < twojmax:
            _take_mirror_row(row, length, b)
    return total, total_1, total_2, total_3, total_4


@jit()
def _most_neighbours(first: IntArray, atoms: IntArray) -> int:
    most = 0
    for atom in atoms:
        most = max(most, first[atom + 1] - first[atom])
    return most


@jit()
def _bispectrum_of_groups(
    order: IntArray,
    neighbours: Neighbours,
    weight: FloatArray,
    reach: FloatArray,
    tables: _CouplingTables,
    matrices: FloatArray,
    out: FloatArray,
) -> None:
    """Write the bispectrum of the atoms in ``order``, before the isolated atom's is subtracted, to rows of ``out``.

    Eight atoms in a row share a group, which takes as long as its atom with the most neighbours. Each group's matrices
    U stay in ``matrices`` (n_groups, 2, n_elements, 8), real and imaginary parts, for `_gradients_of_groups`; with one
    group's room all groups use it in turn. Two atoms see each other within the sum of their ``reach``, A.
    """
    first, offsets, twojmax = neighbours.first, tables.offsets, len(tables.offsets) - 2
    gathered, row = np.empty((5, LANES)), np.empty((4 * (twojmax + 1), LANES))
    components, z = np.empty((len(tables.chosen), LANES)), np.empty((2, offsets[-1], LANES))
    for start in range(0, len(order), LANES):
        atoms = order[start : start + LANES]
        group = min(start // LANES, len(matrices) - 1)
        real, imag = matrices[group, 0], matrices[group, 1]
        real[:] = 0.0
        imag[:] = 0.0
        for rank in range(_most_neighbours(first, atoms)):
            _gather_neighbours(rank, atoms, neighbours, weight, reach, gathered)
            _add_neighbour(twojmax, offsets, _rotations(gathered), row, real, imag)
        _complete_matrices(tables, real, imag)
        _contract(tables, real, imag, z[0], z[1], components)
        for lane, atom in enumerate(atoms):
            out[atom, :] = components[:, lane]


@jit()
def _gradients_of_groups(
    order: IntArray,
    neighbours: Neighbours,
    weight: FloatArray,
    reach: FloatArray,
    tables: _CouplingTables,
    matrices: FloatArray,
    slopes: FloatArray,
    gradient: FloatArray,
) -> None:
    """Write the derivative of the energy of each atom in ``order`` in the places of its neighbours, (n_pairs, 3).

    ``matrices`` are as `_bispectrum_of_groups` left them, a group's room for each group; ``slopes`` (n, n_components)
    are the derivatives of the energy of the atoms in ``order``, in this order, in their components.
    """
    offsets, twojmax = tables.offsets, len(tables.offsets) - 2
    y, z = np.empty((2, offsets[-1], LANES)), np.empty((2, offsets[-1], LANES))
    coefficients = np.empty((TABLES * offsets[-1], LANES))
    gathered, row, slope = np.empty((5, LANES)), np.empty((4 * (twojmax + 1), LANES)), np.empty((3, LANES))
    own = np.zeros((slopes.shape[1], LANES))
    for start in range(0, len(order), LANES):
        atoms = order[start : start + LANES]
        group = start // LANES
        for lane in range(len(atoms)):
            own[:, lane] = slopes[start + lane]
        _density_slopes(tables, matrices[group, 0], matrices[group, 1], own, z[0], z[1], y[0], y[1])
        _gradient_coefficients(tables, y[0], y[1], coefficients)
        constant = load_row(y[0], 0)
        for rank in range(_most_neighbours(neighbours.first, atoms)):
            _gather_neighbours(rank, atoms, neighbours, weight, reach, gathered)
            _neighbour_slope(twojmax, offsets, gathered, constant, coefficients, row, slope)
            for lane, atom in enumerate(atoms):
                pair = neighbours.first[atom] + rank
                if pair < neighbours.first[atom + 1]:
                    gradient[pair, :] = slope[:, lane]


@jit()
def _add_forces(neighbours: Neighbours, gradient: FloatArray, forces: FloatArray, virial: FloatArray) -> None:
    """Sum the derivatives of all pairs to forces (n_atoms, 3) and the virial (3, 3), which come in as zeros."""
    for atom in range(len(forces)):
        for pair in range(neighbours.first[atom], neighbours.first[atom + 1]):
            other = neighbours.atom[pair]
            for axis in range(3):
                slope = gradient[pair, axis]
                forces[atom, axis] += slope
                forces[other, axis] -= slope
                for direction in range(3):
                    virial[direction, axis] -= neighbours.vector[pair, direction] * slope
