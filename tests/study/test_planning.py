"""What a study consists of: the contract's sizes, tasks told apart by name, names that mean the same everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from basinet.descriptors.bispectrum import Bispectrum
from basinet.frames.splits import contiguous_split
from basinet.potentials.network import Architecture
from basinet.study import tasks as planning
from basinet.study.settings import load_study_config
from basinet.study.store import StoredSystem
from basinet.study.tasks import DescribeTask, TrainTask

CHOSEN = Bispectrum(5.25, 6, {"Ar": 1.0, "Kr": 1.3})


def stored(
    name: str, elements: tuple[str, ...], n_frames: int, n_atoms: int = 32, *, main: bool = True
) -> StoredSystem:
    split = contiguous_split(n_frames) if main else None
    arrays = {"energy": np.zeros(n_frames), "local_energy.total": np.zeros(n_frames * n_atoms)}
    return StoredSystem(name, n_atoms, elements, dict.fromkeys(elements, 0.0), split, arrays, ["total"])


SYSTEMS = [
    stored("ar", ("Ar",), 125),
    stored("kr", ("Kr",), 128),
    stored("mix", ("Ar", "Kr"), 150),
    stored("mix", ("Ar", "Kr"), 12, 108, main=False),
]


def planned(preset: str) -> list[TrainTask]:
    return planning.sweep_tasks(load_study_config(preset), SYSTEMS, CHOSEN)


def all_tasks(preset: str) -> list:
    config = load_study_config(preset)
    trained = planned(preset)
    chosen = {name: (Architecture("tanh", 1, 16), 1e-3) for name in ("ar", "kr", "mix")}
    candidates = planning.candidate_descriptors(config.descriptor, ["Ar", "Kr"])
    return [
        *candidates,
        *planning.other_resolutions(config.descriptor, candidates[0].descriptor),
        *trained,
        *planning.compose_tasks(trained, SYSTEMS),
        *planning.fold_tasks(config, SYSTEMS, CHOSEN, chosen),
    ]


@pytest.mark.parametrize(("preset", "members"), [("quick", 3), ("paper", 10)])
def test_the_sweep_covers_what_the_contract_promises(preset, members):
    sweep = [task for task in planned(preset) if task.experiment == "sweep"]
    for system in ("ar", "kr", "mix"):
        for activation in ("linear", "tanh"):
            for depth in (1, 2):
                widths = {
                    task.architecture.width
                    for task in sweep
                    if (task.system, task.architecture.activation, task.architecture.depth)
                    == (system, activation, depth)
                }
                assert len(widths) >= 6
                assert min(widths) <= 4
                if preset == "paper" or (activation, depth) == ("tanh", 1):
                    assert max(widths) == 512
    assert all(task.members >= members for task in sweep)
    assert all(task.architecture.parametrisation == "standard" for task in sweep)
    assert all(task.target == "total" for task in sweep)
    assert all(task.descriptor == CHOSEN for task in sweep)


@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_the_controls_are_there(preset):
    tasks = planned(preset)
    ceiling = {(t.system, t.architecture.width) for t in tasks if t.target == "local"}
    assert {system for system, _ in ceiling} == {"ar", "kr", "mix"}
    assert "zero_readout" in {task.architecture.parametrisation for task in tasks}
    assert len({task.n_train for task in tasks if task.experiment == "learning_curve"}) >= 3
    assert len({task.descriptor.rcut for task in tasks if task.experiment == "resolution"}) >= 3
    assert load_study_config(preset).controls.untrained >= 100


def test_the_papers_curves_differ_from_their_control_by_the_initial_readout_alone():
    tasks = [task for task in planned("as_published") if task.architecture.activation == "tanh"]
    swept = {(t.system, t.architecture.width): t for t in tasks if t.experiment == "sweep"}
    control = {(t.system, t.architecture.width): t for t in tasks if t.experiment == "parametrisation"}
    assert {(system, width) for system in ("ar", "kr", "mix") for width in (8, 500)} <= control.keys()
    for place, task in control.items():
        other = replace(task.architecture, parametrisation="unit_readout")
        assert swept[place] == replace(task, experiment="sweep", architecture=other)


@pytest.mark.parametrize("preset", ["smoke", "quick", "paper", "as_published"])
def test_every_task_has_a_name_of_its_own(preset):
    names = [task.name for task in all_tasks(preset)]
    assert len(set(names)) == len(names)
    assert all(name == Path(name).name and len(name) < 120 for name in names)
    assert all(task.cost > 0 for task in all_tasks(preset))


def test_names_are_the_same_in_every_process():
    program = "from tests.study.test_planning import all_tasks; print('\\n'.join(t.name for t in all_tasks('smoke')))"
    root = Path(__file__).parents[2]
    another_seed = "1" if os.environ.get("PYTHONHASHSEED") == "0" else "0"
    path = os.pathsep.join([str(root / "src"), str(root)])
    environment = {**os.environ, "PYTHONHASHSEED": another_seed, "PYTHONPATH": path}
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, cwd=root
    )
    assert run.stdout.split() == [task.name for task in all_tasks("smoke")]


def test_a_name_says_everything_that_changes_the_result():
    from dataclasses import replace

    task = planned("smoke")[0]
    changed = [
        replace(task, seed=1),
        replace(task, members=7),
        replace(task, settings=task.settings.model_copy(update={"max_steps": 7})),
        replace(task, settings=task.settings.model_copy(update={"dtype": "float64"})),
        replace(task, descriptor=Bispectrum(5.5, 6, {"Ar": 1.0, "Kr": 1.3})),
        replace(task, descriptor=Bispectrum(5.25, 6, {"Ar": 1.0, "Kr": 1.2})),
        replace(task, definitions=("electronic",)),
        replace(task, n_train=5),
    ]
    assert len({t.name for t in changed} | {task.name}) == 9
    # Padding changes no result, so that it may follow the sizes of other systems.
    assert replace(task, pad_frames=(500, 500)).name == task.name


def test_other_sizes_are_tested_on_and_never_trained_on():
    assert {task.system for task in planned("quick")} == {"ar", "kr", "mix"}
    only_large = planning.sweep_tasks(load_study_config("smoke"), SYSTEMS[3:] + SYSTEMS[:1], CHOSEN)
    assert {task.system for task in only_large} == {"ar"}


def test_pure_models_are_composed_for_the_mixture_with_one_descriptor_and_architecture():
    trained = planned("smoke")
    by_name = {task.name: task for task in trained}
    composed = planning.compose_tasks(trained, SYSTEMS)
    alone = [t for t in trained if t.system == "mix" and t.experiment in {"sweep", "parametrisation"}]
    assert len(composed) == len(alone)
    for task in composed:
        assert task.mixture == "mix"
        assert [element for element, _ in task.models] == ["Ar", "Kr"]
        for (system, _), (_, name) in zip(task.parts, task.models, strict=True):
            part = by_name[name]
            assert (part.system, part.architecture, part.descriptor) == (system, task.architecture, task.descriptor)
            assert part.n_train is None
            assert part.target == "total"


def test_without_a_mixture_or_without_one_of_its_elements_nothing_is_composed():
    assert planning.compose_tasks(planned("smoke"), SYSTEMS[:2]) == []
    assert planning.compose_tasks(planned("smoke"), [SYSTEMS[0], SYSTEMS[2]]) == []


def test_candidates_cover_cutoffs_and_weights_and_then_twojmax():
    config = load_study_config("quick").descriptor
    first = planning.candidate_descriptors(config, ["Ar", "Kr"])
    assert len(set(first)) == len(first) == len(config.rcut) * len(config.weight_ratios) * len(config.sizes)
    assert {task.descriptor.weights["Ar"] for task in first} == {1.0}
    others = planning.other_resolutions(config, CHOSEN)
    assert {task.descriptor.twojmax for task in others} == set(config.twojmax) - {6}
    # One element alone has neither weights nor sizes to choose.
    assert len(planning.candidate_descriptors(config, ["Ar"])) == len(config.rcut)


def test_folds_cover_every_frame_once():
    from basinet.study.running import _training_frames

    config = load_study_config("quick")
    chosen = {"ar": (Architecture("tanh", 1, 16), 1e-3)}
    tasks = planning.fold_tasks(config, SYSTEMS, CHOSEN, chosen)
    assert {task.settings.learning_rates for task in tasks} == {(1e-3,)}
    seen: dict[int, np.ndarray] = {}
    for task in tasks:
        train, validation, held = _training_frames(SYSTEMS[0], task)
        seen[task.fold[0]] = held
        for a, b in ((train, held), (validation, held), (train, validation)):
            assert np.abs(a[:, None] - b).min() > config.split.gap
    assert np.array_equal(np.sort(np.concatenate(list(seen.values()))), np.arange(125))


def test_describing_costs_more_the_longer_the_cutoff():
    costs = [DescribeTask(Bispectrum(rcut, 6, {"Ar": 1.0})).cost for rcut in (4.0, 6.0, 9.0)]
    assert costs == sorted(costs)


@pytest.mark.parametrize(("elements", "widths"), [(("Ar",), {8, 64, 256}), (("Ar", "Na"), set())])
def test_networks_stand_on_the_literatures_potential_where_there_is_one(elements, widths):
    descriptor = Bispectrum(5.0, 4, dict.fromkeys(elements, 1.0))
    tasks = planning.sweep_tasks(load_study_config("paper"), [stored("liquid", elements, 125)], descriptor)
    on_pairs = [task for task in tasks if task.pair_potential is not None]
    assert {task.architecture.width for task in on_pairs} == widths
    assert {task.experiment for task in on_pairs} <= {"baseline"}
