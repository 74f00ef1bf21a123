"""Molecular dynamics with any ASE calculator, and what is measured on its trajectories."""

from __future__ import annotations
