"""The relation E_rest = a E_es + b, and the local DFT energies that follow from it."""

from __future__ import annotations

from basinet.relation.fit import RelationScores, evaluate_relation, fit_relation, isolated_atom_check
from basinet.relation.local import local_electrostatic_energies
from basinet.relation.relation import Relation

__all__ = [
    "Relation",
    "RelationScores",
    "evaluate_relation",
    "fit_relation",
    "isolated_atom_check",
    "local_electrostatic_energies",
]
