"""An ensemble's promises: one network per species, exact files, totals that are sums, symmetries of physics."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from ase.build import make_supercell
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from tests.potentials.toys import DESCRIPTOR, E0, N_COMPONENTS, gas, random_ensemble, toy_dataset

from basinet.descriptors.bispectrum import Bispectrum
from basinet.errors import InputError
from basinet.jobs.arrays import load_arrays, save_arrays
from basinet.potentials.dataset import DescriptorRange, build_dataset
from basinet.potentials.ensemble import compose, load_model
from basinet.potentials.network import Architecture
from basinet.potentials.pair_potential import LennardJones, literature_lennard_jones

MIXED = random_ensemble(("Ar", "Kr"))
ARGON = random_ensemble(("Ar",), seed=10)
KRYPTON = random_ensemble(("Kr",), seed=20)


def test_local_energies_sum_to_the_total_that_training_compares():
    frames = [gas("Ar4Kr3", seed) for seed in range(3)]
    for atoms in frames:
        atoms.info["REF_energy"] = 0.0
    data = build_dataset("mix", frames, DESCRIPTOR, E0)
    relative = data.sum_over_atoms(MIXED.predict(data))
    absolute = np.stack([MIXED.local_energies(atoms).sum(1) for atoms in frames], axis=1)
    assert relative.shape == (3, 3)
    assert np.allclose(absolute, relative + 4 * E0["Ar"] + 3 * E0["Kr"], rtol=0, atol=1e-10)


def test_a_mixed_model_restricted_to_one_species_is_its_own_network_for_it():
    atoms = gas("Ar6")
    assert np.array_equal(MIXED.restrict("Ar").local_energies(atoms), MIXED.local_energies(atoms))
    data = toy_dataset(3, {"Kr": 4})
    assert np.array_equal(MIXED.restrict("Kr").predict(data), MIXED.predict(data))


def test_pure_models_side_by_side_use_each_species_own_network():
    both = compose(Kr=KRYPTON, Ar=ARGON)
    assert both.elements == ("Ar", "Kr")
    data = toy_dataset(4, {"Ar": 3, "Kr": 2})
    energies = both.predict(data)
    for element, model in (("Ar", ARGON), ("Kr", KRYPTON)):
        own = data.species == data.elements.index(element)
        alone = replace(
            data,
            elements=(element,),
            frame=data.frame[own],
            species=np.zeros(own.sum(), dtype=np.int64),
            descriptors=data.descriptors[own],
            local_energy=None,
        )
        assert np.array_equal(energies[:, own], model.predict(alone))


def test_composing_takes_a_mixed_models_network_for_the_element_it_is_named_for():
    both = compose(Ar=ARGON, Kr=MIXED)
    assert np.array_equal(both.restrict("Kr").networks[0].weight, MIXED.restrict("Kr").networks[0].weight)
    assert both.e0 == E0


def test_taking_a_mixed_model_apart_and_together_changes_nothing():
    again = compose(Ar=MIXED.restrict("Ar"), Kr=MIXED.restrict("Kr"))
    data = toy_dataset(2, {"Ar": 2, "Kr": 2})
    assert np.array_equal(again.predict(data), MIXED.predict(data))


@pytest.mark.parametrize(
    ("other", "word"),
    [
        (random_ensemble(("Kr",), Architecture("tanh", 1, 6)), "architecture"),
        (random_ensemble(("Kr",), members=2), "members"),
        (random_ensemble(("Kr",), descriptor=Bispectrum(4.0, 2, {"Ar": 1.0, "Kr": 1.3})), "descriptor"),
        (replace(random_ensemble(("Kr",)), baseline=LennardJones({}, 6.0)), "baseline"),
    ],
)
def test_unlike_models_do_not_compose(other, word):
    with pytest.raises(InputError, match=word):
        compose(Ar=ARGON, Kr=other)


def test_composing_nothing_is_an_error():
    with pytest.raises(InputError, match="at least one"):
        compose()


def test_a_species_without_a_network_is_an_error():
    for use in (
        lambda: ARGON.local_energies(gas("Ar3Kr")),
        lambda: ARGON.predict(toy_dataset(2, {"Ar": 1, "Kr": 1})),
        lambda: ARGON.restrict("Kr"),
        lambda: compose(Ar=ARGON, Kr=ARGON),
    ):
        with pytest.raises(InputError, match="no network for Kr"):
            use()


def test_a_member_is_the_ensemble_of_that_network_alone():
    data = toy_dataset(3, {"Ar": 2, "Kr": 2})
    for index in range(3):
        assert np.array_equal(MIXED.member(index).predict(data)[0], MIXED.predict(data)[index])
        assert MIXED.member(index).members == 1


PAIRS = LennardJones(literature_lennard_jones().parameters, 6.0, smooth=True)


@pytest.mark.parametrize("baseline", [None, PAIRS], ids=["network", "pair potential and network"])
def test_a_saved_model_comes_back_bit_by_bit(tmp_path, baseline):
    model = replace(
        MIXED,
        training={"system": "mix", "epochs": [1.5, 2.0], "seed": 0, "learning_rate": 1e-3},
        range=DescriptorRange(-np.ones((2, N_COMPONENTS)), np.ones((2, N_COMPONENTS))),
        baseline=baseline,
    )
    path = tmp_path / "model.basinet"
    model.save(path)
    again = load_model(path)
    for name in ("descriptor", "architecture", "elements", "e0", "training", "baseline"):
        assert getattr(again, name) == getattr(model, name)
    assert np.array_equal([again.range.low, again.range.high], [model.range.low, model.range.high])
    if baseline is None:  # a dataset made of random numbers has no share of a pair potential
        data = toy_dataset(3, {"Ar": 2, "Kr": 2})
        assert np.array_equal(again.predict(data), model.predict(data))
    atoms = gas("Ar3Kr2")
    assert np.array_equal(again.local_energies(atoms), model.local_energies(atoms))
    again.save(tmp_path / "again.basinet")
    assert (tmp_path / "again.basinet").read_bytes() == path.read_bytes()


@given(position=st.integers(0, 10**6), flip=st.integers(1, 255))
@settings(max_examples=60)
def test_an_altered_file_is_refused(position, flip, tmp_path_factory):
    path = tmp_path_factory.mktemp("altered") / "model.basinet"
    ARGON.save(path)
    content = bytearray(path.read_bytes())
    before = bytes(content)
    content[position % len(content)] ^= flip
    assume(before.split() != content.split())  # blanks in the header's line mean nothing
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.basinet"):
        load_model(path)


@given(kept=st.floats(0, 1, exclude_max=True))
@settings(max_examples=30)
def test_a_file_cut_short_is_refused(kept, tmp_path_factory):
    path = tmp_path_factory.mktemp("short") / "model.basinet"
    ARGON.save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(InputError, match=r"model\.basinet"):
        load_model(path)


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "folds.bin"
    save_arrays(path, {"kind": "something else"}, {"x": np.zeros(3)})
    with pytest.raises(InputError, match="something else"):
        load_model(path)


def test_a_model_file_starts_with_a_line_of_json_that_states_what_it_is(tmp_path):
    MIXED.save(tmp_path / "model.basinet")
    header = json.loads((tmp_path / "model.basinet").read_bytes().split(b"\n", 1)[0])
    assert header["architecture"] == {
        "activation": "tanh",
        "depth": 2,
        "width": 6,
        "parametrisation": "standard",
        "initial_scale": 1.0,
        "biases": True,
    }
    assert header["elements"] == ["Ar", "Kr"]
    assert header["descriptor"]["weights"] == {"Ar": 1.0, "Kr": 1.3}


seeds = st.integers(0, 2**16)


@given(seed=seeds)
@settings(max_examples=8)
def test_translation_and_rotation_change_no_energy(seed):
    rng = np.random.default_rng(seed)
    atoms = gas("Ar5Kr4", seed)
    before = MIXED.local_energies(atoms)
    moved = atoms.copy()
    rotation = Rotation.random(rng=rng).as_matrix()
    moved.set_cell(atoms.cell.array @ rotation.T)
    moved.positions = (atoms.positions + rng.normal(size=3)) @ rotation.T
    assert np.allclose(MIXED.local_energies(moved), before, rtol=0, atol=1e-9)
    moved.wrap()
    assert np.allclose(MIXED.local_energies(moved), before, rtol=0, atol=1e-9)


@given(seed=seeds)
@settings(max_examples=8)
def test_renaming_atoms_renames_their_energies(seed):
    atoms = gas("Ar5Kr4", seed)
    order = np.random.default_rng(seed).permutation(len(atoms))
    assert np.allclose(MIXED.local_energies(atoms[order]), MIXED.local_energies(atoms)[:, order], rtol=0, atol=1e-10)


@given(seed=seeds, repeats=st.sampled_from([(2, 1, 1), (1, 2, 1), (2, 1, 2)]))
@settings(max_examples=6)
def test_a_supercell_repeats_the_local_energies(seed, repeats):
    atoms = gas("Ar4Kr3", seed)
    large = make_supercell(atoms, np.diag(repeats))
    once, many = MIXED.local_energies(atoms), MIXED.local_energies(large)
    images = int(np.prod(repeats))
    assert many.sum(1) == pytest.approx(images * once.sum(1), rel=1e-12)
    assert np.allclose(np.sort(many, axis=1), np.sort(np.tile(once, images), axis=1), rtol=0, atol=1e-9)


def test_prediction_changes_neither_frame_nor_model():
    atoms = gas("Ar4Kr3")
    copy, weights = atoms.copy(), [layer.weight.copy() for layer in MIXED.networks]
    MIXED.local_energies(atoms)
    assert atoms == copy
    assert all(np.array_equal(w, layer.weight) for w, layer in zip(weights, MIXED.networks, strict=True))


@pytest.mark.parametrize(
    ("header", "arrays", "words"),
    [
        ({"e0": None}, {}, "e0: input should be a valid dictionary"),
        ({"elements": ["Xx"]}, {}, "its elements Xx are not those of descriptor and e0"),
        ({"architecture": {"depth": 7}}, {}, "depth = 7 is not possible"),
        ({"descriptor": {"rcut": 5, "twojmax": 1000, "weights": {"Ar": 1}}}, {}, "twojmax is 1000"),
        ({"baseline": {"pairs": {"Ar": 1}, "cutoff": 5, "smooth": True}}, {}, "pairs.Ar"),
        ({}, {"layer0.bias": np.zeros((3, 6))}, "the array 'layer0.bias' is not 3 x 1 x 6 finite numbers"),
        ({}, {"scaling.std": np.full((1, N_COMPONENTS), np.nan)}, "'scaling.std' is not 1 x 5 finite numbers"),
        ({}, {"layer0.weight": np.zeros(())}, "'layer0.weight' is not"),
    ],
)
def test_a_crafted_file_is_refused_though_its_checksum_is_right(tmp_path, header, arrays, words):
    path = tmp_path / "model.basinet"
    ARGON.save(path)
    values, found = load_arrays(path)
    save_arrays(path, values | header, found | arrays)
    with pytest.raises(InputError, match=rf"model\.basinet: .*{re.escape(words)}.*; copy the model again"):
        load_model(path)
