"""Frames become systems: one split in time each, a relation from training frames, nothing mixed up."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from ase import Atoms
from tests.potentials.toys import DESCRIPTOR
from tests.study.small_study import isolated_atoms, small_frames

from basinet.errors import InputError
from basinet.files import read_json, write_json
from basinet.frames.splits import divided
from basinet.md import sampling as liquid
from basinet.md.settings import _LiquidSettings
from basinet.relation.fit import fit_relation
from basinet.study.claims.relation import relation_claims
from basinet.study.settings import DataSettings, SplitSettings
from basinet.study.store import Store
from basinet.study.systems import RelationRecord, describe_systems, group_systems, load_frames, relation_records

FRAMES = small_frames(15, large=3)


def grouped(frames, isolated=None, *, size_transfer=True):
    known = isolated_atoms() if isolated is None else isolated
    return group_systems(frames, known, SplitSettings(), size_transfer=size_transfer, seed=0)


def labelled(formula: str, n_frames: int, system: str = "toy", **arrays) -> list[Atoms]:
    rng = np.random.default_rng(0)
    n_atoms = len(Atoms(formula))
    frames = []
    for index in range(n_frames):
        atoms = Atoms(formula, positions=rng.uniform(0, 9, (n_atoms, 3)), cell=[9, 9, 9], pbc=True)
        atoms.info |= {"system": system, "frame": index, "REF_energy": rng.normal()}
        for key, value in arrays.items():
            atoms.arrays[key] = np.full(n_atoms, value)
        frames.append(atoms)
    return frames


def test_each_system_is_split_once_and_larger_boxes_are_for_testing():
    systems = grouped(FRAMES)
    assert [(system.name, system.n_atoms, system.split is None) for system in systems] == [
        ("ar", 32, False), ("ar", 108, True), ("kr", 32, False), ("kr", 108, True), ("mix", 32, False),
        ("mix", 108, True),
    ]  # fmt: skip
    assert {system.n_atoms for system in grouped(FRAMES, size_transfer=False)} == {32}


def test_frames_are_put_in_order_of_time():
    systems = grouped(FRAMES[::-1])
    for system in systems:
        numbers = [atoms.info["frame"] for atoms in system.frames]
        assert numbers == sorted(numbers)


def test_runs_whose_numbers_repeat_are_not_shuffled_into_each_other():
    one, other = labelled("Ar2", 10), labelled("Ar2", 10)
    for atoms in other:
        atoms.info["run"] = "other"
    (system,) = grouped(one + other)
    assert [atoms.info.get("run") for atoms in system.frames] == [None] * 10 + ["other"] * 10


def test_frames_named_by_words_stay_in_their_order():
    frames = labelled("Ar2", 12)
    for index, atoms in enumerate(frames):
        atoms.info["frame"] = f"run1-{11 - index}"
    (system,) = grouped(frames)
    assert system.frames == tuple(frames)
    described = describe_systems([system], "mine", 1)["systems"]["toy"]
    assert described["splits"]["train"] == ["run1-11", "run1-6"]


def test_the_relation_is_that_of_the_training_frames():
    for system in grouped(FRAMES):
        if system.split is None:
            continue
        train = [system.frames[i] for i in system.split.train]
        own = [atoms for atoms in isolated_atoms() if atoms.get_chemical_symbols()[0] in system.e0]
        assert system.relation.to_dict() == fit_relation(train, own, seed=0).to_dict()


def test_larger_boxes_use_the_relation_of_the_small_ones():
    systems = grouped(FRAMES)
    for main, large in zip(systems[::2], systems[1::2], strict=True):
        assert large.relation is main.relation
        assert large.e0 == main.e0


def test_electrostatic_labels_come_before_a_local_energy_of_unknown_origin():
    frames = [atoms.copy() for atoms in FRAMES if atoms.info["system"] == "ar" and len(atoms) == 32]
    for atoms in frames:
        atoms.arrays["REF_local_energy"] = np.zeros(len(atoms))
    (system,) = grouped(frames)
    total, electronic = (system.local_energies(definition)(frames[0]) for definition in ("total", "electronic"))
    assert total.std() > 1e-3
    assert not np.allclose(total, electronic)


@pytest.mark.parametrize("label", ["REF_electrostatic_energy", "REF_local_hartree_energy"])
def test_a_label_that_one_frame_lacks_is_missed_there(label):
    frames = [atoms.copy() for atoms in FRAMES if atoms.info["system"] == "ar" and len(atoms) == 32]
    frames[7].info.pop(label, None)
    frames[7].arrays.pop(label, None)
    with pytest.raises(InputError, match=rf"frame 7 \(system=ar, frame=7\): label {label} .* 14 of 15"):
        grouped(frames)[0].local_energies("total")


def test_larger_boxes_without_electrostatic_energies_are_scored_on_totals_alone(tmp_path):
    frames = [atoms.copy() for atoms in FRAMES if atoms.info["system"] == "ar"]
    for atoms in frames:
        if len(atoms) == 108:
            del atoms.info["REF_electrostatic_energy"]
    main, large = grouped(frames)
    assert main.relation is not None
    assert large.relation is None
    store = Store(tmp_path)
    store.write_system(large, ["total"])
    assert "local_energy" not in store.systems()[0].arrays


def test_a_definition_that_the_labels_cannot_tell_is_refused():
    (system,) = grouped(labelled("Ar4", 12, REF_local_energy=0.25))
    with pytest.raises(InputError, match=r"toy: REF_local_energy does not tell the definition 'electronic'"):
        system.local_energies("electronic")


def test_whether_isolated_atoms_were_given_is_known():
    frames = [atoms for atoms in FRAMES if atoms.info["system"] == "mix" and len(atoms) == 32]
    assert grouped(frames)[0].e0_given
    assert not grouped(labelled("Ar3Kr", 12), isolated_atoms()[:1])[0].e0_given


def test_another_size_of_other_elements_is_refused():
    with pytest.raises(InputError, match=r"frames of Ar8 lack elements of Ar3Kr.*`system`"):
        grouped(labelled("Ar3Kr", 12) + labelled("Ar8", 3))


def test_exact_local_energies_are_taken_as_they_are():
    (system,) = grouped(labelled("Ar4", 12, REF_local_energy=0.25))
    assert system.relation is None
    assert np.array_equal(system.local_energies("total")(system.frames[0]), np.full(4, 0.25))


def test_a_local_energy_that_is_not_a_number_is_named():
    frames = labelled("Ar4", 12, REF_local_energy=0.25)
    frames[5].arrays["REF_local_energy"][2] = np.nan
    (system,) = grouped(frames)
    local = system.local_energies("total")
    with pytest.raises(InputError, match=r"frame=5.*REF_local_energy.*atom 2"):
        local(frames[5])


def test_without_local_labels_there_are_totals_only():
    (system,) = grouped(labelled("Ar4", 12))
    assert system.local_energies("total") is None


def test_compositions_of_one_size_under_one_name_are_refused():
    frames = labelled("Ar3Kr", 12) + labelled("Ar2Kr2", 13)
    with pytest.raises(InputError, match=r"toy.*Ar2Kr2.*Ar3Kr|toy.*Ar3Kr.*Ar2Kr2"):
        grouped(frames)


@pytest.mark.parametrize("name", ["a/b", "", "..", "a b"])
def test_a_system_whose_name_is_no_file_name_is_refused(name):
    with pytest.raises(InputError, match="names files"):
        grouped(labelled("Ar2", 12, system=name))


def test_too_few_frames_name_the_system():
    with pytest.raises(InputError, match="system toy: 5 frames"):
        grouped(labelled("Ar2", 5))


def test_no_frames_and_missing_energies_are_errors():
    with pytest.raises(InputError, match="no frames"):
        divided(isolated_atoms())
    frames = labelled("Ar2", 12)
    del frames[7].info["REF_energy"]
    with pytest.raises(InputError, match=r"frame 7.*REF_energy"):
        grouped(frames)


@pytest.mark.long
def test_synthetic_frames_are_relative_to_isolated_atoms_of_zero_energy(monkeypatch):
    quickly = _LiquidSettings(melt_steps=200, equilibration_steps=200, spacing_steps=20)
    monkeypatch.setattr(liquid, "synthetic_liquid", partial(liquid.synthetic_liquid, n_atoms=16, settings=quickly))
    frames, isolated = load_frames(DataSettings(frames="synthetic", synthetic_frames=12), 0, lambda _: None)
    systems = group_systems(frames, isolated, SplitSettings(), size_transfer=True, seed=0)
    assert [system.name for system in systems] == ["ar", "kr", "mix"]
    for system in systems:
        assert set(system.e0.values()) == {0.0}
        local = system.local_energies("total")
        for atoms in system.frames:
            assert local(atoms).sum() == pytest.approx(atoms.info["REF_energy"], abs=1e-12)


def test_the_description_counts_every_frame():
    described = describe_systems(grouped(FRAMES), "reference", 1)
    for name in ("ar", "kr", "mix"):
        entry = described["systems"][name]
        assert entry["n_frames"] == 15
        assert sum(entry["n_by_split"].values()) == 15 - 2 * entry["splits"]["gap"]
        assert described["other_sizes"][name] == [{"n_frames": 3, "n_atoms": 108}]


def test_stored_systems_are_the_systems(tmp_path):
    store = Store(tmp_path)
    systems = grouped(FRAMES)
    for system in systems:
        store.write_system(system, ["total"])
    stored = store.systems()
    assert [s.split is None for s in stored] == [False] * 3 + [True] * 3
    for system in systems:
        same = next(s for s in stored if s.key == f"{system.name}-{system.n_atoms}")
        data = store.dataset(same, DESCRIPTOR)
        assert np.array_equal(data.descriptors, np.concatenate([DESCRIPTOR(atoms) for atoms in system.frames]))
        energy = [
            atoms.info["REF_energy"] - sum(system.e0[s] for s in atoms.get_chemical_symbols())
            for atoms in system.frames
        ]
        assert np.allclose(data.energy, energy, rtol=0, atol=1e-9)
        local = system.local_energies("total")(system.frames[1]) - [system.e0[s] for s in system.frames[1].symbols]
        assert np.allclose(data.local_energy[data.frame == 1], local, rtol=0, atol=1e-9)
        # Local energies sum to the fitted total: the frame's own, less its residual.
        residual = system.relation.residuals(system.frames)
        assert np.allclose(data.sum_over_atoms(data.local_energy), data.energy - residual, rtol=0, atol=1e-6)


def test_a_directory_filled_anew_is_read_anew(tmp_path):
    for energy in (0.0, 1.0):
        frames = labelled("Ar4", 12)
        for atoms in frames:
            atoms.info["REF_energy"] = energy
            atoms.positions += energy
        store = Store(tmp_path)
        (system,) = grouped(frames, [Atoms("Ar", info={"REF_energy": 0.0})])
        store.write_system(system, ["total"])
        assert set(store.main("toy").arrays["energy"]) == {energy}


def test_the_statements_about_the_relation_read_what_the_study_writes(tmp_path):
    records = relation_records(grouped(FRAMES), isolated_atoms())
    assert set(records) == {"ar", "kr", "mix"}
    assert set(records["ar"].evaluated) == {"all", "train", "validation", "test"}
    assert set(records["ar"].other_sizes) == {"108"}
    write_json(tmp_path / "relation.json", records)
    back = {name: RelationRecord(**entry) for name, entry in read_json(tmp_path / "relation.json").items()}
    assert back == records
    claims = relation_claims(back, {"ar": ("Ar",), "kr": ("Kr",), "mix": ("Ar", "Kr")})
    assert len(claims) == 8
    assert all(claim.verdict != "not testable here" for claim in claims)
