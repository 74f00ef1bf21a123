"""Long work: its workers, its progress, and where its results come from."""

from __future__ import annotations
