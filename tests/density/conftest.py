"""The CP2K run that this room shares with others."""

from __future__ import annotations

from tests.cp2k_engine import argon_run

__all__ = ["argon_run"]
