"""Trained potentials at work in the programs that people run: ASE and LAMMPS."""
