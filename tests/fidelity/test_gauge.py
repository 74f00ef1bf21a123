"""The pair gauge: totals cannot see it, and only antisymmetric corrections are one."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

from basinet.fidelity.gauge import (
    _GAUGE_CUTOFF,
    _gauge_signs,
    _radial_basis,
    _signed_features,
    fit_gauge,
    pair_features,
    stack_pair_features,
)
from basinet.fidelity.metrics import local_metrics
from basinet.frames.shipped import load_reference

ELEMENTS = ("Ar", "Kr")


@pytest.fixture(scope="module")
def liquid():
    """Features, species and frame of 24 frames of the mixture, 12 to fit and 12 to score."""
    frames = load_reference("mix")[:24]
    species = np.concatenate([np.where(atoms.symbols == "Kr", 1, 0) for atoms in frames])
    return stack_pair_features(frames, ELEMENTS), species, np.repeat(np.arange(24), 32)


def planted(distances):
    """A smooth split of the pair energy, eV: it changes sign and leaves the shape of the basis' Gaussians."""
    return 0.004 * np.cos(1.3 * distances) * np.exp(-0.1 * (distances - 4.0) ** 2)


def random_mixture(seed, n_atoms=10):
    rng = np.random.default_rng(seed)
    symbols = rng.choice(["Ar", "Kr"], size=n_atoms)
    symbols[:2] = ELEMENTS
    cell = np.diag(rng.uniform(5.0, 9.0, size=3)) + rng.uniform(-1.0, 1.0, size=(3, 3))
    return Atoms(list(symbols), scaled_positions=rng.random((n_atoms, 3)), cell=cell, pbc=True)


def test_two_atoms_see_each_other_and_their_images():
    atoms = Atoms("ArKr", positions=[[0, 0, 0], [4.0, 0, 0]], cell=[20, 20, 20], pbc=False)
    np.testing.assert_allclose(pair_features(atoms, ELEMENTS), [_radial_basis(4.0)] * 2)
    atoms = Atoms("ArKr", positions=[[0, 0, 0], [4.0, 0, 0]], cell=[9.0, 20, 20], pbc=True)
    expected = _radial_basis(4.0) + _radial_basis(5.0)
    np.testing.assert_allclose(pair_features(atoms, ELEMENTS), [expected, expected])


def test_neighbours_of_the_own_species_do_not_count():
    atoms = Atoms("Ar2Kr", positions=[[0, 0, 0], [4.0, 0, 0], [0, 0, 50.0]])
    assert not pair_features(atoms, ELEMENTS).any()
    assert pair_features(Atoms("Ar2", positions=[[0, 0, 0], [4.0, 0, 0]]), ("Ar",)).shape == (2, 0)


def test_the_basis_ends_smoothly_at_the_cutoff():
    assert not _radial_basis([_GAUGE_CUTOFF, 8.0]).any()
    assert np.abs(_radial_basis(_GAUGE_CUTOFF - 1e-4)).max() < 1e-7
    for place in (6.0, _GAUGE_CUTOFF):
        below, above = _radial_basis(place - 1e-6), _radial_basis(place + 1e-6)
        assert np.abs(above - below).max() < 1e-5


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_the_antisymmetric_sum_vanishes_in_any_cell(seed):
    """Also in cells so small that atoms see several images of each other."""
    atoms = random_mixture(seed)
    species = np.where(atoms.symbols == "Kr", 1, 0)
    features = pair_features(atoms, ELEMENTS)
    assert np.abs(_signed_features("pair", features, species).sum(axis=0)).max() < 1e-10
    assert _signed_features("control", features, species).sum() > 0.0


def test_totals_of_the_real_mixture_do_not_change_at_all(liquid):
    features, species, frame = liquid
    antisymmetric = _signed_features("pair", features, species).reshape(24, 32, -1).sum(axis=1)
    assert np.abs(antisymmetric).max() < 1e-10

    rng = np.random.default_rng(0)
    prediction, reference = 0.01 * rng.normal(size=(2, frame.size))
    totals = {"raw": np.bincount(frame, prediction)}
    for kind in ("pair", "control"):
        gauge = fit_gauge(features, kind, prediction, reference, species, frame)
        totals[kind] = np.bincount(frame, gauge.apply(prediction, features, species))
    np.testing.assert_allclose(totals["pair"], totals["raw"], rtol=0, atol=1e-12)
    assert np.abs(totals["control"] - totals["raw"]).max() > 1e-5


def split_energies(liquid, seed=0):
    """Reference, and a prediction that splits Ar-Kr pairs differently, with noise of 1 meV."""
    frames = load_reference("mix")[:24]
    _, species, _ = liquid
    shift = np.concatenate([pair_shift(atoms) for atoms in frames])
    rng = np.random.default_rng(seed)
    reference = 0.008 * rng.normal(size=species.size)
    return reference - shift + 0.001 * rng.normal(size=species.size), reference


def pair_shift(atoms):
    """Sum over unlike neighbours of +-planted(r), eV per atom, from explicit images."""
    species = np.where(atoms.symbols == "Kr", 1, 0)
    steps = np.array(np.meshgrid(*[[-1, 0, 1]] * 3)).reshape(3, -1).T @ atoms.cell.array
    vectors = atoms.positions[None, :, None] + steps - atoms.positions[:, None, None]
    distances = np.linalg.norm(vectors, axis=-1)
    unlike = (species[:, None] != species[None, :])[..., None] & (distances < 6.0)
    return np.where(species == 0, 1.0, -1.0) * np.where(unlike, planted(distances), 0.0).sum(axis=(1, 2))


def test_a_planted_split_is_recovered_and_the_control_does_not_help(liquid):
    features, species, frame = liquid
    prediction, reference = split_energies(liquid)
    fit, score = frame < 12, frame >= 12
    later = frame[score] - 12
    r = {"raw": local_metrics(prediction[None, score], reference[score], later, species[score])[0].pearson_r}
    for kind in ("pair", "control"):
        gauge = fit_gauge(features[fit], kind, prediction[fit], reference[fit], species[fit], frame[fit])
        corrected = gauge.apply(prediction[score], features[score], species[score])
        r[kind] = local_metrics(corrected[None], reference[score], later, species[score])[0].pearson_r
        if kind == "pair":
            distances = np.linspace(3.6, 5.6, 50)
            error = gauge.h(distances) - planted(distances)
            # A constant in h times the nearly constant number of neighbours is what centring takes off.
            assert (error - error.mean()).std() < 0.3 * planted(distances).std()
    assert r["raw"] < 0.95
    assert r["pair"] > 0.98
    assert r["control"] < r["raw"] + 0.01


def test_members_have_gauges_of_their_own(liquid):
    features, species, frame = liquid
    prediction, reference = split_energies(liquid)
    members = np.stack([prediction, 2 * prediction, reference])
    together = fit_gauge(features, "pair", members, reference, species, frame)
    assert together.coefficients.shape == (3, 8)
    assert together.h([4.0, 5.0]).shape == (3, 2)
    applied = together.apply(members, features, species)
    for member, corrected in zip(members, applied, strict=True):
        alone = fit_gauge(features, "pair", member, reference, species, frame)
        np.testing.assert_allclose(alone.apply(member, features, species), corrected, atol=1e-12)
    np.testing.assert_allclose(together.coefficients[2], 0.0, atol=1e-12)


def test_a_pure_liquid_has_no_pair_gauge():
    prediction, reference = np.random.default_rng(0).normal(size=(2, 6))
    nothing = np.zeros((6, 0))
    gauge = fit_gauge(nothing, "pair", prediction, reference, np.zeros(6), np.repeat([0, 1], 3))
    np.testing.assert_array_equal(gauge.apply(prediction, nothing, np.zeros(6)), prediction)


def test_three_species_have_one_antisymmetric_function_per_pair():
    signs = _gauge_signs("pair", [0, 1, 2], 3)
    np.testing.assert_array_equal(signs, [[1, 1, 0], [-1, 0, 1], [0, -1, -1]])
    rng = np.random.default_rng(0)
    atoms = Atoms("Ar4Kr4Xe4", scaled_positions=rng.random((12, 3)), cell=[9, 9, 9], pbc=True)
    features = pair_features(atoms, ("Ar", "Kr", "Xe"))
    assert features.shape == (12, 24)
    species = np.repeat([0, 1, 2], 4)
    assert np.abs(_signed_features("pair", features, species).sum(axis=0)).max() < 1e-10


def test_frames_are_not_changed():
    atoms = random_mixture(0)
    before = atoms.copy()
    pair_features(atoms, ELEMENTS)
    assert before == atoms


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="Kr is not among"):
        pair_features(Atoms("ArKr", positions=[[0, 0, 0], [4, 0, 0]]), ("Ar",))
    with pytest.raises(ValueError, match="7 features"):
        _signed_features("pair", np.zeros((2, 7)), [0, 1])
