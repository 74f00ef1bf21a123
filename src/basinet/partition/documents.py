"""A finished frame as a document for JSON, and as a table to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ase import Atoms

from basinet.io.files import plain

COLUMNS = {
    "population": "bader_population",
    "population_error": "bader_population_error",
    "charge": "bader_charge",
    "volume": "bader_volume",
    "volume_error": "bader_volume_error",
    "maximum_distance": "bader_maximum_distance",
    "hartree_energy": "REF_local_hartree_energy",
    "hartree_energy_error": "local_hartree_energy_error",
    "hartree_energy_electronic": "REF_local_hartree_energy_electronic",
    "hartree_energy_electronic_error": "local_hartree_energy_electronic_error",
}
"""Per-atom quantities of a document, and the arrays of the frame."""

ENERGY = {"total": "hartree_energy", "electronic": "hartree_energy_electronic"}


def document(atoms: Atoms, report: Mapping[str, Any]) -> dict[str, Any]:
    """All that is known of a frame, in types of JSON: ``info``, report, and ``atoms`` with a list per quantity."""
    columns = {name: atoms.arrays[key] for name, key in COLUMNS.items() if key in atoms.arrays}
    known = {*COLUMNS.values(), "numbers", "positions", "REF_forces"}
    further = {name: values for name, values in atoms.arrays.items() if name not in known}
    per_atom = {"element": atoms.get_chemical_symbols(), "position": atoms.positions, **columns, **further}
    value: dict[str, Any] = plain(
        {"info": dict(atoms.info), "cell": atoms.cell.array, "n_atoms": len(atoms), **report, "atoms": per_atom}
    )
    return value


def rows(found: Mapping[str, Any], definition: str) -> tuple[list[dict[str, Any]], str]:
    """Rows of a frame's table, and the reading of its energies, which is the other one if that is all there is."""
    atoms = found["atoms"]
    if ENERGY[definition] not in atoms and ENERGY["electronic"] in atoms:
        definition = "electronic"
    energy = ENERGY[definition]
    sources = {
        "element": "element",
        "population": "population",
        "charge": "charge",
        "volume": "volume",
        "energy": energy,
        "+-": f"{energy}_error",
        "distance": "maximum_distance",
    }
    listed = [
        {"atom": index} | {name: atoms[key][index] for name, key in sources.items() if key in atoms}
        for index in range(found["n_atoms"])
    ]
    return listed, definition


def sums(found: Mapping[str, Any], definition: str) -> dict[str, Any]:
    """Sums over the atoms, a row for the table."""
    atoms = found["atoms"]
    names = {"population": "population", "charge": "charge", "volume": "volume", "energy": ENERGY[definition]}
    return {"atom": "sum"} | {name: sum(atoms[key]) for name, key in names.items() if key in atoms}


def heading(name: str, found: Mapping[str, Any]) -> str:
    """What was partitioned, one line."""
    points = " x ".join(str(number) for number in found["grid"])
    electrons = "" if found["electrons"] is None else f", {found['electrons']:.10g} electrons"
    scaled = found.get("renormalisation")
    factor = "" if scaled is None else f" (density scaled by 1 {'+' if scaled >= 0 else '-'} {abs(scaled):.1e})"
    return f"{name}: {found['formula']}, {points} points, {found['maxima']} maxima{electrons}{factor}"


def totals(found: Mapping[str, Any], definition: str) -> list[str]:
    """What the energies sum to beside what was printed; what belongs to no atom; what is odd."""
    lines = []
    info = found["info"]
    if ENERGY[definition] in found["atoms"]:
        lines.append(f"energy: local Hartree energy, reading {definition}, eV; +- from the grid, eV")
    if "hartree_energy" in found:
        lines.append(f"Hartree energy of the density: {found['hartree_energy']:.6f} eV")
    if "closure_error" in info:
        lines[-1] += f"; printed: {info['REF_hartree_energy']:.6f} eV; atoms less printed: {info['closure_error']:.1e}"
    if "bader_vacuum_population" in info:
        held = info["bader_vacuum_population"], info["bader_vacuum_volume"]
        lines.append(f"vacuum: {held[0]:.6g} electrons in {held[1]:.6g} A^3 that belong to no atom")
    check = found.get("cross_check")
    if check:
        lines.append(
            f"CP2K's own cubes: charge density within {check['charge_max']:.1e} e/A^3, potential within "
            f"{check['potential_max']:.1e} eV, Hartree energy off by {check['energy_difference']:.1e} eV"
        )
    return lines + [f"note: {note}" for note in found["notes"]]
