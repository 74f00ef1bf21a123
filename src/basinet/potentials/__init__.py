"""Potentials that give every atom an energy: networks, ridge, pair potentials, and their training."""
