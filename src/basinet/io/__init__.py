"""Reading and writing: frames, tables, saved models, provenance."""

from __future__ import annotations
