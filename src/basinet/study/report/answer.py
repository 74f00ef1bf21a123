"""The answer in plain words, put together from verdicts and numbers; no sentence here presumes a result."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from html import escape
from typing import Any

import numpy as np

from basinet.study.claims.verdict import SMALLEST_EFFECT, Claim
from basinet.study.report.pieces import framed, interval
from basinet.study.report.results import StudyResults, baseline, ensemble, floor

UNTESTABLE = "not testable here"


def answer(results: StudyResults, claims: Sequence[Claim]) -> list[str]:
    """Paragraphs: the central question, what is recovered in each system, and the count of verdicts."""
    recovered = [recovery(results, system) for system in results.systems]
    paragraphs = [width_answer(claims), *(words for words in recovered if words), verdict_count(claims)]
    return [words for words in paragraphs if words]


def width_answer(claims: Sequence[Claim]) -> str:
    """Whether wide networks lose the local energies."""
    found = [claim for claim in claims if claim.key == "local-falls" and claim.verdict != UNTESTABLE]
    if not found:
        return "Whether local energies get worse with the width of the network was not tested in this study."
    groups = {
        verdict: [f"{claim.subject} ({claim.value:+.3f} in r)" for claim in flipped(found) if claim.verdict == verdict]
        for verdict in ("supported", "contradicted", "not resolved")
    }
    start = "Do wide networks, trained on total energies, lose the local energies? "
    if len(groups["supported"]) == len(found):
        return (
            start
            + f"Yes, in every case tested: from the best narrower width to the widest, {joined(groups['supported'])}."
        )
    if len(groups["contradicted"]) == len(found):
        return start + (
            f"No: in no case tested does r fall by {SMALLEST_EFFECT} or more from the best width to the "
            f"widest ({joined(groups['contradicted'])})."
        )
    parts = []
    if groups["supported"]:
        parts.append(f"they do in {joined(groups['supported'])}")
    if groups["contradicted"]:
        parts.append(f"they do not, by an amount that matters, in {joined(groups['contradicted'])}")
    if groups["not resolved"]:
        parts.append(f"it is not resolved in {joined(groups['not resolved'])}")
    return start + f"From the best narrower width to the widest, {'; '.join(parts)}."


def flipped(claims: Sequence[Claim]) -> list[Claim]:
    """The claims with the fall as a signed change of r."""
    return [Claim(**{**vars(claim), "value": -claim.value}) for claim in claims]


def recovery(results: StudyResults, system: str) -> str:
    """What the chosen network recovers in one system, and how to read the number."""
    row = ensemble(results, system, "local")
    if not row:
        return ""
    chosen = results.chosen(system)
    name = " ".join(f"{key} {value}," if key != "activation" else f"{value}," for key, value in chosen.items()).strip(
        ","
    )
    words = (
        f"{results.label(system)}: networks that saw {results.trained_on} ({name}; mean of the ensemble) "
        f"recover the local DFT energies of unseen frames with Pearson {number(row)}"
    )
    if system in results.mixtures:
        corrected = ensemble(results, system, "local", "pair")
        if corrected:
            words += f", and with {number(corrected)} without the pair gauge, which totals cannot determine"
    marks = [
        f"{introduction} {mark['pearson_r']:.3f}"
        for introduction, model in (
            ("a literature pair potential reaches", "lennard_jones"),
            ("tanh networks trained on the local energies themselves", "ceiling"),
        )
        if (mark := baseline(results, model, system, "local")).get("pearson_r") is not None
    ]
    limit = floor(results, system, "local")
    if np.isfinite(limit):
        marks.append(f"95 % of untrained networks stay below {limit:.2f}")
    total = ensemble(results, system, "total")
    tail = f" Its total energies: {number(total)}." if total else ""
    return words + (f"; {', '.join(marks)}" if marks else "") + "." + tail


def number(row: dict[str, Any]) -> str:
    """``r = 0.95 (95 % interval 0.93 to 0.97)``."""
    ends = interval(row.get("pearson_r_low"), row.get("pearson_r_high"))
    return f"r = {row['pearson_r']:.3f}" + (f" (95 % interval {ends})" if ends != "–" else "")


def verdict_count(claims: Sequence[Claim]) -> str:
    """How the paper's statements fared, counted by statement and system."""
    tested = [claim for claim in claims if claim.verdict != UNTESTABLE]
    if not tested:
        return "None of the paper's statements could be tested in this study."
    counts = {v: sum(c.verdict == v for c in tested) for v in ("supported", "contradicted", "not resolved")}
    unanimous: dict[str, list[str]] = {"supported": [], "contradicted": []}
    for key in dict.fromkeys(claim.key for claim in tested):
        verdicts = {claim.verdict for claim in tested if claim.key == key}
        for verdict, keys in unanimous.items():
            if verdicts == {verdict}:
                keys.append(key)
    n_statements = len({claim.key for claim in tested})
    return (
        f"{n_statements} statements of the paper were tested in {len(tested)} cases (statement and system): "
        f"{counts['supported']} supported, {counts['contradicted']} contradicted, {counts['not resolved']} "
        f"not resolved. {len(unanimous['supported'])} statements are supported in every case, "
        f"{len(unanimous['contradicted'])} contradicted in every case."
    )


def joined(parts: Sequence[str]) -> str:
    """``a, b and c``."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


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
