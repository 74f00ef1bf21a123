"""CP2K itself: what it writes, its input, one run of it."""

from __future__ import annotations

from basinet.cp2k.input import Cp2kInput, read_cp2k_input
from basinet.cp2k.output import Cp2kEvaluation, Cp2kOutput, read_cp2k_output
from basinet.cp2k.potentials import Core, read_gth_potentials
from basinet.cp2k.run_directory import Cp2kRun, read_run, read_runs

__all__ = [
    "Core",
    "Cp2kEvaluation",
    "Cp2kInput",
    "Cp2kOutput",
    "Cp2kRun",
    "read_cp2k_input",
    "read_cp2k_output",
    "read_gth_potentials",
    "read_run",
    "read_runs",
]
