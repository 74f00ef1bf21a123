"""The peers as fixtures; a test whose peer is missing is skipped, or fails where BASINET_REQUIRE_PEERS=1."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.peers import programs

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peers.programs import Partition

WHERE = {
    "baderkit": "no Python here has baderkit (name one that has by BASINET_PEERS_PYTHON; see tests/peers/programs.py)",
    "pybader": "no Python here has pybader (name one that has by BASINET_PEERS_PYTHON; see tests/peers/programs.py)",
    "dftpy": "no Python here has dftpy (name one that has by BASINET_PEERS_PYTHON; see tests/peers/programs.py)",
    "bader": "Henkelman's bader is not on the PATH",
    "critic2": "critic2 is not on the PATH",
}


def require(name: str) -> None:
    """Skip the test if a peer is missing."""
    if programs.is_present(name):
        return
    if os.environ.get("BASINET_REQUIRE_PEERS") == "1":
        pytest.fail(f"{WHERE[name]}, but BASINET_REQUIRE_PEERS=1", pytrace=False)
    pytest.skip(WHERE[name])


@pytest.fixture
def baderkit() -> Callable[..., Partition]:
    """Baderkit's weight method; its first run on a machine compiles for minutes."""
    require("baderkit")
    return partial(programs.run_python, "baderkit")


@pytest.fixture
def pybader() -> Callable[..., Partition]:
    """Pybader's near-grid method; it has no weight method."""
    require("pybader")
    return partial(programs.run_python, "pybader")


@pytest.fixture
def bader() -> Callable[..., Partition]:
    """Henkelman's bader, its weight method."""
    require("bader")
    return programs.run_bader


@pytest.fixture
def critic2() -> Callable[..., Partition]:
    """critic2's Yu-Trinkle integration."""
    require("critic2")
    return programs.run_critic2
