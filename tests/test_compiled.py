"""Compiled functions follow their sources, wherever those stand and wherever code can be kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PACKAGE = {
    "__init__.py": "",
    "constants.py": "FACTOR = 2.0\n",
    "callee.py": """
from basinet import compiled
from small.constants import FACTOR

@compiled.jit(inline="always")
def scaled(value):
    return FACTOR * value
""",
    "caller.py": """
from typing import NamedTuple
from basinet import compiled
from small.callee import (
    scaled,
)

class Shift(NamedTuple):
    by: float

@compiled.jit()
def shifted(value, shift):
    return scaled(value) + shift.by

def scaled_and_shifted(value):
    return shifted(value, Shift(1.0))
""",
}
COMMAND = """
from small.caller import scaled_and_shifted, shifted
print(scaled_and_shifted(3.0), sum(shifted.stats.cache_hits.values()), shifted.stats.cache_path)
"""


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    for name, text in PACKAGE.items():
        (folder / name).write_text(text)
    return folder


def run(package: Path, **variables: str) -> tuple[float, int, Path]:
    """Result of the kernel in a new process, the times that it came from disk, and the place of its code."""
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environment["PYTHONPATH"] = os.pathsep.join([str(package.parent), *sys.path])
    environment["PYTHONDONTWRITEBYTECODE"] = "1"  # two edits of one size within a second look alike to Python's own
    done = subprocess.run(
        [sys.executable, "-c", COMMAND], env=environment | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    value, hits, place = done.stdout.split()
    return float(value), int(hits), Path(place)


@pytest.mark.long
def test_code_is_kept_and_follows_the_files_that_it_comes_from(package):
    def kept(package):
        value, hits, place = run(package)
        assert place.is_relative_to(package / "__pycache__")
        return value, hits

    assert kept(package) == (7.0, 0)
    assert kept(package) == (7.0, 1)
    callee = package / "callee.py"
    callee.write_text(callee.read_text().replace("FACTOR * value", "FACTOR * value + 10.0"))
    assert kept(package) == (17.0, 0)
    (package / "constants.py").write_text("FACTOR = 3.0\n")
    assert kept(package) == (20.0, 0)
    assert kept(package) == (20.0, 1)
    caller = package / "caller.py"
    caller.write_text(caller.read_text().replace("Shift", "Displacement"))
    assert kept(package) == (20.0, 0)


def test_without_a_place_to_write_code_lies_in_a_private_temporary_folder(package, tmp_path):
    (package / "__pycache__").write_text("a file, so that no folder can be made, not even by root")
    temporary, nowhere = tmp_path / "temporary", tmp_path / "nowhere"
    temporary.mkdir()
    nowhere.write_text("")
    for hits in (0, 1):
        value, found, place = run(package, HOME=str(nowhere), XDG_CACHE_HOME="", TMPDIR=str(temporary))
        assert (value, found) == (7.0, hits)
        assert place.is_relative_to(temporary)
        assert next(temporary.iterdir()).stat().st_mode & 0o077 == 0


def test_a_temporary_folder_that_others_can_write_is_not_trusted(package, tmp_path):
    (package / "__pycache__").write_text("")
    temporary, nowhere = tmp_path / "temporary", tmp_path / "nowhere"
    nowhere.write_text("")
    theirs = temporary / f"basinet-{os.getuid()}"
    theirs.mkdir(parents=True)
    theirs.chmod(0o777)
    place = run(package, HOME=str(nowhere), XDG_CACHE_HOME="", TMPDIR=str(temporary))[2]
    assert not place.is_relative_to(theirs)
