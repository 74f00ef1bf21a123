"""What docs/potentials.md shows of training on forces is run as it stands there, with fewer steps."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from basinet.cli.app import app
from basinet.study.settings import load_train_config

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "potentials.md"


def section():
    _, _, rest = PAGE.read_text(encoding="utf-8").partition("\n## Training on forces\n")
    return rest.partition("\n## ")[0]


def test_the_section_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, commands = (
        re.search(rf"^```{name}\n(.*?)^```$", section(), re.MULTILINE | re.DOTALL)[1] for name in ("python", "sh")
    )
    assert "max_steps=2000" in code
    exec(compile(code.replace("max_steps=2000", "max_steps=50"), str(PAGE), "exec"), {})  # noqa: S102
    for line in commands.splitlines():
        result = CliRunner().invoke(app, shlex.split(line)[1:])
        assert result.exit_code == 0, (line, result.stderr)
        assert {"total", "local", "force"} <= set(result.stdout.split())


def test_the_examples_differ_in_their_forces_alone():
    forces, totals = (load_train_config(ROOT / "examples" / f"argon_{name}.yaml", {}) for name in ("forces", "totals"))
    assert forces.optimiser.force_weight > totals.optimiser.force_weight == 0.0
    assert forces.model_copy(update={"optimiser": totals.optimiser}) == totals
    assert forces.optimiser.learning_rates == totals.optimiser.learning_rates


def test_pictures_and_files_that_the_section_names_exist():
    links = re.findall(r"\]\(([^)]+)\)", section())
    assert links
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
