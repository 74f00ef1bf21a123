"""Every choice is made on training and validation frames: what happens to the test frames changes none of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from tests.study.small_study import isolated_atoms, small_config, small_frames

from basinet.frames.splits import contiguous_split
from basinet.potentials.ensemble import load_model
from basinet.study import tasks as planning
from basinet.study.running import _run_task
from basinet.study.settings import SplitSettings
from basinet.study.store import Store
from basinet.study.systems import group_systems

N_FRAMES = 24
HARTREE = "REF_local_hartree_energy"


def spoil(frames: list[Atoms], block: str) -> list[Atoms]:
    """Wild labels and other positions for one block of each system and all larger boxes; labels still close."""
    rng = np.random.default_rng(0)
    spoilt = [atoms.copy() for atoms in frames]
    chosen = set(contiguous_split(N_FRAMES).blocks()[block].tolist())
    for index, atoms in enumerate(spoilt):
        if len(atoms) == 32 and index % N_FRAMES not in chosen:
            continue
        atoms.info["REF_energy"] += rng.normal(scale=30.0)
        for key in (HARTREE, HARTREE + "_electronic"):
            wild = rng.normal(scale=5.0, size=len(atoms))
            atoms.arrays[key] = atoms.arrays[key] + wild
            if key == HARTREE:
                for total in ("REF_electrostatic_energy", "REF_hartree_energy"):
                    atoms.info[total] += wild.sum()
        atoms.rattle(0.3, rng=rng)
    return spoilt


def study(root: Path, frames: list[Atoms], isolated: list[Atoms]) -> dict[str, Any]:
    """All that is chosen or fitted, and the rows of the transfer; stages as in `basinet.study.run`."""
    config = small_config(descriptor={"rcut": [4.5, 5.0], "twojmax": [2, 3], "weight_ratios": [1.3]})
    systems = group_systems(frames, isolated, SplitSettings(), size_transfer=True, seed=0)
    store = Store(root)
    for system in systems:
        store.write_system(system, [config.definition])
    described = planning.candidate_descriptors(config.descriptor, ["Ar", "Kr"])
    for task in described:
        _run_task(str(root), task)
    descriptor = planning.choose_descriptor(store, described)
    trained = planning.sweep_tasks(config, store.systems(), descriptor)
    composed = planning.compose_tasks(trained, store.systems())
    for task in [*trained, *composed]:
        _run_task(str(root), task)
    ensembles = {task.name: load_model(store.model(task.name)) for task in trained}
    results = {task.name: store.result(task) for task in trained}
    return {
        "relation": {s.name: s.relation.to_dict() for s in systems if s.split is not None and s.relation is not None},
        "descriptor": descriptor,
        "selection": [store.result(task).selection for task in described],
        "learning rates": {name: result.learning_rate for name, result in results.items()},
        "rate errors": {name: result.rate_errors for name, result in results.items()},
        "architectures": planning.choose_architectures(store, trained),
        "weights": {
            name: [leaf.tobytes() for layer in ensemble.networks for leaf in layer]
            for name, ensemble in ensembles.items()
        },
        "scalings": {name: ensemble.scaling.mean.tobytes() for name, ensemble in ensembles.items()},
        "e0": {name: ensemble.e0 for name, ensemble in ensembles.items()},
        "rows": [row for task in [*described, *trained, *composed] for row in store.result(task).rows],
    }


FRAMES = small_frames(N_FRAMES, large=3)


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    return study(tmp_path_factory.mktemp("honest"), FRAMES, isolated_atoms())


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory):
    return study(tmp_path_factory.mktemp("spoilt"), spoil(FRAMES, "test"), isolated_atoms())


CHOICES = (
    "relation", "descriptor", "selection", "learning rates", "rate errors", "architectures", "weights", "scalings",
    "e0",
)  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("choice", CHOICES)
def test_test_frames_decide_nothing(honest, spoilt, choice):
    assert honest[choice] == spoilt[choice]


@pytest.mark.long
def test_scores_on_test_frames_do_change_and_those_on_validation_frames_do_not(honest, spoilt):
    def scores(outcome, split):
        return [row["pearson_r"] for row in outcome["rows"] if row["split"] == split]

    assert scores(honest, "validation") == scores(spoilt, "validation")
    assert scores(honest, "test") != scores(spoilt, "test")
    for before, after in zip(honest["rows"], spoilt["rows"], strict=True):
        if before["split"] == "test":
            assert before["pearson_r"] != after["pearson_r"]


def test_without_isolated_atoms_too_test_frames_decide_nothing():
    systems = [
        group_systems(frames, [], SplitSettings(), size_transfer=True, seed=0)
        for frames in (FRAMES, spoil(FRAMES, "test"))
    ]
    for honest_system, spoilt_system in zip(*systems, strict=True):
        assert honest_system.e0 == spoilt_system.e0
        assert honest_system.relation.to_dict() == spoilt_system.relation.to_dict()


def test_validation_frames_do_not_enter_the_relation():
    systems = [
        group_systems(frames, isolated_atoms(), SplitSettings(), size_transfer=False, seed=0)
        for frames in (FRAMES, spoil(FRAMES, "validation"), spoil(FRAMES, "train"))
    ]
    for honest_system, other, unlike in zip(*systems, strict=True):
        assert honest_system.relation.to_dict() == other.relation.to_dict()
        assert honest_system.relation.to_dict() != unlike.relation.to_dict()


@pytest.mark.long
def test_larger_boxes_are_tested_on_by_own_mixed_and_composed_models(honest):
    rows = [row for row in honest["rows"] if row["n_atoms"] == 108]
    assert {row["experiment"] for row in rows} == {"size_transfer"}
    assert {row["split"] for row in rows} == {"test"}
    networks = {(row["train_system"], row["test_system"], row["target"]) for row in rows if row["model"] == "network"}
    for target in ("total", "local"):
        for pair in (("ar", "ar"), ("kr", "kr"), ("mix", "mix"), ("mix", "ar"), ("mix", "kr"), ("ar+kr", "mix")):
            assert (*pair, target) in networks
    small = [row for row in honest["rows"] if row["n_atoms"] == 32]
    assert "size_transfer" not in {row["experiment"] for row in small}


@pytest.mark.long
def test_gauges_are_removed_in_mixtures_and_on_test_frames_only(honest):
    for row in honest["rows"]:
        if row["gauge"] != "raw":
            assert row["test_system"] == "mix"
            assert row["split"] == "test"
            assert row["target"] == "local"
    tested = {
        (row["model"], row["train_system"], row["n_atoms"], row["gauge"])
        for row in honest["rows"]
        if row["test_system"] == "mix" and row["split"] == "test"
    }
    for source in (("network", "mix", 32), ("network", "ar+kr", 32), ("network", "mix", 108), ("ridge", "mix", 32)):
        assert {(*source, "raw"), (*source, "pair"), (*source, "control")} <= tested


@pytest.mark.long
def test_rows_say_what_was_transferred_and_by_whom(honest):
    for row in honest["rows"]:
        assert row["transferred"] == (row["train_system"] != row["test_system"])
        if row["model"] == "network" and row["transferred"]:
            assert row["split"] == "test"
    members = {row["seed"] for row in honest["rows"] if row["model"] == "network"}
    assert members == {0, 1, "mean"}
    intervals = [row for row in honest["rows"] if row.get("pearson_r_low") is not None]
    assert intervals
    assert {row["seed"] for row in intervals} == {"mean"}
    assert all(row["pearson_r_low"] <= row["pearson_r_high"] for row in intervals)


@pytest.mark.long
def test_a_done_task_is_not_done_again(tmp_path, monkeypatch):
    from basinet.study import running

    config = small_config()
    store = Store(tmp_path)
    for system in group_systems(FRAMES[:N_FRAMES], isolated_atoms(), SplitSettings(), size_transfer=True, seed=0):
        store.write_system(system, [config.definition])
    task = planning.candidate_descriptors(config.descriptor, ["Ar"])[0]
    _run_task(str(tmp_path), task)
    monkeypatch.setattr(running, "fit_ridge", lambda *_: pytest.fail("done twice"))
    assert _run_task(str(tmp_path), task) == task.name
