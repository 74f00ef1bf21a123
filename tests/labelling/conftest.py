"""Inputs: a cube of atoms whose energies are known, and a real run of CP2K."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from tests.cli.conftest import run
from tests.cp2k_engine import INPUT, argon_run, run_cp2k
from tests.labelling.neutral_atoms import write_neutral_atoms

from basinet.jobs.workers import ThisProcess
from basinet.labelling import driver

__all__ = ["argon_run", "run"]


DYNAMICS = """&MOTION
  &MD
    ENSEMBLE NVE
    STEPS 2
    TIMESTEP 2.0
    TEMPERATURE 300
  &END MD
&END MOTION
&FORCE_EVAL"""


@pytest.fixture(scope="session")
def dynamics(cp2k_command, tmp_path_factory):
    """Directory of two steps of molecular dynamics, with the density of each."""
    folder = tmp_path_factory.mktemp("dynamics") / "run"
    text = INPUT.replace("RUN_TYPE ENERGY_FORCE", "RUN_TYPE MD").replace("&FORCE_EVAL", DYNAMICS, 1)
    before, _, rest = text.partition("      &TOT_DENSITY_CUBE")
    run_cp2k(cp2k_command, folder, before + rest.partition("&END V_HARTREE_CUBE\n")[2])
    return folder


@pytest.fixture
def atoms_cube(tmp_path):
    """Path of a cube of two argon atoms of Gaussian electrons; its cores are `neutral_atoms.CORES`."""
    return write_neutral_atoms(tmp_path / "atoms.cube")


@pytest.fixture
def no_workers(monkeypatch):
    """Campaigns calculate in this process: importing the package anew takes longer than what most tests are about."""
    monkeypatch.setattr(driver, "open_workers", lambda *_: nullcontext(ThisProcess()))
