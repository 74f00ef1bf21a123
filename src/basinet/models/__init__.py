"""Models that give every atom an energy: networks per species, ridge, pair potentials."""

from basinet.models.architecture import Architecture
from basinet.models.ensemble import Ensemble, compose, load_model
from basinet.models.network import Layer, Network
from basinet.models.ridge import RidgeModel, fit_ridge
from basinet.models.scaling import Scaling, fit_scaling

__all__ = [
    "Architecture",
    "Ensemble",
    "Layer",
    "Network",
    "RidgeModel",
    "Scaling",
    "compose",
    "fit_ridge",
    "fit_scaling",
    "load_model",
]
