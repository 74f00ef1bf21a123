"""The answer in plain words, put together from verdicts and numbers; no sentence here presumes a result."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from basinet.study.claims.verdict import SMALLEST_EFFECT, Claim
from basinet.study.report.results import StudyResults, floor, model_row
from basinet.study.report.tables import pearson_r

_UNTESTABLE = "not testable here"


def answer(results: StudyResults, claims: Sequence[Claim]) -> list[str]:
    """Paragraphs: the central question, what is recovered in each system, and the count of verdicts."""
    recovered = [_recovery(results, system) for system in results.systems]
    paragraphs = [_width_answer(claims), *(words for words in recovered if words), _verdict_count(claims)]
    return [words for words in paragraphs if words]


def _width_answer(claims: Sequence[Claim]) -> str:
    """The central question, if wide networks lose the local energies, and its answer."""
    found = [claim for claim in claims if claim.key == "local-falls" and claim.verdict != _UNTESTABLE]
    if not found:
        return "Whether local energies get worse with the width of the network was not tested in this study."
    cases: dict[str, list[str]] = {}
    for claim in found:
        cases.setdefault(claim.verdict, []).append(f"{claim.subject} ({-claim.value:+.3f} in r)")
    joined = {verdict: " and ".join(filter(None, [", ".join(each[:-1]), each[-1]])) for verdict, each in cases.items()}
    start = "Do wide networks, trained on total energies, lose the local energies? "
    if [*joined] == ["supported"]:
        return f"{start}Yes, in every case tested: from the best narrower width to the widest, {joined['supported']}."
    if [*joined] == ["contradicted"]:
        return (
            f"{start}No: in no case tested does r fall by {SMALLEST_EFFECT} or more from the best width to the "
            f"widest ({joined['contradicted']})."
        )
    words = {
        "supported": "they do in",
        "contradicted": "they do not, by an amount that matters, in",
        "not resolved": "it is not resolved in",
    }
    parts = "; ".join(f"{text} {joined[verdict]}" for verdict, text in words.items() if verdict in joined)
    return f"{start}From the best narrower width to the widest, {parts}."


def _recovery(results: StudyResults, system: str) -> str:
    """Local fidelity of the chosen network in one system, between the marks that make it readable."""
    row = model_row(results, "network", system, "local")
    if not row:
        return ""
    name = ", ".join(
        f"{value}" if key == "activation" else f"{key} {value}" for key, value in results.chosen(system).items()
    )
    words = (
        f"{results.label(system)}: networks that saw {results.trained_on} ({name}; mean of the ensemble) "
        f"recover the local DFT energies of unseen frames with Pearson {_r(row)}"
    )
    corrected = model_row(results, "network", system, "local", "pair") if system in results.mixtures else {}
    if corrected:
        words += f", and with {_r(corrected)} without the pair gauge, which totals cannot determine"
    marks = [
        f"{introduction} {mark['pearson_r']:.3f}"
        for introduction, model in (
            ("a literature pair potential reaches", "lennard_jones"),
            ("tanh networks trained on the local energies themselves", "ceiling"),
        )
        if (mark := model_row(results, model, system, "local")).get("pearson_r") is not None
    ]
    limit = floor(results, system, "local")
    if np.isfinite(limit):
        marks.append(f"95 % of untrained networks stay below {limit:.2f}")
    total = model_row(results, "network", system, "total")
    tail = f" Its total energies: {_r(total)}." if total else ""
    return words + (f"; {', '.join(marks)}" if marks else "") + "." + tail


def _r(row: Mapping[str, Any]) -> str:
    return f"r = {pearson_r(row, '95 % interval ')}"


def _verdict_count(claims: Sequence[Claim]) -> str:
    tested = [claim for claim in claims if claim.verdict != _UNTESTABLE]
    if not tested:
        return "None of the paper's statements could be tested in this study."
    counts = {v: sum(c.verdict == v for c in tested) for v in ("supported", "contradicted", "not resolved")}
    verdicts = [{claim.verdict for claim in tested if claim.key == key} for key in {claim.key for claim in tested}]
    return (
        f"{len(verdicts)} statements of the paper were tested in {len(tested)} cases (statement and system): "
        f"{counts['supported']} supported, {counts['contradicted']} contradicted, {counts['not resolved']} "
        f"not resolved. {verdicts.count({'supported'})} statements are supported in every case, "
        f"{verdicts.count({'contradicted'})} contradicted in every case."
    )
