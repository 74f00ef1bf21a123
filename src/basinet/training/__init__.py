"""Ensembles of networks, trained on total energies only or on forces too."""

from basinet.training.settings import TrainingSettings

__all__ = ["TrainingSettings"]
