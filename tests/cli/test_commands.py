from __future__ import annotations

import subprocess
import sys

import pytest
from tests.cli.process import ENVIRONMENT, start
from tests.cli.refusal import assert_refused

COMMANDS = [
    "reproduce", "partition", "relate", "describe", "select", "train", "evaluate", "report", "config validate",
    "config schema", "export lammps",
]  # fmt: skip
HEAVY = {"jax", "numba", "ase", "distributed", "scipy", "matplotlib", "pydantic", "numpy", "rich", "optax"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(run, command):
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert f"Example: basinet {command}" in result.stdout


def test_help_lists_every_command(run):
    text = run("--help").stdout
    assert all(command.split()[0] in text for command in COMMANDS)


def test_version(run):
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("basinet ")


def test_help_imports_nothing_heavy():
    code = "import sys; from basinet.cli.app import app; print(*{name.split('.')[0] for name in sys.modules})"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    found = result.stdout.split()
    assert HEAVY.isdisjoint(found)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["Missing command", "--help"]),
        (["reproduse"], ["reproduse"]),
        (["relate"], ["Missing argument", "basinet relate --help"]),
        (["describe", "a.xyz"], ["--out"]),
        (["reproduce", "--presett", "quick"], ["--presett", "--preset"]),
        (["reproduce", "--workers", "0"], ["--workers"]),
        (["reproduce", "--seed", "-1"], ["--seed"]),
        (["relate", "a.xyz", "--definition", "partial"], ["--definition", "electronic"]),
        (["config", "validate"], ["Missing argument"]),
    ],
)
def test_misuse_is_one_line(run, arguments, words):
    assert_refused(run(*arguments), *words)


def test_python_m_basinet_is_the_same_program(tmp_path):
    process = start("relate", "nothing.xyz", cwd=tmp_path)
    stdout, stderr = process.communicate()
    assert process.returncode == 2
    assert (stdout, stderr) == ("", "basinet: error: nothing.xyz: no such file; check the path\n")


def test_a_defect_of_ours_is_no_mistake_of_the_user(run, monkeypatch):
    def broken(*_arguments, **_options):
        raise RuntimeError

    monkeypatch.setattr("basinet.frames.reading.read_frames", broken)
    result = run("relate", "a.xyz")
    assert isinstance(result.exception, RuntimeError)
    assert result.exit_code == 1
