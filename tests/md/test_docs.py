"""What docs/potentials.md shows of molecular dynamics is run as it stands there, with fewer steps."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from tests.tables import read_rows
from typer.testing import CliRunner

from basinet.cli.app import app
from basinet.frames.reading import read_frames
from basinet.md.dynamics_settings import DynamicsConfig
from basinet.md.motion import COLUMNS

pytestmark = pytest.mark.long

PAGE = Path(__file__).parents[2] / "docs" / "potentials.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FEWER = {"5000": "40", "10000": "80", "1000": "20"}


@pytest.fixture
def section(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, _, rest = PAGE.read_text(encoding="utf-8").partition("\n## Molecular dynamics\n")
    return rest.partition("\n## ")[0]


def test_the_section_runs(section, tmp_path):
    for language, text in BLOCK.findall(section):
        if language == "python" and text.startswith("# "):
            Path(text.splitlines()[0].removeprefix("# ")).write_text(text)
        elif language == "python":
            exec(compile(text.replace("max_steps=2000", "max_steps=50"), str(PAGE), "exec"), {})  # noqa: S102
        else:
            for line in text.splitlines():
                program, *words = shlex.split(line)
                assert program == "basinet"
                result = CliRunner().invoke(app, [FEWER.get(word, word) for word in words])
                assert result.exit_code == 0, (line, result.stderr)
    assert [row["step"] for row in read_rows("liquid_nve/log.csv")] == list(range(0, 81, 10))
    assert len(read_frames("liquid_nve/trajectory.extxyz")) == 5
    written = {path.name for path in (tmp_path / "liquid_nvt").iterdir()} - {".basinet"}
    assert [name for name in written if f"`{name}`" not in section] == []
    assert "difference" in json.loads(Path("liquid_nvt/summary.json").read_text())["pair_distribution"]["Ar-Ar"]


def test_every_column_of_the_log_is_explained(section):
    assert [column for column in COLUMNS if f"`{column}`" not in section] == []


def test_every_setting_has_its_meaning():
    kinds = get_type_hints(DynamicsConfig, include_extras=True)
    options = {name for name, kind in kinds.items() if any(getattr(part, "help", "") for part in get_args(kind))}
    told = {name for name in kinds if f"`{name}`" in DynamicsConfig.__doc__}
    assert kinds.keys() - options - told == set()
