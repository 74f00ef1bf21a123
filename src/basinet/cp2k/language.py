"""The text of CP2K's files: read leniently, refused where it cannot be text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from basinet import units
from basinet.errors import InputError
from basinet.files import number, read_bytes


def read_cp2k_text(path: Path) -> str:
    """Read a text file in any encoding that extends ASCII, any line ends; InputError where it is binary or empty."""
    content = read_bytes(path)
    if not content.strip():
        raise InputError(f"{path}: the file is empty; run CP2K again, or name another file")
    if b"\0" in content:
        raise InputError(f"{path}: not text but binary; name CP2K's input or output")
    return content.decode("utf-8", errors="replace").replace("\r\n", "\n").replace("\r", "\n")


def _parse_number(text: str, where: str) -> float:
    """Read a number as Fortran writes it, ``1.0D-3`` and ``0.33-101`` included, or a ratio such as ``1/3``.

    >>> _parse_number("-1.5D+2", "here"), _parse_number("0.33-101", "here"), _parse_number("1/4", "here")
    (-150.0, 3.3e-102, 0.25)
    """
    numerator, _, denominator = text.partition("/")
    if denominator:
        divisor = _parse_number(denominator, where)
        if divisor == 0:
            raise InputError(f"{where}: {text!r} divides by zero; mend the file")
        return _parse_number(numerator, where) / divisor
    try:
        value = number(text)
    except ValueError:
        msg = f"{where}: expected a number, found {text!r}; the file is damaged or not what CP2K wrote"
        raise InputError(msg) from None
    if value in (float("inf"), float("-inf")):
        raise InputError(f"{where}: {text!r} is no finite number; mend the file")
    return value


def _find_line(text: str, label: str) -> str | None:
    """Text after a label on its line, the first time it begins a line; None if it never does."""
    match = re.search(rf"^[ \t]*{re.escape(label)}[ \t]*(\S.*?)[ \t]*$", text, re.MULTILINE)
    return None if match is None else match[1]


_UNITS = {
    "energy": {
        "hartree": units.Hartree, "au_e": units.Hartree, "a.u.": units.Hartree, "ry": units.Rydberg,
        "ev": 1.0, "kev": 1e3, "k_e": units.kB, "wavenumber_e": units.invcm,
        "kcalmol": units.kcal / units.mol, "kjmol": units.kJ / units.mol, "jmol": 1e-3 * units.kJ / units.mol,
        "joule": units.J, "j": units.J,
    },
    "length": {"bohr": units.Bohr, "au_l": units.Bohr, "angstrom": 1.0, "nm": 10.0, "pm": 0.01, "m": units.m},
    "angle": {"deg": 1.0, "rad": 180.0 / math.pi},
}  # fmt: skip
"""CP2K's units in eV, Å and degrees."""


def _unit(quantity: str, name: str, where: str) -> float:
    """Size of a unit of energy, length, angle or force, in eV, Å, degrees or eV/Å; `where` names the place in messages.

    A unit of force is ``a.u.``, or an energy over a length: ``hartree/bohr`` or ``eV*nm^-1``.

    >>> round(1 / _unit("energy", "kJmol", "frame.out"), 4)
    96.4853
    """
    spelled = name.strip().lower()
    if quantity == "force":
        parts = re.fullmatch(r"([^/*]+)(?:/([^^]+)|\*([^^]+)\^-1)", spelled)
        if spelled not in ("a.u.", "au_f") and parts is None:
            raise InputError(f"{where}: unknown unit of force {name!r}; basinet reads hartree/bohr and the like")
        energy, length = (parts[1], parts[2] or parts[3]) if parts else ("hartree", "bohr")
        return _unit("energy", energy, where) / _unit("length", length, where)
    if spelled not in _UNITS[quantity]:
        known = ", ".join(_UNITS[quantity])
        raise InputError(f"{where}: unknown unit of {quantity} {name!r}; basinet reads {known}")
    return _UNITS[quantity][spelled]


_VARIABLE = re.compile(r"\$\{(\w+)(?:-([^}]*))?\}|\$(\w+)")


@dataclass(frozen=True)
class _Line:
    """A line of the input without comments, and where it stands: ``frame.inp, line 3``."""

    text: str
    where: str


@dataclass
class _Section:
    """A section: its name in capitals, its parameter, its lines and subsections in order."""

    name: str
    parameter: str = ""
    where: str = ""
    lines: list[_Line] = field(default_factory=list)
    sections: list[_Section] = field(default_factory=list)

    def find(self, *path: str) -> list[_Section]:
        """All subsections along a path of names, ``find("SUBSYS", "KIND")``."""
        found = [self]
        for name in path:
            found = [inner for outer in found for inner in outer.sections if inner.name == name]
        return found

    def first(self, *path: str) -> _Section:
        """The first subsection along a path; an empty one where there is none."""
        return next(iter(self.find(*path)), _Section(path[-1], where=self.where))

    def values(self, *names: str) -> list[_Line]:
        """Values of a keyword, given with its aliases, wherever the section has it."""
        found = []
        for line in self.lines:
            keyword, _, value = line.text.partition(" ")
            if keyword.upper() in names:
                found.append(_Line(value.strip(), line.where))
        return found

    def value(self, *names: str) -> _Line | None:
        """Value of a keyword the last time it is given, or None."""
        return next(reversed(self.values(*names)), None)

    def text(self, *names: str) -> str:
        """Value of a keyword, without quotes; empty if it is not given."""
        line = self.value(*names)
        return "" if line is None else line.text.strip("\"'")

    def flag(self, *names: str) -> bool:
        """State of a switch; a keyword alone switches it on."""
        line = self.value(*names)
        return line is not None and line.text.strip(".").upper() in ("", "T", "TRUE", "ON", "YES")


def _read_sections(path: Path) -> _Section:
    root = _Section("", where=str(path))
    stack = [root]
    for line in _Preprocessor(path.parent).lines(path):
        if not line.text.startswith("&"):
            stack[-1].lines.append(line)
            continue
        name, _, parameter = line.text[1:].strip().partition(" ")
        if name.upper() != "END":
            section = _Section(name.upper(), parameter.strip(), line.where)
            stack[-1].sections.append(section)
            stack.append(section)
            continue
        opened = stack.pop()
        if not stack or parameter.strip().upper() not in ("", opened.name):
            raise InputError(f"{line.where}: {line.text!r} closes no open section; mend the input")
    if len(stack) > 1:
        raise InputError(f"{stack[-1].where}: the section &{stack[-1].name} is never closed; is the input cut short?")
    return root


_MOST_INCLUDED = 1 << 24  # characters that variables and included files may add to an input, each time that they do
_LEAST_INCLUDED = 1 << 10  # characters that a file counts as


class _Preprocessor:
    """CP2K's preprocessor; included files are looked for in the run's directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._variables: dict[str, str] = {}
        self._included = 0

    def lines(self, path: Path, including: tuple[Path, ...] = ()) -> Iterator[_Line]:
        """Lines of a file, with those of files that it includes."""
        if path in including:
            raise InputError(f"{including[-1]}: @INCLUDE of {path} goes in a circle; mend the input")
        skipping = False
        for raw in _plain_lines(path):
            if skipping:
                skipping = raw.text.upper() != "@ENDIF"
                continue
            line = _Line(_VARIABLE.sub(partial(self._expand, where=raw.where), raw.text), raw.where)
            directive, _, rest = line.text.partition(" ")
            match directive.upper():
                case "@ENDIF" | "@PRINT" | "@XCTYPE" | "@FFTYPE":
                    continue  # the last three are of messages, functionals and force fields, which are not read here
                case "@SET":
                    name, _, value = rest.partition(" ")
                    self._variables[name] = value
                case "@IF":
                    skipping = not _holds(rest)
                case "@INCLUDE":
                    target = self.directory / rest.strip("\"'")
                    if not target.is_file():
                        raise InputError(f"{line.where}: the included file {target} is missing; put it there")
                    self._count(max(target.stat().st_size, _LEAST_INCLUDED), line.where)
                    yield from self.lines(target, (*including, path))
                case unknown if unknown.startswith("@"):
                    raise InputError(f"{line.where}: basinet does not know {directive}; write out what it stands for")
                case _:
                    yield line

    def _expand(self, match: re.Match[str], where: str) -> str:
        """Value of a variable, or the default that ``${NAME-default}`` gives."""
        value = self._variables.get(match[1] or match[3], match[2])
        if value is None:
            raise InputError(f"{where}: the variable {match[0]} has no value; give it one with @SET")
        self._count(len(value), where)
        return value

    def _count(self, added: int, where: str) -> None:
        """Refuse files and variables that make a short input a very long one."""
        self._included += added
        if self._included > _MOST_INCLUDED:
            raise InputError(f"{where}: @INCLUDE and variables add more than {_MOST_INCLUDED} characters; write less")


def _plain_lines(path: Path) -> Iterator[_Line]:
    """Lines without comments and blank ones, single-spaced, those continued by a backslash joined."""
    pending = ""
    for line_number, raw in enumerate(read_cp2k_text(path).split("\n"), start=1):
        line = " ".join([*pending.split(), *re.split("[#!]", raw, maxsplit=1)[0].split()])
        pending = ""
        if line.endswith("\\"):
            pending = line[:-1]
        elif line:
            yield _Line(line, f"{path}, line {line_number}")


def _holds(condition: str) -> bool:
    """Truth of the condition of an ``@IF``: ``( a == b )``, ``( a /= b )``, or anything but 0."""
    stripped = condition.strip().removeprefix("(").removesuffix(")").strip()
    for operator in ("==", "/="):
        left, found, right = stripped.partition(operator)
        if found:
            return (left.strip() == right.strip()) == (operator == "==")
    return stripped not in ("", "0")
