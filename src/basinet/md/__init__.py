"""Molecular dynamics: one run, liquids to start from, and what is measured on trajectories."""
