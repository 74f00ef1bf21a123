"""The paper's statements, each with the statistic that tests it here, an interval and a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from basinet.study.claims.members import sweep_members
from basinet.study.claims.relation import relation_claims
from basinet.study.claims.transfer import mixture_struggles, transfer_claims
from basinet.study.claims.verdict import Claim
from basinet.study.claims.width import (
    architectures_alike,
    local_curves,
    local_falls,
    small_networks,
    small_networks_cheaper,
    small_networks_scatter,
    total_curves,
    totals_stay_accurate,
)
from basinet.study.systems import RelationRecord
from basinet.study.tables import select, system_elements

__all__ = ["Claim", "evaluate_claims"]


def evaluate_claims(
    table: pd.DataFrame,
    relations: Mapping[str, RelationRecord] | None = None,
    elements: Mapping[str, Sequence[str]] | None = None,
) -> list[Claim]:
    """Test the statements of the paper (arXiv:2403.00377) on the results of a study.

    A statement that a quantity exceeds another is ``supported`` if the 95 % interval of the difference lies
    above zero and the difference is at least the smallest that matters (0.02 in Pearson r), ``contradicted``
    if the interval lies below that smallest effect, else ``not resolved``. A statement of likeness is
    ``supported`` if the interval lies within the margin and ``contradicted`` if it lies beyond. What the
    study did not measure is ``not testable here``. The margins are constants beside the statements. Intervals are over
    seeds (see :mod:`basinet.study.claims.members`), except where the detail says otherwise.

    Many statements are tested at once without a correction: read the intervals, not only the verdicts.

    Parameters
    ----------
    table
        The rows of ``results.csv``, with the columns of `basinet.study.tables.RESULTS`.
    relations
        The entries of ``relation.json``, by system.
    elements
        Elements of each system; by default those that have rows of their own.

    Returns
    -------
    list of Claim
        In the paper's order; one row per statement and system.

    Examples
    --------
    >>> from basinet.study.tables import RESULTS, as_table
    >>> claims = evaluate_claims(as_table([], RESULTS))
    >>> {claim.verdict for claim in claims}
    {'not testable here'}
    """
    rows = sweep_members(table)
    systems = system_elements(select(table, transferred=False), elements) or {"study": ()}
    totals, curves = total_curves(rows, systems), local_curves(rows, systems)
    small = [small_networks(*curve) for curve in curves]
    return [
        *relation_claims(relations or {}, systems),
        *(totals_stay_accurate(*curve) for curve in totals),
        *(small_networks_scatter(*curve) for curve in totals),
        *(local_falls(*curve) for curve in curves),
        *mixture_struggles(table, rows, systems),
        *(architectures_alike(*curve) for curve in curves),
        *transfer_claims(rows, systems),
        *(better for better, _ in small),
        *(suffice for _, suffice in small),
        small_networks_cheaper(table, rows, systems),
    ]
