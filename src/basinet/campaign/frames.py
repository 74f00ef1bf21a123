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
from basinet.io.frame_checks import LABEL_PREFIXES
from basinet.io.frames import system_of
from basinet.partition.frame import partition_input
from basinet.partition.runs import expanded
from basinet.partition.settings import Job, PartitionSettings
from basinet.qtaim.local_energies import ELECTRONIC, TOTAL

OURS = (
    *LABEL_PREFIXES, "local_hartree_energy", "cp2k_version", "input_checksum", "source", "step", "trajectory",
)  # fmt: skip
"""How names of labels and of origins begin, which a frame that is calculated again gets anew."""
LASTING = ("system", "config_type")
"""What is true of a configuration is not true of a later step, but for these."""
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
        done.atoms.info.pop("source", None)
        frames.append(done.atoms)
        reports.append({key: done.report[key] for key in KEPT if key in done.report})
    return frames, reports


def said_of(start: Atoms, unit: Unit) -> dict[str, Any]:
    """What a configuration's file says, such as its system; of a later step what still holds. Old labels are left."""
    said = {key: value for key, value in start.info.items() if not str(key).startswith(OURS)}
    if unit.steps:
        return {key: value for key, value in said.items() if key in LASTING} | {"trajectory": unit.frame}
    return said


def unpartitioned(directory: Path, start: Atoms) -> Atoms:
    """Total energies and forces of a single point, of any method that CP2K has."""
    output = read_cp2k_output(directory / OUTPUT)
    check_ending(output)
    (evaluation,) = output.evaluations[-1:]
    check_evaluation(evaluation, len(start), output)
    atoms: Atoms = start.copy()
    atoms.info = {"system": system_of(atoms)}
    for name in [name for name in atoms.arrays if name.startswith(OURS)]:
        del atoms.arrays[name]
    atoms.info["REF_energy"] = evaluation.energies["REF_energy"]
    if evaluation.forces is not None:
        atoms.arrays["REF_forces"] = evaluation.forces
    return atoms
