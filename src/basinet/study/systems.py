"""The systems of a study: frames, their split in time, and their local DFT energies."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from numbers import Integral
from typing import Any

import numpy as np
from ase import Atoms
from pydantic import BaseModel, ConfigDict

from basinet.arrays import FloatArray, IntArray
from basinet.errors import InputError
from basinet.fidelity.direct import compare_direct_energies, direct_and_related
from basinet.frames import splits
from basinet.frames.bootstrap import Interval
from basinet.frames.labels import DIRECT_ENERGY, ELECTROSTATIC_ENERGY, TOTAL_ENERGY, all_labelled, energy_label
from basinet.potentials.dataset import isolated_energies
from basinet.relation.fit import evaluate_relation, fit_relation, isolated_atom_check
from basinet.relation.relation import Definition, Relation, local_energy_labels
from basinet.study.settings import CrossValidationSettings, DataSettings, Reading, Reference, SplitSettings
from basinet.study.tables import Row, records

LEAST_TRAINING = 4  # training frames: two folds of two choose the strength of ridge


@dataclass(frozen=True)
class StudySystem:
    """Frames of one system and one number of atoms, in order of time.

    `split` are blocks of time, None for frames that are only tested on (another number of atoms); `e0` are energies of
    isolated atoms, eV, or where not given fitted to the training frames; the `relation` is fitted to the training
    frames, None where frames carry no electrostatic energies.
    """

    name: str
    frames: tuple[Atoms, ...]
    split: splits.Split | None
    e0: Mapping[str, float]
    relation: Relation | None
    e0_given: bool = True

    @property
    def n_atoms(self) -> int:
        """Atoms per frame (of the first one)."""
        return len(self.frames[0])

    def local_energies(self, definition: Definition) -> Callable[[Atoms], FloatArray] | None:
        """Function from a frame to its local DFT energies; see `local_energy_labels`."""
        return local_energy_labels(self.name, self.frames, self.relation, definition)

    def definitions(self, reference: Reference, reading: Reading) -> tuple[Definition, ...]:
        """Definitions of the local energies to score on, as far as frames carry them, the main one first.

        InputError where direct energies alone are asked for, and frames to train on have none.
        """
        direct = all_labelled(self.frames, DIRECT_ENERGY)
        if reference == "direct" and not direct and self.split is not None:
            raise InputError(
                f"reference: no frame of system {self.name} has {DIRECT_ENERGY}; take the reference 'relation', "
                "or see direct energies in docs/partition.md"
            )
        related = reference != "direct" and self.local_energies(reading) is not None
        return (*((reading,) if related else ()), *(("direct",) if direct and reference != "relation" else ()))


def load_frames(data: DataSettings, seed: int, note: Callable[[str], None]) -> tuple[list[Atoms], list[Atoms]]:
    """Frames and isolated atoms that a config asks for."""
    from basinet.frames.shipped import SIZES, SYSTEMS, load_isolated_atoms, load_reference

    if data.frames == "reference":
        sizes = SIZES if data.size_transfer else SIZES[:1]
        frames = [atoms for system in SYSTEMS for size in sizes for atoms in load_reference(system, size)]
        return frames, list(load_isolated_atoms().values())
    if data.frames == "synthetic":
        from basinet.md.sampling import synthetic_liquid

        frames = []
        for system in SYSTEMS:
            note(f"sampling {data.synthetic_frames} frames of the synthetic liquid {system}")
            frames += synthetic_liquid(system, data.synthetic_frames, seed=seed)
        return frames, [Atoms(element, info={"REF_energy": 0.0}) for element in ("Ar", "Kr")]
    from basinet.frames.reading import read_frames

    return splits.divided(read_frames(list(data.frames), energy_key=data.energy_key, forces_key=data.forces_key))


def group_systems(
    frames: Sequence[Atoms], isolated: Sequence[Atoms], split: SplitSettings, *, size_transfer: bool, seed: int
) -> list[StudySystem]:
    """Group frames by system and number of atoms, split the largest group of each system, fit its relation.

    Groups of another number of atoms are tested on only, with the relation of the system's main group where they carry
    electrostatic energies. InputError if frames lack energies, a system has too few frames to split, its frames of one
    size differ in composition, or only some of them carry electrostatic energies.
    """
    for index, atoms in enumerate(frames):
        energy_label(atoms, TOTAL_ENERGY, index)
    systems = []
    for name, own in sorted(splits.by_system(frames).items()):
        by_count = sorted(splits.by_composition(own), key=len, reverse=True)
        _refuse_unclear(name, by_count)
        main = _main_system(name, by_count[0], isolated, split, seed)
        systems.append(main)
        if size_transfer:
            for other in (group for group in by_count[1:] if len(group) >= 2):
                relation = main.relation if all_labelled(other, ELECTROSTATIC_ENERGY) else None
                systems.append(replace(main, frames=other, split=None, relation=relation))
    return systems


def _refuse_unclear(name: str, groups: Sequence[Sequence[Atoms]]) -> None:
    """Refuse a name that is no file name, groups that name and size do not tell apart, and those of other elements."""
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise InputError(f"system {name!r}: use letters, digits and . + - _ only, it names files")
    formulas: dict[int, str] = {}
    for group in groups:
        formula = group[0].get_chemical_formula()
        other = formulas.setdefault(len(group[0]), formula)
        if other != formula:
            msg = f"system {name}: frames of {other} and of {formula}; give each composition a `system` of its own"
            raise InputError(msg)
        if set(group[0].get_chemical_symbols()) != set(groups[0][0].get_chemical_symbols()):
            main = groups[0][0].get_chemical_formula()
            msg = f"system {name}: frames of {formula} lack elements of {main}, or add some; give them another `system`"
            raise InputError(msg)


def _frame_label(atoms: Atoms, index: int) -> int | str:
    """What a frame says of itself in ``frame``, or its position."""
    label = atoms.info.get("frame", index)
    return int(label) if isinstance(label, Integral) else str(label)


def _main_system(
    name: str, frames: tuple[Atoms, ...], isolated: Sequence[Atoms], split: SplitSettings, seed: int
) -> StudySystem:
    try:
        blocks = splits.contiguous_split(len(frames), split.fractions, split.gap)
    except InputError as error:
        raise InputError(f"system {name}: {error}") from error
    if len(blocks.train) < LEAST_TRAINING:
        msg = f"system {name}: {len(blocks.train)} training frames are too few for ridge, which needs {LEAST_TRAINING}"
        raise InputError(msg)
    elements = splits.elements_of(frames)
    own = [atoms for atoms in isolated if atoms.get_chemical_symbols()[0] in elements]
    train = [frames[i] for i in blocks.train]
    relation = fit_relation(train, isolated, seed=seed) if all_labelled(frames, ELECTROSTATIC_ENERGY) else None
    return StudySystem(
        name, frames, blocks, isolated_energies(own, train), relation, splits.elements_of(own) == elements
    )


def describe_systems(systems: Sequence[StudySystem], source: str, gap: int) -> dict[str, Any]:
    """Counts, elements and splits, for `study.json`: main systems by name, and what else they are tested on."""
    described: dict[str, Any] = {}
    others: dict[str, list[dict[str, int]]] = {}
    for system in systems:
        if system.split is None:
            others.setdefault(system.name, []).append({"n_frames": len(system.frames), "n_atoms": system.n_atoms})
            continue
        numbers = [_frame_label(atoms, index) for index, atoms in enumerate(system.frames)]
        blocks = system.split.blocks()
        described[system.name] = {
            "n_frames": len(system.frames),
            "n_atoms": system.n_atoms,
            "elements": sorted(system.e0),
            "e0": "isolated atoms" if system.e0_given else "fitted to the training frames",
            "splits": {k: [numbers[b[0]], numbers[b[-1]]] for k, b in blocks.items()} | {"gap": gap},
            "n_by_split": {k: len(b) for k, b in blocks.items()},
        }
    return {"source": source, "systems": described, "other_sizes": others}


_LEAST_TURNS = 4  # a turn validates on a quarter of the remaining frames at most


def fold_frames(n_frames: int, fold: tuple[int, int, int, int], gap: int) -> tuple[IntArray, IntArray, IntArray]:
    """Frames to train on, to validate on, and held out; InputError where there are too few.

    `fold` is the number of the fold, the number of folds, the number of the turn, and the number of turns.
    """
    number, folds, turn, turns = fold
    rest, held = splits.blocked_folds(np.arange(n_frames), folds, gap)[number]
    train, validation = splits.blocked_folds(rest, max(turns, _LEAST_TURNS), gap)[turn]
    return train, validation, held


def refuse_few(systems: Sequence[StudySystem], settings: CrossValidationSettings, gap: int) -> None:
    """Refuse a system that cannot be cut into the folds asked for, before anything is computed."""
    for system in (one for one in systems if one.split is not None):
        try:
            for fold in range(settings.folds):
                fold_frames(len(system.frames), (fold, settings.folds, 0, settings.inner), gap)
        except InputError as error:
            raise InputError(
                f"system {system.name}: {error}; give more frames, or fewer of cross_validation.folds "
                f"({settings.folds}, 0 leaves them out) and cross_validation.inner ({settings.inner})"
            ) from error


class _Stage(BaseModel):
    name: str
    wall_seconds: float


class ProvenanceRecord(BaseModel):
    """The part of ``provenance.json`` that a run goes on from."""

    data_checksums: dict[str, str] = {}
    stages: list[_Stage] = []
    total: dict[str, float] = {}
    models: list[str] = []
    complete: bool = False


@dataclass(frozen=True)
class RelationRecord:
    """A system's entry of ``relation.json``: the figures of `Relation.to_dict`, and scores on frames it did not see.

    `evaluated` has the root mean square error and bias (meV per atom) and the correlations on each block of frames, and
    `other_sizes` the same by the number of atoms of frames of another size; `isolated_atom_check_mev` tells how far the
    relation misses the isolated atom of each element, None where there are none.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    slope: float
    intercept_ev_per_atom: float
    species_offsets_ev: dict[str, float]
    pinned_by: str
    rmse_mev_per_atom: float
    pearson_r: float | None
    null_r: float | None
    pearson_r_total_es: float | None
    unexplained_variance: float | None
    n_frames: int
    intervals: dict[str, tuple[float | None, float | None] | float]
    fitted_on: str
    evaluated: dict[str, Mapping[str, float | None]]
    isolated_atom_check_mev: dict[str, float] | None
    other_sizes: dict[str, Mapping[str, float | None]] = field(default_factory=dict)
    r2_out_of_sample: float | None = None
    p_value: float | None = None

    def interval(self, figure: str) -> Interval:
        """A figure with its 95 % interval; nan where it is not defined."""
        ends = self.intervals.get(figure)
        low, high = (None, None) if ends is None or isinstance(ends, float) else ends
        value, low, high = (np.nan if v is None else float(v) for v in (getattr(self, figure), low, high))
        return Interval(value, low, high)


def relation_records(systems: Sequence[StudySystem], isolated: Sequence[Atoms]) -> dict[str, RelationRecord]:
    """Describe the relation of each system, fitted on training frames, and its scores on other blocks and sizes."""
    records: dict[str, RelationRecord] = {}
    for system in systems:
        relation, frames = system.relation, system.frames
        if relation is None:
            continue
        if system.split is None:
            records[system.name].other_sizes[str(system.n_atoms)] = _scores(relation, frames)
            continue
        blocks = {"all": range(len(frames)), **system.split.blocks()}
        figures: dict[str, Any] = relation.to_dict()
        records[system.name] = RelationRecord(
            **figures,
            fitted_on="train",
            evaluated={name: _scores(relation, [frames[i] for i in block]) for name, block in blocks.items()},
            isolated_atom_check_mev=isolated_atom_check(relation, isolated) if isolated else None,
        )
    return records


def _scores(relation: Relation, frames: Sequence[Atoms]) -> dict[str, float]:
    """Scores of a relation on frames, energies in meV per atom."""
    scores = asdict(evaluate_relation(relation, frames))
    return {f"{name}_mev_per_atom": 1e3 * scores.pop(name) for name in ("rmse", "bias")} | scores


def relation_points(systems: Sequence[StudySystem]) -> list[Row]:
    """Rows of `relation_points.csv`; energies are relative to the line's own values at the isolated atoms.

    The line is ``E_rest = a E_es + sum_s N_s b_s``. With ``E_es,0 = (E0 - b) / (1 + a)`` per species, the point of an
    isolated atom on the line, ``E_es - sum_s N_s E_es,0`` and ``E_rest - sum_s N_s (E0 - E_es,0)`` vanish there.
    """
    return [row for system in systems if system.relation is not None for row in _points(system, system.relation)]


def direct_rows(systems: Sequence[StudySystem]) -> tuple[list[Row], list[Row]]:
    """Rows of ``direct.csv`` and ``direct_atoms.csv``: none where frames carry no direct energies."""
    rows: list[Row] = []
    of_atoms: list[Row] = []
    for system in systems:
        relation, frames = system.relation, system.frames
        if relation is None or not all_labelled(frames, DIRECT_ENERGY):
            continue
        rows += records(compare_direct_energies(frames, relation))
        symbols = [symbol for atoms in frames for symbol in atoms.get_chemical_symbols()]
        direct, related = direct_and_related(frames, relation.local_energies)
        shared = {"system": system.name, "n_atoms": system.n_atoms}
        of_atoms += [
            shared | {"species": symbol, "direct_mev": 1e3 * one, "relation_mev": 1e3 * other}
            for symbol, one, other in zip(symbols, direct, related, strict=True)
        ]
    return rows, of_atoms


def _points(system: StudySystem, relation: Relation) -> Iterator[Row]:
    residuals = relation.residuals(system.frames)
    blocks = {} if system.split is None else system.split.blocks()
    split_of = {int(i): name for name, block in blocks.items() for i in block}
    for index, atoms in enumerate(system.frames):
        symbols = atoms.get_chemical_symbols()
        e0 = sum(system.e0[s] for s in symbols)
        es0 = sum((system.e0[s] - relation.species_offsets[s]) / (1.0 + relation.slope) for s in symbols)
        total, electrostatic = (float(atoms.info[key]) for key in ("REF_energy", "REF_electrostatic_energy"))
        n, other = len(atoms), "size_transfer" if system.split is None else "gap"
        yield {
            "system": system.name,
            "frame": _frame_label(atoms, index),
            "n_atoms": n,
            "split": split_of.get(index, other),
            "e_es_ev": (electrostatic - es0) / n,
            "e_rest_ev": (total - electrostatic - (e0 - es0)) / n,
            "e_total_ev": (total - e0) / n,
            "residual_mev": float(np.round(1e3 * residuals[index] / n, 9)),
        }
