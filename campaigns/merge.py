"""Add a campaign's frames to a file of reference data, in its format, and renew its checksum.

    python campaigns/merge.py mix108 mix108/labelled.extxyz
    python campaigns/merge.py ar32 ar32/labelled.extxyz --into campaigns/second/ar32.extxyz

The first is the name of a file of the reference data, the second what `basinet dft run` wrote. Its frames are appended,
numbered on; those that are there already, recognised by their energy and positions, are left out, so that a second run
changes nothing. A campaign that is not finished is refused.

With --into its frames, calculated again, go into an edition in the making, a file of its own, under the numbers they
have; --left writes the configurations that this edition still lacks.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from basinet.errors import InputError
from basinet.files import atomic_write, read_json
from basinet.frames.reading import read_frames, write_frames
from basinet.frames.shipped import CHECKSUMS, verify_reference

if TYPE_CHECKING:
    from ase import Atoms

REFERENCE = Path(__file__).resolve().parents[1] / "src" / "basinet" / "frames" / "data"
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
    "direct_closure_error",
)
PER_ATOM = {
    "REF_forces": 8,
    "REF_direct_energy": 8,
    "REF_local_hartree_energy": 8,
    "REF_local_hartree_energy_electronic": 8,
    "bader_population": 8,
    "bader_volume": 6,
    "direct_energy_error": 6,
    "local_hartree_energy_error": 6,
}
"""Labels of each atom, and their decimals."""


def text_of(atoms: Atoms, number: int) -> str:
    """One frame as the shipped files hold it, with those of the labels that it has."""
    lattice = " ".join(f"{value:.10f}" for value in atoms.cell.array.ravel())
    arrays = {name: decimals for name, decimals in PER_ATOM.items() if name in atoms.arrays}
    columns = ":".join(f"{name}:R:{np.size(atoms.arrays[name][0])}" for name in arrays)
    energies = " ".join(f"{name}={atoms.info[name]:.10f}" for name in ENERGIES if name in atoms.info)
    named = f"system={atoms.info['system']} frame={number} {energies}"
    lines = [str(len(atoms)), f'Lattice="{lattice}" Properties=species:S:1:pos:R:3:{columns} {named} pbc="T T T"']
    for index, symbol in enumerate(atoms.get_chemical_symbols()):
        words = [symbol, *(f"{x:.8f}" for x in atoms.positions[index])]
        for name, decimals in arrays.items():
            words += [f"{x:.{decimals}f}" for x in np.atleast_1d(atoms.arrays[name][index])]
        lines.append(" ".join(words))
    return "\n".join(lines) + "\n"


def identity(atoms: Atoms) -> tuple[float, ...]:
    """What tells a frame from all others, rounded as files hold it."""
    return (round(atoms.info["REF_energy"], 6), *atoms.positions[0].round(6))


def read_finished(labelled: Path) -> list[Atoms]:
    """Read the frames of a campaign, and refuse one that lacks some."""
    frames = read_frames(labelled)
    counts = read_json(labelled.with_suffix(".json"))
    lacking = counts["missing"] + counts["failed"]
    if lacking:
        raise InputError(
            f"{labelled}: {lacking} of {counts['calculations']} calculations are missing; finish them first"
        )
    return frames


def append(name: str, labelled: Path) -> None:
    """Append what is new to a shipped file, and say how much that was."""
    checksums = verify_reference()  # before anything is signed anew
    shipped = REFERENCE / f"{name}.extxyz"
    frames = read_frames(shipped)
    if "frame" not in frames[-1].info:
        raise InputError(f"{shipped}: its frames have no numbers, so that none can be appended")
    found = read_finished(labelled)
    for index, atoms in enumerate(found):
        if atoms.symbols.formula.count() != frames[0].symbols.formula.count():
            raise InputError(f"{labelled}, frame {index}: {atoms.symbols} does not belong to {name}")
    known = {identity(atoms) for atoms in frames}
    added = [atoms for atoms in found if identity(atoms) not in known]
    first = frames[-1].info["frame"] + 1
    text = shipped.read_text(encoding="utf-8")
    text += "".join(text_of(atoms, number) for number, atoms in enumerate(added, first))
    checksums[shipped.name] = hashlib.sha256(text.encode()).hexdigest()
    with atomic_write(shipped) as stream:
        stream.write(text)
    with atomic_write(REFERENCE / CHECKSUMS) as stream:
        stream.writelines(f"{checksum}  {file}\n" for file, checksum in checksums.items())
    print(f"{name}: {len(added)} frames added, {len(frames) + len(added)} in all")


def renew(name: str, labelled: Path | None, edition: Path, left: Path | None) -> None:
    """Add frames that were calculated again to an edition in the making, and write the configurations that it lacks."""
    shipped = {atoms.info["frame"]: atoms for atoms in read_frames(REFERENCE / f"{name}.extxyz")}
    done = {atoms.info["frame"]: atoms for atoms in (read_frames(edition) if edition.is_file() else [])}
    for index, atoms in enumerate([] if labelled is None else read_frames(labelled)):
        old = shipped.get(atoms.info["frame"])
        same = old is not None and np.array_equal(old.numbers, atoms.numbers)
        if not (same and np.allclose(old.positions, atoms.positions, atol=1e-8)):
            raise InputError(f"{labelled}, frame {index}: is not the frame {atoms.info['frame']} of {name}")
        done[atoms.info["frame"]] = atoms
    if done:
        with atomic_write(edition) as stream:
            stream.writelines(text_of(atoms, number) for number, atoms in sorted(done.items()))
    if left is not None:
        write_frames(left, [atoms for number, atoms in sorted(shipped.items()) if number not in done])
    print(f"{name}: {len(done)} of {len(shipped)} frames in {edition}")


def main() -> None:
    """Merge the campaign named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(path.stem for path in REFERENCE.glob("*.extxyz")))
    parser.add_argument("labelled", type=Path, nargs="?")
    parser.add_argument("--into", type=Path, metavar="FILE")
    parser.add_argument("--left", type=Path, metavar="FILE")
    options = parser.parse_args()
    if options.into is not None:
        renew(options.name, options.labelled, options.into, options.left)
    elif options.labelled is not None and options.left is None:
        append(options.name, options.labelled)
    else:
        parser.error("give the labelled frames, or an edition in the making with --into")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"merge: {error}")
