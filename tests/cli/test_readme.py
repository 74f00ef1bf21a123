"""What the README shows is run as it stands there, the study with the preset `smoke`."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
from tests.cli.process import ENVIRONMENT, ROOT

pytestmark = pytest.mark.long

README = ROOT / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks():
    return [(match[1], match[2]) for match in BLOCK.finditer(README.read_text(encoding="utf-8"))]


def shell_lines():
    return [line for language, text in blocks() if language == "sh" for line in text.splitlines() if line]


def test_every_make_target_exists():
    targets = [line.split()[1] for line in shell_lines() if line.startswith("make ")]
    assert targets == ["reproduce", "test"]
    for target in targets:
        subprocess.run(["make", "--dry-run", target], cwd=README.parent, capture_output=True, check=True)


def test_nothing_but_make_and_basinet_is_shown():
    assert {line.split()[0] for line in shell_lines()} == {"make", "basinet"}
    assert {language for language, _ in blocks()} == {"sh", "python", "yaml"}


def test_every_command_is_shown():
    shown = {line.split()[1] for line in shell_lines() if line.startswith("basinet ")}
    assert shown == {"reproduce", "relate", "describe", "select", "train", "evaluate", "report", "config"}


def test_python_and_commands_run(tmp_path):
    for language, text in blocks():
        if language == "yaml":
            name = text.splitlines()[0].removeprefix("# ")
            (tmp_path / name).write_text(text)
            continue
        if language == "python":
            commands = [[sys.executable, "-W", "error", "-c", text]]
        else:
            lines = [line for line in text.splitlines() if line.startswith("basinet ")]
            commands = [[sys.executable, "-m", *shlex.split(line)] for line in lines]
        for command in commands:
            smoke = ["smoke" if word == "quick" else word for word in command]
            result = subprocess.run(smoke, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
            assert result.returncode == 0, (command, result.stderr)
    for name in ("results/quick/report.html", "results/ar/report.html", "ar_local.extxyz", "ar.npz", "scores.csv"):
        assert (tmp_path / name).is_file()
    assert len(list((tmp_path / "results/quick/figures").glob("figure_*.png"))) >= 10
