"""Statements about the relation between electrostatic and remaining energy."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from basinet.frames.bootstrap import Interval
from basinet.study.claims.verdict import Claim, Statement, judge_between, spelled
from basinet.study.systems import RelationRecord
from basinet.study.tables import is_mixture, select, system_label

_EXPLAINED = 0.1  # a relation that leaves less than this share of the variance of E_tot counts as a strong one
_PAPER_RMSE = 0.3  # the paper's residual, meV per atom; the same order means within a factor of two
_CHEMICAL_ACCURACY = 43.4  # 1 kcal/mol in meV: the limit within which a line is said to pass through the isolated atom
_LINE = Statement(
    "relation-linear",
    "The rest of the total energy depends linearly on the classical electrostatic energy.",
    "Local energy computation; Figs. 1, 5 and 6",
)
_RMSE = Statement("relation-rmse", "The linear fit leaves about 0.3 meV per atom.", "Local energy computation")
_INTERCEPT = Statement(
    "relation-intercept",
    "The intercepts of the pure systems follow from the isolated atoms.",
    "Local energy computation",
)

_ATOMS = Statement(
    "relation-atoms",
    "The relation of the totals is that of each atom, which the paper assumes.",
    "Local energy computation",
)
_SLOPE = (0.9, 1.1)  # slopes of direct local energies on the relation's that count as 1
_OTHERS = {
    "relation_electronic": "the relation in the reading of the electrons alone",
    "pair_potential": "the literature pair potential",
}


def relation_claims(relations: Mapping[str, RelationRecord], elements: Mapping[str, Sequence[str]]) -> list[Claim]:
    """All statements about the relation, from the entries of ``relation.json``."""
    if not relations:
        reason = "no relation was fitted in this study"
        return [statement.untestable("all systems", reason) for statement in (_LINE, _RMSE, _INTERCEPT)]
    ordered = dict.fromkeys([*(name for name in elements if name in relations), *relations])
    cases = [(system_label(name, elements.get(name, ())), relations[name]) for name in ordered]
    pure = [case for case, name in zip(cases, ordered, strict=True) if not is_mixture(elements.get(name, ()))]
    return [
        *(_line_claim(*case) for case in cases),
        *(_rmse_claim(*case) for case in cases),
        *(_intercept_claim(*case) for case in pure or cases),
    ]


def _line_claim(label: str, relation: RelationRecord) -> Claim:
    """Judged by the variance of the total energy that the line leaves, not by the part-whole correlation."""
    found = relation.interval("unexplained_variance")
    if not np.isfinite(found.low):
        return _LINE.untestable(label, "no interval of the unexplained variance in relation.json")
    r, null, r_total = (
        np.nan if value is None else value
        for value in (relation.pearson_r, relation.null_r, relation.pearson_r_total_es)
    )
    return _LINE.judged(
        label,
        f"share of the variance of E_tot that the line leaves: {found.estimate:.3f}",
        found,
        f"r(E_rest, E_es) = {r:.4f}, but {null:.3f} with E_tot shuffled over frames: E_es stands on both axes. The "
        f"informative figures are r(E_tot, E_es) = {r_total:.3f} and the variance left; strong means below "
        f"{_EXPLAINED}. Slope {relation.slope:.4f}.",
        judge_between(found, high=_EXPLAINED),
    )


def _rmse_claim(label: str, relation: RelationRecord) -> Claim:
    """Judged by whether the interval lies within a factor of two of the paper's value."""
    found = relation.interval("rmse_mev_per_atom")
    if not np.isfinite(found.low):
        return _RMSE.untestable(label, "no interval of the RMSE in relation.json")
    low, high = _PAPER_RMSE / 2.0, 2.0 * _PAPER_RMSE
    return _RMSE.judged(
        label,
        f"root mean square residual, meV per atom: {found.estimate:.3f}",
        found,
        f"Fitted to {relation.n_frames} training frames; the same order means {low} to "
        f"{high} meV per atom. Interval: block bootstrap over frames.",
        judge_between(found, low, high),
    )


def _intercept_claim(label: str, relation: RelationRecord) -> Claim:
    """Judged by how far the liquid's line passes from the isolated atom."""
    deviations = relation.isolated_atom_check_mev
    if not deviations:
        return _INTERCEPT.untestable(label, "no isolated atoms in this study")
    value = max(deviations.values(), key=abs)
    each = ", ".join(f"{element} {deviation:.1f} meV" for element, deviation in deviations.items())
    return _INTERCEPT.judged(
        label,
        f"the liquid's line misses the isolated atom by {value:.1f} meV",
        Interval(value, np.nan, np.nan),
        f"{each}: intercept less E_rest,0 - a E_es,0 of the isolated atom. An extrapolation far beyond the "
        f"liquid's own range; related means within {_CHEMICAL_ACCURACY} meV (1 kcal/mol), and not exactly: "
        f"the residual of the line itself is {relation.rmse_mev_per_atom:.2f} meV per atom.",
        "supported" if abs(value) < _CHEMICAL_ACCURACY else "contradicted",
    )


def atom_claims(direct: pd.DataFrame, elements: Mapping[str, Sequence[str]]) -> list[Claim]:
    """The statement about single atoms, from the rows of ``direct.csv`` on the size with most atoms in all."""
    claims = []
    for name in dict.fromkeys(direct["system"]):
        rows = select(direct, system=name, species="all")
        rows = rows[rows["n_values"] == rows["n_values"].max()]
        by = {row["compared"]: row for row in rows.to_dict("records")}
        row = by["relation"]
        slope, r = (Interval(row[key], row[f"{key}_low"], row[f"{key}_high"]) for key in ("slope", "pearson_r"))
        others = ", ".join(f"{words} {by[key]['pearson_r']:.3f}" for key, words in _OTHERS.items() if key in by)
        claim = _ATOMS.judged(
            system_label(name, elements.get(name, ())),
            f"slope of direct local energies on those of the relation: {slope.estimate:.3f}",
            slope,
            f"Direct energies are those that DFT gives to the regions, nothing fitted. r = {spelled(r)}, within frames "
            f"{row['pearson_r_within']:.3f}; the relation leaves {row['rmse_mev']:.1f} of {row['spread_mev']:.1f} meV. "
            f"r of others: {others or 'none'}. The same means a slope from {_SLOPE[0]} to {_SLOPE[1]}. Interval: block "
            "bootstrap over frames.",
            judge_between(slope, *_SLOPE),
        )
        claims.append(claim)
    return claims or [_ATOMS.untestable("all systems", "no frame carries direct local energies")]
