"""The parser of numbers: text in, float64 out, correctly rounded.

Two ways of reading a number alternate. :func:`read_number` takes any form that Fortran, C or Python prints. Where a
number depends on where the last one ended, though, the processor works at one at a time. So :func:`parse_numbers`
bets that the next number is laid out as the last one of the form ``d.ddddE-dd`` was, at the same distance: all its
characters are then at known places, eight of them are read and checked at once, and the processor overlaps several
numbers. Every character is checked before the bet is taken as won, so that both ways give the same number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from basinet.io.densities.rounding import EXACT_POWERS, decimal_to_float
from basinet.io.densities.words import Word, load_word, trailing_zeros

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Layout = tuple[Word, Word]

READ, NOT_A_NUMBER, UNDECIDED = 0, 1, 2
"""How the parser stopped: nothing left to do; at text that is no number; at one for Python's ``float`` to decide."""

MARGIN = 32
"""Bytes behind the text that the kernel may look at."""

NONE, ONE = np.uint64(0), np.uint64(1)
U3, U7, U8, U16, U24, U32, U63 = (np.uint64(value) for value in (3, 7, 8, 16, 24, 32, 63))
TEN, HUNDRED_MILLION = np.uint64(10), np.uint64(10**8)
LOWEST_BYTE, BELOW_SIGN = np.uint64(0xFF), np.uint64((1 << 63) - 1)
SPACES, ZEROS = np.uint64(0x2020202020202020), np.uint64(0x3030303030303030)
HIGH_BITS, LOW_BITS = np.uint64(0x8080808080808080), np.uint64(0x7F7F7F7F7F7F7F7F)
TO_HIGH_UNLESS_DIGIT = np.uint64(0x7676767676767676)
TO_HIGH_UNLESS_BLANK = np.uint64(0x5F5F5F5F5F5F5F5F)
PAIRS = np.uint64(0x000000FF000000FF)
UPPER_PAIRS, LOWER_PAIRS = np.uint64(100 + (1000000 << 32)), np.uint64(1 + (10000 << 32))
EXACT_INTEGER = np.uint64(1 << 53)
POWERS_OF_TEN = 10 ** np.arange(20, dtype=np.uint64)
NEWLINE, SPACE, PLUS, MINUS, POINT, ZERO, NINE = (np.uint8(ord(character)) for character in "\n +-.09")
LETTER_E, LETTER_D = np.uint8(ord("e")), np.uint8(ord("d"))

HEAD = np.uint64(0x2E3020)
"""The characters ``" 0."``, lowest byte first; a word less these is a sign, a digit, 0."""
HEAD_DIGIT, HEAD_TOP, HEAD_EQUAL = np.uint64(0x7600), np.uint64(0x8000), np.uint64(0xFF0000)
SPACE_TO_MINUS = np.uint64(0x20 ^ 0x2D)
TAIL = np.uint64(0x30302D45)
"""The characters ``"E-00"``, and no more."""
TAIL_DIGITS, TAIL_TOPS = np.uint64(0x5F76760000), np.uint64(0x8080800000)
"""What takes bytes that are no digits (for the fifth: no blank) to their top bits, and those bits."""
TAIL_EQUAL, TAIL_SIGN = np.uint64(0xF9DE), np.uint64(0x0200)
"""Bits in which E, e, D and d, minus and plus agree; and where minus and plus differ in two bits at once."""

RUN = 512
"""Numbers read in one go before they are scaled; both loops then fit the registers."""
LONGEST_LEAD = 8
"""Blanks before the digits of the layouts that are bet on."""
MOST_DIGITS = 19
"""Decimal digits that always fit a 64-bit word."""
LONGEST_FRACTION = 16
"""Digits behind the point of the layouts that are bet on."""


@njit(cache=True, nogil=True, forceinline=True)
def not_digits(word: Word) -> Word:
    """Top bit of every byte that is not 0 to 9, for a word of characters less ``"0"``."""
    return ((word + TO_HIGH_UNLESS_DIGIT) | word) & HIGH_BITS


@njit(cache=True, nogil=True, forceinline=True)
def eight_digits(word: Word) -> Word:
    """Value of eight digits (bytes 0 to 9, the first one lowest), combined by pairs, fours and eights."""
    word = word * TEN + (word >> U8)
    return ((word & PAIRS) * UPPER_PAIRS + ((word >> U16) & PAIRS) * LOWER_PAIRS) >> U32


@njit(cache=True, nogil=True, forceinline=True)
def scale(w: Word, q: Any) -> Any:
    """Float64 nearest to ``w 10^q``."""
    if w <= EXACT_INTEGER and -22 <= q <= 22:
        exact = np.float64(np.int64(w))
        return exact / EXACT_POWERS[-q] if q <= 0 else exact * EXACT_POWERS[q]
    return decimal_to_float(w, q)


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
    lead, fraction = layout
    long_fraction = fraction > U8
    count = fraction - U8 if long_fraction else fraction
    to_top, power = (U8 - count) << U3, POWERS_OF_TEN[count]
    lead_mask = (ONE << (lead << U3)) - ONE
    # A minus sign right behind the last number would be glued to it.
    signs = NONE if lead == NONE else SPACE_TO_MINUS
    read = NONE
    while read < most:
        start = p + np.uint64(text[p] == NEWLINE)
        place = start + lead
        end = place + fraction + U7
        if end >= stop:
            break
        head = load_word(text, place) ^ HEAD
        bad = (load_word(text, start) ^ SPACES) & lead_mask
        sign = head & LOWEST_BYTE
        bad |= sign * (sign ^ signs) | (((head + HEAD_DIGIT) | head) & HEAD_TOP) | (head & HEAD_EQUAL)
        mantissa = (head >> U8) & LOWEST_BYTE
        place += U3
        if long_fraction:
            word = load_word(text, place) ^ ZEROS
            bad |= not_digits(word)
            mantissa = mantissa * HUNDRED_MILLION + eight_digits(word)
            place += U8
        word = (load_word(text, place) ^ ZEROS) << to_top
        bad |= not_digits(word)
        tail = load_word(text, place + count) ^ TAIL
        bad |= (((tail + TAIL_DIGITS) | tail) & TAIL_TOPS) | (tail & TAIL_EQUAL) | ((tail ^ (tail >> ONE)) & TAIL_SIGN)
        if bad != NONE:
            break
        w[read] = mantissa * power + eight_digits(word) | (sign & ONE) << U63
        exponent = ((tail >> U16) & LOWEST_BYTE) * TEN + ((tail >> U24) & LOWEST_BYTE)
        # The second byte of the tail is 0 for a minus and 6 for a plus.
        q[read] = (np.int64((tail >> U8) & U3) - 1) * np.int64(exponent) - np.int64(fraction)
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
    p = start
    layout: Layout = (NONE, NONE)
    while done < len(out):
        if layout[1] > NONE:
            p, read = parse_run(text, p, stop, layout, w, q, np.uint64(min(RUN, len(out) - done)))
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
            layout = (blanks - ONE, count)
        out[done] = value
        done += 1
        p = end
    return p, done, READ
