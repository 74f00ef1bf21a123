"""Energies and forces in CP2K's output: one evaluation for a single point, one per step of a trajectory."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from basinet import units
from basinet.dft.cp2k_text import parse_number
from basinet.dft.cp2k_units import energy_unit, force_unit
from basinet.errors import InputError

COMPONENTS = {
    "Overlap energy of the core charge distribution": "REF_core_overlap_energy",
    "Self energy of the core charge distribution": "REF_core_self_energy",
    "Core Hamiltonian energy": "REF_core_hamiltonian_energy",
    "Hartree energy": "REF_hartree_energy",
    "Exchange-correlation energy": "REF_xc_energy",
    "Dispersion energy": "REF_dispersion_energy",
}
"""CP2K's names of the parts of the energy (``qs_scf_output.F``), always in hartree, and the labels of frames."""

ELECTROSTATIC = ("REF_hartree_energy", "REF_core_self_energy", "REF_core_overlap_energy")

EVENTS = re.compile(
    rf"""^[ ]{{1,4}}(?:
      (?P<component>{"|".join(name.replace(" ", "[ ]") for name in COMPONENTS)}):[ ]+(?P<value>\S+)
    | ENERGY\|[ ]Total[ ]FORCE_EVAL[ ]\([ ]*\w+[ ]*\)[ ]energy[ ][\[(](?P<unit>[^])]+)[\])]:?[ ]*(?P<total>\S+)
    | (?P<forces>(?:ATOMIC[ ]FORCES[ ]in|FORCES\|[ ]Atomic[ ]forces)[ ]\[(?P<force_unit>[^]]+)\])
    | MD\|[ ]Step[ ]number[ ]+(?P<step>\d+)
    | (?:\*\*\*[ ])?SCF[ ]run[ ](?P<converged>converged)[ ]in
    )|(?P<failed>SCF[ ]run[ ]NOT[ ]converged)""",
    re.MULTILINE | re.VERBOSE,
)
ROW = re.compile(r"^ (?:FORCES\| +\d+| *\d+ +\d+ +[A-Za-z]+) +(\S+) +(\S+) +(\S+)")
END_OF_FORCES = re.compile(r"^ (?:SUM OF ATOMIC FORCES|FORCES\| Sum) ", re.MULTILINE)


@dataclass(frozen=True)
class Evaluation:
    """An energy that CP2K evaluated.

    Attributes
    ----------
    energies
        In eV, under the labels of frames (``REF_energy``, ``REF_hartree_energy``, ...); what is not printed is
        absent. ``REF_electrostatic_energy`` is Hartree + self + overlap.
    forces
        (n_atoms, 3) in eV/Å, or None.
    scf_converged
        None if the output does not tell.
    step
        Number of the step of molecular dynamics that it belongs to.
    """

    energies: dict[str, float]
    forces: NDArray[np.float64] | None = None
    scf_converged: bool | None = None
    step: int | None = None


@dataclass
class Reading:
    """The evaluation being read, and those read before it."""

    done: list[Evaluation] = field(default_factory=list)
    energies: dict[str, float] = field(default_factory=dict)
    forces: NDArray[np.float64] | None = None
    scf_converged: bool | None = None
    step: int | None = None

    def close(self) -> None:
        """Add the evaluation to those done, and begin the next."""
        if self.energies or self.scf_converged is not None:
            if all(label in self.energies for label in ELECTROSTATIC):
                self.energies["REF_electrostatic_energy"] = sum(self.energies[label] for label in ELECTROSTATIC)
            self.done.append(Evaluation(self.energies, self.forces, self.scf_converged, self.step))
        self.energies, self.forces, self.scf_converged, self.step = {}, None, None, None


def read_evaluations(text: str, source: str, offset: int = 0) -> tuple[Evaluation, ...]:
    """Read all evaluations of a run in their order.

    The energies of an evaluation come before its total, its forces after it; those of an SCF cycle that is
    taken up again are printed again, and the last ones count.

    Parameters
    ----------
    text
        Of one run.
    source
        Names the file in messages.
    offset
        Lines of the file before the text.

    Raises
    ------
    InputError
        A number is none, or a unit is unknown.
    """
    reading = Reading()
    line, counted = offset + 1, 0
    for event in EVENTS.finditer(text):
        line, counted = line + text.count("\n", counted, event.start()), event.start()
        where = f"{source}, line {line}"
        if event["component"]:
            if "REF_energy" in reading.energies:
                reading.close()
            value = parse_number(event["value"], where)
            reading.energies[COMPONENTS[event["component"]]] = value * units.Hartree
        elif event["total"]:
            reading.energies["REF_energy"] = parse_number(event["total"], where) * energy_unit(event["unit"], where)
        elif event["forces"]:
            reading.forces = read_forces(text, event.end(), force_unit(event["force_unit"], where), where)
        elif event["step"]:
            reading.step = int(event["step"])
        else:
            if "REF_energy" in reading.energies:
                reading.close()
            reading.scf_converged = event["failed"] is None
    reading.close()
    return tuple(reading.done)


def read_forces(text: str, start: int, unit: float, where: str) -> NDArray[np.float64] | None:
    """Forces of the table that begins at a position; None if the output ends within it."""
    end = END_OF_FORCES.search(text, start)
    if end is None:
        return None
    rows = [match.groups() for line in text[start : end.start()].split("\n") if (match := ROW.match(line))]
    if not rows:
        raise InputError(f"{where}: the table of forces has no rows; the file is damaged, run CP2K again")
    return np.array([[parse_number(word, where) for word in row] for row in rows]) * unit
