"""The statements of the paper and their verdicts, as HTML and JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from html import escape
from typing import Any

from basinet.analysis.claims import Claim
from basinet.report.pieces import framed, interval

SYMBOLS = {
    "supported": ("✓", "supported"),
    "contradicted": ("✗", "contradicted"),
    "not resolved": ("?", "unresolved"),
    "not testable here": ("–", "untestable"),
}
"""Sign and style of each verdict: a sign and a word, so that colour alone never tells."""


def verdict(claim: Claim) -> str:
    """The verdict with its sign."""
    sign, kind = SYMBOLS[claim.verdict]
    return f'<span class="verdict {kind}">{sign} {escape(claim.verdict)}</span>'


def chips(claims: Iterable[Claim]) -> str:
    """Small marks, one per system."""
    marks = []
    for claim in claims:
        sign, kind = SYMBOLS[claim.verdict]
        marks.append(f'<span class="chip {kind}" title="{escape(claim.verdict)}">{sign} {escape(claim.subject)}</span>')
    return " ".join(marks)


def grouped(claims: Sequence[Claim]) -> dict[str, list[Claim]]:
    """Claims by statement, in order."""
    groups: dict[str, list[Claim]] = {}
    for claim in claims:
        groups.setdefault(claim.key, []).append(claim)
    return groups


def overview(claims: Sequence[Claim]) -> str:
    """Every statement on one line, with a mark per system."""
    rows = []
    for key, group in grouped(claims).items():
        link = f'<a href="#claim-{escape(key)}">{escape(group[0].claim)}</a>'
        rows.append(f'<tr><td class="words">{link}</td><td>{chips(group)}</td></tr>')
    return framed(("The paper says", "Here"), rows)


def claims_table(claims: Sequence[Claim]) -> str:
    """Every statement with statistic, interval, verdict and the numbers behind it."""
    rows = []
    for key, group in grouped(claims).items():
        statement = f'{escape(group[0].claim)} <span class="source">({escape(group[0].source)})</span>'
        rows.append(
            f'<tr class="statement" id="claim-{escape(key)}"><th colspan="4" scope="colgroup">{statement}</th></tr>'
        )
        for claim in group:
            rows.append(
                f'<tr class="result"><td>{escape(claim.subject)}</td>'
                f'<td class="words">{escape(claim.statistic)}</td>'
                f'<td class="number">{escape(interval(*claim.interval))}</td><td>{verdict(claim)}</td></tr>'
            )
            rows.append(f'<tr class="detail"><td></td><td colspan="3">{escape(claim.detail)}</td></tr>')
    return framed(("System", "Statistic", "95 % interval", "Verdict"), rows)


def as_json(claims: Sequence[Claim]) -> list[dict[str, Any]]:
    """The claims as JSON values; what is not a number is null."""
    return [
        {
            **asdict(claim),
            "value": claim.value if math.isfinite(claim.value) else None,
            "interval": [end if math.isfinite(end) else None for end in claim.interval],
        }
        for claim in claims
    ]
