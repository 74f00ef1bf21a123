"""Copies of the fixtures' runs, complete with a potential file and a density in name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.cp2k.runs import FIXTURES
from tests.cp2k_engine import argon_run

__all__ = ["argon_run"]

# Charge and radius of the cores: J. Chem. Phys. 152, 194103 (2020) distributes them as GTH-PBE-q8; what follows the
# radius is a stand-in, since it is not read.
POTENTIALS = """# element, names; electrons of s, p; r_loc, number of coefficients, coefficients
Ar GTH-PBE-q8 GTH-PBE
    2    6
     0.40000000    1    -1.0
    0
Kr GTH-PBE-q8 GTH-PBE
    2    6
     0.50000000    0
    0
"""


@pytest.fixture
def copy_run(tmp_path):
    """A function that copies the run of a fixture, and gives its directory back."""

    def copy(name: str) -> Path:
        target = tmp_path / name
        shutil.copytree(FIXTURES / name, target)
        (target / "GTH_POTENTIALS").write_text(POTENTIALS)
        (target / "run-ELECTRON_DENSITY-1_0.cube").touch()
        return target

    return copy


@pytest.fixture
def nowhere(monkeypatch):
    """A machine without CP2K's data directory."""
    monkeypatch.delenv("CP2K_DATA_DIR", raising=False)
    monkeypatch.setattr("basinet.cp2k.potentials._DATA_DIRECTORIES", ())
