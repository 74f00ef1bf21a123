"""From inputs or configurations to labelled frames."""

from __future__ import annotations
