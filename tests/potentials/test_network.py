"""The network's algebra: linear networks need sums only, padding is nothing, parametrisations start where they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from basinet.errors import InputError
from basinet.potentials.network import BASE_WIDTH, Architecture, Layer, _effective, _hidden_values, _readout_energies
from basinet.potentials.training import initial_networks

WIDTHS = (8, 32, 128, 512)


def row_energies(network, rows, count, activation):
    """Energy of every row, in the network's own units, as models evaluate it."""
    return _readout_energies(network, _hidden_values(network, rows, count, activation)[-1], count)


def network(architecture: Architecture, n_components: int = 7, seed: int = 0) -> tuple[Layer, ...]:
    """One network with biases that are not zero."""
    rng = np.random.default_rng([seed, 1])
    layers = initial_networks([seed], architecture, 1, n_components)
    return tuple(Layer(layer.weight[0, 0], 0.3 * rng.normal(size=layer.bias[0, 0].shape)) for layer in layers)


@given(n_atoms=st.integers(1, 9), depth=st.sampled_from([1, 2]), width=st.integers(1, 9), seed=st.integers(0, 2**16))
def test_a_linear_network_sees_the_sum_of_its_atoms(n_atoms, depth, width, seed):
    layers = network(Architecture("linear", depth, width), seed=seed)
    rows = np.random.default_rng(seed).normal(size=(n_atoms, 7))
    per_atom = row_energies(layers, rows, np.ones(n_atoms), "linear")
    at_once = row_energies(layers, rows.sum(0, keepdims=True), np.array([float(n_atoms)]), "linear")
    scale = 1 + np.abs(per_atom).sum()
    assert abs(at_once[0] - per_atom.sum()) < 1e-12 * scale


def test_a_tanh_network_does_not():
    layers = network(Architecture("tanh", 1, 8))
    rows = np.random.default_rng(0).normal(size=(4, 7))
    per_atom = row_energies(layers, rows, np.ones(4), "tanh").sum()
    at_once = row_energies(layers, rows.sum(0, keepdims=True), np.array([4.0]), "tanh")[0]
    assert abs(at_once - per_atom) > 1e-2


@pytest.mark.parametrize("activation", ["linear", "tanh"])
@pytest.mark.parametrize("depth", [1, 2])
def test_rows_of_zeros_that_stand_for_no_atom_have_no_energy(activation, depth):
    layers = network(Architecture(activation, depth, 6))
    rows = np.random.default_rng(0).normal(size=(5, 7))
    padded, count = np.vstack([rows, np.zeros((3, 7))]), np.r_[np.ones(5), np.zeros(3)]
    energies = row_energies(layers, padded, count, activation)
    assert np.all(energies[5:] == 0.0)
    assert np.allclose(energies[:5], row_energies(layers, rows, np.ones(5), activation), rtol=1e-14)
    alone = row_energies(layers, rows, np.ones(5), activation).sum()
    assert row_energies(layers, padded, count, activation).sum() == pytest.approx(alone, rel=1e-13)


@pytest.mark.parametrize("depth", [1, 2])
def test_deep_linear_networks_are_affine_maps(depth):
    layers = network(Architecture("linear", depth, 5))
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 1, 7))
    one = np.ones(1)
    middle = row_energies(layers, (a + b) / 2, one, "linear")
    ends = row_energies(layers, a, one, "linear") + row_energies(layers, b, one, "linear")
    assert middle == pytest.approx(ends / 2, rel=1e-12)


def initial_spread(parametrisation: str, width: int, depth: int, activation: str = "tanh") -> float:
    """Spread of the initial output over networks and standard-normal inputs."""
    architecture = Architecture(activation, depth, width, parametrisation)
    n_components = 30
    start = _effective(initial_networks(range(40), architecture, 1, n_components), architecture, n_components)
    rows = np.random.default_rng(0).normal(size=(40, n_components))
    outputs = [
        row_energies(tuple(Layer(x.weight[m, 0], x.bias[m, 0]) for x in start), rows, np.ones(40), activation)
        for m in range(40)
    ]
    return float(np.std(outputs))


@pytest.mark.parametrize("parametrisation", ["standard", "ntk"])
@pytest.mark.parametrize("depth", [1, pytest.param(2, marks=pytest.mark.long)])
def test_standard_and_ntk_networks_start_with_outputs_of_order_one_at_every_width(parametrisation, depth):
    spreads = [initial_spread(parametrisation, width, depth) for width in WIDTHS]
    assert min(spreads) > 0.35
    assert max(spreads) < 0.9
    assert max(spreads) / min(spreads) < 1.35  # 40 networks tell spreads to some 10 %
    linear = [initial_spread(parametrisation, width, depth, "linear") for width in WIDTHS[1:]]
    assert linear == pytest.approx([1.0] * 3, abs=0.3)  # exactly one but for the finite sample


@pytest.mark.parametrize("depth", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_zero_readout_starts_at_zero_at_every_width(depth):
    assert [initial_spread("zero_readout", width, depth) for width in WIDTHS] == [0.0] * len(WIDTHS)


@pytest.mark.parametrize("depth", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_mup_readout_starts_smaller_the_wider_the_network(depth):
    spreads = np.array([initial_spread("mup", width, depth) for width in WIDTHS])
    slope = np.polyfit(np.log(WIDTHS), np.log(spreads), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.07)
    at_base = initial_spread("mup", BASE_WIDTH, depth), initial_spread("standard", BASE_WIDTH, depth)
    assert at_base[0] == pytest.approx(at_base[1], rel=1e-12)


def test_initial_linear_functions_have_the_variance_that_their_table_says():
    """Of n nodes and m components of variance 1: n times the readout's variance, times m times the hidden layer's."""
    for width in WIDTHS:
        n, m = width, 30
        variance = {"unit_readout": n, "glorot": n * 2 / (n + 1) * m * 2 / (m + n), "pytorch": 1 / 9 + 1 / 3 / n}
        for parametrisation, expected in variance.items():
            spread = initial_spread(parametrisation, width, 1, "linear")
            assert spread == pytest.approx(expected**0.5, rel=0.3), (parametrisation, width)


def test_weights_and_biases_of_pytorchs_default_are_uniform_within_the_root_of_the_fan_in():
    layer = initial_networks(range(40), Architecture("tanh", 1, 64, "pytorch"), 1, 25)[0]
    for values in (layer.weight, layer.bias):
        assert np.abs(values).max() < 25**-0.5
        assert values.std() == pytest.approx(75**-0.5, rel=0.05)


@pytest.mark.parametrize("parametrisation", ["standard", "pytorch", "ntk", "mup"])
def test_the_initial_scale_multiplies_the_initial_function(parametrisation):
    plain, scaled = (
        initial_networks([3], Architecture("tanh", 2, 8, parametrisation, alpha), 1, 7) for alpha in (1.0, 0.25)
    )
    for before, after, factor in zip(plain, scaled, (1.0, 1.0, 0.25), strict=True):
        for a, b in zip(before, after, strict=True):
            assert np.array_equal(b, factor * a)


def test_only_hidden_matrices_of_mup_learn_at_a_width_dependent_rate():
    deep = Architecture("tanh", 2, 8 * BASE_WIDTH, "mup").rules(30)
    assert [rule.rate_factor for rule in deep] == [1.0, 1 / 8, 1.0]
    assert [rule.multiplier for rule in deep] == [1.0, 1.0, 1 / 8]
    shallow = Architecture("tanh", 1, 8 * BASE_WIDTH, "mup").rules(30)
    assert [rule.rate_factor for rule in shallow] == [1.0, 1.0]
    for parametrisation in ("standard", "zero_readout", "ntk"):
        rules = Architecture("tanh", 2, 64, parametrisation).rules(30)
        assert {rule.rate_factor for rule in rules} == {1.0}


def test_a_seed_means_the_same_initial_network_in_every_ensemble():
    architecture = Architecture("tanh", 2, 12)
    alone = initial_networks([5], architecture, 2, 9)
    among = initial_networks([3, 4, 5, 6], architecture, 2, 9)
    for own, all_of_them in zip(alone, among, strict=True):
        assert np.array_equal(own.weight[0], all_of_them.weight[2])
    assert not np.allclose(among[0].weight[0], among[0].weight[1])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("activation", "relu"),
        ("depth", 3),
        ("width", 0),
        ("width", 513),
        ("parametrisation", "x"),
        ("initial_scale", -1.0),
        ("initial_scale", float("nan")),
    ],
)
def test_what_cannot_be_built_is_refused(field, value):
    with pytest.raises(InputError, match=f"{field} = "):
        Architecture(**{field: value})
