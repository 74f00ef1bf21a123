"""The paper's statements, each with the statistic that tests it here, an interval and a verdict."""

from collections.abc import Mapping, Sequence

import pandas as pd

from basinet.study.claims.members import sweep_members
from basinet.study.claims.networks import LOCAL_STATEMENTS, network_claims
from basinet.study.claims.relation import atom_claims, relation_claims
from basinet.study.claims.verdict import Claim
from basinet.study.systems import RelationRecord
from basinet.study.tables import DIRECT, as_table, select, system_elements

__all__ = ["LOCAL_STATEMENTS", "Claim", "evaluate_claims"]


def evaluate_claims(
    table: pd.DataFrame,
    relations: Mapping[str, RelationRecord] | None = None,
    elements: Mapping[str, Sequence[str]] | None = None,
    direct: pd.DataFrame | None = None,
) -> list[Claim]:
    """Test the statements of the paper (arXiv:2403.00377) on the results of a study.

    A statement that a quantity exceeds another is ``supported`` if the 95 % interval of the difference lies
    above zero and the difference is at least the smallest that matters (0.02 in Pearson r), ``contradicted``
    if the interval lies below that smallest effect, else ``not resolved``. A statement of likeness is
    ``supported`` if the interval lies within the margin and ``contradicted`` if it lies beyond. What the
    study did not measure is ``not testable here``. The margins are constants beside the statements. Intervals are over
    seeds (see :mod:`basinet.study.claims.members`), except where the detail says otherwise.

    Many statements are tested at once without a correction: read the intervals, not only the verdicts.

    `table` holds the rows of ``results.csv``, `relations` the entries of ``relation.json`` by system, `elements` those
    of each system, by default those that have rows of their own, `direct` the rows of ``direct.csv``. The claims are in
    the paper's order, one per statement and system.

    >>> from basinet.study.tables import RESULTS, as_table
    >>> {claim.verdict for claim in evaluate_claims(as_table([], RESULTS))}
    {'not testable here'}
    """
    systems = system_elements(select(table, transferred=False), elements) or {"study": ()}
    of_atoms = atom_claims(as_table([], DIRECT) if direct is None else direct, systems)
    return relation_claims(relations or {}, systems) + of_atoms + network_claims(table, sweep_members(table), systems)
