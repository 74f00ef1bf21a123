"""Potentials that give every atom an energy: networks, ridge, pair potentials, and their training."""

from __future__ import annotations

from basinet.potentials.dataset import DescriptorRange, Scaling, fit_range, fit_scaling
from basinet.potentials.ensemble import Ensemble, Evaluation, compose, load_model
from basinet.potentials.network import Architecture, Layer, Network
from basinet.potentials.ridge import RidgeModel, fit_ridge
from basinet.potentials.settings import TrainingSettings

__all__ = [
    "Architecture",
    "DescriptorRange",
    "Ensemble",
    "Evaluation",
    "Layer",
    "Network",
    "RidgeModel",
    "Scaling",
    "TrainingSettings",
    "compose",
    "fit_range",
    "fit_ridge",
    "fit_scaling",
    "load_model",
]
