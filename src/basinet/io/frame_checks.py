"""What makes a frame unusable: numbers that are none, periodicity without a cell, energies in two units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms

from basinet.errors import InputError

LABEL_PREFIXES = ("REF_", "bader_", "closure_")
"""Names that begin so are labels, and have to be finite numbers."""

SHORTEST_VECTOR, LONGEST_VECTOR = 1e-3, 1e7
"""Cell vectors beyond these lengths (A) are no cell."""

LARGEST_SPREAD = 5.0
"""Energies per atom (eV) of one composition that differ by more are in two units, or of two methods."""


def check_frame(atoms: Atoms, where: str) -> None:
    """Refuse a frame that cannot be computed with; `where` names it in the message.

    Raises
    ------
    InputError
        Unknown species, a position, cell or label that is not a finite number, forces of the wrong shape, or
        a periodic direction without a cell.
    """
    if np.any(atoms.numbers <= 0):
        raise InputError(f"{where}: an atom has no known species; give chemical symbols")
    if not np.all(np.isfinite(atoms.positions)):
        atom = int(np.argmin(np.isfinite(atoms.positions).all(axis=1)))
        raise InputError(f"{where}: the position of atom {atom} is NaN or infinite; mend or remove the frame")
    check_cell(atoms, where)
    for name, value in [*atoms.info.items(), *atoms.arrays.items()]:
        if str(name).startswith(LABEL_PREFIXES):
            check_label(name, value, where)
    energy, forces = atoms.info.get("REF_energy"), atoms.arrays.get("REF_forces")
    if energy is not None and np.ndim(energy) != 0:
        raise InputError(f"{where}: REF_energy is not one number; give the total energy in eV")
    if forces is not None and np.shape(forces) != (len(atoms), 3):
        raise InputError(f"{where}: the forces are not three numbers per atom; mend or remove the frame")


def check_cell(atoms: Atoms, where: str) -> None:
    """Refuse a cell that is not finite, or that has no volume along the periodic directions."""
    cell = atoms.cell.array
    if not np.all(np.isfinite(cell)):
        raise InputError(f"{where}: the cell is not finite; mend the Lattice or remove the frame")
    periodic = cell[atoms.pbc]
    if len(periodic):
        with np.errstate(over="ignore"):
            lengths = np.linalg.norm(periodic, axis=1)
        # Gram determinant of the unit vectors: zero where they do not span as many dimensions as there are.
        flat = not np.all((lengths > SHORTEST_VECTOR) & (lengths < LONGEST_VECTOR))
        if flat or np.linalg.det((periodic @ periodic.T) / np.outer(lengths, lengths)) < 1e-10:
            raise InputError(f'{where}: periodic, but the cell has no sensible volume; give a Lattice or pbc="F F F"')


def check_label(name: str, value: Any, where: str) -> None:
    """Refuse a label that is not a finite number, or an array of them."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{where}: the label {name} is not a number; mend or remove the frame")
    if not np.all(np.isfinite(array)):
        raise InputError(f"{where}: the label {name} is NaN or infinite; mend or remove the frame")


def refuse_mixed_units(frames: Sequence[Atoms], names: Sequence[str]) -> None:
    """Refuse energies of one composition that cannot be in one unit (Hartree among eV, say).

    Isolated atoms are left out: binding energies are no mistake.

    Parameters
    ----------
    frames
        All frames that are used together.
    names
        Name of each for the message.

    Raises
    ------
    InputError
        Two frames of one composition differ by more than `LARGEST_SPREAD` per atom. Both are named.
    """
    groups: dict[tuple[tuple[str, float], ...], list[tuple[float, str]]] = {}
    for atoms, name in zip(frames, names, strict=True):
        if "REF_energy" in atoms.info and len(atoms) > 1 and atoms.info.get("config_type") != "IsolatedAtom":
            counts = Counter(atoms.get_chemical_symbols())
            key = tuple(sorted((symbol, round(count / len(atoms), 6)) for symbol, count in counts.items()))
            groups.setdefault(key, []).append((float(atoms.info["REF_energy"]) / len(atoms), name))
    for energies in groups.values():
        (lowest, low_name), (highest, high_name) = min(energies), max(energies)
        if highest - lowest > LARGEST_SPREAD:
            raise InputError(
                f"{high_name}: REF_energy is {highest - lowest:.6g} eV/atom above that of {low_name}, "
                "which has the same composition; convert all energies to eV, from one method"
            )
