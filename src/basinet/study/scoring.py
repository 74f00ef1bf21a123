"""Scores of frames outside a study: any prediction of energies per atom against their labels."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from basinet.dataset import build_dataset, isolated_energies
from basinet.errors import InputError
from basinet.io.frames import system_of
from basinet.relation import fit_relation
from basinet.relation.labels import ELECTROSTATIC_ENERGY, LOCAL_HARTREE_ENERGY, carried, is_isolated_atom
from basinet.study.evaluation import ScoredFrames, evaluation_rows, with_mean
from basinet.study.systems import LOCAL_LABEL, StudySystem, distinct, in_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ase import Atoms
    from numpy.typing import NDArray

    from basinet.relation.local import Definition


def score_frames(
    predict: Callable[[Atoms], NDArray[np.float64]],
    e0: Mapping[str, float] | None,
    frames: Sequence[Atoms],
    isolated: Sequence[Atoms],
    definition: Definition,
    first_seed: int | None,
) -> list[dict[str, Any]]:
    """Rows of the results table for frames outside a study.

    Parameters
    ----------
    predict
        Maps a frame to local energies ``(members, n_atoms)``, eV, E0 included.
    e0
        Energies of isolated atoms that the prediction includes, eV; None: those of the frames.
    frames, isolated
        Frames to score, and isolated atoms that pin their relation.
    definition
        Reading of the local Hartree energy.
    first_seed
        Seed of the first member; None: only rows of the mean.
    """
    rows: list[dict[str, Any]] = []
    for name, own in by_system(frames).items():
        shift = dict(e0) if e0 is not None else isolated_energies(isolated, own)
        # An element without a network is for the prediction to complain about, which names the remedy.
        shift |= dict.fromkeys(set(elements_of(own)) - set(shift), 0.0)
        local = _local_energies(name, own, isolated, shift, definition)
        for group in by_composition(own):
            data = build_dataset(name, group, no_descriptor, shift, local)
            origin = np.array([shift[element] for element in data.elements])[data.species]
            values = np.concatenate([predict(atoms) for atoms in group], axis=1) - origin
            members, seeds = with_mean(values, first_seed or 0)
            chosen = slice(None) if first_seed is not None else slice(-1, None)
            scored = ScoredFrames(data, np.empty((len(data.frame), 0)), "")
            for row in evaluation_rows(members[chosen], scored, seeds[chosen], {}):
                del row["split"]
                rows.append(row)
    return rows


def _local_energies(
    name: str,
    frames: Sequence[Atoms],
    isolated: Sequence[Atoms],
    e0: Mapping[str, float],
    definition: Definition,
) -> Callable[[Atoms], NDArray[np.float64]] | None:
    """Function from a frame to its local DFT energies, or None where the labels do not give them."""
    relation = None
    exact = definition == "total" and carried(frames, LOCAL_LABEL)
    electrostatic = all(carried(frames, key) for key in (ELECTROSTATIC_ENERGY, LOCAL_HARTREE_ENERGY[definition]))
    if not exact and electrostatic and len(frames) > 2:
        known = [atoms for atoms in isolated if atoms.get_chemical_symbols()[0] in elements_of(frames)]
        relation = fit_relation(frames, known or None)
    return StudySystem(name, tuple(frames), None, e0, relation).local_energies(definition)


def no_descriptor(atoms: Atoms) -> NDArray[np.float64]:
    """Describe atoms by nothing, ``(n_atoms, 0)``, where only labels are wanted."""
    return np.empty((len(atoms), 0))


def divided(frames: Sequence[Atoms]) -> tuple[list[Atoms], list[Atoms]]:
    """Frames of condensed matter, and isolated atoms.

    Raises
    ------
    InputError
        If there are none of the former.
    """
    isolated = distinct([atoms for atoms in frames if is_isolated_atom(atoms)])
    liquid = [atoms for atoms in frames if not is_isolated_atom(atoms)]
    if not liquid:
        msg = "no frames besides isolated atoms; give labelled frames"
        raise InputError(msg)
    return liquid, isolated


def elements_of(frames: Sequence[Atoms]) -> list[str]:
    """Chemical symbols that occur, sorted."""
    return sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()})


def by_system(frames: Sequence[Atoms]) -> dict[str, tuple[Atoms, ...]]:
    """Frames of each system, each in the order of `in_time`."""
    groups: dict[str, list[Atoms]] = defaultdict(list)
    for atoms in frames:
        groups[system_of(atoms)].append(atoms)
    return {name: in_time(own) for name, own in groups.items()}


def by_composition(frames: Sequence[Atoms]) -> list[tuple[Atoms, ...]]:
    """Frames with the same atoms together, each group in the order of `in_time`."""
    groups: dict[tuple[str, ...], list[Atoms]] = defaultdict(list)
    for atoms in frames:
        groups[tuple(sorted(atoms.get_chemical_symbols()))].append(atoms)
    return [in_time(group) for group in groups.values()]
