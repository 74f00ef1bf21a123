"""The paper's statements, each with the statistic that tests it here, an interval and a verdict."""

from __future__ import annotations

from basinet.analysis.claims.evaluate import evaluate_claims
from basinet.analysis.claims.table import ResultsTable, system_label
from basinet.analysis.claims.verdict import Claim

__all__ = ["Claim", "ResultsTable", "evaluate_claims", "system_label"]
