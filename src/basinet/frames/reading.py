"""Frames from and to extended XYZ, every number with all its digits.

ASE stops at a blank line, ignores surplus columns, and takes a number that lost its last digits for a number.
So the text is checked for completeness before ASE reads it, and the frame after.
"""

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io.extxyz import _read_xyz_frame, key_val_str_to_dict, write_xyz
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from basinet.errors import InputError
from basinet.files import atomic_write, read_text, refuse_cut_number, refuse_twice
from basinet.frames.labels import FORCES, ORIGIN, TOTAL_ENERGY, is_isolated_atom
from basinet.frames.neighbours import refuse_overlap

_PROPERTIES = re.compile(r"""(?:^|\s)Properties\s*=\s*"?([^\s"]+)""")
_PLAIN_COLUMNS = 4
"""Columns of plain XYZ, symbol and position. Programs append columns of their own, which ASE passes over."""


def _split_frames(text: str, source: str) -> Iterator[str]:
    """Yield the text of each frame in turn, checked for completeness; blank lines between frames are passed over."""
    lines = text.split("\n")
    index = start = 0
    while True:
        while start < len(lines) and not lines[start].strip():
            start += 1
        if start == len(lines):
            break
        where = f"{source}, frame {index} (line {start + 1})"
        count = _atom_count(lines[start], where)
        stop = start + 2 + count
        # What follows the last line break is a line only if there is something in it.
        available = len(lines) - (1 if lines[-1] == "" else 0)
        if stop > available:
            raise InputError(
                f"{where}: the file is cut short, {max(0, available - start - 2)} of {count} atoms; "
                "copy it again or remove the frame"
            )
        _check_keys(lines[start + 1], where)
        _check_columns(lines[start + 1], lines[start + 2 : stop], where)
        if stop == len(lines):
            *before, last = [row.split() for row in lines[start + 2 : stop]]
            refuse_cut_number(where, last[-1], [row[-1] for row in before] or last[1:-1])
        yield "\n".join([*lines[start:stop], ""])
        start = stop
        index += 1
    if index == 0:
        raise InputError(f"{source}: no frames, the file is empty; check the path")


def _atom_count(line: str, where: str) -> int:
    if re.fullmatch(r"\s*[0-9]{1,9}\s*", line, flags=re.ASCII) is None:
        shown = line.strip()[:40]
        raise InputError(f"{where}: expected the number of atoms, found {shown!r}; is this an extended XYZ file?")
    count = int(line)
    if count == 0:
        raise InputError(f"{where}: a frame of no atoms; remove it")
    return count


_QUOTED = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\{[^}]*\}|\[[^\]]*\]""")
_PBC = re.compile(rf"(?:^|\s)[\"']?pbc[\"']?\s*=\s*({_QUOTED.pattern}|\S+)")
_TRUTHS = {"T", "F", "True", "False", "true", "false", "TRUE", "FALSE", "0", "1"}
_KEY = re.compile(r"(?:^|\s)([^\s=]+)\s*=")


def _check_keys(comment: str, where: str) -> None:
    """Refuse a key given twice, of which ASE takes the last, and a word in `pbc` that it takes for true."""
    keys = _KEY.findall(_QUOTED.sub("''", comment))
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice:
        raise InputError(f"{where}: the key {twice[0]} stands {keys.count(twice[0])} times; keep one of its values")
    pbc = _PBC.search(comment)
    if pbc is not None and not {*re.findall(r"[^\s,\[\]{}\"']+", pbc[1])} <= _TRUTHS:
        raise InputError(f'{where}: pbc is {pbc[1][:40]}; write pbc="T T T", with F for directions that do not repeat')


def _check_columns(comment: str, rows: list[str], where: str) -> None:
    declared = _PROPERTIES.search(comment)
    expected = _PLAIN_COLUMNS
    if declared:
        widths = declared.group(1).split(":")[2::3]
        if not widths or not all(width.isascii() and width.isdigit() for width in widths):
            raise InputError(f"{where}: Properties {declared.group(1)[:60]!r} is malformed; mend the comment line")
        expected = sum(int(width) for width in widths)
    for number, row in enumerate(rows):
        columns = row.split()
        if len(columns) < expected or (declared and len(columns) > expected):
            raise InputError(f"{where}: atom {number} has {len(columns)} columns instead of {expected}; mend the frame")
        if "_" in row and any(_SPLIT_NUMBER.fullmatch(word) for word in columns):
            raise InputError(f"{where}: atom {number} has a number with an underscore, {row[:60]!r}; mend the frame")


_SPLIT_NUMBER = re.compile(r"[-+]?[0-9.]+(_[0-9.]+)+([eE][-+]?[0-9]+)?")  # Python and ASE read 1_0 as ten


LABEL_PREFIXES = ("REF_", "bader_", "closure_")  # names that begin so are labels, and have to be finite numbers
_SHORTEST_VECTOR, _LONGEST_VECTOR = 1e-3, 1e7  # cell vectors beyond these lengths (A) are no cell
_LARGEST_SPREAD = 5.0  # energies per atom (eV) of one composition that differ by more are in two units


def check_frame(atoms: Atoms, where: str) -> None:
    """Refuse a frame that cannot be computed with; `where` names it in the message.

    That is one with an unknown species, a position, cell or label that is not a finite number, forces of the wrong
    shape, or a periodic direction without a cell.
    """
    if np.any(atoms.numbers <= 0):
        raise InputError(f"{where}: an atom has no known species; give chemical symbols")
    if not np.all(np.isfinite(atoms.positions)):
        atom = int(np.argmin(np.isfinite(atoms.positions).all(axis=1)))
        raise InputError(f"{where}: the position of atom {atom} is NaN or infinite; mend or remove the frame")
    _check_cell(atoms, where)
    kind = str(atoms.info.get("config_type", ""))
    if len(atoms) == 1 and not is_isolated_atom(atoms) and re.fullmatch("isolated[ _-]?atom", kind, re.IGNORECASE):
        raise InputError(f"{where}: config_type={kind} marks no isolated atom; write config_type=IsolatedAtom")
    try:
        refuse_overlap(atoms)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    for name, value in [*atoms.info.items(), *atoms.arrays.items()]:
        if str(name).startswith(LABEL_PREFIXES):
            _check_label(name, value, where)
    energy, forces = atoms.info.get("REF_energy"), atoms.arrays.get("REF_forces")
    if energy is not None and np.ndim(energy) != 0:
        raise InputError(f"{where}: REF_energy is not one number; give the total energy in eV")
    if forces is not None and np.shape(forces) != (len(atoms), 3):
        raise InputError(f"{where}: the forces are not three numbers per atom; mend or remove the frame")


def _check_cell(atoms: Atoms, where: str) -> None:
    cell = atoms.cell.array
    if not np.all(np.isfinite(cell)):
        raise InputError(f"{where}: the cell is not finite; mend the Lattice or remove the frame")
    periodic = cell[atoms.pbc]
    if len(periodic):
        with np.errstate(over="ignore"):
            lengths = np.linalg.norm(periodic, axis=1)
        # Gram determinant of the unit vectors: zero where they do not span as many dimensions as there are.
        flat = not np.all((lengths > _SHORTEST_VECTOR) & (lengths < _LONGEST_VECTOR))
        if flat or np.linalg.det((periodic @ periodic.T) / np.outer(lengths, lengths)) < 1e-10:
            raise InputError(f'{where}: periodic, but the cell has no sensible volume; give a Lattice or pbc="F F F"')


def _check_label(name: str, value: Any, where: str) -> None:
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{where}: the label {name} is not a number; mend or remove the frame")
    if not np.all(np.isfinite(array)):
        raise InputError(f"{where}: the label {name} is NaN or infinite; mend or remove the frame")


def _refuse_mixed_units(frames: Sequence[Atoms], names: Sequence[str]) -> None:
    """Refuse energies of one composition that cannot be in one unit (Hartree among eV, say); both frames are named.

    Isolated atoms are left out: binding energies are no mistake.
    """
    groups: dict[tuple[tuple[str, float], ...], list[tuple[float, str]]] = {}
    for atoms, name in zip(frames, names, strict=True):
        if TOTAL_ENERGY in atoms.info and len(atoms) > 1 and not is_isolated_atom(atoms):
            counts = Counter(atoms.get_chemical_symbols())
            key = tuple(sorted((symbol, round(count / len(atoms), 6)) for symbol, count in counts.items()))
            groups.setdefault(key, []).append((float(atoms.info["REF_energy"]) / len(atoms), name))
    for energies in groups.values():
        (lowest, low_name), (highest, high_name) = min(energies), max(energies)
        if highest - lowest > _LARGEST_SPREAD:
            raise InputError(
                f"{high_name}: REF_energy is {highest - lowest:.6g} eV/atom above that of {low_name}, "
                "which has the same composition; convert all energies to eV, from one method"
            )


_PathLike = str | Path


def read_frames(
    path_or_paths: _PathLike | Iterable[_PathLike], energy_key: str = TOTAL_ENERGY, forces_key: str = FORCES
) -> list[Atoms]:
    """Read frames, labelled or not, from extended XYZ files.

    Frames of several files are joined in order. The keys are those of the total energies (eV; ASE's own ``energy`` will
    do) and the forces (eV/A) in the file, which become ``REF_energy`` and ``REF_forces``.

    Returns frames with labels in ``info`` and ``arrays``. A label that the file lacks is missing, never zero.
    InputError: a file is missing, empty, cut short or not extended XYZ; a number is NaN or infinite; a periodic
    direction has no cell; a key asked for is in no frame; or energies of one composition differ so much that their
    units cannot be the same. The message names the file and the frame.
    """
    paths = [path_or_paths] if isinstance(path_or_paths, (str, Path)) else list(path_or_paths)
    if not paths:
        raise InputError("no frames: name at least one extended XYZ file")
    frames: list[Atoms] = []
    names: list[str] = []
    refuse_twice(paths)
    for path in paths:
        found = parse_frames(read_text(path), str(path), energy_key, forces_key)
        frames += found
        names += [f"{path}, frame {index}" for index in range(len(found))]
    _refuse_mixed_units(frames, names)
    return frames


def parse_frames(text: str, source: str, energy_key: str = TOTAL_ENERGY, forces_key: str = FORCES) -> list[Atoms]:
    """Read the frames of an extended XYZ text; `source` names it in messages. See `read_frames`."""
    asked = ((energy_key, TOTAL_ENERGY), (forces_key, FORCES))
    frames: list[Atoms] = []
    found: set[str] = set()
    present: set[str] = set()
    for index, block in enumerate(_split_frames(text, source)):
        where = f"{source}, frame {index}"
        try:
            stream = io.StringIO(block)
            # ASE's own loop over frames reads their first line in an assert, which python -O leaves out.
            atoms = _read_xyz_frame(stream, int(stream.readline()))
        except Exception as error:
            # ASE meets malformed text with exceptions of many types.
            reason = " ".join(str(error).split())[:200]
            if isinstance(error, KeyError) and re.fullmatch("'\\w+'", reason):
                reason = f"the species {reason} is not the symbol of an element"
            raise InputError(f"{where}: not readable as extended XYZ ({reason}); mend or remove the frame") from error
        present |= {*atoms.info, *atoms.arrays, *getattr(atoms.calc, "results", {})}
        found |= {key for key, ours in asked if _rename(atoms, key, ours)}
        check_frame(atoms, where)
        setattr(atoms, ORIGIN, where)
        frames.append(atoms)
    for key, ours in asked:
        if key not in found and key != ours:
            raise InputError(
                f"{source}: no frame has the key {key!r}; found {', '.join(sorted(present - {'numbers', 'positions'}))}"
            )
    return frames


def _rename(atoms: Atoms, key: str, ours: str) -> bool:
    """Give a label our name, and tell whether the frame has it.

    ASE hides ``energy`` and ``forces`` in a calculator, so that is searched too. A label that already has our name
    gives way: who asks for another key does not mean that one.
    """
    if key == ours:
        return key in atoms.info or key in atoms.arrays
    place = atoms.arrays if ours == FORCES else atoms.info
    place.pop(ours, None)
    for source in (atoms.info, atoms.arrays, getattr(atoms.calc, "results", {})):
        if key in source:
            place[ours] = source.pop(key)
            return True
    return False


def system_of(atoms: Atoms) -> str:
    """Name the system of a frame: ``info["system"]``, else the pure element in lower case, else ``mix``.

    >>> system_of(Atoms("Ar4")), system_of(Atoms("Ar2Kr2"))
    ('ar', 'mix')
    """
    if "system" in atoms.info:
        return str(atoms.info["system"])
    symbols = set(atoms.get_chemical_symbols())
    return symbols.pop().lower() if len(symbols) == 1 else "mix"


def write_frames(path: _PathLike, frames: Sequence[Atoms]) -> None:
    """Write frames as extended XYZ, atomically.

    Every number is written with the fewest digits that give the same number back, so that energies keep more than the 8
    decimals of ASE's own columns. Results of a calculator (``energy``, ``forces``, ``stress``, ``energies``) go along
    under ASE's names. InputError without frames, or where the file cannot be written.
    """
    if not frames:
        raise InputError(f"{path}: there are no frames to write")
    with atomic_write(path) as stream:
        for atoms in frames:
            stream.write(format_frame(atoms))


def format_frame(atoms: Atoms) -> str:
    """Spell one frame as extended XYZ: ASE's header line, and columns with all digits."""
    frame = _with_results(atoms)
    columns = [name for name in frame.arrays if name not in ("numbers", "positions")]
    header = io.StringIO()
    write_xyz(header, [frame], columns=["symbols", "positions", *columns], write_results=False)
    count, comment, *rows = header.getvalue().split("\n")
    if len(rows) != len(frame) + 1:
        raise ValueError("a label holds a line break, which extended XYZ cannot")
    back = key_val_str_to_dict(comment)
    for key, value in frame.info.items():
        if isinstance(value, str) and str(back.get(key)) != value:  # empty, with a tab or a backslash, T, 007
            msg = f"info[{key!r}] = {value!r} comes back from extended XYZ as {back.get(key)!r}; give it another text"
            raise InputError(msg)
    cells = [frame.get_chemical_symbols(), *_texts(frame.positions)]
    for name in columns:
        cells += _texts(frame.arrays[name])
    lines = [" ".join(row) for row in zip(*cells, strict=True)]
    return "\n".join([count, comment, *lines, ""])


def _with_results(atoms: Atoms) -> Atoms:
    frame: Atoms = atoms.copy()
    for name, value in getattr(atoms.calc, "results", {}).items():
        array = np.asarray(value)
        if name == "stress" and array.shape == (6,):
            frame.info[name] = voigt_6_to_full_3x3_stress(array)
        elif array.ndim and len(array) == len(frame):
            frame.arrays[name] = array
        elif array.dtype.kind in "fi":
            frame.info[name] = value
    return frame


def _texts(array: NDArray[Any]) -> list[list[str]]:
    columns = np.asarray(array).reshape(len(array), -1).T
    if columns.dtype.kind == "f":
        return [[repr(float(value)) for value in column] for column in columns]
    if columns.dtype.kind == "b":
        return [["T" if value else "F" for value in column] for column in columns]
    return [[str(value) for value in column] for column in columns]
