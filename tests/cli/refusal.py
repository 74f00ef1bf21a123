"""How a command refuses bad input."""

from __future__ import annotations

from typing import Any


def assert_refused(result: Any, *words: str) -> None:
    """Exit code 2, one line on standard error, nothing else."""
    assert result.exit_code == 2, (result.stderr, result.exception)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("basinet: error: ")
    assert "Traceback" not in result.output
    for word in words:
        assert word in lines[0]
