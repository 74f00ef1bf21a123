"""Append a campaign's frames to a shipped file, in its format, numbered on, and renew the checksums.

    python campaigns/merge.py ar32 kr32 mix32

Each name is a folder beside this file, with ``labelled.extxyz`` in it, and a file of the reference data. Frames that
are there already, recognised by their energy and positions, are left out, so that a second run changes nothing.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from basinet.io.frames import read_frames

if TYPE_CHECKING:
    from ase import Atoms

HERE = Path(__file__).resolve().parent
REFERENCE = HERE.parent / "src" / "basinet" / "data" / "reference"
ENERGIES = (
    "REF_energy",
    "REF_hartree_energy",
    "REF_core_self_energy",
    "REF_core_overlap_energy",
    "REF_electrostatic_energy",
    "REF_core_hamiltonian_energy",
    "REF_xc_energy",
    "REF_dispersion_energy",
    "closure_error",
)
PER_ATOM = {
    "REF_forces": 8,
    "REF_local_hartree_energy": 8,
    "REF_local_hartree_energy_electronic": 8,
    "bader_population": 8,
    "bader_volume": 6,
}
"""Labels of each atom, and their decimals."""


def text_of(atoms: Atoms, number: int) -> str:
    """One frame as the shipped files hold it."""
    lattice = " ".join(f"{value:.10f}" for value in atoms.cell.array.ravel())
    columns = ":".join(f"{name}:R:{np.size(atoms.arrays[name][0])}" for name in PER_ATOM)
    energies = " ".join(f"{name}={atoms.info[name]:.10f}" for name in ENERGIES)
    named = f"system={atoms.info['system']} frame={number} {energies}"
    lines = [
        str(len(atoms)),
        f'Lattice="{lattice}" Properties=species:S:1:pos:R:3:{columns} {named} pbc="T T T"',
    ]
    for index, symbol in enumerate(atoms.get_chemical_symbols()):
        words = [symbol, *(f"{x:.8f}" for x in atoms.positions[index])]
        for name, decimals in PER_ATOM.items():
            words += [f"{x:.{decimals}f}" for x in np.atleast_1d(atoms.arrays[name][index])]
        lines.append(" ".join(words))
    return "\n".join(lines) + "\n"


def merge(name: str) -> tuple[int, int]:
    """Append what is new; returns how many frames that were, and how many there are."""
    shipped = REFERENCE / f"{name}.extxyz"
    frames = read_frames(shipped)
    known = {(round(atoms.info["REF_energy"], 6), tuple(atoms.positions[0].round(6))) for atoms in frames}
    number = frames[-1].info["frame"]
    added = []
    for atoms in read_frames(HERE / name / "labelled.extxyz"):
        if (round(atoms.info["REF_energy"], 6), tuple(atoms.positions[0].round(6))) not in known:
            number += 1
            added.append(text_of(atoms, number))
    with shipped.open("a", encoding="utf-8") as stream:
        stream.writelines(added)
    return len(added), len(frames) + len(added)


def main() -> None:
    """Merge the campaigns named on the command line."""
    for name in sys.argv[1:]:
        added, total = merge(name)
        print(f"{name}: {added} frames added, {total} in all")
    files = sorted(path for path in REFERENCE.iterdir() if path.suffix in {".extxyz", ".inp"})
    checksums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
    (REFERENCE / "SHA256SUMS").write_text(checksums, encoding="utf-8")


if __name__ == "__main__":
    main()
