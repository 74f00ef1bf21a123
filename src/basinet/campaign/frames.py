"""From a finished run of CP2K to labelled frames, with what their configuration said and where they come from."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from ase import Atoms

from basinet.campaign.units import Unit
from basinet.config.campaign_settings import CampaignConfig
from basinet.dft import read_cp2k_output
from basinet.dft.failures import OUTPUT
from basinet.dft.run_checks import check_ending, check_evaluation
from basinet.dft.run_files import DENSITY, step_of
from basinet.io.frames import system_of
from basinet.partition.frame import partition_input
from basinet.partition.runs import expanded
from basinet.partition.settings import Job, PartitionSettings
from basinet.qtaim.local_energies import ELECTRONIC, TOTAL

PREFIX = "REF_"
PARTITIONING = threading.Lock()
"""One at a time in a process: the kernels' threads are their own."""
KEPT = ("renormalisation", "hartree_energy", "residuals", "notes", "grid", "seconds")
"""Of the partition's report."""

__all__ = ["ELECTRONIC", "TOTAL", "labelled_frames"]


def labelled_frames(
    directory: Path, unit: Unit, config: CampaignConfig, start: Atoms
) -> tuple[list[Atoms], list[dict[str, Any]]]:
    """Label the frames of a finished run, and report on each.

    Raises
    ------
    InputError
        The run or a density is damaged.
    """
    if not config.partition:
        return [unpartitioned(directory, start)], [{}]
    for cube in directory.glob(f"*{DENSITY}*.cube"):
        if unit.steps and unit.previous and step_of(cube) == unit.start:
            cube.unlink()  # the last step of the segment before, which CP2K does again
    settings = PartitionSettings(error_bars=config.error_bars, threads=config.run.threads)
    frames, reports = [], []
    for job in expanded([Job(directory)]):
        with PARTITIONING:
            done = partition_input(job, settings)
        frames.append(with_origin(done.atoms, start, unit))
        reports.append({key: done.report[key] for key in KEPT if key in done.report})
    return frames, reports


def with_origin(atoms: Atoms, start: Atoms, unit: Unit) -> Atoms:
    """Add what the configuration's file said, such as its system and frame; of a later step what still holds."""
    atoms.info.pop("source", None)
    said = {key: value for key, value in start.info.items() if not str(key).startswith(PREFIX)}
    if unit.steps:
        said = {key: value for key, value in said.items() if key in ("system", "config_type")}
        said["trajectory"] = unit.frame
    atoms.info.update(said)
    return atoms


def unpartitioned(directory: Path, start: Atoms) -> Atoms:
    """Total energies and forces of a single point, of any method that CP2K has."""
    output = read_cp2k_output(directory / OUTPUT)
    check_ending(output)
    (evaluation,) = output.evaluations[-1:]
    check_evaluation(evaluation, len(start), output)
    atoms: Atoms = start.copy()
    atoms.info = {key: value for key, value in start.info.items() if not str(key).startswith(PREFIX)}
    for name in [name for name in atoms.arrays if name.startswith((PREFIX, "bader_"))]:
        del atoms.arrays[name]
    atoms.info.setdefault("system", system_of(atoms))
    atoms.info["REF_energy"] = evaluation.energies["REF_energy"]
    if evaluation.forces is not None:
        atoms.arrays["REF_forces"] = evaluation.forces
    return atoms
