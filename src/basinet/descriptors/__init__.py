"""Descriptors of atomic environments and their derivatives."""

from basinet.descriptors.bispectrum import Bispectrum, Gradient, PairDerivatives, element_radii

__all__ = ["Bispectrum", "Gradient", "PairDerivatives", "element_radii"]
