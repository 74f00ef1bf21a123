"""The paper's statements, each with the statistic that tests it here, an interval and a verdict."""

from __future__ import annotations

from basinet.study.claims.evaluate import evaluate_claims
from basinet.study.claims.verdict import Claim

__all__ = [
    "Claim",
    "evaluate_claims",
    "system_label",
]
