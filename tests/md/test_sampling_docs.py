"""What docs/sampling.md shows is run as it stands there, on fewer picoseconds; every measurement is explained."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from basinet.cli.app import app
from basinet.frames.reading import read_frames
from basinet.md.liquids import ARRESTED, LINEAR
from basinet.md.structure import CRYSTALLINE
from basinet.potentials.pair_potential import pair_parameters

pytestmark = pytest.mark.long

PAGE = Path(__file__).parents[2] / "docs" / "sampling.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FASTER = "melting: 2\ncooling: 2\nequilibration: 2\nmeasurement: 20\ntimestep: 10\n"


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return PAGE.read_text(encoding="utf-8")


def test_the_page_runs_and_explains_what_is_measured(page, capsys):
    for language, text in BLOCK.findall(page):
        if language == "yaml":
            name = text.splitlines()[0].removeprefix("# ")
            Path(name).write_text(text.replace("frames: 200", "frames: 4") + FASTER)
        elif language == "python":
            exec(compile(text, str(PAGE), "exec"), {})  # noqa: S102
            assert "local_energy" in capsys.readouterr().out
        else:
            for line in text.splitlines():
                program, *words = shlex.split(line)
                assert program == "basinet"
                result = CliRunner().invoke(app, words)
                assert result.exit_code == 0, (line, result.stderr)
    assert len(read_frames("ar24kr8_liquid.extxyz")) == 4
    assert Path("ar24kr8_liquid.yaml").is_file()
    found = json.loads(Path("ar24kr8_liquid.json").read_text())
    assert [key for key in found if f"`{key}`" not in page] == []


def test_the_table_of_potentials_is_that_of_the_code(page):
    rows = re.findall(r"^\| ([A-Z][a-z](?:-[A-Z][a-z])?) \| ([\d.]+) \| ([\d.]+) \|", page, re.MULTILINE)
    assert [name for name, *_ in rows] == ["Ar", "Kr", "Ar-Kr", "Ne", "Xe"]
    for name, epsilon, sigma in rows:
        first, _, second = name.partition("-")
        found = pair_parameters(first, second or first)
        assert (1000 * found[0], found[1]) == pytest.approx((float(epsilon), float(sigma)), rel=2e-4)


def test_the_thresholds_told_are_those_of_the_code(page):
    assert f"/ N^2 < {CRYSTALLINE}`" in page
    assert f"a > {ARRESTED}, and a > {LINEAR} on average" in page
