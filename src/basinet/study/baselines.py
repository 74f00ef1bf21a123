"""What makes a correlation readable: ridge, pair potentials and untrained networks, scored like the networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from basinet.errors import InputError
from basinet.models import Architecture, fit_ridge
from basinet.models.pair_fit import fit_pair_potential
from basinet.models.pair_potential import literature_lennard_jones
from basinet.study.evaluation import evaluation_rows, scored_block
from basinet.study.planning import learning_sizes
from basinet.study.running import architecture_columns, descriptor_columns, ridge_rows
from basinet.study.systems import LEAST_TRAINING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from basinet.descriptors import Bispectrum
    from basinet.models.pair_potential import LennardJones
    from basinet.study.store import Store, StoredSystem
    from basinet.study.systems import StudySystem

UNTRAINED = Architecture("tanh", 1, 32)


def baseline_rows(
    store: Store, systems: Sequence[StudySystem], descriptor: Bispectrum, *, untrained: int, seed: int
) -> Iterator[dict[str, Any]]:
    """Yield the rows of every baseline that needs no training."""
    yield from _ridge(store, descriptor)
    yield from _pair_potentials(store, systems, descriptor)
    if untrained:
        yield from _untrained(store, descriptor, untrained, seed)


def _targets(store: Store, trained: StoredSystem) -> Iterator[tuple[StoredSystem, dict[str, Any]]]:
    """Yield systems whose elements a model of `trained` knows, with the columns that follow."""
    for system in store.systems():
        if set(system.elements) <= set(trained.elements):
            main = system.split is not None
            yield (
                system,
                {
                    "experiment": "baseline" if main else "size_transfer",
                    "train_system": trained.name,
                    "transferred": system.name != trained.name,
                    "n_train": len(trained.split.train) if trained.split is not None else None,
                },
            )


def _ridge(store: Store, descriptor: Bispectrum) -> Iterator[dict[str, Any]]:
    for trained in store.systems():
        if trained.split is None:
            continue
        model = fit_ridge(store.dataset(trained, descriptor).select(trained.split.train))
        for system, columns in _targets(store, trained):
            labels = {"model": "ridge", **descriptor_columns(descriptor), **columns}
            splits = ("validation", "test") if system.key == trained.key else ("test",)
            yield from ridge_rows(store, descriptor, model, system, labels, splits)


def learning_curve_of_ridge(
    store: Store, descriptor: Bispectrum, fractions: Sequence[float]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of ridge on the last training frames, as many as the networks of the learning curve saw."""
    for system in store.systems():
        if system.split is None:
            continue
        dataset = store.dataset(system, descriptor)
        for size in learning_sizes(fractions, len(system.split.train)):
            if size < LEAST_TRAINING:
                continue
            labels = {
                "experiment": "learning_curve",
                "model": "ridge",
                "train_system": system.name,
                "transferred": False,
                "n_train": size,
                **descriptor_columns(descriptor),
            }
            model = fit_ridge(dataset.select(system.split.train[-size:]))
            yield from ridge_rows(store, descriptor, model, system, labels)


def _pair_potentials(store: Store, systems: Sequence[StudySystem], descriptor: Bispectrum) -> Iterator[dict[str, Any]]:
    for name, potential, trained in _fitted_or_literature(store, systems):
        for system in systems:
            stored = next(s for s in store.systems() if s.key == f"{system.name}-{system.n_atoms}")
            if not set(stored.elements) <= set(potential.elements):
                continue
            home = trained is None or trained == system.name
            frames = scored_block(store, stored, descriptor, "test")
            block = range(len(system.frames)) if system.split is None else system.split.test
            local = np.concatenate([potential.local_energies(system.frames[i]) for i in block])
            labels = {
                "experiment": "baseline" if system.split is not None else "size_transfer",
                "model": name,
                "train_system": trained,
                "transferred": not home,
            }
            yield from evaluation_rows(local[None], frames, ["mean"], labels)


def _fitted_or_literature(
    store: Store, systems: Sequence[StudySystem]
) -> Iterator[tuple[str, LennardJones, str | None]]:
    """Yield the literature's potential and one fitted to each system's training totals.

    Where isolated atoms are missing, energies do not vanish for atoms far apart, and no pair potential is fitted.
    """
    yield "lennard_jones", literature_lennard_jones(), None
    for system in systems:
        if system.split is None or not system.e0_given:
            continue
        energy = store.main(system.name).arrays["energy"]
        train = system.split.train
        try:
            yield "fitted_pair", fit_pair_potential([system.frames[i] for i in train], energy[train]), system.name
        except InputError:
            # Too few or too similar frames for c6 and c12 of every pair: then there is no such baseline.
            continue


def _untrained(store: Store, descriptor: Bispectrum, members: int, seed: int) -> Iterator[dict[str, Any]]:
    from basinet.training.ensemble_training import untrained_ensemble

    for system in store.systems():
        if system.split is None:
            continue
        train = store.dataset(system, descriptor).select(system.split.train)
        ensemble = untrained_ensemble(train, descriptor, system.e0, UNTRAINED, members=members, seed=seed)
        frames = scored_block(store, system, descriptor, "test")
        labels = {
            "experiment": "baseline",
            **architecture_columns(UNTRAINED),
            "model": "untrained",
            "train_system": system.name,
            "transferred": False,
            **descriptor_columns(descriptor),
        }
        seeds = range(seed, seed + members)
        yield from evaluation_rows(ensemble.predict(frames.dataset), frames, seeds, labels)
