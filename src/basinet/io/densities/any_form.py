"""One number of any form that Fortran, C or Python prints: its end is where the form says, not where a column does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from basinet.io.densities.digits import (
    MINUS,
    NINE,
    NONE,
    ONE,
    PLUS,
    POINT,
    POWERS_OF_TEN,
    SPACE,
    TEN,
    U3,
    U8,
    ZERO,
    ZEROS,
    eight_digits,
    not_digits,
)
from basinet.io.densities.rounding import scale
from basinet.io.densities.words import Word, load_word, trailing_zeros

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_DIGITS = 19
"""Decimal digits that always fit a 64-bit word."""
LETTER_E, LETTER_D = np.uint8(ord("e")), np.uint8(ord("d"))

NUMBER = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:[eEdD]?([+-][0-9]+)|[eEdD]([0-9]+))?")
"""What C, Python and Fortran print. Python's own ``float`` takes more than numbers of files, ``1_000`` for one."""


def number(token: str) -> float:
    """Read a number as C, Python or Fortran print it.

    Raises
    ------
    ValueError
        It is no number.

    Examples
    --------
    >>> number("1.5D-01"), number("0.33004-101")
    (0.15, 3.3004e-102)
    """
    match = NUMBER.fullmatch(token)
    if match is None:
        raise ValueError(f"{token[:40]!r} is no number")
    mantissa, signed, unsigned = match.groups()
    return float(f"{mantissa}e{signed or unsigned or 0}")


@njit(cache=True, nogil=True)
def read_number(text: NDArray[np.uint8], start: Word) -> tuple[float, Word, Word, Word]:
    """Read the number of any form that begins at `start` and ends before a blank.

    Returns
    -------
    value
        The number. Meaningless where it is not well formed, NaN or infinite where Python's ``float`` has to decide.
    end
        Where it ends; `start` where it is not well formed.
    point
        Where its fraction begins.
    mantissa_end
        Where its mantissa ends.
    """
    p = start
    negative = text[p] == MINUS
    if negative or text[p] == PLUS:
        p += ONE
    first, w = p, NONE
    while ZERO <= text[p] <= NINE:
        w = w * TEN + np.uint64(text[p] - ZERO)
        p += ONE
    digits: Any = np.int64(p - first)
    point = p
    if text[p] == POINT:
        p += ONE
        point = p
        count = U8
        while count == U8:
            word = load_word(text, p) ^ ZEROS
            count = trailing_zeros(not_digits(word)) >> U3
            if count > NONE:
                w = w * POWERS_OF_TEN[count] + eight_digits(word << ((U8 - count) << U3))
            p += count
        digits += np.int64(p - point)
    mantissa_end = p
    exponent, end, well_formed = read_exponent(text, p)
    if digits == 0 or not well_formed:
        return 0.0, start, point, mantissa_end
    if digits > MOST_DIGITS:
        value = scale_long(text, first, mantissa_end, exponent)
    else:
        value = scale(w, exponent - np.int64(mantissa_end - point))
    return -value if negative else value, end, point, mantissa_end


@njit(cache=True, nogil=True)
def read_exponent(text: NDArray[np.uint8], p: Word) -> tuple[Any, Word, Any]:
    """Read what may follow the digits: ``E-02``, ``d+1``, ``-101`` (Fortran drops the letter), or nothing.

    Gives the exponent, where it ends, and whether it is well formed.
    """
    if text[p] <= SPACE:
        return 0, p, True
    letter = text[p] | SPACE
    if letter in (LETTER_E, LETTER_D):
        p += ONE
    elif text[p] not in (PLUS, MINUS):
        return 0, p, False
    negative = text[p] == MINUS
    if negative or text[p] == PLUS:
        p += ONE
    first = p
    exponent: Any = 0
    while ZERO <= text[p] <= NINE:
        exponent = min(exponent * 10 + np.int64(text[p] - ZERO), 99999)
        p += ONE
    return -exponent if negative else exponent, p, p > first and text[p] <= SPACE


@njit(cache=True, nogil=True)
def scale_long(text: NDArray[np.uint8], p: Word, stop: Word, q: Any) -> Any:
    """Float64 of the mantissa ``text[p:stop]`` of more than 19 digits times ``10^q``; NaN where 19 do not decide.

    The number lies between its first 19 digits and the next larger integer; mostly both round to the same float64.
    """
    w = more = NONE
    digits: Any = 0
    fraction = False
    while p < stop:
        if text[p] == POINT:
            fraction = True
        elif digits < MOST_DIGITS:
            w = w * TEN + np.uint64(text[p] - ZERO)
            digits += w > NONE
            q -= fraction
        else:
            more |= np.uint64(text[p] - ZERO)
            q += not fraction
        p += ONE
    low, high = scale(w, q), scale(w + np.uint64(more > 0), q)
    return low if low == high else np.nan
