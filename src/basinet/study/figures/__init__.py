"""Figures of a study: the paper's ten, and more that put them in context."""

from __future__ import annotations

from basinet.study.figures.catalogue import EXTRA_FIGURES, PAPER_FIGURES, FigureEntry, write_figures

__all__ = [
    "EXTRA_FIGURES",
    "PAPER_FIGURES",
    "FigureEntry",
    "write_figures",
]
