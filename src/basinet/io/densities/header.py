"""Lines of a header: rows of numbers, and arrays of the size that they state."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from basinet.errors import InputError
from basinet.io.densities.any_form import number
from basinet.io.densities.text_stream import TextStream


def read_row(stream: TextStream, least: int, what: str) -> list[float]:
    """Read the numbers of the next line; there may be text behind the first `least`.

    Parameters
    ----------
    stream
        At the beginning of the line.
    least
        How many numbers there must be.
    what
        What the line holds, for the message.

    Raises
    ------
    InputError
        There are fewer, or one of them is not finite. The message names the line.
    """
    line = stream.line()
    row: list[float] = []
    for token in line.split():
        try:
            row.append(number(token))
        except ValueError:
            break
    if len(row) < least or not np.all(np.isfinite(row)):
        raise stream.error(f"expected {what}, found {line.strip()[:60]!r}; check the path and the format")
    return row


def whole(stream: TextStream, value: float, what: str) -> int:
    """Take a number of the header as an integer; InputError where it is none."""
    if value != int(value):
        raise stream.error(f"expected {what}, found {value}; check the path and the format")
    return int(value)


def allocate(stream: TextStream, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Make room for the values; InputError where the header states more than memory can hold."""
    try:
        return np.empty(shape)
    except (MemoryError, ValueError) as error:
        sizes = " x ".join(map(str, shape))
        raise InputError(
            f"{stream.path}: the header states {sizes} points, more than the memory holds; is it damaged?"
        ) from error
