"""Labelled frames: extended XYZ in and out through ASE, with checks before anything is computed from them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io.extxyz import read_xyz, write_xyz
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from basinet.errors import InputError
from basinet.io.files import atomic_write, read_text
from basinet.io.frame_checks import LABEL_PREFIXES, check_frame, refuse_mixed_units
from basinet.io.xyz_blocks import split_frames

ENERGY_KEY = "REF_energy"
FORCES_KEY = "REF_forces"

PathLike = str | Path


def read_frames(
    path_or_paths: PathLike | Iterable[PathLike], energy_key: str = ENERGY_KEY, forces_key: str = FORCES_KEY
) -> list[Atoms]:
    """Read frames, labelled or not, from extended XYZ files.

    Parameters
    ----------
    path_or_paths
        One file, or several whose frames are joined in order.
    energy_key
        Key of the total energies (eV) in the file; it becomes ``REF_energy``. ASE's own key ``energy`` works
        too.
    forces_key
        Key of the forces (eV/A), which become ``REF_forces``.

    Returns
    -------
    list of Atoms
        Labels in ``info`` and ``arrays``. A label that the file lacks is missing, never zero.

    Raises
    ------
    InputError
        A file is missing, empty, cut short or not extended XYZ; a number is NaN or infinite; a periodic
        direction has no cell; a key asked for is in no frame; or energies of one composition differ so much
        that their units cannot be the same. The message names the file and the frame.
    """
    paths = [path_or_paths] if isinstance(path_or_paths, (str, Path)) else list(path_or_paths)
    if not paths:
        raise InputError("no frames: name at least one extended XYZ file")
    frames: list[Atoms] = []
    names: list[str] = []
    for path in paths:
        found = parse_frames(read_text(path), str(path), energy_key, forces_key)
        frames += found
        names += [f"{path}, frame {index}" for index in range(len(found))]
    refuse_mixed_units(frames, names)
    return frames


def parse_frames(text: str, source: str, energy_key: str = ENERGY_KEY, forces_key: str = FORCES_KEY) -> list[Atoms]:
    """Read the frames of an extended XYZ text; `source` names it in messages. See `read_frames`."""
    asked = ((energy_key, ENERGY_KEY), (forces_key, FORCES_KEY))
    frames: list[Atoms] = []
    found: set[str] = set()
    present: set[str] = set()
    for index, block in enumerate(split_frames(text, source)):
        where = f"{source}, frame {index}"
        try:
            (atoms,) = read_xyz(io.StringIO(block), index=slice(None))
        except Exception as error:
            # ASE meets malformed text with exceptions of many types.
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{where}: not readable as extended XYZ ({reason}); mend or remove the frame") from error
        present |= set(labels([atoms]))
        found |= {key for key, ours in asked if rename(atoms, key, ours)}
        check_frame(atoms, where)
        frames.append(atoms)
    for key, ours in asked:
        if key not in found and key != ours:
            raise InputError(f"{source}: no frame has the key {key!r}; found {', '.join(sorted(present))}")
    return frames


def rename(atoms: Atoms, key: str, ours: str) -> bool:
    """Give a label our name, and tell whether the frame has it.

    ASE hides ``energy`` and ``forces`` in a calculator, so that is searched too. A label that already has our
    name gives way: who asks for another key does not mean that one.
    """
    if key == ours:
        return has_label(atoms, key)
    place = atoms.arrays if ours == FORCES_KEY else atoms.info
    place.pop(ours, None)
    for source in (atoms.info, atoms.arrays, getattr(atoms.calc, "results", {})):
        if key in source:
            place[ours] = source.pop(key)
            return True
    return False


def labels(frames: Sequence[Atoms]) -> list[str]:
    """Name all that the frames carry beside species and positions, sorted."""
    names: set[str] = set()
    for atoms in frames:
        names |= set(atoms.info) | set(atoms.arrays) | set(getattr(atoms.calc, "results", {}))
    return sorted(str(name) for name in names - {"numbers", "positions"})


def has_label(atoms: Atoms, key: str) -> bool:
    """Tell whether the frame carries the label, per frame or per atom."""
    return key in atoms.info or key in atoms.arrays


def require_label(atoms: Atoms, key: str, index: int, source: str) -> Any:
    """Get the value of a label, from ``info`` or ``arrays``.

    Parameters
    ----------
    atoms
        The frame.
    key
        The label, ``REF_energy`` say.
    index
        Number of the frame, for the message.
    source
        Where the frame comes from, for the message.

    Returns
    -------
    float or ndarray
        A number as a float, a per-atom label as an array of float64.

    Raises
    ------
    InputError
        The frame lacks the label, or its value is not a finite number.
    """
    if not has_label(atoms, key):
        present = ", ".join(name for name in labels([atoms]) if name.startswith(LABEL_PREFIXES)) or "none"
        raise InputError(f"{source}, frame {index}: the label {key} is missing; add it (labels found: {present})")
    try:
        value = np.asarray(atoms.info[key] if key in atoms.info else atoms.arrays[key], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{source}, frame {index}: the label {key} is not a number; mend the frame") from error
    if not np.all(np.isfinite(value)):
        raise InputError(f"{source}, frame {index}: the label {key} is not finite; mend or remove the frame")
    return float(value) if value.ndim == 0 else value


def system_of(atoms: Atoms) -> str:
    """Name the system of a frame: ``info["system"]``, else the pure element in lower case, else ``mix``.

    Examples
    --------
    >>> system_of(Atoms("Ar4")), system_of(Atoms("Ar2Kr2"))
    ('ar', 'mix')
    """
    if "system" in atoms.info:
        return str(atoms.info["system"])
    symbols = set(atoms.get_chemical_symbols())
    return symbols.pop().lower() if len(symbols) == 1 else "mix"


def write_frames(path: PathLike, frames: Sequence[Atoms]) -> None:
    """Write frames as extended XYZ, atomically.

    Every number is written with the fewest digits that give the same number back, so that energies keep more
    than the 8 decimals of ASE's own columns. Results of a calculator (``energy``, ``forces``, ``stress``,
    ``energies``) go along under ASE's names.

    Raises
    ------
    InputError
        There are no frames, or the file cannot be written.
    """
    if not frames:
        raise InputError(f"{path}: there are no frames to write")
    with atomic_write(path) as stream:
        for atoms in frames:
            stream.write(format_frame(atoms))


def format_frame(atoms: Atoms) -> str:
    """Spell one frame as extended XYZ: ASE's header line, and columns with all digits."""
    frame = with_results(atoms)
    columns = [name for name in frame.arrays if name not in ("numbers", "positions")]
    header = io.StringIO()
    write_xyz(header, [frame], columns=["symbols", "positions", *columns], write_results=False)
    count, comment, *rows = header.getvalue().split("\n")
    if len(rows) != len(frame) + 1:
        raise ValueError("a label holds a line break, which extended XYZ cannot")
    cells = [frame.get_chemical_symbols(), *texts(frame.positions)]
    for name in columns:
        cells += texts(frame.arrays[name])
    lines = [" ".join(row) for row in zip(*cells, strict=True)]
    return "\n".join([count, comment, *lines, ""])


def with_results(atoms: Atoms) -> Atoms:
    """Copy the frame, with its calculator's results in ``info`` and ``arrays``."""
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


def texts(array: NDArray[Any]) -> list[list[str]]:
    """Spell the columns of a per-atom array."""
    columns = np.asarray(array).reshape(len(array), -1).T
    if columns.dtype.kind == "f":
        return [[repr(float(value)) for value in column] for column in columns]
    if columns.dtype.kind == "b":
        return [["T" if value else "F" for value in column] for column in columns]
    return [[str(value) for value in column] for column in columns]
