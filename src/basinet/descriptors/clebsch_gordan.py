r"""Clebsch-Gordan coefficients and the tables by which the bispectrum is contracted.

A component couples three Wigner matrices by two sets of Clebsch-Gordan coefficients, one over rows, one over
columns (Thompson et al., J. Comput. Phys. 285, 316 (2015), section 2):

.. math:: B_{j_1 j_2 j} = \sum_{m m'} \bar U^{j}_{m m'} \sum_{m_1 + m_2 = m}\ \sum_{m_1' + m_2' = m'}
   C^{j m}_{j_1 m_1 j_2 m_2} C^{j m'}_{j_1 m_1' j_2 m_2'} U^{j_1}_{m_1 m_1'} U^{j_2}_{m_2 m_2'}

Three symmetries shorten the sum over rows: reversing the sign of every m (and m') turns a term into its conjugate; when
:math:`j_1 = j_2` the two may be swapped; and :math:`B_{j_1 j_2 j} / (2j + 1)` does not change when the three momenta
are permuted, so that two equal ones can always stand in the places that may be swapped. All momenta are doubled
integers (``twoj``), and projections are counted from zero: ``m = a - j`` for ``a = 0 .. 2j``.
"""

from fractions import Fraction
from functools import cache, lru_cache
from itertools import pairwise
from math import factorial, prod, sqrt
from typing import NamedTuple

import numpy as np

from basinet.arrays import FloatArray, IntArray


@cache
def clebsch_gordan(twoj1: int, twoj2: int, twoj: int, a1: int, a2: int) -> float:
    r"""Clebsch-Gordan coefficient :math:`C^{j m}_{j_1 m_1 j_2 m_2}` of doubled momenta; ``m = a - j`` each.

    Racah's closed sum in exact rational arithmetic (Varshalovich, Moskalev & Khersonskii, Quantum Theory of Angular
    Momentum, 1988, section 8.2), rounded once at the end; 0 where the triangle rule or :math:`|m| \le j` forbids the
    coupling. Two spins one half in the triplet and in the singlet:

    >>> clebsch_gordan(1, 1, 2, 1, 1)
    1.0
    >>> round(clebsch_gordan(1, 1, 0, 1, 0) ** 2, 12)
    0.5
    """
    if (twoj1 + twoj2 + twoj) % 2 or not abs(twoj1 - twoj2) <= twoj <= twoj1 + twoj2:
        return 0.0
    shift = (twoj1 + twoj2 - twoj) // 2
    a = a1 + a2 - shift
    if not (0 <= a <= twoj and 0 <= a1 <= twoj1 and 0 <= a2 <= twoj2):
        return 0.0
    b1, b2, b = twoj1 - a1, twoj2 - a2, twoj - a  # j - m of each
    total = Fraction(0)
    for k in range(max(0, b1 - (twoj1 - shift), a2 - (twoj2 - shift)), min(shift, b1, a2) + 1):
        factors = (k, shift - k, b1 - k, a2 - k, twoj1 - shift - b1 + k, twoj2 - shift - a2 + k)
        total += Fraction((-1) ** k, prod(map(factorial, factors)))
    triangle = prod(map(factorial, (shift, twoj1 - shift, twoj2 - shift)))
    projections = Fraction(prod(map(factorial, (a1, b1, a2, b2, a, b))), factorial(twoj1 + twoj2 - shift + 1))
    square = (twoj + 1) * triangle * projections * total**2
    return sqrt(square) if total > 0 else -sqrt(square)


@lru_cache(maxsize=16)
def component_labels(twojmax: int) -> tuple[tuple[int, int, int], ...]:
    """Doubled momenta (2j1, 2j2, 2j) of the components with j2 <= j1 <= j, in the order of LAMMPS ``compute sna/atom``.

    >>> [len(component_labels(twojmax)) for twojmax in (4, 5, 6, 8)]
    [14, 20, 30, 55]
    >>> component_labels(2)
    ((0, 0, 0), (1, 0, 1), (1, 1, 2), (2, 0, 2), (2, 2, 2))
    """
    return tuple(
        (twoj1, twoj2, twoj)
        for twoj1 in range(twojmax + 1)
        for twoj2 in range(twoj1 + 1)
        for twoj in range(twoj1 - twoj2, min(twojmax, twoj1 + twoj2) + 1, 2)
        if twoj >= twoj1
    )


def matrix_offsets(twojmax: int) -> IntArray:
    """Where the Wigner matrix of each momentum begins in the flat list of all their elements, (twojmax + 2,).

    Element (row b, column a) of matrix ``twoj`` has the index ``offsets[twoj] + b * (twoj + 1) + a``; the last entry is
    the number of elements.

    >>> matrix_offsets(3).tolist()
    [0, 1, 5, 14, 30]
    """
    return np.concatenate([[0], np.cumsum(np.arange(1, twojmax + 2) ** 2)]).astype(np.int64)


def normalisation(twojmax: int) -> FloatArray:
    r"""Factors :math:`\sqrt{(j-a)!\, a! / ((j-b)!\, b!)}` from polynomials to Wigner matrices, (n_elements,).

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


class _CouplingTables(NamedTuple):
    """Products of two matrices, and what they mean for components and slopes; a tuple, as numba wants it.

    A row of ``couplings`` holds the momenta (2j1, 2j2, 2j) of the two factors and of the product, and the component to
    whose slope in the third matrix the product belongs, times ``factor``: how many of the component's three matrices
    the coupling stands for, times the ratio of the :math:`2j + 1`. The component itself is the product ``chosen`` with
    its third matrix, times ``chosen_factor``. Clebsch-Gordan coefficients, for rows and columns alike, begin for each
    projection of the product at ``coefficient_start`` (n_couplings, twojmax + 2), that of the first factor ascending.
    """

    offsets: IntArray
    normalisation: FloatArray
    couplings: IntArray
    factor: FloatArray
    chosen: IntArray
    chosen_factor: FloatArray
    coefficient_start: IntArray
    coefficients: FloatArray


@lru_cache(maxsize=16)
def _coupling_tables(twojmax: int) -> _CouplingTables:
    couplings: list[tuple[int, int, int, int]] = []
    starts: list[list[int]] = []
    coefficients: list[float] = []
    factor, chosen, chosen_factor = [], [], []
    for component, label in enumerate(component_labels(twojmax)):
        low, middle, high = sorted(label)
        cheapest = high if low == middle else low  # to couple the others to: equal ones are halved
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
            # B / (2j + 1) is the same for every order of the momenta; the label's last one fixes the factor.
            ratio = (label[2] + 1) / (j + 1)
            if j == cheapest:
                chosen.append(len(couplings))
                chosen_factor.append(ratio)
            starts.append(start + [len(coefficients)] * (twojmax + 1 - j))
            couplings.append((j1, j2, j, component))
            factor.append(label.count(j) * ratio)
    return _CouplingTables(
        matrix_offsets(twojmax),
        normalisation(twojmax),
        np.array(couplings, dtype=np.int64),
        np.array(factor),
        np.array(chosen, dtype=np.int64),
        np.array(chosen_factor),
        np.array(starts, dtype=np.int64),
        np.array(coefficients),
    )


@lru_cache(maxsize=16)
def _component_tables(twojmax: int) -> tuple[_CouplingTables, ...]:
    """Tables with the couplings to the slopes of one component each."""
    tables = _coupling_tables(twojmax)
    starts = np.searchsorted(tables.couplings[:, 3], np.arange(len(component_labels(twojmax)) + 1))
    return tuple(
        tables._replace(
            couplings=tables.couplings[first:last],
            factor=tables.factor[first:last],
            coefficient_start=tables.coefficient_start[first:last],
        )
        for first, last in pairwise(starts)
    )
