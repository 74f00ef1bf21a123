"""Trained potentials at work in LAMMPS."""
