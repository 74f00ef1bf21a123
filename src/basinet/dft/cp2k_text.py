"""The text of CP2K's files: read leniently, refused where it cannot be text."""

from __future__ import annotations

import re
from pathlib import Path

from basinet.errors import InputError
from basinet.io.files import read_bytes

NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eEdD]?([+-]\d+)|[eEdD](\d+))?")


def read_cp2k_text(path: Path) -> str:
    """Read a text file in any encoding that extends ASCII, with any line ends.

    Raises
    ------
    InputError
        There is no such file, it is empty, or it holds zero bytes and so is not text.
    """
    content = read_bytes(path)
    if not content.strip():
        raise InputError(f"{path}: the file is empty; run CP2K again, or name another file")
    if b"\0" in content:
        raise InputError(f"{path}: not text but binary; name CP2K's input or output")
    return content.decode("utf-8", errors="replace").replace("\r\n", "\n").replace("\r", "\n")


def parse_number(text: str, where: str) -> float:
    """Read a number as Fortran writes it, ``1.0D-3`` and ``0.33-101`` included, or a ratio such as ``1/3``.

    Raises
    ------
    InputError
        It is no finite number, ``NaN`` or an overflown column of asterisks, say.

    Examples
    --------
    >>> parse_number("-1.5D+2", "here"), parse_number("0.33-101", "here"), parse_number("1/4", "here")
    (-150.0, 3.3e-102, 0.25)
    """
    numerator, _, denominator = text.partition("/")
    if denominator:
        divisor = parse_number(denominator, where)
        if divisor == 0:
            raise InputError(f"{where}: {text!r} divides by zero; mend the file")
        return parse_number(numerator, where) / divisor
    match = NUMBER.fullmatch(text)
    if match is None:
        raise InputError(f"{where}: expected a number, found {text!r}; the file is damaged or not what CP2K wrote")
    value = float(f"{match[1]}e{match[2] or match[3] or 0}")
    if value in (float("inf"), float("-inf")):
        raise InputError(f"{where}: {text!r} is no finite number; mend the file")
    return value


def find_line(text: str, label: str) -> str | None:
    """What follows a label on its line, the first time it begins a line; None if it never does."""
    match = re.search(rf"^[ \t]*{re.escape(label)}[ \t]*(\S.*?)[ \t]*$", text, re.MULTILINE)
    return None if match is None else match[1]


def find_number(text: str, label: str, where: str) -> float | None:
    """The number that follows a label on its line, the first time; None if the label never begins a line."""
    found = find_line(text, label)
    return None if found is None else parse_number(found.split()[0], where)
