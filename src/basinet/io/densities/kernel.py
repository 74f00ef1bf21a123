"""The parser of numbers: text in, float64 out, correctly rounded.

Two ways of reading a number alternate. :func:`basinet.io.densities.any_form.read_number` takes any form. Where a number
begins then depends on where the last one ended, and each character on those before it, so that the processor works at
one thing at a time. Therefore :func:`parse_numbers` bets that the next number is laid out as the last one of the form
``d.ddddE-dd`` was, at the same distance: all its characters are then at known places, one comparison of 32 bytes checks
them all, eight digits are read at once, and the processor works at several numbers. A lost bet costs a few nanoseconds,
and both ways give the same number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from basinet.io.densities.any_form import read_number
from basinet.io.densities.digits import (
    HIGH_BITS,
    MINUS,
    NEWLINE,
    NONE,
    ONE,
    PLUS,
    POINT,
    POWERS_OF_TEN,
    SPACE,
    TEN,
    U3,
    U8,
    U16,
    ZERO,
    ZEROS,
    eight_digits,
)
from basinet.io.densities.rounding import scale
from basinet.io.densities.words import BLOCK, Word, load_word, outside, trailing_zeros

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Layout = tuple[NDArray[np.uint8], NDArray[np.uint8], Word, Word]

READ, NOT_A_NUMBER, UNDECIDED = 0, 1, 2
"""How the parser stopped: nothing left to do; at text that is no number; at one for Python's ``float`` to decide."""

MARGIN = 2 * BLOCK
"""Bytes behind the text that the kernel may look at."""

RUN = 512
"""Numbers read in one go before they are scaled; each of both loops then fits the registers."""

LONGEST_FRACTION, LONGEST_LEAD = 16, 8
"""Digits behind the point, and blanks before the sign, of layouts that are bet on: they fit a block."""

U7, U24, U63 = (np.uint64(value) for value in (7, 24, 63))
HUNDRED_MILLION = np.uint64(10**8)
LOWEST_BYTE, BELOW_SIGN = np.uint64(0xFF), np.uint64((1 << 63) - 1)
LOW_BITS, TO_HIGH_UNLESS_BLANK = np.uint64(0x7F7F7F7F7F7F7F7F), np.uint64(0x5F5F5F5F5F5F5F5F)
SPACE_TO_MINUS = np.uint64(0x2D - 0x20)


@njit(cache=True, nogil=True, forceinline=True)
def skip_blanks(text: NDArray[np.uint8], p: Word, stop: Word) -> Word:
    """Next place that holds no blank or control character, or `stop`."""
    while p < stop:
        word = load_word(text, p)
        printed = (((word & LOW_BITS) + TO_HIGH_UNLESS_BLANK) | word) & HIGH_BITS
        p += trailing_zeros(printed) >> U3
        if printed != NONE:
            break
    return min(p, stop)


@njit(cache=True, nogil=True)
def set_layout(least: NDArray[np.uint8], span: NDArray[np.uint8], lead: Any, fraction: Any, letter: Any) -> None:
    """Write down which characters the layout allows: those from `least` to ``least + span``, at each place.

    The layout is `lead` spaces, sign or space, digit, point, `fraction` digits, `letter`, sign, two digits, a blank.
    """
    least[:], span[:] = 0, 255
    least[: lead + 1], span[:lead] = SPACE, 0
    # A minus sign right behind the last number would be glued to it. What else lies between is checked elsewhere.
    span[lead] = SPACE_TO_MINUS if lead > 0 else 0
    point, exponent = lead + 2, lead + fraction + 3
    least[point - 1 : exponent + 4], span[point - 1 : exponent + 4] = ZERO, 9
    least[point], span[point] = POINT, 0
    least[exponent], span[exponent] = letter, 0
    # Plus, comma, minus.
    least[exponent + 1], span[exponent + 1] = PLUS, 2
    least[exponent + 4], span[exponent + 4] = 0, SPACE


@njit(cache=True, nogil=True)
def parse_run(
    text: NDArray[np.uint8],
    p: Word,
    stop: Word,
    layout: Layout,
    w: NDArray[np.uint64],
    q: NDArray[np.int64],
    most: Word,
) -> tuple[Word, Word]:
    """Read numbers for as long as they have the layout, and at most `most`, into integers times powers of ten.

    The top bit of the integer is the number's sign.

    Returns
    -------
    position
        Behind the last number read.
    count
        How many were read.
    """
    least, span, lead, fraction = layout
    long_fraction = fraction > U8
    count = fraction - U8 if long_fraction else fraction
    to_top, power = (U8 - count) << U3, POWERS_OF_TEN[count]
    read = NONE
    while read < most:
        start = p + np.uint64(text[p] == NEWLINE)
        place = start + lead
        end = place + fraction + U7
        if end >= stop:
            break
        head, tail = load_word(text, place), load_word(text, place + U3 + fraction)
        sign = (head & LOWEST_BYTE) - np.uint64(SPACE)
        # Both signs of an exponent are odd characters, the comma between them is even.
        bad = outside(text, start, least, span) | sign * (sign - SPACE_TO_MINUS) | (~tail >> U8) & ONE
        if bad != NONE:
            break
        place += U3
        mantissa = ((head >> U8) & LOWEST_BYTE) - np.uint64(ZERO)
        if long_fraction:
            mantissa = mantissa * HUNDRED_MILLION + eight_digits(load_word(text, place) ^ ZEROS)
            place += U8
        mantissa = mantissa * power + eight_digits((load_word(text, place) ^ ZEROS) << to_top)
        w[read] = mantissa | (sign & ONE) << U63
        tens, units = (tail >> U16) & LOWEST_BYTE, (tail >> U24) & LOWEST_BYTE
        exponent = np.int64(tens * TEN + units) - 11 * np.int64(ZERO)
        # 43 is a plus and 45 a minus.
        q[read] = (44 - np.int64((tail >> U8) & LOWEST_BYTE)) * exponent - np.int64(fraction)
        read += ONE
        p = end
    return p, read


@njit(cache=True, nogil=True)
def scale_run(w: NDArray[np.uint64], q: NDArray[np.int64], out: NDArray[np.float64]) -> None:
    """Turn the integers (top bit: the sign) and powers of ten of :func:`parse_run` into float64."""
    for index in range(len(out)):
        value = scale(w[index] & BELOW_SIGN, q[index])
        out[index] = -value if w[index] > BELOW_SIGN else value


@njit(cache=True, nogil=True)
def parse_numbers(
    text: NDArray[np.uint8], start: Word, stop: Word, out: NDArray[np.float64], done: Any
) -> tuple[Word, Any, int]:
    """Read numbers from ``text[start:stop]`` into ``out[done:]``, until one of them is at its end.

    Parameters
    ----------
    text : (n,) array
        ``text[stop - 1]`` is a blank, and at least `MARGIN` bytes follow `stop`.
    start, stop
        uint64.
    out : (n,) array
        C-contiguous.
    done
        How many numbers it holds already.

    Returns
    -------
    position
        Behind the last number read.
    done
        How many numbers `out` holds now.
    status
        `READ`, `NOT_A_NUMBER` or `UNDECIDED`; the latter two with the position of the text in question.
    """
    w, q = np.empty(RUN, dtype=np.uint64), np.empty(RUN, dtype=np.int64)
    least, span = np.empty(BLOCK, dtype=np.uint8), np.empty(BLOCK, dtype=np.uint8)
    lead = fraction = NONE
    p = start
    while done < len(out):
        if fraction > NONE:
            p, read = parse_run(
                text, p, stop, (least, span, lead, fraction), w, q, np.uint64(min(RUN, len(out) - done))
            )
            scale_run(w, q, out[done : done + np.int64(read)])
            done += np.int64(read)
            if read > NONE:
                continue
        first = skip_blanks(text, p, stop)
        if first == stop:
            return stop, done, READ
        value, end, point, mantissa_end = read_number(text, first)
        if end == first:
            return first, done, NOT_A_NUMBER
        if not np.isfinite(value):
            return first, done, UNDECIDED
        before = first + np.uint64(text[first] <= MINUS)
        blanks = before - p - np.uint64(text[p] == NEWLINE)
        count = mantissa_end - point
        if (
            point == before + np.uint64(2)
            and end == mantissa_end + np.uint64(4)
            and 0 < count <= LONGEST_FRACTION
            and 0 < blanks <= LONGEST_LEAD
        ):
            lead, fraction = blanks - ONE, count
            set_layout(least, span, np.int64(lead), np.int64(fraction), text[mantissa_end])
        out[done] = value
        done += 1
        p = end
    return p, done, READ
