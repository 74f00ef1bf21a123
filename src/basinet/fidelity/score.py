"""Score of any potential's atomic energies by DFT's: `basinet.score`, and the calculations and verdicts behind it.

A potential is calculated once on every frame, in tasks of a few frames that resume; the rows are those of
`basinet.evaluate`, by each definition of local energies that the frames' labels give. Beside them stand the marks to
read them by: untrained networks, networks trained on the local energies, and the literature's pair potential.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import lru_cache, partial
from hashlib import sha256
from itertools import chain, cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.neighborlist import neighbor_list

from basinet.arrays import FloatArray
from basinet.descriptors.bispectrum import Bispectrum
from basinet.errors import InputError
from basinet.fidelity.gauge import stack_pair_features
from basinet.fidelity.metrics import centre_groups, centring_groups
from basinet.fidelity.named import identity_of, known_elements, mean_calculator, open_potential
from basinet.fidelity.scoring import (
    ScoredFrames,
    calculated_energies,
    evaluation_rows,
    local_energies_of,
    predicted_frames,
    score_table,
    sum_notes,
    with_mean,
    without_gauges_by_folds,
)
from basinet.frames.labels import TOTAL_ENERGY, for_each_frame
from basinet.frames.shipped import SYSTEMS, load_isolated_atoms, load_reference
from basinet.frames.splits import by_composition, by_system, contiguous_split, divided, elements_of
from basinet.jobs.progress import Progress
from basinet.jobs.store import Results, fingerprint
from basinet.jobs.workers import ThisProcess, open_workers
from basinet.potentials.dataset import build_dataset, isolated_energies
from basinet.potentials.ensemble import Ensemble
from basinet.potentials.network import Architecture
from basinet.potentials.pair_potential import literature_lennard_jones
from basinet.potentials.training import TrainingSettings, default_descriptor, train_ensemble, untrained_ensemble
from basinet.relation.relation import Definition

DEFINITIONS: tuple[Definition, ...] = ("total", "direct")
FLOOR, CEILING, PAIRS = "floor", "ceiling", "lj"
NEIGHBOURS_WITHIN = 5.5  # A: about the end of the first shell of liquid argon and krypton
_UNTRAINED = 100  # networks of the floor
_NETWORK = Architecture("tanh", 1, 32)  # of floor and ceiling
_CEILING = TrainingSettings(learning_rates=(3e-3, 1e-2), search_members=2, max_steps=1500)
_FEWEST = 20  # frames for a ceiling
_FRAMES_OF_TASK = 5
_Energies = list[tuple[list[float], float | None]]  # of frames: those of the atoms of each, and its own, eV
_Predicted = dict[int, tuple[FloatArray, float | None]]
"""Energies of the atoms of a frame, (1, n_atoms) eV, and its own, by the ``id`` of the frame."""


@dataclass(frozen=True)
class ScoreTables:
    """Rows of fidelity, the atoms behind them, notes, and by potential the reason why it lacks rows.

    ``table`` has the columns of `basinet.evaluate` behind ``model``, ``definition`` and ``composition``, the chemical
    formula. ``atoms`` has a row per atom, model and definition: energies centred per species, in meV, of DFT
    (``reference``) and predicted, ``raw`` and with the ``pair`` gauge removed, and the number of ``neighbours`` within
    5.5 A.
    """

    table: pd.DataFrame
    atoms: pd.DataFrame
    notes: list[str]
    failures: dict[str, str] = field(default_factory=dict)


def score(model: Ensemble | Calculator, frames: Sequence[Atoms] | None = None, *, name: str = "model") -> pd.DataFrame:
    """Fidelity of a potential's atomic energies to DFT's, with marks to read it by.

    - `model`: an ASE calculator with ``energies``, or an ensemble, of which the mean is scored.
    - `frames`: labelled with ``REF_energy`` (eV) and what local energies need, as for `basinet.evaluate`; the shipped
      frames of argon, krypton and the mixture unless given.
    - `name`: what to call it in the column ``model``.

    Returns the rows of `basinet.evaluate` behind the columns ``model``, ``definition`` (``total``: by the relation, or
    the frames' own labels; ``direct``: the label ``REF_direct_energy``) and ``composition``, and the same of the marks:
    ``lj``, the literature's pair potential of argon and krypton; ``floor``, the 95th percentile of the absolute
    correlation of 100 untrained networks; ``ceiling``, networks trained on the local energies themselves, on unseen
    frames at the end. Frames with an element that the model lacks are left out, and ``attrs["notes"]`` says so.
    InputError as of `basinet.evaluate`, if no frame is left, the name is that of a mark, or the energies of atoms do
    not sum to the energy up to a constant.

    >>> import basinet
    >>> from basinet.potentials.pair_potential import literature_lennard_jones
    >>> from basinet.potentials.calculator import PairPotentialCalculator
    >>> calculator = PairPotentialCalculator(literature_lennard_jones(cutoff=6.0))
    >>> scores = basinet.score(calculator, basinet.load_reference("ar")[:10], name="short")
    >>> scores[["model", "target", "pearson_r"]].round(1)
       model target  pearson_r
    0  short  total        1.0
    1  short  local        1.0
    2     lj  total        1.0
    3     lj  local        1.0
    4  floor  total        0.6
    5  floor  local        0.7
    """
    if name in (FLOOR, CEILING, PAIRS):
        raise InputError(f"name={name!r} is that of a mark; call the potential something else")
    frames = shipped_frames() if frames is None else list(frames)
    calculator = mean_calculator(model) if isinstance(model, Ensemble) else model
    models = {name: calculator} | {mark: open_potential(mark) for mark in marks_among(frames)}
    predicted: dict[str, _Predicted] = {own: {} for own in models}
    failed: dict[tuple[str, int], InputError] = {}
    for number, group in enumerate(_compositions(frames)):
        for own, one in models.items():
            try:
                predicted[own] |= _by_frame(group, _energies(own, one, [_bare(atoms) for atoms in group]))
            except _MissingElementsError as error:
                failed[own, number] = error
    failures, notes = _failures_and_notes(predicted, failed)
    found = scores_of(predicted, frames, [name])
    for reason in (failures | found.failures).values():
        raise InputError(reason)
    found.table.attrs["notes"] = notes + found.notes
    return found.table


def shipped_frames() -> list[Atoms]:
    """All shipped frames of 32 atoms, and the isolated atoms."""
    return [*chain.from_iterable(map(load_reference, SYSTEMS)), *load_isolated_atoms().values()]


def marks_among(frames: Sequence[Atoms]) -> list[str]:
    """Names of the potentials that are marks for these frames: the literature's, where it knows all elements."""
    return [PAIRS] if {*elements_of(frames)} <= {*literature_lennard_jones().elements} else []


def spread_over(frames: Sequence[Atoms], most: int | None) -> list[Atoms]:
    """At most so many frames of each system and composition, evenly spread over its time; all without a number."""
    groups = _compositions(frames)
    if most is None:
        return list(chain.from_iterable(groups))
    places = [np.unique(np.linspace(0, len(group) - 1, min(most, len(group))).round().astype(int)) for group in groups]
    return [group[place] for group, chosen in zip(groups, places, strict=True) for place in chosen]


def _compositions(frames: Sequence[Atoms]) -> list[tuple[Atoms, ...]]:
    """Frames of each system and composition, in time."""
    return [group for own in by_system(divided(frames)[0]).values() for group in by_composition(own)]


class _MissingElementsError(InputError):
    """A potential lacks elements of a frame."""


@dataclass(frozen=True)
class _Task:
    potential: str
    group: int  # number of the system and composition
    frames: tuple[Atoms, ...]
    key: str
    fingerprint: str


def calculate(
    potentials: Sequence[str], frames: Sequence[Atoms], directory: Path, workers: int | None, progress: Progress
) -> tuple[dict[str, _Predicted], dict[str, str], list[str]]:
    """Predictions of potentials (`open_potential`) for frames; tasks resume. One worker is this process.

    A potential that fails in frames of one system and composition has none for these; the reason of its first failure
    is there by its name, or a note if all that it lacks are elements of some of the systems.
    """
    kept = Results(directory, _Energies)
    chunks = [
        (number, group[start : start + _FRAMES_OF_TASK])
        for number, group in enumerate(_compositions(frames))
        for start in range(0, len(group), _FRAMES_OF_TASK)
    ]
    tasks = [task for name in potentials for task in _tasks(name, chunks)]
    found = {task.key: energies for task in tasks if (energies := kept.get(task.key, task.fingerprint)) is not None}
    failed: dict[tuple[str, int], InputError] = {}
    pending = iter([task for task in tasks if task.key not in found])
    unit = f"tasks of {_FRAMES_OF_TASK} frames"
    progress.start("energies of atoms", [1.0] * len(tasks), [1.0] * len(found), unit=unit)
    take = partial(next, (task for task in pending if (task.potential, task.group) not in failed), None)
    with ExitStack() as stack:
        pool = ThisProcess() if workers == 1 else stack.enter_context(open_workers(workers))
        done = stack.enter_context(closing(pool.run(_calculate, take, progress)))
        for task, outcome in done:
            if isinstance(outcome, InputError):
                failed.setdefault((task.potential, task.group), outcome)
            else:
                kept.put(task.key, task.fingerprint, outcome)
                found[task.key] = outcome
            progress.advance(1.0, task.key)
    progress.finish()
    predicted: dict[str, _Predicted] = {name: {} for name in potentials}
    for task, (number, chunk) in zip(tasks, cycle(chunks), strict=False):
        if (task.potential, number) not in failed:
            predicted[task.potential] |= _by_frame(chunk, found[task.key])
    return predicted, *_failures_and_notes(predicted, failed)


def _failures_and_notes(
    predicted: Mapping[str, _Predicted], failed: Mapping[tuple[str, int], InputError]
) -> tuple[dict[str, str], list[str]]:
    failures: dict[str, str] = {}
    notes: list[str] = []
    for (name, _), error in sorted(failed.items(), key=lambda item: isinstance(item[1], _MissingElementsError)):
        if isinstance(error, _MissingElementsError) and predicted[name]:
            notes.append(str(error))
        else:
            failures.setdefault(name, str(error))
    return failures, notes


def _by_frame(frames: Sequence[Atoms], energies: _Energies) -> _Predicted:
    return {id(atoms): (np.array(own)[None], total) for atoms, (own, total) in zip(frames, energies, strict=True)}


def _bare(atoms: Atoms) -> Atoms:
    """A frame as calculators may see it: with initial charges and magnetic moments, without labels."""
    told = {key: value for key, value in atoms.info.items() if not str(key).startswith("REF_")}
    bare = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=atoms.pbc, info=told)
    for name in ("initial_charges", "initial_magmoms"):
        if name in atoms.arrays:
            bare.set_array(name, atoms.arrays[name])
    return bare


def _inputs(frames: Sequence[Atoms]) -> list[Any]:
    """All that a calculation sees of bare frames, for a fingerprint."""
    return [(atoms.arrays, atoms.cell.array, atoms.pbc, atoms.info) for atoms in frames]


def _file_key(text: str) -> str:
    """A name of a file for any text."""
    return f"{''.join(c if c.isalnum() else '-' for c in text)[-60:]}-{sha256(text.encode()).hexdigest()[:6]}"


def _tasks(potential: str, chunks: Sequence[tuple[int, Sequence[Atoms]]]) -> Iterator[_Task]:
    identity = identity_of(potential)
    for index, (group, frames) in enumerate(chunks):
        own = tuple(map(_bare, frames))
        key = f"{_file_key(potential)}-{index:04d}"
        yield _Task(potential, group, own, key, fingerprint(potential, identity, _inputs(own)))


_opened = lru_cache(maxsize=2)(open_potential)


def _calculate(task: _Task) -> _Energies:
    with warnings.catch_warnings(action="ignore"):  # of packages about themselves
        return _energies(task.potential, _opened(task.potential), task.frames)


def _energies(name: str, calculator: Calculator, frames: Sequence[Atoms]) -> _Energies:
    known = known_elements(calculator)
    missing = [] if known is None else sorted({*elements_of(frames)} - {*known})
    if known is not None and missing:
        raise _MissingElementsError(
            f"{name} knows {', '.join(known)} and lacks {', '.join(missing)}, so that it has no scores for "
            f"{frames[0].get_chemical_formula()}"
        )
    found = for_each_frame(partial(calculated_energies, calculator), frames)
    return [(energies[0].tolist(), energy) for energies, energy in found]


@dataclass(frozen=True)
class _Group:
    """Frames of one system and composition, in time, and their local DFT energies by one definition."""

    system: str
    frames: tuple[Atoms, ...]
    e0: Mapping[str, float]
    definition: Definition
    local: Callable[[Atoms], FloatArray] | None

    @property
    def composition(self) -> str:
        """Chemical formula of each frame."""
        return str(self.frames[0].get_chemical_formula())

    def labels(self, model: str) -> dict[str, str]:
        """Columns of rows of a model that those of `basinet.evaluate` do not have."""
        return {"model": model, "definition": self.definition, "composition": self.composition}


def scores_of(
    predicted: Mapping[str, _Predicted],
    frames: Sequence[Atoms],
    asked: Sequence[str],
    kept: Results[list[dict[str, Any]]] | None = None,
) -> ScoreTables:
    """Scores of predictions, by name, of all or some of the frames; all serve to fit relations, floor and ceiling.

    Where none of the potentials `asked` has a score, there are no marks. Rows of floor and ceiling are `kept`.
    """
    rows: list[dict[str, Any]] = []
    atoms = [pd.DataFrame(columns=["model"])]
    notes: list[str] = []
    failures: dict[str, str] = {}
    for group in _groups(frames, notes):
        scores: list[_Scores] = []
        for model, energies in predicted.items():
            try:
                scores += _model_scores(model, energies, group)
            except InputError as error:
                failures.setdefault(model, str(error))
        if not {row["model"] for found, _, _ in scores for row in found} & {*asked}:
            continue
        for found, of_atoms, told in scores:
            rows, atoms, notes = rows + found, [*atoms, of_atoms], notes + told
        rows += _mark_rows(group, kept, notes)
    order = [*predicted, FLOOR, CEILING]
    table = score_table(
        sorted(rows, key=lambda row: order.index(row["model"])), notes, model="str", definition="str", composition="str"
    )
    of_all = pd.concat([part for part in atoms if len(part)] or atoms, ignore_index=True)
    return ScoreTables(table, of_all, list(dict.fromkeys(notes)), failures)


def _groups(frames: Sequence[Atoms], notes: list[str]) -> Iterator[_Group]:
    liquid, isolated = divided(frames)
    for name, own in by_system(liquid).items():
        e0 = isolated_energies(isolated, own)
        for definition in DEFINITIONS:
            local = local_energies_of(name, own, isolated, definition, notes)
            if local is not None or definition == DEFINITIONS[0]:
                yield from (_Group(name, group, e0, definition, local) for group in by_composition(own))


_Scores = tuple[list[dict[str, Any]], pd.DataFrame, list[str]]  # rows, atoms and notes of a model


def _model_scores(model: str, energies: _Predicted, group: _Group) -> list[_Scores]:
    """Scores of a model for a group, none without predictions.

    InputError where its energies of atoms leave something of the energy out.
    """
    chosen = [atoms for atoms in group.frames if id(atoms) in energies]
    if not chosen:
        return []
    found = predicted_frames(group.system, chosen, lambda atoms: energies[id(atoms)], group.e0, group.local)
    notes, varies = sum_notes(model, chosen, found)
    if varies:
        raise InputError(notes[0])
    corrected = without_gauges_by_folds(found.local, found.frames)
    labels = group.labels(model)
    targets = ("total", "local") if group.definition == DEFINITIONS[0] else ("local",)
    rows = list(
        evaluation_rows(found.local, found.frames, ["mean"], labels, corrected, totals=found.totals, targets=targets)
    )
    data = found.frames.dataset
    if data.local_energy is None:
        return [(rows, pd.DataFrame(), notes)]
    columns = {"reference": data.local_energy, "raw": found.local[0], "pair": corrected.get("pair", found.local)[0]}
    groups = centring_groups(data.frame, data.species)
    around = [np.bincount(neighbor_list("i", one, NEIGHBOURS_WITHIN), minlength=len(one)) for one in chosen]
    atoms = pd.DataFrame({name: 1e3 * centre_groups(values, *groups) for name, values in columns.items()})
    of_atoms = {"species": np.array(data.elements)[data.species], "neighbours": np.concatenate(around)}
    return [(rows, atoms.assign(system=group.system, **of_atoms, **labels), notes)]


def _mark_rows(group: _Group, kept: Results[list[dict[str, Any]]] | None, notes: list[str]) -> list[dict[str, Any]]:
    """Rows of floor and ceiling: networks on the default descriptor; a note of what fails."""
    frames, local = group.frames, group.local
    key = f"{FLOOR}-{_file_key(f'{group.system} {group.composition} {group.definition}')}"
    rows: list[dict[str, Any]] = []
    try:
        descriptor = default_descriptor(elements_of(frames))
        energies = [(atoms.info[TOTAL_ENERGY], local and local(atoms)) for atoms in frames]
        settings = (group.e0, descriptor.to_dict(), _NETWORK.as_dict(), _CEILING.model_dump(), _UNTRAINED)
        own = fingerprint(_inputs([_bare(atoms) for atoms in frames]), energies, *settings)
        if kept is not None and (before := kept.get(key, own)) is not None:
            return before
        data = build_dataset(group.system, frames, descriptor, group.e0, local)
        scored = ScoredFrames(data, stack_pair_features(frames, data.elements), "")
        untrained = untrained_ensemble(data, descriptor, group.e0, _NETWORK, members=_UNTRAINED, seed=0)
        rows += _floor(untrained.predict(data), scored, group)
        rows += _ceiling(scored, descriptor, group)
    except InputError as error:
        notes.append(f"no {'ceiling' if rows else 'floor and no ceiling'} for {group.composition}: {error}")
    else:
        if kept is not None:
            kept.put(key, own, rows)
    return rows


def _floor(prediction: FloatArray, scored: ScoredFrames, group: _Group) -> Iterator[dict[str, Any]]:
    labels = group.labels(FLOOR)
    corrected = without_gauges_by_folds(prediction, scored)
    targets = ("total", "local") if group.definition == DEFINITIONS[0] else ("local",)
    rows = evaluation_rows(prediction, scored, range(len(prediction)), labels, corrected, targets=targets)
    same = (*labels, "test_system", "n_atoms", "target", "gauge", "species", "n_values")
    for _, members in pd.DataFrame(rows).groupby(["target", "gauge", "species"], sort=False):
        limit = members[["pearson_r", "pearson_r_within"]].astype(float).abs().quantile(0.95)
        yield {name: members[name].iloc[0] for name in same} | {
            "seed": "mean",
            **dict(zip(limit.index, limit, strict=True)),
        }


def _ceiling(scored: ScoredFrames, descriptor: Bispectrum, group: _Group) -> Iterator[dict[str, Any]]:
    """Rows on the last fifth of the frames; none where these are too few to train, to stop and to test on."""
    data = scored.dataset
    if data.local_energy is None or data.n_frames < _FEWEST:
        return
    split = contiguous_split(data.n_frames)
    train, validation, test = (data.select(block) for block in split.blocks().values())
    trained = train_ensemble(
        train, validation, descriptor, group.e0, _NETWORK, _CEILING, members=2, seed=0, target="local"
    )
    values, seeds = with_mean(trained.ensemble.predict(test), 0)
    last = ScoredFrames(test, scored.gauge_features[np.isin(data.frame, split.test)], "")
    labels = group.labels(CEILING)
    yield from evaluation_rows(values[-1:], last, seeds[-1:], labels, targets=("local",))


UNTOLD, NO_LOCAL, FEW = "not told from untrained networks", "no local energies", "too few frames, or no variation"


def score_summary(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each potential, system, composition, definition and species of a table of `score`, with a verdict.

    ``total_r``, ``total_rmse`` and ``total_slope`` are those of totals, ``local_r`` that of raw local energies with its
    ``low`` and ``high`` ends, ``within`` with each frame centred; in mixtures ``gauge_removed`` and its ``gauge_low``
    and ``gauge_high`` ends, and the equal-sign ``control``. ``floor`` (``total_floor`` of totals), ``ceiling`` and
    ``lj`` are marks, the first and the last in the same gauge as what the verdict judges: local energies with the gauge
    removed, where there is one. RMSE are in meV per atom. Verdicts follow from 95 % intervals over frames.
    """
    potentials = table[~table["model"].isin([FLOOR, CEILING])]
    keys = ["test_system", "composition", "definition"]
    rows = []
    for (model, *place), own in potentials.groupby(["model", *keys], sort=False):
        here = table[(table[keys] == place).all(axis=1)]
        total = table[(table[keys[:2]] == place[:2]).all(axis=1) & (table["target"] == "total")]
        species = [name for name in own["species"].unique() if name != "all"] or ["all"]  # mixtures by species
        rows += [_summary_row(str(model), place, name, here[here["species"] == name], total) for name in species]
    return pd.DataFrame(rows)


def _summary_row(
    model: str, place: Sequence[Any], species: str, here: pd.DataFrame, total: pd.DataFrame
) -> dict[str, Any]:
    def of(name: str, gauge: str = "raw", column: str = "pearson_r", target: str = "local") -> float:
        rows = total if target == "total" else here[(here["gauge"] == gauge) & (here["target"] == target)]
        found = rows.loc[rows["model"] == name, column]
        return float(found.iloc[0]) if len(found) else np.nan

    judged = "pair" if np.isfinite(of(model, "pair")) else "raw"
    row = dict(zip(("system", "composition", "definition"), place, strict=True)) | {"model": model, "species": species}
    row |= {f"total_{name}": of(model, column=column, target="total") for name, column in _OF_TOTALS.items()}
    row |= {"local_r": of(model), "within": of(model, column="pearson_r_within")}
    row |= {"rmse": of(model, column="rmse_mev"), "slope": of(model, column="slope")}
    row |= {"gauge_removed": of(model, "pair"), "control": of(model, "control")}
    for end in ("low", "high"):
        row |= {end: of(model, column=f"pearson_r_{end}"), f"gauge_{end}": of(model, "pair", f"pearson_r_{end}")}
    row |= {FLOOR: of(FLOOR, judged), CEILING: of(CEILING), PAIRS: of(PAIRS, judged)}
    row["total_floor"] = of(FLOOR, target="total")
    low, high = (of(model, judged, f"pearson_r_{end}") for end in ("low", "high"))
    if not (here["target"] == "local").any():
        return row | {"verdict": NO_LOCAL}
    return row | {"verdict": _verdict(low, high, row[FLOOR], np.nan if model == PAIRS else row[PAIRS])}


_OF_TOTALS = {"r": "pearson_r", "low": "pearson_r_low", "rmse": "rmse_mev", "slope": "slope"}


def _verdict(low: float, high: float, floor: float, pairs: float) -> str:
    """Verdict from the ends of the interval of r.

    >>> _verdict(0.5, 0.7, 0.6, 0.98), _verdict(0.8, 0.9, 0.6, 0.98), _verdict(0.97, 0.99, 0.6, 0.98)
    ('not told from untrained networks', 'real, but below the pair potential', 'real, level with the pair potential')
    """
    if not np.isfinite(low):
        return FEW
    if low <= floor:
        return UNTOLD
    if not np.isfinite(pairs):
        return "real"
    where = "but below" if high < pairs else "and above" if low > pairs else "level with"
    return f"real, {where} the pair potential"
