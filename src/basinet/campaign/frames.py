"""From a finished run of CP2K to labelled frames, with what their configuration said and where they come from."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ase import Atoms

from basinet.campaign.units import Unit
from basinet.config.campaign_settings import CampaignConfig
from basinet.dft import read_cp2k_output
from basinet.dft.cp2k_evaluations import Evaluation
from basinet.dft.cp2k_output import Cp2kOutput
from basinet.dft.cp2k_writer import PROJECT
from basinet.dft.failures import OUTPUT, CalculationFailed, FailureKind
from basinet.dft.run_checks import check_ending, check_evaluation
from basinet.dft.run_files import DENSITY, step_of
from basinet.dft.trajectory import evaluations_by_step, read_trajectory
from basinet.errors import InputError
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
    CalculationFailed
        A step of molecular dynamics has no density.
    """
    steps = labelled_steps(unit, config.aimd.density_every)
    if not config.partition:
        frames = unpartitioned(directory, start, steps)
        return frames, [{} for _ in frames]
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
    lost = sorted(set(steps) - {atoms.info.get("step") for atoms in frames})
    if lost:
        raise CalculationFailed(FailureKind.damaged_density, f"no density of step {lost[0]}, of {len(lost)} in all")
    return frames, reports


def labelled_steps(unit: Unit, every: int) -> list[int]:
    """Steps of a stretch of molecular dynamics that become frames; none of a single point.

    The first of a stretch that goes on is the last of the one before.

    Examples
    --------
    >>> labelled_steps(Unit("00000-0001", 0, start=20, steps=20, previous="00000-0000"), 10)
    [30, 40]
    """
    if not unit.steps:
        return []
    first = unit.start if unit.previous is None else unit.start + every
    return list(range(first, unit.start + unit.steps + 1, every))


def said_of(start: Atoms, unit: Unit) -> dict[str, Any]:
    """What a configuration's file says, such as its system; of a later step what still holds. Old labels are left."""
    said = {key: value for key, value in start.info.items() if not str(key).startswith(OURS)}
    if unit.steps:
        return {key: value for key, value in said.items() if key in LASTING} | {"trajectory": unit.frame}
    return said


def unpartitioned(directory: Path, start: Atoms, steps: Sequence[int]) -> list[Atoms]:
    """Total energies and forces of a single point, or of steps of a trajectory, of any method that CP2K has."""
    output = read_cp2k_output(directory / OUTPUT)
    check_ending(output)
    if not steps:
        (evaluation,) = output.evaluations[-1:]
        return [whole_energy(start, evaluation, output)]
    evaluations = evaluations_by_step(output)
    path = directory / f"{PROJECT}-pos-1.xyz"
    trajectory = read_trajectory(path, tuple(start.get_chemical_symbols()))
    frames = []
    for step in steps:
        if step not in evaluations or step not in trajectory:
            raise InputError(f"{path if step in evaluations else output.path}: step {step} is not in it")
        frames.append(whole_energy(start, evaluations[step], output))
        frames[-1].positions = trajectory[step].positions
        frames[-1].info["step"] = step
    return frames


def whole_energy(start: Atoms, evaluation: Evaluation, output: Cp2kOutput) -> Atoms:
    """A configuration with total energy and forces, and no labels of its atoms' parts."""
    check_evaluation(evaluation, len(start), output)
    atoms: Atoms = start.copy()
    atoms.info = {"system": system_of(atoms), "REF_energy": evaluation.energies["REF_energy"]}
    for name in [name for name in atoms.arrays if name.startswith(OURS)]:
        del atoms.arrays[name]
    if evaluation.forces is not None:
        atoms.arrays["REF_forces"] = evaluation.forces
    return atoms
