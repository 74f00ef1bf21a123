"""What docs/partition.md shows is run as it stands there."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from tests.cp2k_engine import WITH_LOCAL_ENERGIES, run_cp2k
from tests.density.cubes import write_cube
from tests.density.gaussians import gaussians
from tests.labelling import neutral_atoms as known
from tests.labelling.test_vasp import write_vasp
from typer.testing import CliRunner

from basinet.cli.app import app
from basinet.cp2k.run_directory import read_run
from basinet.frames.reading import read_frames, write_frames
from basinet.units import Bohr

PAGE = Path(__file__).parents[2] / "docs" / "partition.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = [pytest.mark.long, pytest.mark.cp2k]


@pytest.fixture
def place(tmp_path, argon_run, cp2k_command, dynamics, monkeypatch):
    """A directory with all that the page names."""
    run_cp2k(cp2k_command, tmp_path / "direct", WITH_LOCAL_ENERGIES)
    (tmp_path / "isolated").mkdir()
    atom = Atoms("Ar", positions=[[3.0, 3.0, 3.0]], cell=[6.0] * 3)
    density = gaussians((32, 32, 32), atom.cell.array, atom.positions, [8.0], [0.55])
    write_cube(tmp_path / "isolated" / "argon.cube", density * Bohr**3, atom)
    for name in ("run", "runs/1", "runs/2"):
        shutil.copytree(argon_run, tmp_path / name)
    shutil.copytree(dynamics, tmp_path / "md")
    shutil.copy(argon_run / "argon-ELECTRON_DENSITY-1_0.cube", tmp_path / "density.cube")
    write_frames(tmp_path / "atoms.extxyz", [read_run(argon_run).atoms])
    for name in ("CHGCAR", "AECCAR0", "AECCAR2"):
        write_vasp(tmp_path / name, known.density() * np.linalg.det(known.CELL))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_and_every_line_of_python_runs(place):
    for language, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if language == "python":
            exec(compile(text, str(PAGE), "exec"), {})  # noqa: S102
            continue
        for line in text.splitlines():
            program, *words = shlex.split(line)
            assert program == "basinet"
            spelled = [
                name for word in words for name in (sorted(map(str, Path().glob(word))) if "*" in word else [word])
            ]
            result = CliRunner().invoke(app, spelled)
            assert result.exit_code == 0, (line, result.stderr)
    assert len(read_frames(place / "frames.extxyz")) == 2
    assert len(read_frames(place / "ar.extxyz")) == 3


def test_every_array_that_is_written_is_explained(place):
    result = CliRunner().invoke(app, ["partition", "run", "--out", "one.extxyz"])
    assert result.exit_code == 0, result.stderr
    (atoms,) = read_frames(place / "one.extxyz")
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in atoms.arrays if name not in ("numbers", "positions") and f"`{name}`" not in page] == []
    labels = [name for name in atoms.info if not name.startswith("REF_")]
    assert [name for name in labels if f"`{name}`" not in page] == []
