"""Models that give every atom an energy: networks per species, ridge, pair potentials."""

from basinet.models.architecture import Architecture
from basinet.models.composition import compose
from basinet.models.ensemble import Ensemble, load_model
from basinet.models.evaluation import Evaluation
from basinet.models.network import Layer, Network
from basinet.models.ridge import RidgeModel, fit_ridge
from basinet.models.scaling import DescriptorRange, Scaling, fit_range, fit_scaling

__all__ = [
    "Architecture",
    "DescriptorRange",
    "Ensemble",
    "Evaluation",
    "Layer",
    "Network",
    "RidgeModel",
    "Scaling",
    "compose",
    "fit_range",
    "fit_ridge",
    "fit_scaling",
    "load_model",
]
