"""What the files for LAMMPS say, read by a reader of their own: no LAMMPS needed."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from ase import Atoms
from tests.potentials.toys import DESCRIPTOR, gas, random_ensemble

from basinet.descriptors.bispectrum import Bispectrum
from basinet.errors import InputError
from basinet.lammps.files import (
    _input_text,
    _refuse_what_lammps_gets_wrong,
    box_of,
    data_text,
    descriptor_text,
    mean_networks,
    member_networks,
    model_text,
    n_coefficients,
    pair_commands,
)
from basinet.potentials.dataset import Scaling
from basinet.potentials.network import Architecture, Layer
from basinet.potentials.pair_potential import LennardJones, PairCoefficients, literature_lennard_jones

SHAPES = [("linear", 1, 5), ("linear", 2, 7), ("tanh", 1, 5), ("tanh", 2, 7)]


def read_model(text: str) -> tuple[list[tuple], str]:
    """Means, standard deviations and layers of every element, after the format's description."""
    lines = [line.split("#")[0].split() for line in text.splitlines()]
    (n_elements, n_numbers), (word, n_components, n_layers, *shape), *rest = [line for line in lines if line]
    assert word == "NET"
    assert len(shape) == 2 * int(n_layers)
    sizes, activations = [int(n_components), *map(int, shape[1::2])], shape[::2]
    assert activations[-1] == "linear"
    assert len(set(activations[:-1])) <= 1
    numbers = iter([float(word) for line in rest for word in line])
    elements = []
    for _ in range(int(n_elements)):
        mean, std = ([next(numbers) for _ in range(sizes[0])] for _ in range(2))
        layers = []
        for before, after in pairwise(sizes):
            rows = np.array([[next(numbers) for _ in range(before + 1)] for _ in range(after)])
            layers.append((rows[:, 1:].T, rows[:, 0]))
        assert sum(weight.size + bias.size for weight, bias in layers) == int(n_numbers)
        elements.append((np.array(mean), np.array(std), layers))
    assert next(numbers, None) is None
    return elements, activations[0]


def energies(element: tuple, activation: str, descriptors: np.ndarray) -> np.ndarray:
    mean, std, layers = element
    hidden = (descriptors - mean) / std
    for weight, bias in layers[:-1]:
        hidden = hidden @ weight + bias
        hidden = np.tanh(hidden) if activation == "tanh" else hidden
    return (hidden @ layers[-1][0] + layers[-1][1])[:, 0]


def read_energies(text: str, atoms: Atoms, elements: tuple[str, ...]) -> np.ndarray:
    networks, activation = read_model(text)
    descriptors = DESCRIPTOR(atoms)
    symbols = np.array(atoms.get_chemical_symbols())
    result = np.zeros(len(atoms))
    for element, network in zip(elements, networks, strict=True):
        result[symbols == element] = energies(network, activation, descriptors[symbols == element])
    return result


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_model_file_holds_the_member_and_its_isolated_atoms(shape):
    ensemble, atoms = random_ensemble(("Ar", "Kr"), Architecture(*shape)), gas("Ar5Kr4")
    for member, expected in enumerate(ensemble.local_energies(atoms)):
        text = "".join(model_text(member_networks(ensemble, member), shape[0], "any"))
        np.testing.assert_allclose(read_energies(text, atoms, ensemble.elements), expected, rtol=0, atol=2e-14)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_mean_of_networks_is_one_network(shape):
    ensemble, atoms = random_ensemble(("Ar", "Kr"), Architecture(*shape), members=5), gas("Ar5Kr4")
    networks = mean_networks(ensemble)
    assert networks is not None
    text = "".join(model_text(networks, shape[0], "mean"))
    expected = ensemble.local_energies(atoms).mean(axis=0)
    np.testing.assert_allclose(read_energies(text, atoms, ensemble.elements), expected, rtol=0, atol=2e-14)


@pytest.mark.parametrize(
    ("shape", "members", "together"),
    [
        (("linear", 2, 512), 32, True),
        (("tanh", 1, 512), 32, True),
        (("tanh", 2, 32), 8, True),
        (("tanh", 2, 128), 8, False),
        (("tanh", 2, 512), 32, False),  # as one network it would take 2 GB
    ],
)
def test_a_mean_is_one_network_where_that_costs_no_more(shape, members, together):
    descriptor = Bispectrum(twojmax=8, weights={"Ar": 1.0})
    ensemble = random_ensemble(("Ar",), Architecture(*shape), members=members, descriptor=descriptor)
    assert (mean_networks(ensemble) is not None) == together


def test_linear_layers_are_multiplied_out():
    ensemble = random_ensemble(("Ar",), Architecture("linear", 2, 512))
    (network,) = member_networks(ensemble, 0)
    assert network.sizes == (1,)
    assert n_coefficients(DESCRIPTOR.n_components, network.sizes) == DESCRIPTOR.n_components + 1


def test_lines_are_those_that_lammps_reads():
    ensemble = random_ensemble(("Ar", "Kr"), Architecture("tanh", 2, 30))
    weight = ensemble.networks[0].weight.copy()
    weight[0, 0, 0, :3] = [1.23456789012345678e-5, -1e-310, 5e-324]  # the latter two have no full double precision
    ensemble = replace(ensemble, networks=(Layer(weight, ensemble.networks[0].bias), *ensemble.networks[1:]))
    lines = list(model_text(member_networks(ensemble, 0), "tanh", "any"))
    assert all(len(line) <= 1023 and len(line.split()) <= 30 for line in lines)
    values = [float(word) for line in lines[3:] for word in line.split()]
    assert all(value == 0.0 or abs(value) > 1e-290 for value in values)
    assert 1.23456789012345678e-5 in values


def test_files_name_their_units_so_that_lammps_refuses_others():
    ensemble = random_ensemble()
    assert "UNITS: metal" in next(model_text(member_networks(ensemble, 0), "tanh", "any"))
    assert "UNITS: metal" in descriptor_text(DESCRIPTOR, ["Ar"]).splitlines()[0]


def test_the_descriptor_names_only_the_models_elements():
    text = descriptor_text(
        Bispectrum(rcut=5.1, weights={"Ar": 1.0, "Kr": 1 / 3}, radii={"Ar": 0.5, "Kr": 0.54}), ["Kr"]
    )
    settings = dict(line.split(maxsplit=1) for line in text.splitlines()[1:])
    assert settings["elems"] == "Kr"
    assert float(settings["welems"]) == 1 / 3
    assert float(settings["radelems"]) == 0.54
    assert float(settings["rcutfac"]) == 5.1


def test_data_keep_every_digit_and_the_order_of_atoms():
    atoms = gas("Ar3Kr2")
    lines = data_text(atoms, ["Ar", "Kr"]).splitlines()
    table = [line.split() for line in lines[lines.index("Atoms # atomic") + 2 :]]
    assert [row[1] for row in table] == ["1", "1", "1", "2", "2"]
    np.testing.assert_array_equal([[float(word) for word in row[2:]] for row in table], box_of(atoms).positions)
    assert "xy xz yz" in "\n".join(lines)
    cubic = Atoms("Ar", cell=[5.0, 5.0, 5.0], pbc=True)
    assert "xy xz yz" not in data_text(cubic, ["Ar"])
    assert "tilt" not in _input_text(["a.nn"], ["Ar"], cubic, "any")


@pytest.mark.parametrize("pbc", [(True, True, True), (True, True, False), (False, True, False), (False, False, False)])
def test_boxes_keep_distances_and_hold_all_atoms(pbc):
    atoms = gas("Ar5Kr4", seed=3)
    atoms.pbc = pbc
    atoms.positions += [7.0, -3.0, 2.0]
    box = box_of(atoms)
    assert box.boundary() == " ".join("p" if axis else "f" for axis in pbc)
    assert (box.positions[:, ~np.array(pbc)] > 0.0).all()
    assert (box.positions[:, ~np.array(pbc)] < box.lengths[~np.array(pbc)]).all()
    turned = Atoms(atoms.numbers, box.positions, pbc=pbc)
    (xx, yy, zz), (xy, xz, yz) = box.lengths, box.tilts
    turned.cell = [[xx, 0, 0], [xy, yy, 0], [xz, yz, zz]]
    np.testing.assert_allclose(DESCRIPTOR(turned), DESCRIPTOR(atoms), atol=1e-9)


def test_vectors_turn_back():
    atoms = gas("Ar5Kr4", seed=3)
    box = box_of(atoms)
    edges = np.diag([box.lengths[0], 0.0, 0.0])
    np.testing.assert_allclose(box.to_frame(edges)[0], atoms.cell[0], atol=1e-12)


@pytest.mark.parametrize(("c6", "c12"), [(-10.0, 1e4), (10.0, 0.0)])
def test_a_pair_potential_that_lammps_lacks_is_refused(c6, c12):
    pairs = LennardJones({("Ar", "Ar"): PairCoefficients(c6, c12)}, 8.0)
    with pytest.raises(InputError, match=r"Ar-Ar .* no Lennard-Jones"):
        pair_commands(["a.nn"], ["Ar"], baseline=pairs)


def test_pair_coefficients_are_plain_numbers():
    pairs = LennardJones({("Ar", "Ar"): PairCoefficients(np.float64(64.0), np.float64(1e5))}, 8.0, smooth=True)
    *_, line = pair_commands(["a.nn"], ["Ar"], baseline=pairs)
    epsilon, sigma = map(float, line.removeprefix("pair_coeff 1 1 lj/smooth/linear ").split())
    assert 4 * epsilon * sigma**6 == pytest.approx(64.0, rel=1e-14)
    assert 4 * epsilon * sigma**12 == pytest.approx(1e5, rel=1e-14)


def test_a_pair_potential_of_other_elements_is_refused():
    with pytest.raises(InputError, match="Ar-Xe"):
        pair_commands(["a.nn"], ["Ar", "Xe"], baseline=literature_lennard_jones())


def altered(**changes):
    return replace(random_ensemble(("Ar", "Kr")), **changes)


def wider_second_layer():
    first, second, last = random_ensemble(("Ar", "Kr")).networks
    return altered(networks=(first, Layer(second.weight[..., :4], second.bias[..., :4]), last))


def lost_energy():
    first, second, last = random_ensemble(("Ar", "Kr")).networks
    return altered(networks=(first, second, Layer(last.weight * np.nan, last.bias)))


def constant_component():
    scaling = random_ensemble(("Ar", "Kr")).scaling
    return altered(scaling=Scaling(scaling.mean, 0.0 * scaling.std, scaling.offset, scaling.scale))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (wider_second_layer, "one architecture"),
        (lost_energy, "not finite"),
        (constant_component, "standard deviation of 0"),
    ],
)
def test_what_lammps_would_get_wrong_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        _refuse_what_lammps_gets_wrong(make())
