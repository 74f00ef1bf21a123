"""Descriptors of atomic environments: arrays of positions in, arrays of descriptors out."""

from __future__ import annotations

from basinet.descriptors.bispectrum import Bispectrum, bispectrum

__all__ = [
    "Bispectrum",
    "bispectrum",
]
