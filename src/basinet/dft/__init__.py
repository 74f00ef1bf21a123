"""What CP2K writes: its output, input, pseudopotentials, and the directory of a run."""

from __future__ import annotations

from basinet.dft.cp2k_evaluations import Evaluation
from basinet.dft.cp2k_input import Cp2kInput, read_cp2k_input
from basinet.dft.cp2k_output import Cp2kOutput, read_cp2k_output
from basinet.dft.cp2k_potentials import Core, read_gth_potentials
from basinet.dft.run_directory import Cp2kRun, read_run, read_runs

__all__ = [
    "Core",
    "Cp2kInput",
    "Cp2kOutput",
    "Cp2kRun",
    "Evaluation",
    "read_cp2k_input",
    "read_cp2k_output",
    "read_gth_potentials",
    "read_run",
    "read_runs",
]
