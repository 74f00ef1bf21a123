"""The fixtures' runs, and how tests change a copy of them."""

from __future__ import annotations

from pathlib import Path

FIXTURES = Path(__file__).parent / "fixtures"


def edit(path: Path, *pairs: tuple[str, str]) -> None:
    """Replace texts of a file; each must be there."""
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
