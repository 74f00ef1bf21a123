"""Training on forces: the loss is what it says, and the forces are those that the trained model gives."""

from __future__ import annotations

from functools import cache

import jax
import numpy as np
import pytest
from ase.build import bulk

import basinet
from basinet.descriptors.bispectrum import Bispectrum
from basinet.errors import InputError
from basinet.potentials import training as job
from basinet.potentials.dataset import build_dataset, fit_scaling
from basinet.potentials.ensemble import Ensemble
from basinet.potentials.network import Architecture, _effective
from basinet.potentials.pair_potential import literature_lennard_jones
from basinet.potentials.program import _Layout
from basinet.potentials.training import TrainingSettings, _prepare, initial_networks, train_ensemble

pytestmark = pytest.mark.slow

DESCRIPTOR = Bispectrum(rcut=5.25, twojmax=3, weights={"Ar": 1.0, "Kr": 0.8}, radii={"Ar": 0.5, "Kr": 0.54})
ZERO = {"Ar": 0.0, "Kr": 0.0}
SETTINGS = TrainingSettings(
    learning_rates=(1e-2,),
    search_members=4,
    max_steps=100,
    batch_size=5,
    evaluate_every=10,
    patience=100,
    dtype="float64",
    force_weight=0.3,
)
NETWORK = Architecture("tanh", 1, 6)


def labelled_frame(rng, elements="ArKr", repeats=1):
    """A shaken crystal of four atoms, or of eight, with energy and forces of the literature's pair potential."""
    atoms = bulk("Ar", "fcc", a=5.6, cubic=True).repeat((repeats, 1, 1))
    atoms.symbols[:] = rng.permutation(list({"Ar": ["Ar"] * 4, "ArKr": ["Ar", "Ar", "Ar", "Kr"]}[elements]) * repeats)
    atoms.rattle(0.15, rng=rng)
    potential = literature_lennard_jones().evaluate(atoms)
    atoms.info["REF_energy"] = float(potential.local_energies.sum())
    atoms.arrays["REF_forces"] = potential.forces
    return atoms


@cache
def frames_of(n_frames, *, seed=0, sizes=(1, 2), elements="ArKr"):
    rng = np.random.default_rng(seed)
    return [labelled_frame(rng, elements, sizes[index % len(sizes)]) for index in range(n_frames)]


def dataset_of(frames, *, forces=True, descriptor=DESCRIPTOR):
    derivatives = descriptor.derivatives if forces else None
    return build_dataset("toy", frames, descriptor, ZERO, derivatives=derivatives)


@cache  # not a constant: every worker would compile what describes frames, as it collects the tests
def halves():
    """Training and validation data."""
    data = dataset_of(frames_of(30))
    return data.select(np.arange(20)), data.select(np.arange(20, 30))


def trained(architecture=NETWORK, data=None, *, members=2, pad=(0, 0), target="total", **changes):
    train, validation = data or halves()
    settings = SETTINGS.model_copy(update=changes)
    return train_ensemble(
        train,
        validation,
        DESCRIPTOR,
        ZERO,
        architecture,
        settings,
        members=members,
        seed=0,
        pad_frames=pad,
        target=target,
    )


def weights_of(result):
    return np.concatenate([leaf.ravel() for layer in result.ensemble.networks for leaf in layer])


def errors_by_evaluation(ensemble, frames):
    """Per member: errors of totals (frames,) in eV, and of forces, an array (n_atoms, 3) in eV/A for each frame."""
    for member in range(ensemble.members):
        said = [ensemble.evaluate(atoms, mean_over=[member]) for atoms in frames]
        energies = [s.local_energies[member].sum() - a.info["REF_energy"] for s, a in zip(said, frames, strict=True)]
        yield np.array(energies), [s.forces - a.arrays["REF_forces"] for s, a in zip(said, frames, strict=True)]


def loss_by_evaluation(ensemble, frames, weight):
    """The loss of `basinet.potentials.program` by the energies and forces that the model gives, per member."""
    scale, atoms_per_frame = ensemble.scaling.scale.mean(), np.mean([len(atoms) for atoms in frames])
    losses = []
    for energies, forces in errors_by_evaluation(ensemble, frames):
        of_forces = np.mean([np.mean((error / scale) ** 2) for error in forces])
        losses.append(np.mean((energies / scale) ** 2) / atoms_per_frame + weight * of_forces)
    return np.array(losses)


@pytest.mark.parametrize(
    ("activation", "depth", "parametrisation"),
    [
        ("tanh", 1, "standard"),
        pytest.param("tanh", 2, "ntk", marks=pytest.mark.long),
        pytest.param("tanh", 2, "mup", marks=pytest.mark.long),
        pytest.param("linear", 1, "standard", marks=pytest.mark.long),
        pytest.param("linear", 2, "mup", marks=pytest.mark.long),
    ],
)
def test_the_loss_is_that_of_the_models_own_energies_and_forces(activation, depth, parametrisation):
    from basinet.potentials.program import _errors_in_turn, _mean_squared_errors

    architecture = Architecture(activation, depth, 5, parametrisation)
    train, validation = halves()
    scaling = fit_scaling(train)
    start = initial_networks([0, 1, 2], architecture, 2, DESCRIPTOR.n_components)
    networks = _effective(start, architecture, DESCRIPTOR.n_components)
    ensemble = Ensemble(DESCRIPTOR, architecture, ("Ar", "Kr"), ZERO, scaling, networks)
    prepared = _prepare(train, validation, scaling, architecture, SETTINGS, 0, (23, 0))  # three frames of nothing
    with jax.enable_x64(True):
        layout = _Layout(architecture, DESCRIPTOR.n_components)

        @jax.jit
        def both(networks, frames):
            vectors, unit = layout.vectors(networks), np.sqrt(prepared.atoms_per_frame)
            frames = frames._replace(rows=layout.with_counts(frames.rows, frames.count))
            return [
                errors(vectors, frames, layout, unit).combined(SETTINGS.force_weight)
                for errors in (_mean_squared_errors, _errors_in_turn)
            ]

        losses = both(start, prepared.train)
    expected = loss_by_evaluation(ensemble, frames_of(30)[:20], SETTINGS.force_weight)
    assert np.allclose(losses, expected, rtol=1e-10)


def test_steps_follow_the_gradient_of_the_loss_in_the_weights():
    from basinet.potentials.program import _mean_squared_errors

    architecture = Architecture("tanh", 2, 4)
    train, validation = halves()
    prepared = _prepare(train, validation, fit_scaling(train), architecture, SETTINGS, 0, (0, 0))
    with jax.enable_x64(True):
        layout = _Layout(architecture, DESCRIPTOR.n_components)

        @jax.jit
        @jax.value_and_grad
        def loss(vectors, frames):
            frames = frames._replace(rows=layout.with_counts(frames.rows, frames.count))
            return _mean_squared_errors(vectors, frames, layout, 2.0).combined(0.3).sum()

        vectors = np.asarray(jax.jit(layout.vectors)(initial_networks([0], architecture, 2, DESCRIPTOR.n_components)))
        direction = np.random.default_rng(1).normal(size=vectors.shape)
        slope = (np.asarray(loss(vectors, prepared.train)[1]) * direction).sum()
        sides = [float(loss(vectors + step * direction, prepared.train)[0]) for step in (-2e-4, -1e-4, 1e-4, 2e-4)]
    assert slope == pytest.approx((8 * (sides[2] - sides[1]) - (sides[3] - sides[0])) / 12e-4, rel=1e-7)


@pytest.mark.parametrize("activation", ["tanh", pytest.param("linear", marks=pytest.mark.long)])
def test_the_record_tells_the_errors_of_the_forces_that_the_calculator_gives(activation):
    result = trained(Architecture(activation, 1, 6))
    for name, frames in (("train", frames_of(30)[:20]), ("validation", frames_of(30)[20:])):
        assert result.force_rmse[name].shape == (2,)
        assert result.ensemble.training[f"{name}_force_rmse"] == result.force_rmse[name].tolist()
        for member in range(2):
            calculator = basinet.Calculator(result.ensemble, member=member, margin=np.inf)
            squares = [np.mean((calculator.get_forces(atoms) - atoms.arrays["REF_forces"]) ** 2) for atoms in frames]
            assert result.force_rmse[name][member] == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-8)
    assert result.ensemble.training["force_weight"] == 0.3


@pytest.mark.long
def test_the_loss_on_validation_frames_chooses_weights_and_rate():
    result = trained(learning_rates=(1e-5, 1e-2), members=3)
    scale, n = result.ensemble.scaling.scale.mean(), halves()[0].n_atoms.mean()
    energy, force = (result.curves[name] for name in ("validation", "validation_force"))
    loss = n * (energy / scale) ** 2 + SETTINGS.force_weight * (force / scale) ** 2
    best = np.nanargmin(loss, axis=0)
    assert np.array_equal(result.epochs, result.curves["epoch"][best])
    assert np.array_equal(result.validation_rmse, energy[best, range(3)])
    assert np.array_equal(result.force_rmse["validation"], force[best, range(3)])
    assert result.learning_rate == 1e-2
    root_of_loss = scale / np.sqrt(n) * np.sqrt(loss[best, range(3)])
    assert result.rate_errors[1e-2] == pytest.approx(root_of_loss.mean())


@pytest.mark.parametrize("activation", ["tanh", pytest.param("linear", marks=pytest.mark.long)])
def test_padding_with_frames_of_nothing_changes_nothing(activation):
    plain, padded = (trained(Architecture(activation, 1, 6), pad=pad) for pad in ((0, 0), (27, 14)))
    assert np.allclose(weights_of(plain), weights_of(padded), rtol=0, atol=1e-9)
    for name, curve in plain.curves.items():
        assert np.allclose(curve, padded.curves[name], rtol=1e-9)


@pytest.mark.long
def test_summing_derivatives_first_changes_no_step_of_a_linear_network(monkeypatch):
    at_once = trained(Architecture("linear", 2, 4))
    for name in ("pack", "_pack_forces"):
        own = getattr(job, name)
        monkeypatch.setattr(job, name, lambda *a, own=own, **other: own(*a, **other | {"summed": False}))
    one_by_one = trained(Architecture("linear", 2, 4))
    assert np.allclose(weights_of(at_once), weights_of(one_by_one), rtol=0, atol=1e-9)


def test_without_a_weight_forces_are_not_read():
    blind = [dataset_of(part, forces=False) for part in (frames_of(30)[:20], frames_of(30)[20:])]
    totals, without = trained(force_weight=0.0), trained(data=blind, force_weight=0.0)
    assert np.array_equal(weights_of(totals), weights_of(without))
    assert totals.force_rmse == {}
    assert not any("force" in key for key in totals.ensemble.training)
    assert set(totals.curves) == {"epoch", "train", "validation"}


@pytest.mark.long
def test_a_small_weight_is_close_to_none():
    totals, hardly = trained(force_weight=0.0), trained(force_weight=1e-12)
    assert np.allclose(weights_of(totals), weights_of(hardly), rtol=0, atol=1e-5)


@pytest.mark.long
def test_in_single_precision_the_forces_are_the_same_to_a_thousandth_of_their_error():
    double, single = trained(), trained(dtype="float32")
    assert np.allclose(single.force_rmse["validation"], double.force_rmse["validation"], rtol=1e-3)
    assert np.allclose(single.validation_rmse, double.validation_rmse, rtol=1e-2)


@pytest.mark.long
def test_weights_of_forces_share_the_compiled_program():
    compiled = []

    def listen(event, *_, **__):
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        trained(Architecture("tanh", 1, 3), force_weight=0.01)
        first = len(compiled)
        trained(Architecture("tanh", 1, 3), force_weight=10.0)
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert first >= 1
    assert len(compiled) == first


@pytest.mark.long
def test_forces_of_a_pair_potential_are_learnt_better_from_forces_than_from_totals():
    frames = frames_of(60, seed=4, sizes=(2,), elements="Ar")
    test = frames_of(10, seed=5, sizes=(2,), elements="Ar")
    descriptor = Bispectrum(rcut=5.25, twojmax=5, weights={"Ar": 1.0})
    settings = {"width": 8, "members": 2, "max_steps": 500, "learning_rates": [0.01]}
    rmse, local = [], []
    for weight in (0.0, 10.0):
        model = basinet.train(frames, descriptor, force_weight=weight, **settings)
        said = [model.evaluate(atoms) for atoms in test]
        rmse.append(np.std([s.forces - a.arrays["REF_forces"] for s, a in zip(said, test, strict=True)]))
        own = np.concatenate([literature_lennard_jones().evaluate(atoms).local_energies for atoms in test])
        local.append(np.corrcoef(np.concatenate([s.local_energies.mean(0) for s in said]), own)[0, 1])
    assert rmse[1] < 0.5 * rmse[0]
    assert local[1] > local[0]


def test_frames_without_forces_are_refused_by_name():
    bare = [atoms.copy() for atoms in frames_of(30)]
    del bare[3].arrays["REF_forces"]
    with pytest.raises(InputError, match=r"frame 3.*REF_forces is missing.*force_weight 0"):
        dataset_of(bare)
    bare[3].arrays["REF_forces"] = np.full((len(bare[3]), 3), np.nan)
    with pytest.raises(InputError, match=r"frame 3.*atom 0"):
        dataset_of(bare)
    with pytest.raises(InputError, match="forces"):
        trained(data=(dataset_of(frames_of(30)[:20], forces=False), halves()[1]))


def test_local_energies_and_forces_are_not_trained_on_together():
    with pytest.raises(InputError, match="force_weight"):
        trained(target="local")
