"""Inputs: a cube of atoms whose energies are known, and a real run of CP2K."""

from __future__ import annotations

import pytest
from tests.cp2k_engine import argon_run
from tests.partition.neutral_atoms import write_neutral_atoms

__all__ = ["argon_run"]


@pytest.fixture
def atoms_cube(tmp_path):
    """Path of a cube of two argon atoms of Gaussian electrons; its cores are `neutral_atoms.CORES`."""
    return write_neutral_atoms(tmp_path / "atoms.cube")
