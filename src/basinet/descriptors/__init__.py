"""Descriptors of atomic environments and their derivatives."""

from __future__ import annotations

from basinet.descriptors.bispectrum import Bispectrum, Gradient, PairDerivatives, element_radii

__all__ = ["Bispectrum", "Gradient", "PairDerivatives", "element_radii"]
