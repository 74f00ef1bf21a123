r"""Direct local energies beside other ones: a test of the relation atom by atom.

That :math:`E_{rest} = a E_{es} + b` holds for each atom, as for the totals to which it is fitted, is an assumption that
no theorem supports. Direct local energies, the DFT energies of the same regions, come without it (M. Yu, D. R. Trinkle
and R. M. Martin, Phys. Rev. B 83, 115113 (2011)), so that it can be tested.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from ase import Atoms

from basinet.arrays import FloatArray, IntArray
from basinet.errors import InputError
from basinet.fidelity.metrics import centre_groups, local_metrics_by_species, score_interval
from basinet.fidelity.scoring import FEWEST_FRAMES
from basinet.frames.bootstrap import choose_block_length
from basinet.frames.labels import DIRECT_ENERGY, LOCAL_HARTREE_ENERGY, TOTAL_ENERGY, all_labelled, atom_labels
from basinet.frames.reading import system_of
from basinet.frames.splits import by_composition, divided, elements_of
from basinet.potentials.pair_potential import literature_lennard_jones
from basinet.relation.relation import Definition, Relation

DIRECT_COLUMNS = {  # of the table of `compare_direct_energies`, and their types
    "system": "str",
    "n_atoms": "int64",
    "compared": "str",
    "species": "str",
    **dict.fromkeys(("pearson_r", "pearson_r_low", "pearson_r_high", "pearson_r_within"), "float64"),
    **dict.fromkeys(("slope", "slope_low", "slope_high", "rmse_mev", "spread_mev", "participation"), "float64"),
    "n_values": "int64",
}
_READINGS: Mapping[Definition, str] = {"total": "relation", "electronic": "relation_electronic"}


def compare_direct_energies(frames: Sequence[Atoms], relation: Relation) -> pd.DataFrame:
    r"""Direct local energies beside the relation's, in both readings, and those of a pair potential.

    Frames of one system, labelled with ``REF_direct_energy``, ``REF_energy`` and what the relation needs; those of one
    composition are compared together. Energies are centred by species.

    Returns ``compared``: ``relation``, ``relation_electronic`` where frames have the labels of that reading, and
    ``pair_potential`` (of noble gases, the literature's). ``pearson_r``, within frames
    ``pearson_r_within``; ``slope`` of direct energies on the others, 1 if those are right; both with the 95 % interval
    of a bootstrap over blocks of frames. ``rmse_mev`` is what the others leave of ``spread_mev``, the standard
    deviation of direct energies. ``participation`` tells on how many atoms a frame's difference sits, the mean over
    frames of :math:`(\sum_i |d_i|)^2 / (N \sum_i d_i^2)`: 1 on all alike, :math:`2 / \pi` if the differences d are
    normally distributed about zero, 1/N on a single one. InputError if labels are missing.
    """
    rows: list[dict[str, Any]] = []
    for group in by_composition(divided(frames)[0]):
        if not all_labelled(group, DIRECT_ENERGY):
            name = system_of(group[0])
            raise InputError(f"system {name}: no frame has {DIRECT_ENERGY}; see direct energies in docs/partition.md")
        for compared, local in _others(group, relation):
            rows += _rows(group, compared, local)
    return pd.DataFrame(rows, columns=list(DIRECT_COLUMNS)).astype(DIRECT_COLUMNS)


def _others(frames: Sequence[Atoms], relation: Relation) -> Iterator[tuple[str, Callable[[Atoms], FloatArray]]]:
    """Whose local energies are compared, and the function from a frame to them, (n_atoms,) eV."""
    for definition, name in _READINGS.items():
        if definition == "total" or all_labelled(frames, LOCAL_HARTREE_ENERGY[definition]):
            yield name, partial(relation.local_energies, definition=definition)
    literature = literature_lennard_jones()
    if {*elements_of(frames)} <= {*literature.elements}:
        yield "pair_potential", literature.local_energies


def direct_and_related(frames: Sequence[Atoms], local: Callable[[Atoms], FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Direct local energies of all atoms and those of a function of the frame, (n,) each, centred by species, eV."""
    _, species, number = _indices(frames)
    pooled = (
        np.concatenate([of(atoms) for atoms in frames])
        for of in (partial(atom_labels, key=DIRECT_ENERGY, index=None), local)
    )
    direct, other = (centre_groups(values, species, number) for values in pooled)
    return direct, other


def _indices(frames: Sequence[Atoms]) -> tuple[IntArray, IntArray, int]:
    """Index of the frame and of the species of each atom, (n,), and the number of species."""
    frame = np.repeat(np.arange(len(frames)), [len(atoms) for atoms in frames])
    elements, species = np.unique(np.concatenate([atoms.symbols[:] for atoms in frames]), return_inverse=True)
    return frame, species, len(elements)


def _rows(frames: Sequence[Atoms], compared: str, local: Callable[[Atoms], FloatArray]) -> Iterator[dict[str, Any]]:
    """Rows of one size: of all atoms and, in mixtures, of each element."""
    direct, other = direct_and_related(frames, local)
    frame, species, _ = _indices(frames)
    elements = elements_of(frames)
    length = choose_block_length([atoms.info[TOTAL_ENERGY] for atoms in frames])
    for name, (metrics,) in local_metrics_by_species(direct[None], other, frame, species, elements).items():
        own = np.ones(len(direct), dtype=bool) if name == "all" else species == elements.index(name)
        row = {"system": system_of(frames[0]), "n_atoms": len(frames[0]), "compared": compared, "species": name}
        row |= {key: getattr(metrics, key) for key in DIRECT_COLUMNS if hasattr(metrics, key)}
        row["spread_mev"] = 1e3 * float(direct[own].std())
        difference = np.abs(direct - other)[own]
        sums, squares, counts = (np.bincount(frame[own], values) for values in (difference, difference**2, own[own]))
        row["participation"] = float(np.mean(sums**2 / (counts * squares)))
        if len(frames) >= FEWEST_FRAMES:
            for score in ("pearson_r", "slope"):
                found = score_interval(
                    direct[own], other[own], frame[own], species[own] if name == "all" else None,
                    block_length=length, score=score,
                )  # fmt: skip
                row |= {f"{score}_low": found.low, f"{score}_high": found.high}
        yield row
