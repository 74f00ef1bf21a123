"""Classical molecular dynamics of noble-gas liquids, and a synthetic liquid that is known exactly."""

from __future__ import annotations
