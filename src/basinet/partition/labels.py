"""The labels of a partitioned frame: what is written, and under which name.

What is not known is left out, never written as zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms

from basinet.electrostatics import core_overlap_energies, core_self_energies
from basinet.io.frames import system_of
from basinet.partition.settings import PartitionSettings
from basinet.partition.source import Source
from basinet.qtaim import Basins
from basinet.qtaim.convergence import GridErrors
from basinet.qtaim.local_energies import ELECTRONIC, TOTAL

ARRAYS = {TOTAL: "REF_local_hartree_energy", ELECTRONIC: "REF_local_hartree_energy_electronic"}
"""Array of each integral, eV."""
ERRORS = {TOTAL: "local_hartree_energy_error", ELECTRONIC: "local_hartree_energy_electronic_error"}
"""Array of its error bar, eV."""


def label(
    source: Source, basins: Basins, errors: GridErrors | None, settings: PartitionSettings, report: dict[str, Any]
) -> Atoms:
    """The frame with all labels that its source allows; `report` has the Hartree energy of the density.

    Returns
    -------
    Atoms
        In ``info`` ``system``, ``closure_error`` and what belongs to no atom; in ``arrays`` local Hartree energies
        (eV), ``bader_population`` (electrons), ``bader_charge`` (e, where cores are known), ``bader_volume`` (A^3),
        ``bader_maximum_distance`` (A), and error bars.
    """
    atoms: Atoms = source.atoms.copy()
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
    label_cores(atoms, source, report)
    label_the_rest(atoms, basins)
    if "renormalisation" in report:
        atoms.info["bader_renormalisation"] = report["renormalisation"]
    return atoms


def label_cores(atoms: Atoms, source: Source, report: dict[str, Any]) -> None:
    """Add what needs cores: net charges, core energies where no program printed them, and the closure."""
    if source.cores is None:
        return
    charges = np.array([core.charge for core in source.cores])
    atoms.arrays["bader_charge"] = charges - atoms.arrays["bader_population"]
    if "REF_hartree_energy" in atoms.info:
        local = atoms.arrays[ARRAYS[TOTAL]]
        atoms.info["closure_error"] = float(local.sum() - atoms.info["REF_hartree_energy"])
        return
    own = float(core_self_energies(source.cores).sum())
    overlap = float(core_overlap_energies(source.cell, atoms.positions, source.cores).sum())
    atoms.info.setdefault("REF_core_self_energy", own)
    atoms.info.setdefault("REF_core_overlap_energy", overlap)
    atoms.info.setdefault("REF_electrostatic_energy", report["hartree_energy"] + own + overlap)


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
