"""Cutting an extended XYZ text into frames, and noticing where it was cut short.

ASE stops at a blank line, ignores surplus columns, and takes a number that lost its last digits for a number.
These checks of the text come first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from basinet.errors import InputError

PROPERTIES = re.compile(r"""(?:^|\s)Properties\s*=\s*"?([^\s"]+)""")
PLAIN_COLUMNS = 4
"""Columns of plain XYZ, symbol and position. Programs append columns of their own, which ASE passes over."""


def split_frames(text: str, source: str) -> Iterator[str]:
    """Yield the text of each frame in turn, checked for completeness.

    Blank lines between frames are passed over.

    Raises
    ------
    InputError
        There is no frame, an atom count is no number, a frame has fewer lines than it says, a line has too
        few or too many columns, or the last number seems to be cut. The message names the frame and the line.
    """
    lines = text.split("\n")
    index = start = 0
    while True:
        while start < len(lines) and not lines[start].strip():
            start += 1
        if start == len(lines):
            break
        where = f"{source}, frame {index} (line {start + 1})"
        count = atom_count(lines[start], where)
        stop = start + 2 + count
        # What follows the last line break is a line only if there is something in it.
        available = len(lines) - (1 if lines[-1] == "" else 0)
        if stop > available:
            raise InputError(
                f"{where}: the file is cut short, {max(0, available - start - 2)} of {count} atoms; "
                "copy it again or remove the frame"
            )
        check_columns(lines[start + 1], lines[start + 2 : stop], where)
        if stop == len(lines):
            check_last_number(lines[start + 2 : stop], where)
        yield "\n".join([*lines[start:stop], ""])
        start = stop
        index += 1
    if index == 0:
        raise InputError(f"{source}: no frames, the file is empty; check the path")


def atom_count(line: str, where: str) -> int:
    """Read the number of atoms that a frame's first line states."""
    if re.fullmatch(r"\s*[0-9]{1,9}\s*", line, flags=re.ASCII) is None:
        shown = line.strip()[:40]
        raise InputError(f"{where}: expected the number of atoms, found {shown!r}; is this an extended XYZ file?")
    count = int(line)
    if count == 0:
        raise InputError(f"{where}: a frame of no atoms; remove it")
    return count


def check_columns(comment: str, rows: list[str], where: str) -> None:
    """Refuse atom lines that do not have the columns that the comment line declares."""
    declared = PROPERTIES.search(comment)
    expected = PLAIN_COLUMNS
    if declared:
        widths = declared.group(1).split(":")[2::3]
        if not widths or not all(width.isascii() and width.isdigit() for width in widths):
            raise InputError(f"{where}: Properties {declared.group(1)[:60]!r} is malformed; mend the comment line")
        expected = sum(int(width) for width in widths)
    for number, row in enumerate(rows):
        columns = len(row.split())
        if columns < expected or (declared and columns > expected):
            raise InputError(f"{where}: atom {number} has {columns} columns instead of {expected}; mend the frame")


def check_last_number(rows: list[str], where: str) -> None:
    """Refuse a file that ends, without a line break, in a number with fewer decimals than its column has."""
    last = rows[-1].split()[-1]
    fellows = [row.split()[-1] for row in rows[:-1]] or rows[-1].split()[1:-1]
    if fellows and decimals(last) < min(decimals(fellow) for fellow in fellows):
        raise InputError(
            f"{where}: the file ends without a line break and the last number {last!r} seems to be cut; "
            "copy it again, or end it with a line break if it is whole"
        )


def decimals(number: str) -> int:
    """Count the characters after the decimal point, those of an exponent included."""
    return len(number.partition(".")[2])
