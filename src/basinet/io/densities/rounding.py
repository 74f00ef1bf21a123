"""From decimal digits to the nearest float64: correctly rounded, as Python's own ``float`` is.

A number of a text file is an integer `w` of at most 19 digits times a power of ten `q`. Two ways give the float64
nearest to ``w 10^q``, ties to even:

- Clinger (PLDI 1990): where `w` is at most 2^53 and ``|q|`` at most 22, both `w` and ``10^|q|`` are float64 without
  error, so a single multiplication or division rounds once, and rightly.
- Lemire (Software: Practice and Experience 51, 1700 (2021), arXiv:2101.11408) elsewhere: the 128 leading bits of 5^q
  from a table, times `w`, decide the rounding. That they always do, for any 64-bit `w`, is proved by Mushtak and
  Lemire (Software: Practice and Experience 53, 1467 (2023), arXiv:2212.06644).

Densities reach 1e-100 in a vacuum, so the second way is no rare one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from basinet.io.densities.words import Word, float_of_bits, leading_zeros, multiply_high

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST_POWER, LARGEST_POWER = -342, 308
"""Outside of these powers of ten, a `w` of 19 digits is zero or beyond the largest float64."""

EXACT_POWERS = 10.0 ** np.arange(23)
"""The powers of ten that a float64 holds without error."""

EXACT_INTEGER = np.uint64(1 << 53)
"""All integers up to this one are float64."""

U1, U2, U3, U9, U52, U63 = (np.uint64(value) for value in (1, 2, 3, 9, 52, 63))
LOW_NINE = np.uint64(0x1FF)
HIDDEN = np.uint64(1 << 52)
"""The leading bit of a float64, which its encoding leaves out."""


def powers_of_five() -> NDArray[np.uint64]:
    """128 leading bits of 5^q for all q, as rows of (upper, lower) words.

    They are truncated, but for q from -27 to -1 rounded up: there ``w 10^q`` can be a float64 or lie half way between
    two of them, which a truncated reciprocal would miss from below.
    """
    table = np.empty((LARGEST_POWER - SMALLEST_POWER + 1, 2), dtype=np.uint64)
    for row, q in enumerate(range(SMALLEST_POWER, LARGEST_POWER + 1)):
        power = 5 ** abs(q)
        if q >= 0:
            shift = 128 - power.bit_length()
            leading = power << shift if shift >= 0 else power >> -shift
        else:
            # 2^k / 5^|q| lies between 2^127 and 2^128 for this k.
            leading = (1 << (power.bit_length() + 127)) // power + (q >= -27)
        table[row] = leading >> 64, leading & (2**64 - 1)
    return table


POWERS_OF_FIVE = powers_of_five()


@njit(cache=True, nogil=True, forceinline=True)
def scale(w: Word, q: Any) -> Any:
    """Float64 nearest to ``w 10^q``, for a uint64 `w` and an int64 `q`; infinite beyond the largest float64."""
    if w <= EXACT_INTEGER and -22 <= q <= 22:
        exact = np.float64(np.int64(w))
        return exact / EXACT_POWERS[-q] if q <= 0 else exact * EXACT_POWERS[q]
    return decimal_to_float(w, q)


@njit(cache=True, nogil=True)
def decimal_to_float(w: Word, q: Any) -> Any:
    """Float64 nearest to ``w 10^q``, by Lemire's way."""
    if w == np.uint64(0) or q < SMALLEST_POWER:
        return 0.0
    if q > LARGEST_POWER:
        return np.inf
    shift = leading_zeros(w)
    w = w << shift
    row = q - SMALLEST_POWER
    upper = multiply_high(w, POWERS_OF_FIVE[row, 0])
    lower = w * POWERS_OF_FIVE[row, 0]
    if upper & LOW_NINE == LOW_NINE:
        # The bits after the float64's own are all ones: the table's lower words may carry into them.
        carried = lower + multiply_high(w, POWERS_OF_FIVE[row, 1])
        if carried < lower:
            upper += U1
        lower = carried
    top = upper >> U63
    mantissa = upper >> (top + U9)
    # floor(q log2(10)) in integers, exact over the range of the table; 63 and 1023 are the biases of w and float64.
    exponent = ((217706 * q) >> 16) + 63 + np.int64(top) - np.int64(shift) + 1023
    if exponent <= 0:
        return subnormal(mantissa, exponent)
    if lower <= U1 and -4 <= q <= 23 and mantissa & U3 == U1 and mantissa << (top + U9) == upper:
        # Exactly half way between two float64: to the even one.
        mantissa -= U1
    mantissa = (mantissa + (mantissa & U1)) >> U1
    if mantissa >= HIDDEN << U1:
        mantissa = HIDDEN
        exponent += 1
    if exponent >= 2047:
        return np.inf
    return float_of_bits((mantissa ^ HIDDEN) | (np.uint64(exponent) << U52))


@njit(cache=True, nogil=True)
def subnormal(mantissa: Word, exponent: int) -> Any:
    """Round to a float64 below 2^-1022, which has fewer bits the smaller it is."""
    if exponent <= -63:
        return 0.0
    mantissa = mantissa >> np.uint64(1 - exponent)
    # Rounding up may reach 2^52: that is the encoding of the smallest normal number, as it should be.
    return float_of_bits((mantissa + (mantissa & U1)) >> U1)
