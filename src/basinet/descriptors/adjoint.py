r"""From the slope of an energy in its descriptors to its slope in the neighbour density, eight atoms side by side.

With :math:`\beta_c = \partial E / \partial B_c`,

.. math:: dE = \mathrm{Re} \sum_{j b a} \bar Y^j_{b a}\, dU^j_{b a}, \qquad
   Y^j = \sum_{j_1 \ge j_2} \beta_c\, f_c\, U^{j_1} \otimes_{j_1 j_2 j} U^{j_2}

(Thompson et al., J. Comput. Phys. 285, 316 (2015), section 3; the adjoint of Bachmayr, Csanyi, Ortner et al. and of
LAMMPS' ``SNA::compute_yi``). A component couples three matrices, and since :math:`B_{j_1 j_2 j} / (2j + 1)` does not
change when the momenta are permuted, its derivative in each of the three is the product of the other two, times the
ratio of the :math:`2j + 1`. So one kind of table serves all three, and no term has to be added to memory that
other terms write.
"""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from basinet.descriptors.clebsch_gordan import clebsch_gordan, component_labels
from basinet.descriptors.lanes import fma, fnma, load, mul, splat, store

if TYPE_CHECKING:
    from numpy.typing import NDArray


class AdjointTables(NamedTuple):
    """Products of two matrices that make up the slope in the third; a tuple, as numba wants it.

    Attributes
    ----------
    couplings : (n_couplings, 4) int64
        The momenta (2j1, 2j2, 2j) of the two factors and of the slope, and the component whose slope enters.
    factor : (n_couplings,) float64
        :math:`f_c`: how many of the component's three matrices the coupling stands for, times the ratio of the
        :math:`2j + 1`.
    coefficient_start : (n_couplings, twojmax + 2) int64
        Where the coefficients for each projection of the slope begin.
    coefficients : (n,) float64
        Clebsch-Gordan coefficients, the projection of the first factor ascending; for rows and columns alike.
    """

    couplings: NDArray[np.int64]
    factor: NDArray[np.float64]
    coefficient_start: NDArray[np.int64]
    coefficients: NDArray[np.float64]


@lru_cache(maxsize=16)
def adjoint_tables(twojmax: int) -> AdjointTables:
    """Tables of all slopes up to ``twojmax``; see :class:`AdjointTables`."""
    couplings: list[tuple[int, int, int, int]] = []
    factor: list[float] = []
    starts: list[list[int]] = []
    coefficients: list[float] = []
    for component, label in enumerate(component_labels(twojmax)):
        for j in sorted(set(label)):
            others = list(label)
            others.remove(j)
            j1, j2 = max(others), min(others)
            shift = (j1 + j2 - j) // 2
            start = []
            for a in range(j + 1):
                start.append(len(coefficients))
                first, last = max(0, a + shift - j2), min(j1, a + shift)
                coefficients += [clebsch_gordan(j1, j2, j, a1, a + shift - a1) for a1 in range(first, last + 1)]
            starts.append(start + [len(coefficients)] * (twojmax + 1 - j))
            couplings.append((j1, j2, j, component))
            factor.append(label.count(j) * (label[2] + 1) / (j + 1))
    return AdjointTables(
        np.array(couplings, dtype=np.int64), np.array(factor), np.array(starts, dtype=np.int64), np.array(coefficients)
    )


@njit(cache=True, nogil=True)
def density_slopes(
    tables: AdjointTables,
    offsets: NDArray[np.int64],
    real: NDArray[np.float64],
    imag: NDArray[np.float64],
    slopes: NDArray[np.float64],
    y_real: NDArray[np.float64],
    y_imag: NDArray[np.float64],
) -> None:
    """Write Y of eight atoms, upper rows (2b <= j) only: the lower ones follow by symmetry.

    Parameters
    ----------
    offsets
        Of :func:`basinet.descriptors.clebsch_gordan.matrix_offsets`.
    real, imag : (n_elements, 8) arrays
        The matrices U, all rows.
    slopes : (n_components, 8) array
        Derivative of the energy in each component.
    y_real, y_imag : (n_elements, 8) arrays
        Written.
    """
    y_real[:] = 0.0
    y_imag[:] = 0.0
    zero = splat(0.0)
    coefficients = tables.coefficients
    for n in range(len(tables.couplings)):
        j1, j2, j, component = tables.couplings[n]
        shift = (j1 + j2 - j) // 2
        start = tables.coefficient_start[n]
        slope = mul(splat(tables.factor[n]), load(slopes, component))
        for b in range(j // 2 + 1):
            row = offsets[j] + b * (j + 1)
            middle_row = b + shift
            first_row, last_row = max(0, middle_row - j2), min(j1, middle_row)
            if j1 == j2:  # the factors may be swapped: half of the pairs, twice
                last_row = middle_row // 2
            for a in range(j + 1):
                middle = a + shift
                first, last = max(0, middle - j2), min(j1, middle)
                z_real, z_imag = zero, zero
                for b1 in range(first_row, last_row + 1):
                    k1 = offsets[j1] + b1 * (j1 + 1)
                    k2 = offsets[j2] + (middle_row - b1) * (j2 + 1) + middle
                    row_real, row_imag = zero, zero
                    for a1 in range(first, last + 1):
                        coefficient = splat(coefficients[start[a] + a1 - first])
                        u1_real = mul(coefficient, load(real, k1 + a1))
                        u1_imag = mul(coefficient, load(imag, k1 + a1))
                        u2_real, u2_imag = load(real, k2 - a1), load(imag, k2 - a1)
                        row_real = fnma(u1_imag, u2_imag, fma(u1_real, u2_real, row_real))
                        row_imag = fma(u1_imag, u2_real, fma(u1_real, u2_imag, row_imag))
                    row_coefficient = coefficients[start[b] + b1 - max(0, middle_row - j2)]
                    if j1 == j2 and 2 * b1 != middle_row:
                        row_coefficient *= 2.0
                    z_real = fma(splat(row_coefficient), row_real, z_real)
                    z_imag = fma(splat(row_coefficient), row_imag, z_imag)
                store(y_real, row + a, fma(slope, z_real, load(y_real, row + a)))
                store(y_imag, row + a, fma(slope, z_imag, load(y_imag, row + a)))
