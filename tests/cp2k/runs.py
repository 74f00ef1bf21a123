"""The fixtures' runs, and how tests change a copy of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from basinet.cp2k.run_directory import read_run
from basinet.errors import InputError

FIXTURES = Path(__file__).parent / "fixtures"


def edit(path: Path, *pairs: tuple[str, str]) -> None:
    """Replace texts of a file; each must be there."""
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def refuse(path, message: str, **choices) -> str:
    """Expect that a run is refused in one line, and give it back."""
    with pytest.raises(InputError, match=message) as caught:
        read_run(path, **choices)
    assert "\n" not in str(caught.value)
    return str(caught.value)
