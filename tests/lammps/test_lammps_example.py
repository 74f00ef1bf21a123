"""The example of LAMMPS, and what the section on LAMMPS of docs/potentials.md shows, run as they stand."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ase.io import read
from typer.testing import CliRunner

from basinet.cli.app import app
from basinet.lammps.engine import INSTALL

pytestmark = [pytest.mark.long, pytest.mark.lammps]

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "lammps" / "train_export_run.py"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_example_trains_exports_runs_and_reads_back(tmp_path, capsys):
    deviation = runpy.run_path(str(EXAMPLE))["main"](tmp_path / "argon")
    assert deviation < 1e-9
    assert "meV relative to the atom alone" in capsys.readouterr().out
    assert (tmp_path / "argon" / "energies.dump").is_file()


def section() -> str:
    text = (ROOT / "docs" / "potentials.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"^## LAMMPS$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found


def run_line(line: str) -> None:
    """Run a command of the page; `lmp` and `mpiexec` are those that pip installed."""
    change, _, command = line.rpartition(" && ")
    program, *words = shlex.split(command)
    if program == "basinet":
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, (line, result.stderr)
        return
    programs = Path(sys.executable).parent
    folder = change.removeprefix("cd ") or "."
    full = [str(programs / word) if word in ("lmp", "mpiexec") else word for word in (program, *words)]
    done = subprocess.run(full, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (line, done.stdout, done.stderr)


def test_the_section_runs_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for language, text in BLOCK.findall(section()):
        if language == "python":
            exec(compile(text, "potentials.md", "exec"), names)  # noqa: S102
        elif language == "sh":
            for line in text.splitlines():
                run_line(line)
    assert read("argon_lammps/energies.dump").arrays["c_energy"].shape[0] == 32


def test_the_section_names_every_file_and_the_right_wheel():
    text = section()
    assert INSTALL in text
    for name in ("member_000.nn", "mean.nn", "model.descriptor", "in.lammps", "start.data", "check.json"):
        assert f"`{name}`" in text
