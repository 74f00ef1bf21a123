"""CP2K's input language: nested sections of keywords, variables, conditions and included files.

Grammar from the CP2K manual (https://manual.cp2k.org, "Input file format") and ``cp_parser_inpp_methods.F``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from basinet.dft.cp2k_text import read_cp2k_text
from basinet.errors import InputError

VARIABLE = re.compile(r"\$\{(\w+)(?:-([^}]*))?\}|\$(\w+)")


@dataclass(frozen=True)
class Line:
    """A line of the input without comments, and where it stands: ``frame.inp, line 3``."""

    text: str
    where: str


@dataclass
class Section:
    """A section: its name in capitals, its parameter, its lines and subsections in order."""

    name: str
    parameter: str = ""
    where: str = ""
    lines: list[Line] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)

    def find(self, *path: str) -> list[Section]:
        """All subsections along a path of names, ``find("SUBSYS", "KIND")``."""
        found = [self]
        for name in path:
            found = [inner for outer in found for inner in outer.sections if inner.name == name]
        return found

    def first(self, *path: str) -> Section:
        """The first subsection along a path; an empty one where there is none."""
        return next(iter(self.find(*path)), Section(path[-1], where=self.where))

    def values(self, *names: str) -> list[Line]:
        """What follows a keyword, given with its aliases, wherever the section has it."""
        found = []
        for line in self.lines:
            keyword, _, value = line.text.partition(" ")
            if keyword.upper() in names:
                found.append(Line(value.strip(), line.where))
        return found

    def value(self, *names: str) -> Line | None:
        """What follows a keyword the last time it is given, or None."""
        return next(reversed(self.values(*names)), None)

    def text(self, *names: str) -> str:
        """What follows a keyword, without quotes; empty if it is not given."""
        line = self.value(*names)
        return "" if line is None else line.text.strip("\"'")

    def flag(self, *names: str) -> bool:
        """Whether a switch is on; a keyword alone switches it on."""
        line = self.value(*names)
        return line is not None and line.text.strip(".").upper() in ("", "T", "TRUE", "ON", "YES")


def read_sections(path: Path) -> Section:
    """Read an input file into one section that holds those of the file.

    Raises
    ------
    InputError
        A file is missing or not text, a variable has no value, a directive is unknown, or sections do not close.
        The message names file and line.
    """
    root = Section("", where=str(path))
    stack = [root]
    for line in directives(path, path.parent, {}, ()):
        if not line.text.startswith("&"):
            stack[-1].lines.append(line)
            continue
        name, _, parameter = line.text[1:].strip().partition(" ")
        if name.upper() != "END":
            section = Section(name.upper(), parameter.strip(), line.where)
            stack[-1].sections.append(section)
            stack.append(section)
            continue
        opened = stack.pop()
        if not stack or parameter.strip().upper() not in ("", opened.name):
            raise InputError(f"{line.where}: {line.text!r} closes no open section; mend the input")
    if len(stack) > 1:
        raise InputError(f"{stack[-1].where}: the section &{stack[-1].name} is never closed; is the input cut short?")
    return root


def directives(path: Path, directory: Path, variables: dict[str, str], including: tuple[Path, ...]) -> Iterator[Line]:
    """Lines of a file after the preprocessor; included files are looked for in the run's directory."""
    if path in including:
        raise InputError(f"{including[-1]}: @INCLUDE of {path} goes in a circle; mend the input")
    skipping = False
    for raw in plain_lines(path):
        if skipping:
            skipping = raw.text.upper() != "@ENDIF"
            continue
        line = Line(VARIABLE.sub(partial(expand, variables=variables, where=raw.where), raw.text), raw.where)
        directive, _, rest = line.text.partition(" ")
        match directive.upper():
            case "@ENDIF" | "@PRINT" | "@XCTYPE" | "@FFTYPE":
                continue  # the last three are of messages, functionals and force fields, which are not read here
            case "@SET":
                name, _, value = rest.partition(" ")
                variables[name] = value
            case "@IF":
                skipping = not holds(rest)
            case "@INCLUDE":
                target = directory / rest.strip("\"'")
                if not target.is_file():
                    raise InputError(f"{line.where}: the included file {target} is missing; put it there")
                yield from directives(target, directory, variables, (*including, path))
            case unknown if unknown.startswith("@"):
                raise InputError(f"{line.where}: basinet does not know {directive}; write out what it stands for")
            case _:
                yield line


def plain_lines(path: Path) -> Iterator[Line]:
    """Lines without comments and blank ones, single-spaced, those continued by a backslash joined."""
    pending = ""
    for number, raw in enumerate(read_cp2k_text(path).split("\n"), start=1):
        line = " ".join([*pending.split(), *re.split("[#!]", raw, maxsplit=1)[0].split()])
        pending = ""
        if line.endswith("\\"):
            pending = line[:-1]
        elif line:
            yield Line(line, f"{path}, line {number}")


def expand(match: re.Match[str], variables: dict[str, str], where: str) -> str:
    """Value of a variable, or the default that ``${NAME-default}`` gives."""
    value = variables.get(match[1] or match[3], match[2])
    if value is None:
        raise InputError(f"{where}: the variable {match[0]} has no value; give it one with @SET")
    return value


def holds(condition: str) -> bool:
    """Whether the condition of an ``@IF`` is met: ``( a == b )``, ``( a /= b )``, or anything but 0."""
    stripped = condition.strip().removeprefix("(").removesuffix(")").strip()
    for operator in ("==", "/="):
        left, found, right = stripped.partition(operator)
        if found:
            return (left.strip() == right.strip()) == (operator == "==")
    return stripped not in ("", "0")
