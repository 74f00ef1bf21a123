"""The command line, shared with the room of the commands."""

from __future__ import annotations

from tests.cli.conftest import run

__all__ = ["run"]
