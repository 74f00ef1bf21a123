"""Training: members are independent, stop by themselves, see total energies only, and find what can be found."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest
from tests.potentials.toys import DESCRIPTOR, E0, N_COMPONENTS, toy_dataset

from basinet.errors import InputError
from basinet.potentials import training as job
from basinet.potentials.network import Architecture, _hidden_values
from basinet.potentials.training import TrainingSettings, initial_networks, train_ensemble, untrained_ensemble

pytestmark = pytest.mark.slow

COUNTS = {"Ar": 5}
DATA = toy_dataset(50, COUNTS, curved=2e-5)
TRAIN, VALIDATION, TEST = DATA.select(np.arange(30)), DATA.select(np.arange(30, 40)), DATA.select(np.arange(40, 50))
NETWORK = Architecture("tanh", 1, 8)
SETTINGS = TrainingSettings(
    learning_rates=(1e-2,),
    search_members=8,
    max_steps=200,
    batch_size=5,
    evaluate_every=10,
    patience=200,
    dtype="float64",
)


# Trainings of one architecture with as many networks (members times rates) share a compiled program: two or eight.
def trained(
    architecture=NETWORK,
    train=TRAIN,
    validation=VALIDATION,
    *,
    members=2,
    seed=0,
    pad=(0, 0),
    target="total",
    **changes,
):
    return train_ensemble(
        train,
        validation,
        DESCRIPTOR,
        E0,
        architecture,
        SETTINGS.model_copy(update=changes),
        members=members,
        seed=seed,
        pad_frames=pad,
        target=target,
    )


def rmse(predicted, data):
    """Root mean square error of totals in eV per atom, per member."""
    error = (data.sum_over_atoms(predicted) - data.energy) / data.n_atoms
    return np.sqrt((error**2).mean(-1))


def weights_of(result):
    return np.concatenate(
        [leaf.reshape(leaf.shape[0], -1) for layer in result.ensemble.networks for leaf in layer], axis=1
    )


@pytest.fixture(scope="module")
def reference():
    return trained()


def test_a_member_does_not_depend_on_how_many_train_beside_it(reference):
    more = trained(members=8)
    assert np.allclose(weights_of(more)[:2], weights_of(reference), rtol=0, atol=1e-9)
    assert np.array_equal(more.epochs[:2], reference.epochs)
    assert not np.allclose(weights_of(more)[2], weights_of(more)[0], atol=1e-2)


@pytest.mark.long
def test_a_member_does_not_depend_on_the_rates_searched_beside_it(reference):
    for searchers in (8, 1):  # all members take part in the search, or the ensemble is trained again after it
        among = trained(learning_rates=(1e-7, 1e-2), search_members=searchers)
        assert among.learning_rate == 1e-2
        assert np.allclose(weights_of(among), weights_of(reference), rtol=0, atol=1e-9)


@pytest.mark.long
def test_in_single_precision_members_agree_to_single_precision():
    one, more = trained(members=1, dtype="float32"), trained(members=4, dtype="float32", learning_rates=(1e-7, 1e-2))
    assert np.allclose(weights_of(more)[:1], weights_of(one), rtol=0, atol=1e-3)
    predicted, among = one.ensemble.predict(TEST), more.ensemble.predict(TEST)[:1]
    assert np.abs(predicted - among).max() < 1e-3 * predicted.std()


def test_precision_is_what_was_asked_for_and_leaks_nowhere(reference):
    double, single = reference, trained(dtype="float32")
    for result, digits in ((double, np.float64), (single, np.float32)):
        for layer in result.ensemble.networks:
            assert layer.weight.dtype == np.float64
            as_single = layer.weight.astype(np.float32).astype(np.float64)
            assert np.array_equal(as_single, layer.weight) == (digits is np.float32)
    assert np.allclose(double.ensemble.predict(TEST), single.ensemble.predict(TEST), atol=1e-3)
    assert jax.numpy.zeros(1).dtype == np.float32


DEEP = [
    pytest.param(Architecture("tanh", 2, 4, name), marks=pytest.mark.long)
    for name in ("standard", "zero_readout", "ntk", "mup")
]


@pytest.mark.parametrize("architecture", [NETWORK, *DEEP])
def test_the_weights_kept_are_those_of_the_least_validation_error(architecture):
    result = trained(architecture)
    curve = result.curves["validation"]
    best = np.nanargmin(curve, axis=0)
    assert np.array_equal(result.validation_rmse, np.nanmin(curve, axis=0))
    assert np.array_equal(result.epochs, result.curves["epoch"][best])
    assert np.array_equal(result.train_rmse, result.curves["train"][best, range(2)])
    # Recomputed in NumPy from the weights kept, multipliers of the parametrisation folded in.
    assert np.allclose(rmse(result.ensemble.predict(VALIDATION), VALIDATION), result.validation_rmse, rtol=1e-8)
    assert np.allclose(rmse(result.ensemble.predict(TRAIN), TRAIN), result.train_rmse, rtol=1e-8)


def test_each_member_stops_by_itself():
    shuffled = replace(VALIDATION, energy=np.random.default_rng(3).permutation(VALIDATION.energy))
    result = trained(validation=shuffled, members=8, patience=30)
    curve = result.curves["validation"]
    ran = np.isfinite(curve).sum(0)
    assert len(set(ran.tolist())) > 1
    assert ran.min() < len(curve)
    for member in range(8):
        assert np.isfinite(curve[: ran[member], member]).all()  # one stretch, no gaps
        if ran[member] < len(curve):
            assert ran[member] == np.nanargmin(curve[:, member]) + 1 + 3  # 30 steps are three looks
    assert np.array_equal(result.validation_rmse, np.nanmin(curve, axis=0))


@pytest.mark.long
def test_patience_beyond_the_end_changes_nothing_before_it():
    patient, hasty = trained(patience=10**6), trained(patience=60)
    short = np.isfinite(hasty.curves["validation"])
    assert np.allclose(hasty.curves["validation"][short], patient.curves["validation"][short], rtol=1e-9)


def test_the_rate_kept_has_the_least_mean_validation_error():
    rates = (1e-5, 1e-3, 1e-2, 3e-1)
    result = trained(learning_rates=rates)
    assert tuple(result.rate_errors) == rates
    assert result.learning_rate == min(result.rate_errors, key=result.rate_errors.get)
    for rate in rates:
        alone = trained(learning_rates=(rate,))
        assert result.rate_errors[rate] == pytest.approx(alone.validation_rmse.mean(), rel=1e-6)
    assert result.ensemble.training["learning_rate"] == result.learning_rate


def test_a_rate_that_diverges_is_never_chosen():
    result = trained(members=4, learning_rates=(1e200, 1e-3))
    assert result.rate_errors[1e200] == np.inf
    assert result.learning_rate == 1e-3
    assert np.isfinite(weights_of(result)).all()


def test_training_on_totals_never_reads_local_energies(reference):
    blind = trained(train=replace(TRAIN, local_energy=None), validation=replace(VALIDATION, local_energy=None))
    assert np.array_equal(weights_of(blind), weights_of(reference))


@pytest.mark.long
def test_where_the_zero_of_each_species_lies_does_not_matter_to_networks_that_see_local_energies():
    liquid = toy_dataset(40, {"Ar": 3, "Kr": 2}, curved=2e-5)
    shift = np.array([180.0, -540.0])[liquid.species]  # eV: what compositions leave open without isolated atoms
    shifted = replace(liquid, local_energy=liquid.local_energy + shift)
    found = [
        trained(
            train=data.select(np.arange(30)), validation=data.select(np.arange(30, 40)), target="local", dtype=dtype
        )
        for data, dtype in ((liquid, "float64"), (shifted, "float32"))
    ]
    plain, far = (result.ensemble.predict(liquid) for result in found)
    assert np.abs(far - shift - plain).max() < 1e-3 * liquid.local_energy.std()


def test_the_ceiling_reads_local_energies_and_not_totals():
    with pytest.raises(InputError, match="local energies"):
        trained(train=replace(TRAIN, local_energy=None), target="local")
    ceiling = trained(target="local", max_steps=1000)
    error = ceiling.ensemble.predict(VALIDATION) - VALIDATION.local_energy
    assert np.allclose(np.sqrt((error**2).mean(1)), ceiling.validation_rmse, rtol=1e-8)
    flipped = [replace(data, local_energy=-data.local_energy) for data in (TRAIN, VALIDATION)]
    upside_down = trained(NETWORK, *flipped, target="local", max_steps=1000)
    r = [np.corrcoef(x.ensemble.predict(TEST)[0], TEST.local_energy)[0, 1] for x in (ceiling, upside_down)]
    assert r[0] > 0.98
    assert r[1] < -0.9


@pytest.mark.parametrize(
    ("activation", "least"), [("linear", 0.9999), pytest.param("tanh", 0.95, marks=pytest.mark.long)]
)
def test_a_linear_law_is_recovered_atom_by_atom(activation, least):
    data, test = toy_dataset(300, COUNTS, seed=5), toy_dataset(20, COUNTS, seed=6)
    train, validation = data.select(np.arange(250)), data.select(np.arange(250, 300))
    result = trained(Architecture(activation, 1, 8), train, validation, max_steps=1500, patience=1500)
    local = result.ensemble.predict(test).mean(0)
    assert np.corrcoef(local, test.local_energy)[0, 1] > least


@pytest.mark.parametrize("depth", [1, pytest.param(2, marks=pytest.mark.long)])
def test_summing_descriptors_first_changes_no_step_of_a_linear_network(depth, monkeypatch):
    counts = {"Ar": 3, "Kr": 2}
    data = toy_dataset(40, counts, curved=2e-5)
    train, validation = data.select(np.arange(30)), data.select(np.arange(30, 40))
    architecture = Architecture("linear", depth, 4)
    pack, asked = job.pack, []

    def atom_by_atom(dataset, scaling, *, summed, **other):
        asked.append(summed)
        return pack(dataset, scaling, summed=False, **other)

    at_once = trained(architecture, train, validation, max_steps=100)
    monkeypatch.setattr(job, "pack", atom_by_atom)
    one_by_one = trained(architecture, train, validation, max_steps=100)
    assert asked
    assert all(asked)
    assert np.allclose(weights_of(at_once), weights_of(one_by_one), rtol=0, atol=1e-10)
    for name in ("train", "validation"):
        assert np.allclose(at_once.curves[name], one_by_one.curves[name], rtol=1e-9)


@pytest.mark.long
def test_padding_with_frames_of_nothing_changes_nothing(reference):
    padded = trained(pad=(41, 17))
    assert np.allclose(weights_of(padded), weights_of(reference), rtol=0, atol=1e-9)
    assert np.allclose(padded.curves["validation"], reference.curves["validation"], rtol=1e-9)
    assert np.allclose(padded.curves["train"], reference.curves["train"], rtol=1e-9)
    ceiling = [trained(target="local", pad=pad, max_steps=50) for pad in ((0, 0), (41, 17))]
    assert np.allclose(weights_of(ceiling[0]), weights_of(ceiling[1]), rtol=0, atol=1e-9)


@pytest.mark.long
def test_smaller_training_sets_share_the_compiled_program():
    compiled = []

    def listen(event, *_, **__):
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        trained(Architecture("tanh", 1, 5), pad=(32, 12))
        first = len(compiled)
        for n_train in (10, 20, 29):
            trained(Architecture("tanh", 1, 5), TRAIN.select(np.arange(30 - n_train, 30)), pad=(32, 12))
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert first >= 1
    assert len(compiled) == first


def test_networks_without_biases_have_none_after_training():
    found = trained(Architecture("tanh", 1, 8, "pytorch", biases=False))
    assert all(not layer.bias.any() for layer in found.ensemble.networks)
    assert found.validation_rmse.max() < 0.5 * np.std(VALIDATION.energy / VALIDATION.n_atoms)


def test_lbfgs_finds_an_exact_law_and_keeps_the_histories_of_networks_apart():
    exact = toy_dataset(60, COUNTS)
    blocks = exact.select(np.arange(40)), exact.select(np.arange(40, 60))
    full = {"learning_rates": (1.0,), "max_steps": 100, "search_members": 8}
    usual, scaled = Architecture("linear", 1, 8), Architecture("linear", 1, 8, "ntk", biases=False)
    errors = []
    for architecture, method, rate in (
        (usual, "lbfgs", 1.0),
        (scaled, "lbfgs", 1.0),
        (usual, "gradient_descent", 0.01),
    ):
        changes = full | {"method": method, "learning_rates": (rate,), "batch_size": 40}
        found = trained(architecture, *blocks, **changes)
        errors.append(found.validation_rmse.max() / np.std(blocks[1].energy / blocks[1].n_atoms))
    assert max(errors[:2]) < 1e-3 < errors[2]
    few = full | {"max_steps": 10, "method": "lbfgs"}  # rounding errors grow with every step
    two, eight = (trained(NETWORK, *blocks, members=n, **few) for n in (2, 8))
    assert np.allclose(weights_of(eight)[:2], weights_of(two), rtol=0, atol=1e-9)


def test_weight_decay_shrinks_weights():
    norms = [np.abs(weights_of(trained(weight_decay=decay, patience=10**6))).mean() for decay in (0.0, 1.0, 10.0)]
    assert norms[2] < 0.7 * norms[0]
    assert norms[2] < norms[1] < norms[0]


@pytest.mark.parametrize(
    "architecture",
    [
        NETWORK,
        *(pytest.param(Architecture("tanh", 2, 32, name), marks=pytest.mark.long) for name in ("standard", "mup")),
    ],
)
def test_the_first_step_of_adam_moves_each_layer_by_its_rate(architecture):
    result = trained(architecture, max_steps=1, evaluate_every=1)
    start = initial_networks([0, 1], architecture, 1, N_COMPONENTS)
    for rule, before, after in zip(architecture.rules(N_COMPONENTS), start, result.ensemble.networks, strict=True):
        moved = np.abs(after.weight / rule.multiplier - before.weight)
        assert np.median(moved) == pytest.approx(1e-2 * rule.rate_factor, rel=1e-3)


@pytest.mark.long
@pytest.mark.parametrize(("parametrisation", "least", "most"), [("mup", 0.5, 2.0), ("standard", 8.0, np.inf)])
def test_hidden_values_move_at_the_same_pace_at_every_width_in_mup_only(parametrisation, least, most):
    """The coordinate check of Yang and Hu: the change of the last hidden layer's values after four steps of Adam."""
    moved = []
    for width in (16, 512):
        architecture = Architecture("tanh", 2, width, parametrisation)
        result = trained(architecture, members=4, max_steps=4, evaluate_every=4, learning_rates=(1e-4,))
        start = untrained_ensemble(TRAIN, DESCRIPTOR, E0, architecture, members=4, seed=0)
        rows = (TEST.descriptors - start.scaling.mean[0]) / start.scaling.std[0]
        values = [
            np.stack([_hidden_values(one.network(m, 0), rows, np.ones(len(rows)), "tanh")[-1] for m in range(4)])
            for one in (start, result.ensemble)
        ]
        moved.append(np.sqrt(np.mean((values[1] - values[0]) ** 2)))
    assert least < moved[1] / moved[0] < most


@pytest.mark.long
def test_untrained_networks_are_those_that_training_starts_from():
    for parametrisation in ("standard", "ntk", "mup"):
        architecture = Architecture("tanh", 2, 4, parametrisation)
        start = untrained_ensemble(TRAIN, DESCRIPTOR, E0, architecture, members=3, seed=4)
        nudged = trained(architecture, members=3, seed=4, learning_rates=(1e-14,))
        assert np.allclose(start.predict(TEST), nudged.ensemble.predict(TEST), atol=1e-9)


def test_the_same_seed_gives_the_same_ensemble_and_another_seed_another(reference):
    assert np.array_equal(weights_of(trained()), weights_of(reference))
    assert not np.allclose(weights_of(trained(seed=1)), weights_of(reference), atol=1e-2)


@pytest.mark.long
def test_training_changes_none_of_its_data():
    before = [TRAIN.descriptors.copy(), TRAIN.energy.copy(), VALIDATION.descriptors.copy()]
    trained(max_steps=20)
    after = [TRAIN.descriptors, TRAIN.energy, VALIDATION.descriptors]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_record_that_travels_with_the_model_is_the_results(reference):
    record = reference.ensemble.training
    assert record["n_train"] == 30
    assert record["validation_rmse"] == reference.validation_rmse.tolist()
    assert record["epochs"] == reference.epochs.tolist()
    assert reference.ensemble.e0 == {"Ar": E0["Ar"]}
    assert reference.cpu_seconds > 0
