"""The points of the relation's figures: energies per atom relative to the isolated atoms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from basinet.study.systems import frame_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from basinet.study.systems import StudySystem

RELATION_POINT_COLUMNS = (
    "system", "frame", "n_atoms", "split", "e_es_ev", "e_rest_ev", "e_total_ev", "residual_mev",
)  # fmt: skip


def relation_points(systems: Sequence[StudySystem]) -> list[dict[str, Any]]:
    """Rows of `relation_points.csv`; energies are relative to the line's own values at the isolated atoms.

    The line is ``E_rest = a E_es + sum_s N_s b_s``. With ``E_es,0 = (E0 - b) / (1 + a)`` per species, the point of an
    isolated atom on the line, ``E_es - sum_s N_s E_es,0`` and ``E_rest - sum_s N_s (E0 - E_es,0)`` vanish there.
    """
    return [row for system in systems if system.relation is not None for row in _points(system)]


def _points(system: StudySystem) -> Iterator[dict[str, Any]]:
    relation = system.relation
    if relation is None:
        return
    residuals = relation.residuals(system.frames)
    split_of = {}
    if system.split is not None:
        split_of = {int(i): name for name, block in system.split.blocks().items() for i in block}
    for index, atoms in enumerate(system.frames):
        symbols = atoms.get_chemical_symbols()
        e0 = sum(system.e0[s] for s in symbols)
        es0 = sum((system.e0[s] - relation.species_offsets[s]) / (1.0 + relation.slope) for s in symbols)
        total, electrostatic = (float(atoms.info[key]) for key in ("REF_energy", "REF_electrostatic_energy"))
        n = len(atoms)
        yield {
            "system": system.name,
            "frame": frame_label(atoms, index),
            "n_atoms": n,
            "split": split_of.get(index, "gap") if system.split is not None else "size_transfer",
            "e_es_ev": (electrostatic - es0) / n,
            "e_rest_ev": (total - electrostatic - (e0 - es0)) / n,
            "e_total_ev": (total - e0) / n,
            "residual_mev": float(np.round(1e3 * residuals[index] / n, 9)),
        }
