"""What is said of a partitioned input beside its labels, in plain types for JSON."""

from __future__ import annotations

from typing import Any

from ase import Atoms

from basinet.io.files import plain
from basinet.partition.settings import PartitionSettings
from basinet.partition.source import Source
from basinet.qtaim import Basins
from basinet.units import Bohr


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
