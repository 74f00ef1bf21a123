"""Cell and atoms of a CP2K input, at the full precision of the input.

CP2K's output gives positions to 6 decimals and cell vectors to 3, and the headers of its cubes 6; the input is
what the calculation was done with.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from basinet.arrays import FloatArray
from basinet.cp2k.language import _Line, _parse_number, _read_sections, _Section, _unit, read_cp2k_text
from basinet.cp2k.potentials import Core, _parse_core
from basinet.errors import InputError
from basinet.files import refuse_cut_number

EXT_RESTART = "&EXT_RESTART"


def _read_cell(cell: _Section) -> FloatArray:
    """Cell vectors (3, 3), rows in Å, from ``ABC`` with ``ALPHA_BETA_GAMMA``, or from ``A``, ``B`` and ``C``.

    ``ABC`` goes before the vectors, a along x and b in the xy plane, as in CP2K (``set_cell_param`` in
    ``cell_methods.F``).
    """
    _refuse_copies(cell)
    file = cell.value("CELL_FILE_NAME")
    if file is not None:
        raise InputError(f"{file.where}: basinet does not read cells from files; write ABC or A, B, C in &CELL")
    lengths = cell.value("ABC")
    if lengths is not None:
        a, b, c = _quantities(lengths)
        angles = cell.value("ALPHA_BETA_GAMMA", "ANGLES")
        vectors = _from_angles((a, b, c), (90.0, 90.0, 90.0) if angles is None else _quantities(angles, "angle", "deg"))
    else:
        rows = [cell.value(name) for name in "ABC"]
        if any(row is None for row in rows):
            raise InputError(f"{cell.where}: &CELL has neither ABC nor all of A, B and C; write the cell there")
        vectors = np.array([_quantities(row) for row in rows if row is not None])
    if not np.abs(np.linalg.det(vectors)) > 1e-3 * np.prod(np.linalg.norm(vectors, axis=1)):
        raise InputError(f"{cell.where}: the cell has no sensible volume; mend &CELL")
    return vectors


def _from_angles(lengths: tuple[float, ...], angles: tuple[float, ...]) -> FloatArray:
    """Cell vectors, rows, a along x and b in the xy plane; right angles are exact, impossible ones give NaN or 0."""
    cosines = [0.0 if angle == 90.0 else math.cos(math.radians(angle)) for angle in angles]
    a, b, c = lengths
    alpha, beta, gamma = cosines
    sine = math.sqrt(max(1.0 - gamma**2, 0.0))
    y = (alpha - beta * gamma) / sine if sine else math.nan
    z = math.sqrt(max(1.0 - beta**2 - y**2, 0.0))
    return np.array([[a, 0.0, 0.0], [b * gamma, b * sine, 0.0], [c * beta, c * y, c * z]])


def _quantities(line: _Line, quantity: str = "length", unit: str = "angstrom") -> tuple[float, ...]:
    """Three numbers in Å (or degrees), each unit in brackets holding for the numbers after it."""
    numbers = []
    for word in line.text.replace("[", " [").replace("]", "] ").split():
        if word.startswith("["):
            unit = word.strip("[]")
        else:
            numbers.append(_parse_number(word, line.where) * _unit(quantity, unit, line.where))
    if len(numbers) != 3:
        raise InputError(f"{line.where}: expected three numbers, found {line.text!r}; mend the input")
    return tuple(numbers)


def _read_atoms(subsys: _Section, cell: FloatArray, directory: Path) -> tuple[tuple[str, ...], FloatArray]:
    """Names and positions (n, 3) in Å of the atoms, from ``&COORD`` or the XYZ file that ``&TOPOLOGY`` names."""
    topology = subsys.first("TOPOLOGY")
    _refuse_copies(topology)
    name = topology.text("COORD_FILE_NAME", "COORD_FILE")
    form = topology.text("COORD_FILE_FORMAT", "COORDINATE").upper()
    if name and form != "OFF":
        if form not in ("XYZ", "") or not (form or name.lower().endswith(".xyz")):
            raise InputError(
                f"{topology.where}: basinet reads COORD_FILE_FORMAT XYZ, not {form or 'this'}; "
                "write the atoms to &COORD or an XYZ file"
            )
        file = directory / name
        if not file.is_file():
            raise InputError(f"{file}: no such file, yet the CP2K input takes its atoms from it; put it there")
        *_, (_, names, positions, _) = _xyz_frames(file)  # the last frame, as CP2K (topology_xyz.F)
        return names, positions
    coord = subsys.first("COORD")
    rows = [line for line in coord.lines if line.text.partition(" ")[0].upper() not in ("UNIT", "SCALED")]
    if not rows:
        raise InputError(f"{subsys.where}: no atoms in &COORD and no COORD_FILE_NAME; basinet reads either")
    names, numbers = _parse_atoms(rows)
    if coord.flag("SCALED"):
        return names, numbers @ cell
    unit = coord.text("UNIT").strip("[]") or "angstrom"
    return names, numbers * _unit("length", unit, coord.where)


def _xyz_frames(path: Path) -> Iterator[tuple[str, tuple[str, ...], FloatArray, str]]:
    """Title, names and positions (n, 3) in Å of each frame of an XYZ file, and where it stands."""
    lines = read_cp2k_text(path).split("\n")
    start = 0
    while start < len(lines) and lines[start].strip():
        where = f"{path}, line {start + 1}"
        count = lines[start].split()[0]
        if not count.isdecimal() or int(count) == 0:
            raise InputError(f"{where}: expected the number of atoms, found {lines[start].strip()[:40]!r}")
        stop = start + 2 + int(count)
        block = enumerate(lines[start + 2 : stop], start=start + 3)
        rows = [_Line(line.strip(), f"{path}, line {number}") for number, line in block if line.strip()]
        if len(rows) != int(count):
            raise InputError(f"{where}: the file is cut short, {len(rows)} of {count} atoms; write it again")
        if stop == len(lines):
            *fellows, last = [row.text.split()[-1] for row in rows]
            refuse_cut_number(rows[-1].where, last, fellows or rows[-1].text.split()[1:-1])
        yield lines[start + 1], *_parse_atoms(rows), where
        start = stop
    if start == 0:
        raise InputError(f"{path}, line 1: expected the number of atoms, found a blank line; write the file again")


def _parse_atoms(rows: list[_Line]) -> tuple[tuple[str, ...], FloatArray]:
    """Names and coordinates of lines ``name x y z``; a number for a name is the atomic number."""
    names, positions = [], []
    for row in rows:
        words = row.text.split()
        if len(words) < 4:
            raise InputError(f"{row.where}: expected an atom and three coordinates, found {row.text[:40]!r}")
        is_number = words[0].isdecimal() and int(words[0]) < len(chemical_symbols)
        names.append(chemical_symbols[int(words[0])] if is_number else words[0])
        positions.append([_parse_number(word, row.where) for word in words[1:4]])
    return tuple(names), np.array(positions)


def _refuse_copies(section: _Section) -> None:
    """Refuse ``MULTIPLE_UNIT_CELL``, which makes CP2K's cell another than the one written."""
    line = section.value("MULTIPLE_UNIT_CELL")
    if line is not None and line.text.split() != ["1", "1", "1"]:
        raise InputError(f"{line.where}: basinet does not read MULTIPLE_UNIT_CELL; write out the whole cell")


@dataclass(frozen=True)
class _Kind:
    """A ``&KIND`` section: which element, which pseudopotential, and where to look for it."""

    name: str
    element: str
    potential: str
    potential_type: str
    files: tuple[str, ...]
    core: Core | None
    ghost: bool
    where: str


@dataclass(frozen=True)
class Cp2kInput:
    """Cell (3, 3), rows in Å, atoms (n_atoms, 3) in Å and kinds, by name in capitals, of a calculation.

    The project is the name that CP2K's files begin with; method, solver and ensemble are in capitals, as CP2K takes
    them by default. The name of an atom is that of its kind. CP2K moves the atoms to the middle of the cell first if
    they are `centred`, and `changed_by` names what gives it another cell or other atoms than those written, a restart
    file say; empty if nothing does. `rvv10` are the parameters b and C of rVV10 and the
    cutoff of its convolution (Ry); None for other functionals. `three_body` tells if D3 has its three-body term.
    """

    path: Path
    project: str
    run_type: str
    method: str
    poisson_solver: str
    ensemble: str
    cell: FloatArray
    names: tuple[str, ...]
    positions: FloatArray
    centred: bool
    changed_by: str
    kinds: dict[str, _Kind]
    rvv10: tuple[float, float, float] | None
    three_body: bool

    def kind_of(self, name: str, element: str) -> _Kind:
        """The kind of an atom: the section of its name, else of its element, else ``DEFAULT``; InputError without."""
        for candidate in (name, element, "DEFAULT"):
            kind = self.kinds.get(candidate.upper())
            if kind is not None:
                return kind
        raise InputError(f"{self.path}: the atom {name!r} has no &KIND section; is this the input of that output?")

    @property
    def elements(self) -> tuple[str, ...]:
        """The element of each atom, from its kind or else from the letters of its name; empty if neither tells."""
        kinds = (self.kinds.get(name.upper()) for name in self.names)
        pairs = zip(self.names, kinds, strict=True)
        return tuple(_guess_element(name) if kind is None else kind.element for name, kind in pairs)


def read_cp2k_input(path: str | Path) -> Cp2kInput:
    """Read cell, atoms, kinds and names of files from a CP2K input; files that it names are looked for beside it.

    Comments, variables (``@SET``), conditions (``@IF``) and included files are understood. InputError, with the line,
    where this is no input of one Quickstep calculation, or uses what basinet does not read: cells or atoms from files
    other than XYZ, ``MULTIPLE_UNIT_CELL``.
    """
    path = Path(path)
    root = _read_sections(path)
    environments = root.find("FORCE_EVAL")
    if len(environments) != 1:
        found = len(environments)
        raise InputError(f"{path}: {found} &FORCE_EVAL sections; basinet reads inputs of exactly one")
    subsys, dft, settings = environments[0].first("SUBSYS"), environments[0].first("DFT"), root.first("GLOBAL")
    cell = _read_cell(subsys.first("CELL"))
    names, positions = _read_atoms(subsys, cell, path.parent)
    files = tuple(line.text.strip("\"'") for line in dft.values("POTENTIAL_FILE_NAME")) or ("POTENTIAL",)
    kinds = [_read_kind(section, files) for section in subsys.find("KIND")]
    return Cp2kInput(
        path=path,
        project=settings.text("PROJECT", "PROJECT_NAME") or "PROJECT",
        run_type=(settings.text("RUN_TYPE") or "ENERGY_FORCE").upper(),
        method=(dft.first("QS").text("METHOD") or "GPW").upper(),
        poisson_solver=(dft.first("POISSON").text("POISSON_SOLVER", "POISSON", "PSOLVER") or "PERIODIC").upper(),
        ensemble=root.first("MOTION", "MD").text("ENSEMBLE").upper(),
        cell=cell,
        names=names,
        positions=positions,
        centred=bool(subsys.find("TOPOLOGY", "CENTER_COORDINATES")),
        changed_by=_changed_by(root, subsys.first("CELL")),
        kinds={kind.name.upper(): kind for kind in kinds},
        rvv10=_read_rvv10(dft.first("XC", "VDW_POTENTIAL", "NON_LOCAL")),
        three_body=dft.first("XC", "VDW_POTENTIAL", "PAIR_POTENTIAL").flag("CALCULATE_C9_TERM"),
    )


def _changed_by(root: _Section, cell: _Section) -> str:
    """What makes CP2K's cell or atoms others than those of the input: EXT_RESTART, SYMMETRY or CANONICALIZE."""
    if root.find("EXT_RESTART"):
        return EXT_RESTART
    if cell.text("SYMMETRY").upper() not in ("", "NONE", "TRICLINIC"):
        return f"SYMMETRY {cell.text('SYMMETRY')} in &CELL"
    return "CANONICALIZE in &CELL" if cell.flag("CANONICALIZE") else ""


def _read_rvv10(section: _Section) -> tuple[float, float, float] | None:
    """Parameters b and C of rVV10 and the cutoff of its convolution in Ry; None if another functional is used."""
    if section.text("TYPE").upper() != "RVV10":
        return None
    parameters, cutoff = section.value("PARAMETERS"), section.value("CUTOFF")
    b, c = (6.3, 9.3e-3)  # CP2K's own, as its cutoff is then that of the density
    if parameters is not None:
        words = parameters.text.split()
        if len(words) != 2:
            msg = f"{parameters.where}: expected b and C of rVV10, found {parameters.text!r}; mend the input"
            raise InputError(msg)
        b, c = (_parse_number(word, parameters.where) for word in words)
    return b, c, math.inf if cutoff is None else _parse_number(cutoff.text, cutoff.where)


def _read_kind(section: _Section, files: tuple[str, ...]) -> _Kind:
    """Read a ``&KIND`` section; `files` are searched where it names no file of its own."""
    words = section.text("POTENTIAL", "POT").split()
    name = words[-1] if words else ""
    own = section.text("POTENTIAL_FILE_NAME")
    element = section.text("ELEMENT", "ELEMENT_SYMBOL")
    inline = section.find("POTENTIAL")
    core = None
    if inline:
        rows = [line.text.split() for line in inline[0].lines]
        core = _parse_core(rows[0], rows[1], inline[0].where) if len(rows) > 1 else None
    return _Kind(
        name=section.parameter,
        element=element.capitalize() if element else _guess_element(section.parameter),
        potential=name,
        potential_type=(words[0] if len(words) > 1 else name.partition("-")[0]).upper(),
        files=(own,) if own else files,
        core=core,
        ghost=section.flag("GHOST") or section.flag("FLOATING_BASIS_CENTER"),
        where=section.where,
    )


def _guess_element(name: str) -> str:
    """The element that a name begins with, the longer where two fit; empty if it begins with none.

    >>> _guess_element("Ar1"), _guess_element("OW"), _guess_element("7")
    ('Ar', 'O', '')
    """
    letters = re.match("[A-Za-z]*", name)
    text = letters[0] if letters else ""
    return next((text[:n].capitalize() for n in (2, 1) if atomic_numbers.get(text[:n].capitalize())), "")
