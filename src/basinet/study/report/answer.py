"""The answer in plain words, put together from verdicts and numbers; no sentence here presumes a result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from basinet.study.claims.verdict import SMALLEST_EFFECT, Claim
from basinet.study.report.results import StudyResults, baseline, ensemble, floor
from basinet.study.report.tables import interval

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
    groups = {
        verdict: [f"{claim.subject} ({claim.value:+.3f} in r)" for claim in _flipped(found) if claim.verdict == verdict]
        for verdict in ("supported", "contradicted", "not resolved")
    }
    start = "Do wide networks, trained on total energies, lose the local energies? "
    if len(groups["supported"]) == len(found):
        return (
            start
            + f"Yes, in every case tested: from the best narrower width to the widest, {_joined(groups['supported'])}."
        )
    if len(groups["contradicted"]) == len(found):
        return start + (
            f"No: in no case tested does r fall by {SMALLEST_EFFECT} or more from the best width to the "
            f"widest ({_joined(groups['contradicted'])})."
        )
    parts = []
    if groups["supported"]:
        parts.append(f"they do in {_joined(groups['supported'])}")
    if groups["contradicted"]:
        parts.append(f"they do not, by an amount that matters, in {_joined(groups['contradicted'])}")
    if groups["not resolved"]:
        parts.append(f"it is not resolved in {_joined(groups['not resolved'])}")
    return start + f"From the best narrower width to the widest, {'; '.join(parts)}."


def _flipped(claims: Sequence[Claim]) -> list[Claim]:
    """The claims with the fall as a signed change of r."""
    return [Claim(**{**vars(claim), "value": -claim.value}) for claim in claims]


def _recovery(results: StudyResults, system: str) -> str:
    """Local fidelity of the chosen network in one system, between the marks that make it readable."""
    row = ensemble(results, system, "local")
    if not row:
        return ""
    chosen = results.chosen(system)
    name = " ".join(f"{key} {value}," if key != "activation" else f"{value}," for key, value in chosen.items()).strip(
        ","
    )
    words = (
        f"{results.label(system)}: networks that saw {results.trained_on} ({name}; mean of the ensemble) "
        f"recover the local DFT energies of unseen frames with Pearson {_number(row)}"
    )
    if system in results.mixtures:
        corrected = ensemble(results, system, "local", "pair")
        if corrected:
            words += f", and with {_number(corrected)} without the pair gauge, which totals cannot determine"
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
    tail = f" Its total energies: {_number(total)}." if total else ""
    return words + (f"; {', '.join(marks)}" if marks else "") + "." + tail


def _number(row: dict[str, Any]) -> str:
    """``r = 0.95 (95 % interval 0.93 to 0.97)``."""
    ends = interval(row.get("pearson_r_low"), row.get("pearson_r_high"))
    return f"r = {row['pearson_r']:.3f}" + (f" (95 % interval {ends})" if ends != "–" else "")


def _verdict_count(claims: Sequence[Claim]) -> str:
    """Verdicts on the paper's statements, counted by statement and system."""
    tested = [claim for claim in claims if claim.verdict != _UNTESTABLE]
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


def _joined(parts: Sequence[str]) -> str:
    """``a, b and c``."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
