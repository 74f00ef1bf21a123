"""Statements about the relation between electrostatic and remaining energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from basinet.frames.bootstrap import Interval
from basinet.study.claims.verdict import Claim, Statement, Verdict, judge_below
from basinet.study.tables import is_mixture, system_label

NO_RELATION = "no relation was fitted in this study"

EXPLAINED = 0.1
"""A relation that leaves less than this share of the variance of E_tot counts as a strong one."""
PAPER_RMSE = 0.3
"""The paper's residual, meV per atom; the same order means within a factor of two."""
CHEMICAL_ACCURACY = 43.4
"""1 kcal/mol in meV: the limit within which a line is said to pass through the isolated atom."""

LINE = Statement(
    "relation-linear",
    "The rest of the total energy depends linearly on the classical electrostatic energy.",
    "Local energy computation; Figs. 1, 5 and 6",
)
RMSE = Statement(
    "relation-rmse",
    "The linear fit leaves about 0.3 meV per atom.",
    "Local energy computation",
)
INTERCEPT = Statement(
    "relation-intercept",
    "The intercepts of the pure systems follow from the isolated atoms.",
    "Local energy computation",
)


def relation_claims(relation: Mapping[str, Any] | None, elements: Mapping[str, Sequence[str]]) -> list[Claim]:
    """All statements about the relation, from the entries of ``relation.json``."""
    entries = {name: entry for name, entry in (relation or {}).items() if isinstance(entry, Mapping)}
    if not entries:
        return [statement.untestable("all systems", NO_RELATION) for statement in (LINE, RMSE, INTERCEPT)]
    ordered = [name for name in elements if name in entries] + [name for name in entries if name not in elements]
    labels = {name: system_label(name, elements.get(name, ())) for name in ordered}
    pure = [name for name in ordered if not is_mixture(elements.get(name, ()))]
    claims = [line_claim(labels[name], entries[name]) for name in ordered]
    claims += [rmse_claim(labels[name], entries[name]) for name in ordered]
    return claims + [intercept_claim(labels[name], entries[name]) for name in pure or ordered]


def number(value: Any) -> float:
    """The number, nan where it is missing."""
    return float(value) if isinstance(value, (int, float)) else float("nan")


def with_interval(entry: Mapping[str, Any], key: str) -> Interval:
    """A figure of the relation with its interval."""
    intervals = entry.get("intervals")
    found = intervals.get(key) if isinstance(intervals, Mapping) else None
    low, high = found if isinstance(found, (list, tuple)) and len(found) == 2 else (None, None)
    return Interval(number(entry.get(key)), number(low), number(high))


def line_claim(label: str, entry: Mapping[str, Any]) -> Claim:
    """Judged by the variance of the total energy that the line leaves, not by the part-whole correlation."""
    found = with_interval(entry, "unexplained_variance")
    if not np.isfinite(found.low):
        return LINE.untestable(label, "no interval of the unexplained variance in relation.json")
    return LINE.judged(
        label,
        f"share of the variance of E_tot that the line leaves: {found.estimate:.3f}",
        found,
        judge_below(found, EXPLAINED),
        f"r(E_rest, E_es) = {number(entry.get('pearson_r')):.4f}, but {number(entry.get('null_r')):.3f} "
        "with E_tot shuffled over frames: E_es stands on both axes. The informative figures are r(E_tot, "
        f"E_es) = {number(entry.get('pearson_r_total_es')):.3f} and the variance left; strong means below "
        f"{EXPLAINED}. Slope {number(entry.get('slope')):.4f}.",
    )


def rmse_claim(label: str, entry: Mapping[str, Any]) -> Claim:
    """Judged by whether the interval lies within a factor of two of the paper's value."""
    found = with_interval(entry, "rmse_mev_per_atom")
    if not np.isfinite(found.low):
        return RMSE.untestable(label, "no interval of the RMSE in relation.json")
    low, high = PAPER_RMSE / 2.0, 2.0 * PAPER_RMSE
    verdict: Verdict = "not resolved"
    if low <= found.low and found.high <= high:
        verdict = "supported"
    elif found.high < low or found.low > high:
        verdict = "contradicted"
    return RMSE.judged(
        label,
        f"root mean square residual, meV per atom: {found.estimate:.3f}",
        found,
        verdict,
        f"Fitted to {number(entry.get('n_frames')):.0f} training frames; the same order means {low} to "
        f"{high} meV per atom. Interval: block bootstrap over frames.",
    )


def intercept_claim(label: str, entry: Mapping[str, Any]) -> Claim:
    """Judged by how far the liquid's line passes from the isolated atom."""
    checks = next((v for k, v in entry.items() if k.startswith("isolated") and isinstance(v, Mapping)), {})
    deviations = {element: number(value) for element, value in checks.items() if np.isfinite(number(value))}
    if not deviations:
        return INTERCEPT.untestable(label, "no isolated atoms in this study")
    worst = max(deviations, key=lambda element: abs(deviations[element]))
    value = deviations[worst]
    each = ", ".join(f"{element} {deviation:.1f} meV" for element, deviation in deviations.items())
    return INTERCEPT.judged(
        label,
        f"the liquid's line misses the isolated atom by {value:.1f} meV",
        Interval(value, float("nan"), float("nan")),
        "supported" if abs(value) < CHEMICAL_ACCURACY else "contradicted",
        f"{each}: intercept less E_rest,0 - a E_es,0 of the isolated atom. An extrapolation far beyond the "
        f"liquid's own range; related means within {CHEMICAL_ACCURACY} meV (1 kcal/mol), and not exactly: "
        f"the residual of the line itself is {number(entry.get('rmse_mev_per_atom')):.2f} meV per atom.",
    )
