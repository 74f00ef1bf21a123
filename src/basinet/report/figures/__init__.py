"""Figures of a study: the paper's ten, and more that put them in context."""

from __future__ import annotations

from basinet.report.figures.catalogue import EXTRA_FIGURES, PAPER_FIGURES, FigureEntry
from basinet.report.figures.write import write_figures

__all__ = ["EXTRA_FIGURES", "PAPER_FIGURES", "FigureEntry", "write_figures"]
