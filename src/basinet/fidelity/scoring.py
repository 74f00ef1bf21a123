"""Rows of the results table: total and local fidelity of predictions, raw and with the pair gauge removed."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from basinet.errors import InputError
from basinet.fidelity.gauge import fit_gauge
from basinet.fidelity.metrics import (
    centred_metrics,
    member_local_metrics_by_species,
    member_total_metrics,
    pearson_interval,
)
from basinet.frames.bootstrap import choose_block_length
from basinet.frames.labels import (
    ELECTROSTATIC_ENERGY,
    FORCES,
    LOCAL_HARTREE_ENERGY,
    TOTAL_ENERGY,
    carried,
    energy_label,
    force_labels,
    is_isolated_atom,
)
from basinet.frames.reading import system_of
from basinet.potentials.dataset import build_dataset, isolated_energies
from basinet.potentials.ensemble import Ensemble
from basinet.relation.fit import fit_relation
from basinet.study.systems import LOCAL_LABEL, StudySystem, distinct, in_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from numpy.typing import NDArray

    from basinet.descriptors.bispectrum import Bispectrum
    from basinet.fidelity.gauge import Gauge
    from basinet.potentials.dataset import Dataset
    from basinet.potentials.pair_potential import LennardJones
    from basinet.relation.local import Definition
    from basinet.study.store import Store, StoredSystem

Seed = int | str


@dataclass(frozen=True)
class ScoredFrames:
    """Frames to score: a dataset, the gauge features of its atoms, and the name of the block."""

    dataset: Dataset
    gauge_features: NDArray[np.float64]
    split: str

    @property
    def is_mixture(self) -> bool:
        """Whether the pair gauge exists."""
        return len(self.dataset.elements) > 1


def scored_block(
    store: Store,
    system: StoredSystem,
    descriptor: Bispectrum,
    split: str,
    pair_potential: LennardJones | None = None,
) -> ScoredFrames:
    """Pick one block of a system; ``split="test"`` of a system without a split is all of it.

    A model that stands on a pair potential needs that potential's share in the dataset.
    """
    dataset = store.dataset(system, descriptor, pair_potential)
    if system.split is None:
        return ScoredFrames(dataset, system.arrays["gauge"], split)
    block = system.split.blocks()[split]
    inside = np.isin(dataset.frame, block)
    return ScoredFrames(dataset.select(block), system.arrays["gauge"][inside], split)


def with_mean(prediction: NDArray[np.float64], seed: int) -> tuple[NDArray[np.float64], list[Seed]]:
    """Append the ensemble mean to the members; return the seeds column too."""
    members = len(prediction)
    return np.concatenate([prediction, prediction.mean(0, keepdims=True)]), [*range(seed, seed + members), "mean"]


def fitted_gauges(prediction: NDArray[np.float64], fitted_on: ScoredFrames) -> dict[str, Gauge]:
    """Gauge and equal-sign control of every member, fitted to the local energies of validation frames."""
    data = fitted_on.dataset
    if not fitted_on.is_mixture or data.local_energy is None:
        return {}
    return {
        kind: fit_gauge(fitted_on.gauge_features, kind, prediction, data.local_energy, data.species, data.frame)
        for kind in ("pair", "control")
    }


def evaluation_rows(
    prediction: NDArray[np.float64],
    frames: ScoredFrames,
    seeds: Sequence[Seed],
    labels: Mapping[str, Any],
    gauges: Mapping[str, Gauge] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield one row per member, target, gauge and species.

    Parameters
    ----------
    prediction
        Local energies relative to isolated atoms, ``(members, n_atoms_total)``, eV.
    frames
        What they are compared with.
    seeds
        One per member; ``"mean"`` rows carry a block-bootstrap interval of Pearson's r.
    labels
        Columns that all rows share.
    gauges
        From `fitted_gauges`, for the same members.
    """
    data = frames.dataset
    shared = {
        **labels,
        "test_system": data.system,
        "n_atoms": int(data.n_atoms[0]),
        "split": frames.split,
    }
    totals = data.sum_over_atoms(prediction)
    scores = member_total_metrics(totals, data.energy, data.n_atoms)
    number = np.arange(data.n_frames)
    for seed, values, metrics in zip(seeds, totals, scores, strict=True):
        row = shared | {"seed": seed, "target": "total", "gauge": "raw", "species": "all"} | metrics.as_row()
        if seed == "mean":
            row |= interval_columns(values / data.n_atoms, data.energy / data.n_atoms, number, None, data.energy)
        yield row
    if data.local_energy is None:
        return
    variants = {"raw": prediction}
    for kind, gauge in (gauges or {}).items():
        variants[kind] = gauge.apply(prediction, frames.gauge_features, data.species)
    for kind, energies in variants.items():
        by_species = member_local_metrics_by_species(
            energies, data.local_energy, data.frame, data.species, data.elements
        )
        for species, metrics_list in by_species.items():
            own = slice(None) if species == "all" else data.species == data.elements.index(species)
            for seed, values, metrics in zip(seeds, energies, metrics_list, strict=True):
                row = shared | {"seed": seed, "target": "local", "gauge": kind, "species": species} | metrics.as_row()
                if seed == "mean":
                    kinds = data.species if species == "all" else None
                    row |= interval_columns(values[own], data.local_energy[own], data.frame[own], kinds, data.energy)
                yield row


def interval_columns(
    prediction: NDArray[np.float64],
    reference: NDArray[np.float64],
    frame: NDArray[np.int64],
    species: NDArray[np.int64] | None,
    energy: NDArray[np.float64],
) -> dict[str, float]:
    """Interval of Pearson's r by a bootstrap over blocks of frames, as long as their total energies are correlated."""
    interval = pearson_interval(
        prediction, reference, frame, species, block_length=_block_length(energy.tobytes()), n_resamples=500
    )
    return {"pearson_r_low": interval.low, "pearson_r_high": interval.high}


@lru_cache(maxsize=64)
def _block_length(energy: bytes) -> int:
    """Block length of the bootstrap from the frames' total energies."""
    return choose_block_length(np.frombuffer(energy))


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


def score_forces(
    model: Ensemble | Calculator, frames: Sequence[Atoms], *, engine: str = "basinet"
) -> list[dict[str, Any]]:
    """Fidelity of the forces of an ensemble's mean, or of a calculator that has forces.

    Frames of one system and composition are scored together, those groups in which all carry ``REF_forces`` (eV/A).
    Components x, y and z are pooled. With the engine ``lammps``, LAMMPS evaluates the ensemble.

    Returns
    -------
    list of dict
        A row for all atoms and, in mixtures, one for each element, with the columns of `basinet.evaluate` and the
        target ``force``; errors in meV/A.

    Raises
    ------
    InputError
        If a label is not three finite numbers per atom, or an element has no network.
    """
    if not isinstance(model, Ensemble) and "forces" not in model.implemented_properties:
        return []

    with _evaluator(model, engine) as forces:
        return [
            row
            for name, own in by_system(divided(frames)[0]).items()
            for group in by_composition(own)
            if all(FORCES in atoms.arrays for atoms in group)
            for row in _rows(name, forces, group)
        ]


@contextmanager
def _evaluator(model: Ensemble | Calculator, engine: str) -> Iterator[Callable[[Atoms], NDArray[np.float64]]]:
    """Function from a frame to forces ``(n_atoms, 3)``, eV/A."""
    if not isinstance(model, Ensemble):
        yield lambda atoms: model.get_property("forces", atoms)
    elif engine == "lammps":
        from basinet.lammps.engine import lammps_engine

        with lammps_engine(model) as lammps:
            yield lambda atoms: lammps.evaluate(atoms).forces.mean(axis=0)
    else:
        yield lambda atoms: model.evaluate(atoms).forces


def _rows(name: str, forces: Callable[[Atoms], NDArray[np.float64]], frames: Sequence[Atoms]) -> list[dict[str, Any]]:
    reference = np.concatenate([force_labels(atoms, index) for index, atoms in enumerate(frames)])
    predicted = np.concatenate([forces(atoms) for atoms in frames])
    frame = np.repeat(np.arange(len(frames)), len(frames[0]))
    symbols = np.concatenate([atoms.get_chemical_symbols() for atoms in frames])
    energy = np.array([energy_label(atoms, TOTAL_ENERGY, index) for index, atoms in enumerate(frames)])
    elements = elements_of(frames)
    shared = {"test_system": name, "n_atoms": len(frames[0]), "seed": "mean", "target": "force", "gauge": "raw"}
    rows = []
    for species in ["all", *(elements if len(elements) > 1 else [])]:
        own = symbols == species if species != "all" else np.ones(len(symbols), bool)
        p, q, of_frame = predicted[own].ravel(), reference[own].ravel(), np.repeat(frame[own], 3)
        metrics = centred_metrics(p[None], q, np.zeros_like(of_frame), 1, None)[0]
        rows.append(shared | {"species": species} | metrics.as_row() | interval_columns(p, q, of_frame, None, energy))
    return rows
