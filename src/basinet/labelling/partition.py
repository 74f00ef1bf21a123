"""The labels of a partitioned frame: what is written, and under which name.

What is not known is left out, never written as zero.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from basinet.arrays import FloatArray
from basinet.density.basins import Basins
from basinet.density.cross_check import cross_check
from basinet.density.cube import read_cube
from basinet.density.local_energies import ELECTRONIC, TOTAL, LocalEnergies, local_hartree_energies
from basinet.errors import InputError
from basinet.files import plain
from basinet.frames.reading import system_of
from basinet.labelling.partition_settings import Job, PartitionSettings, named
from basinet.labelling.sources import Source, Stamp, field_files, read_fields, read_source, stamp
from basinet.units import Bohr

ARRAYS = {TOTAL: "REF_local_hartree_energy", ELECTRONIC: "REF_local_hartree_energy_electronic"}
"""Array of each integral, eV."""
ERRORS = {TOTAL: "local_hartree_energy_error", ELECTRONIC: "local_hartree_energy_electronic_error"}
"""Array of its error bar, eV."""


def label(source: Source, local: LocalEnergies, settings: PartitionSettings) -> Atoms:
    """The frame with all labels that its source allows.

    Returns
    -------
    Atoms
        In ``info`` ``system``, ``closure_error`` and what belongs to no atom; in ``arrays`` local Hartree energies
        (eV), ``bader_population`` (electrons), ``bader_charge`` (e, where cores are known), ``bader_volume`` (A^3),
        ``bader_maximum_distance`` (A), and error bars.
    """
    atoms: Atoms = source.atoms.copy()
    basins, errors = local.basins, local.errors
    atoms.info["system"] = settings.system or system_of(atoms)
    if settings.config_type is not None:
        atoms.info["config_type"] = settings.config_type
    atoms.arrays["bader_population"] = basins.population
    atoms.arrays["bader_volume"] = basins.volume
    for name, values in basins.integrals.items():
        atoms.arrays[ARRAYS.get(name, f"bader_{name}")] = values
    if errors is not None:
        atoms.arrays["bader_population_error"] = errors.population
        atoms.arrays["bader_volume_error"] = errors.volume
        for name, values in errors.integrals.items():
            atoms.arrays[ERRORS.get(name, f"bader_{name}_error")] = values
    if not basins.empty_atoms.size:
        atoms.arrays["bader_maximum_distance"] = basins.maximum_distance
    label_cores(atoms, local)
    label_the_rest(atoms, basins)
    return atoms


def label_cores(atoms: Atoms, local: LocalEnergies) -> None:
    """Add what needs cores: net charges, core energies where no program printed them, and the closure."""
    if local.core_self_energy is None or local.core_overlap_energy is None or local.hartree_energy is None:
        return
    atoms.arrays["bader_charge"] = np.array(local.net_charge)
    atoms.info["bader_renormalisation"] = local.renormalisation - 1.0
    if "REF_hartree_energy" in atoms.info:
        atoms.info["closure_error"] = float(local.hartree_energy.sum() - atoms.info["REF_hartree_energy"])
        return
    own, overlap = float(local.core_self_energy.sum()), float(local.core_overlap_energy.sum())
    atoms.info.setdefault("REF_core_self_energy", own)
    atoms.info.setdefault("REF_core_overlap_energy", overlap)
    atoms.info.setdefault("REF_electrostatic_energy", (local.total_energy or 0.0) + own + overlap)


def label_the_rest(atoms: Atoms, basins: Basins) -> None:
    """Note in ``info`` what belongs to no atom: non-nuclear maxima and vacuum."""
    alone = basins.non_nuclear
    atoms.info["bader_non_nuclear_maxima"] = len(alone)
    if len(alone):
        atoms.info["bader_non_nuclear_population"] = float(alone.population.sum())
        atoms.info["bader_non_nuclear_volume"] = float(alone.volume.sum())
    if basins.vacuum is not None:
        atoms.info["bader_vacuum_population"] = basins.vacuum.population
        atoms.info["bader_vacuum_volume"] = basins.vacuum.volume


def describe(source: Source, basins: Basins, atoms: Atoms, settings: PartitionSettings) -> dict[str, Any]:
    """Describe an input: what it is, what its parts sum to, and what is odd about it."""
    alone = basins.non_nuclear
    described: dict[str, Any] = plain(
        {
            "kind": source.kind,
            "density": source.volume.path,
            "formula": atoms.get_chemical_formula(),
            "grid": source.volume.values.shape,
            "electrons": source.electrons,
            "cores": cores_of(source),
            "cores_from": source.cores_from or None,
            "maxima": len(basins.maxima),
            "non_nuclear": {
                "positions": alone.positions,
                "density": alone.density,
                "distance": alone.distance,
                "population": alone.population,
                "volume": alone.volume,
            },
            "vacuum": basins.vacuum,
            "empty_atoms": basins.empty_atoms,
            "closure_error": atoms.info.get("closure_error"),
            "residuals": basins.residuals,
            "notes": notes(source, basins, atoms, settings),
        }
    )
    return described


def cores_of(source: Source) -> dict[str, Any] | None:
    """Charge (e) and rloc (Angstrom, bohr) of every element's core."""
    if source.cores is None:
        return None
    pairs = zip(source.atoms.get_chemical_symbols(), source.cores, strict=True)
    return {
        symbol: {"charge": core.charge, "rloc": core.radius, "rloc_bohr": core.radius / Bohr} for symbol, core in pairs
    }


def notes(source: Source, basins: Basins, atoms: Atoms, settings: PartitionSettings) -> list[str]:
    """What the user should know, one line each."""
    said = list(source.notes)
    if settings.cross_check and (source.total_density is None or source.hartree_potential is None):
        said.append("not cross-checked: there are no cubes of CP2K's total density and Hartree potential")
    if len(basins.non_nuclear):
        held = float(basins.non_nuclear.population.sum())
        said.append(f"{len(basins.non_nuclear)} non-nuclear maxima hold {held:.6g} electrons that belong to no atom")
    if basins.empty_atoms.size:
        names = ", ".join(f"{index} ({atoms.symbols[index]})" for index in basins.empty_atoms[:5])
        said.append(f"{basins.empty_atoms.size} atoms have no maximum of the density, so nothing: {names}")
    return said


@dataclass(frozen=True)
class Partitioned:
    """A finished input.

    Attributes
    ----------
    atoms
        The labelled frame.
    report
        What the frame cannot hold: totals, residuals, maxima, notes, seconds of each step.
    stamps
        Size and time of change of each file that it was made from.
    """

    atoms: Atoms
    report: dict[str, Any]
    stamps: dict[str, Stamp | None]


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the input in errors of rooms that know arrays only."""
    try:
        yield
    except InputError as error:
        raise InputError(named(path, str(error))) from error


def partition_input(job: Job, settings: PartitionSettings) -> Partitioned:
    """Partition one input.

    Raises
    ------
    InputError
        One line that names the file, the cause and the remedy.
    """
    with naming(job.path):
        begun = time.perf_counter()
        source = read_source(job, settings)
        fields = read_fields(job, settings, source)
        reading = time.perf_counter() - begun
        files = (*source.files, *field_files(job, settings).values())
        stamps = {str(path.resolve()): stamp(path) for path in files}
        checks: dict[str, Any] = {}
        local = local_energies(source, fields, settings, checks)
        atoms = label(source, local, settings)
    known = {"renormalisation": local.renormalisation - 1.0, "hartree_energy": local.total_energy}
    report = checks if source.cores is None else known | checks
    report |= describe(source, local.basins, atoms, settings)
    return Partitioned(atoms, report | {"seconds": {"read": reading} | local.seconds}, stamps)


def local_energies(
    source: Source, fields: dict[str, FloatArray], settings: PartitionSettings, checks: dict[str, Any]
) -> LocalEnergies:
    """Energies, charges and volumes of the atoms, as far as the source allows; a cross-check goes into `checks`."""

    def compare(rho: FloatArray, v_h: FloatArray) -> None:
        if source.total_density is not None and source.hartree_potential is not None and settings.cross_check:
            theirs = read_cube(source.total_density), read_cube(source.hartree_potential)
            check = cross_check(rho, v_h, source.cell, *theirs)
            checks["cross_check"] = asdict(check) | {"energy_difference": check.energy_difference}

    cores, electrons = source.cores, source.electrons
    charge = 0.0 if cores is None or electrons is None else sum(core.charge for core in cores) - electrons
    return local_hartree_energies(
        source.volume.values,
        source.cell,
        source.atoms.positions,
        cores,
        potential=source.potential,
        fields=fields,
        charge=charge,
        nuclear_radius=settings.nuclear_radius,
        vacuum=settings.vacuum,
        error_bars=settings.error_bars,
        threads=settings.threads,
        overwrite_density=True,
        inspect=compare,
    )


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
