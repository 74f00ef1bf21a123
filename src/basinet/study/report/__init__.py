"""Figures and the HTML report of a study, from its results directory."""

from __future__ import annotations

from basinet.study.report.page import write_report
from basinet.study.report.results import StudyResults, load_results

__all__ = [
    "StudyResults",
    "load_results",
    "write_report",
]
