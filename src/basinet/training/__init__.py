"""Ensembles of networks trained on total energies only."""

from basinet.training.settings import TrainingSettings

__all__ = ["TrainingSettings"]
