"""Trained potentials at work in LAMMPS."""

from __future__ import annotations
