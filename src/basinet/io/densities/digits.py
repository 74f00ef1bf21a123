"""Decimal digits, eight at a time: all of them take part in the same integer operations within one 64-bit word.

The method is Lemire's (Software: Practice and Experience 51, 1700 (2021), arXiv:2101.11408, section 3).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from basinet.io.densities.words import Word

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


@njit(cache=True, nogil=True, forceinline=True)
def not_digits(word: Word) -> Word:
    """Top bit of every byte that is not 0 to 9, for ``word = characters ^ ZEROS``."""
    return ((word + TO_HIGH_UNLESS_DIGIT) | word) & HIGH_BITS


@njit(cache=True, nogil=True, forceinline=True)
def eight_digits(word: Word) -> Word:
    """Value of eight digits (bytes 0 to 9, the first one lowest), combined by pairs, fours and eights."""
    word = word * TEN + (word >> U8)
    return ((word & PAIRS) * UPPER_PAIRS + ((word >> U16) & PAIRS) * LOWER_PAIRS) >> U32
