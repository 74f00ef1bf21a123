"""Eight characters of text as one 64-bit word inside a numba kernel.

numba has no unaligned loads, no 64 x 64 -> 128 bit product and no bit counts of its own. These intrinsics give
them; every one is a single machine instruction. The first character of a word is its lowest byte, as on every
machine that the package is built for (x86-64 and ARM, both little-endian).
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, types
from numpy.typing import NDArray

from basinet.compiled import jit

# numba's extension interface is untyped, and hands its arguments to `codegen` by position.
# mypy: disable-error-code="no-untyped-def, misc, untyped-decorator, no-any-return"
# ruff: noqa: ANN001, ANN201, ANN202, ARG001


# Declared by numba as if callers passed the typing context themselves.
intrinsic: Any = extending.intrinsic

Word: TypeAlias = Any
Layout = tuple[NDArray[np.uint8], NDArray[np.uint8], Word, Word]
"""A uint64 in the signature of a compiled function: eight characters, eight digits, or a position in the text.

numba computes with mixed signs in floating point, so that all of them have to be of one type; mypy takes numpy's
integers of each width for types that do not mix either.
"""

BLOCK = 32
"""Bytes that :func:`outside` checks at once."""

I64, I128 = ir.IntType(64), ir.IntType(128)
BYTES = ir.VectorType(ir.IntType(8), BLOCK)
FALSE = ir.Constant(ir.IntType(1), 0)


def load(context, builder, loaded_type, array_type, array, start):
    """LLVM's load of a word or block of bytes from an index of a uint8 array, wherever that lies in memory."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.load(builder.bitcast(builder.gep(data, [start]), loaded_type.as_pointer()), align=1)


@intrinsic
def load_word(typing_context, text, start):
    """Eight bytes of a C-contiguous uint8 array from index `start`; the caller keeps it inside the array."""

    def codegen(context, builder, signature, arguments):
        return load(context, builder, I64, text, *arguments)

    return types.uint64(text, types.uint64), codegen


@intrinsic
def outside(typing_context, text, start, least, span):
    """Bit k tells whether byte `start` + k is not from ``least[k]`` to ``least[k] + span[k]``, for 32 bytes.

    All arrays are C-contiguous and of uint8; the caller keeps the block inside `text`.
    """

    def codegen(context, builder, signature, arguments):
        characters, position, lower, width = arguments
        zero = ir.Constant(I64, 0)
        above = builder.sub(
            load(context, builder, BYTES, text, characters, position),
            load(context, builder, BYTES, least, lower, zero),
        )
        beyond = builder.icmp_unsigned(">", above, load(context, builder, BYTES, span, width, zero))
        return builder.zext(builder.bitcast(beyond, ir.IntType(BLOCK)), I64)

    return types.uint64(text, types.uint64, least, span), codegen


@intrinsic
def trailing_zeros(typing_context, word):
    """Number of zero bits below the lowest one bit; 64 for a word of zeros."""

    def codegen(context, builder, signature, arguments):
        return builder.cttz(arguments[0], FALSE)

    return types.uint64(types.uint64), codegen


@intrinsic
def leading_zeros(typing_context, word):
    """Number of zero bits above the highest one bit; 64 for a word of zeros."""

    def codegen(context, builder, signature, arguments):
        return builder.ctlz(arguments[0], FALSE)

    return types.uint64(types.uint64), codegen


@intrinsic
def multiply_high(typing_context, x, y):
    """Upper 64 bits of the 128-bit product ``x y``."""

    def codegen(context, builder, signature, arguments):
        product = builder.mul(builder.zext(arguments[0], I128), builder.zext(arguments[1], I128))
        return builder.trunc(builder.lshr(product, ir.Constant(I128, 64)), I64)

    return types.uint64(types.uint64, types.uint64), codegen


@intrinsic
def float_of_bits(typing_context, bits):
    """The float64 whose IEEE 754 encoding is `bits`."""

    def codegen(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.uint64), codegen


NONE, ONE = np.uint64(0), np.uint64(1)
U3, U8, U16, U32 = (np.uint64(value) for value in (3, 8, 16, 32))
TEN = np.uint64(10)
POWERS_OF_TEN = 10 ** np.arange(20, dtype=np.uint64)

ZEROS = np.uint64(0x3030303030303030)
"""Eight times the character 0; ``word ^ ZEROS`` turns digits into their values."""
HIGH_BITS = np.uint64(0x8080808080808080)
TO_HIGH_UNLESS_DIGIT = np.uint64(0x7676767676767676)
PAIRS = np.uint64(0x000000FF000000FF)
UPPER_PAIRS, LOWER_PAIRS = np.uint64(100 + (1000000 << 32)), np.uint64(1 + (10000 << 32))

NEWLINE, SPACE, PLUS, MINUS, POINT, ZERO, NINE = (np.uint8(ord(character)) for character in "\n +-.09")


@jit(forceinline=True)
def not_digits(word: Word) -> Word:
    """Top bit of every byte that is not 0 to 9, for ``word = characters ^ ZEROS``."""
    return ((word + TO_HIGH_UNLESS_DIGIT) | word) & HIGH_BITS


@jit(forceinline=True)
def eight_digits(word: Word) -> Word:
    """Value of eight digits (bytes 0 to 9, the first one lowest), combined by pairs, fours and eights."""
    word = word * TEN + (word >> U8)
    return ((word & PAIRS) * UPPER_PAIRS + ((word >> U16) & PAIRS) * LOWER_PAIRS) >> U32


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


@jit(forceinline=True)
def scale(w: Word, q: Any) -> Any:
    """Float64 nearest to ``w 10^q``, for a uint64 `w` and an int64 `q`; infinite beyond the largest float64."""
    if w <= EXACT_INTEGER and -22 <= q <= 22:
        exact = np.float64(np.int64(w))
        return exact / EXACT_POWERS[-q] if q <= 0 else exact * EXACT_POWERS[q]
    return decimal_to_float(w, q)


@jit()
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


@jit()
def subnormal(mantissa: Word, exponent: int) -> Any:
    """Round to a float64 below 2^-1022, which has fewer bits the smaller it is."""
    if exponent <= -63:
        return 0.0
    mantissa = mantissa >> np.uint64(1 - exponent)
    # Rounding up may reach 2^52: that is the encoding of the smallest normal number, as it should be.
    return float_of_bits((mantissa + (mantissa & U1)) >> U1)


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


@jit()
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


@jit()
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


@jit()
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


@jit(forceinline=True)
def skip_blanks(text: NDArray[np.uint8], p: Word, stop: Word) -> Word:
    """Next place that holds no blank or control character, or `stop`."""
    while p < stop:
        word = load_word(text, p)
        printed = (((word & LOW_BITS) + TO_HIGH_UNLESS_BLANK) | word) & HIGH_BITS
        p += trailing_zeros(printed) >> U3
        if printed != NONE:
            break
    return min(p, stop)


@jit()
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


@jit()
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


@jit()
def scale_run(w: NDArray[np.uint64], q: NDArray[np.int64], out: NDArray[np.float64]) -> None:
    """Turn the integers (top bit: the sign) and powers of ten of :func:`parse_run` into float64."""
    for index in range(len(out)):
        value = scale(w[index] & BELOW_SIGN, q[index])
        out[index] = -value if w[index] > BELOW_SIGN else value


@jit()
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
