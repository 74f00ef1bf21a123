r"""The files that LAMMPS reads: networks, the descriptor, an input that runs, and the atoms that it runs on.

**Networks** as ``pair_style mliap model nn`` reads them: means and standard deviations, then one list of coefficients.

LAMMPS computes :math:`e = f((g - \mu) / \sigma)`; ours is :math:`e = E_0 + o + s f((g - \mu) / \sigma)`, so that scale
:math:`s`, offset :math:`o` and the energy of the isolated atom :math:`E_0` go into the last layer. LAMMPS' ``pe`` is
then comparable with DFT's energies.

Two identities keep what LAMMPS has to compute small. A network with linear activations is one linear layer,
:math:`W_1 W_2 \cdots`, whatever its depth and width. And the mean of M networks is one network too: their hidden layers
side by side (block-diagonal between the layers), the last weights divided by M.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, pairwise
from math import isfinite

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism
from ase.data import atomic_masses, atomic_numbers
from scipy.linalg import block_diag

from basinet.arrays import FloatArray
from basinet.descriptors.bispectrum import Bispectrum
from basinet.errors import InputError
from basinet.frames.neighbours import checked_cell, checked_positions, ordered_pair
from basinet.potentials.ensemble import Ensemble
from basinet.potentials.network import Layer
from basinet.potentials.pair_potential import LennardJones

WORDS = 30
"""Numbers on a line of a model file: the most that LAMMPS takes, which broadcasts line by line. They have 24 characters
at most, and LAMMPS reads 1023 of a line."""
SMALLEST = 1e-290
"""Weights below are written as 0: LAMMPS refuses numbers that double precision holds with fewer digits."""
DESCRIPTOR_COST = 1_000
"""What a component of an atom's descriptors costs LAMMPS, forces included, in coefficients of a wide network: chosen so
that the mean changes over where it pays by ``benchmarks/lammps_ensembles.py``, between 2x64 and 2x128 for 8 members."""


@dataclass(frozen=True)
class ElementNetwork:
    """The network of one element, in eV: linear map, activation, ..., linear map."""

    mean: FloatArray
    std: FloatArray
    layers: tuple[Layer, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Nodes of the layers, the last of which is the energy."""
        return tuple(len(layer.bias) for layer in self.layers)


def n_coefficients(n_components: int, sizes: Sequence[int]) -> int:
    """Weights and biases of a network.

    >>> n_coefficients(30, [32, 1])
    1025
    """
    return sum((before + 1) * after for before, after in pairwise([n_components, *sizes]))


def _refuse_what_lammps_gets_wrong(ensemble: Ensemble) -> None:
    """Refuse layers that do not fit the architecture (LAMMPS has one for all elements), and numbers not finite."""
    n, members = len(ensemble.elements), ensemble.members
    sizes = ensemble.architecture.sizes(ensemble.descriptor.n_components)
    expected = [((members, n, before, after), (members, n, after)) for before, after in pairwise(sizes)]
    if [(np.shape(layer.weight), np.shape(layer.bias)) for layer in ensemble.networks] != expected:
        msg = f"the networks are not all {ensemble.architecture}: LAMMPS has one architecture for all elements"
        raise InputError(msg)
    scaling = ensemble.scaling
    parts = [*scaling, *(array for layer in ensemble.networks for array in layer)]
    finite = all(np.isfinite(part).all() for part in parts) and all(isfinite(e) for e in ensemble.e0.values())
    if not (finite and (scaling.std > 0.0).all()):
        raise InputError("the model holds numbers that are not finite, or a standard deviation of 0; train it again")


def member_networks(ensemble: Ensemble, member: int) -> list[ElementNetwork]:
    """Networks of one member, one for each of the ensemble's elements."""
    networks = []
    for s, element in enumerate(ensemble.elements):
        layers = [Layer(layer.weight[member, s], layer.bias[member, s]) for layer in ensemble.networks]
        scale, origin = ensemble.scaling.scale[s], ensemble.e0[element] + ensemble.scaling.offset[s]
        layers[-1] = Layer(scale * layers[-1].weight, scale * layers[-1].bias + origin)
        if ensemble.architecture.activation == "linear":
            weight, bias = layers[0]  # without activations in between, linear layers are one
            for layer in layers[1:]:
                weight, bias = weight @ layer.weight, bias @ layer.weight + layer.bias
            layers = [Layer(weight, bias)]
        networks.append(ElementNetwork(ensemble.scaling.mean[s], ensemble.scaling.std[s], tuple(layers)))
    return networks


def mean_networks(ensemble: Ensemble) -> list[ElementNetwork] | None:
    """Networks that equal the mean of all members, or None where evaluating the members in turn costs LAMMPS less.

    A single wide network spares M - 1 evaluations of the descriptors, but between two hidden layers it multiplies by
    M^2 blocks, most of them zero.
    """
    count, n_components = ensemble.members, ensemble.descriptor.n_components
    *hidden, last = member_networks(ensemble, 0)[0].sizes
    together = n_coefficients(n_components, [*(count * size for size in hidden), last])
    in_turn = count * (n_coefficients(n_components, [*hidden, last]) + DESCRIPTOR_COST * n_components)
    if together > in_turn:
        return None
    members = [member_networks(ensemble, m) for m in range(count)]
    return [_mean_network([member[s] for member in members]) for s in range(len(ensemble.elements))]


def _mean_network(networks: Sequence[ElementNetwork]) -> ElementNetwork:
    count, depth = len(networks), len(networks[0].layers)
    layers = []
    for index in range(depth):
        weights = [network.layers[index].weight for network in networks]
        biases = [network.layers[index].bias for network in networks]
        if index == depth - 1:  # rows of the last layer below one another: a sum over members
            weight = np.mean(weights, axis=0) if depth == 1 else np.concatenate(weights) / count
            layers.append(Layer(weight, np.mean(biases, axis=0)))
        else:
            weight = np.concatenate(weights, axis=1) if index == 0 else block_diag(*weights)
            layers.append(Layer(weight, np.concatenate(biases)))
    return ElementNetwork(networks[0].mean, networks[0].std, tuple(layers))


def model_text(networks: Sequence[ElementNetwork], activation: str, title: str) -> Iterator[str]:
    """Yield the lines of a model file, all numbers with the digits that give them back exactly."""
    sizes, n_components = networks[0].sizes, len(networks[0].mean)
    shape = " ".join(f"{activation} {size}" for size in sizes[:-1])
    yield f"# UNITS: metal  {title}\n"
    yield f"{len(networks)} {n_coefficients(n_components, sizes)}\n"
    yield f"NET {n_components} {len(sizes)} {shape} linear {sizes[-1]}\n".replace("  ", " ")
    for network in networks:
        # For every node its bias, then the weights of what goes into it.
        rows = [np.column_stack([layer.bias, layer.weight.T]).ravel() for layer in network.layers]
        for values in (network.mean, network.std, np.concatenate(rows)):
            words = [repr(value) if abs(value) > SMALLEST else "0" for value in values.tolist()]
            yield from (" ".join(words[start : start + WORDS]) + "\n" for start in range(0, len(words), WORDS))


MARGIN = 1.0  # Angstrom between the atoms and the faces of the box in directions without periodic images


@dataclass(frozen=True)
class _Box:
    """A frame as LAMMPS takes it: the first cell vector along x, the second in the plane of x and y.

    `lengths` and `tilts` are ``xhi yhi zhi`` (``xlo ylo zlo`` are 0) and ``xy xz yz``, A; `positions` lie inside the
    box, A; `prism` rotates between the two frames of reference.
    """

    lengths: FloatArray
    tilts: FloatArray
    periodic: tuple[bool, bool, bool]
    positions: FloatArray
    prism: Prism

    @property
    def is_tilted(self) -> bool:
        return bool((self.tilts != 0.0).any())

    def boundary(self, free: str = "f") -> str:
        """Arguments of LAMMPS' ``boundary``; `free` is that of axes that do not repeat.

        >>> box_of(Atoms("Ar", cell=[4.0, 5.0, 6.0], pbc=[True, True, False])).boundary()
        'p p f'
        """
        return " ".join("p" if repeats else free for repeats in self.periodic)

    def to_frame(self, vectors: FloatArray) -> FloatArray:
        """Rotate vectors such as forces, ``(n_atoms, 3)``, back to the frame's own axes."""
        return np.asarray(self.prism.vector_to_ase(vectors), dtype=np.float64)


def box_of(atoms: Atoms) -> _Box:
    """Describe a frame to LAMMPS; InputError without atoms, or where positions or cell are no sensible ones.

    Cell vectors of axes that do not repeat are replaced by ones at right angles to the others, long enough to hold all
    atoms; where they point makes no difference to energies.
    """
    positions, axes = checked_positions(atoms.positions), np.array(atoms.pbc, dtype=bool)
    if not len(positions):
        raise InputError("the frame holds no atoms; give one with atoms")
    cell = checked_cell(np.array(atoms.cell), axes)
    if not axes.all():
        along = positions @ np.linalg.inv(cell)  # in units of the vectors, which are unit vectors along free axes
        low, extent = along.min(axis=0), np.ptp(along, axis=0)
        free = np.flatnonzero(~axes)
        positions = positions - ((low[free] - MARGIN) @ cell[free])
        cell[free] *= (extent[free] + 2.0 * MARGIN)[:, None]
    prism = Prism(cell, pbc=axes)
    lengths, tilts = np.split(np.asarray(prism.get_lammps_prism(), dtype=np.float64), 2)
    tilts = np.where(np.abs(tilts) < 1e-12 * lengths.max(), 0.0, tilts)
    inside = np.asarray(prism.vector_to_lammps(positions, wrap=True), dtype=np.float64)
    return _Box(lengths, tilts, (bool(axes[0]), bool(axes[1]), bool(axes[2])), inside, prism)


def _mass(element: str) -> float:
    return float(atomic_masses[atomic_numbers[element]])


DESCRIPTOR = "model.descriptor"
START = "start.data"
INPUT = "in.lammps"
ENERGIES = "energies.dump"


def descriptor_text(descriptor: Bispectrum, elements: Sequence[str]) -> str:
    """Settings of the bispectrum for ``descriptor sna``: a pair is cut off at ``rcutfac (R_i + R_j)``."""
    radii = " ".join(repr(descriptor.radii[element]) for element in elements)
    weights = " ".join(repr(descriptor.weights[element]) for element in elements)
    return (
        "# UNITS: metal  bispectrum\n"
        f"rcutfac {descriptor.rcut!r}\n"
        f"twojmax {descriptor.twojmax}\n"
        f"nelems {len(elements)}\n"
        f"elems {' '.join(elements)}\n"
        f"radelems {radii}\n"
        f"welems {weights}\n"
        "rfac0 0.99363\n"
        "rmin0 0\n"
        "bzeroflag 1\n"
    )


def pair_commands(
    models: Sequence[str], elements: Sequence[str], descriptor: str = DESCRIPTOR, baseline: LennardJones | None = None
) -> list[str]:
    """Commands of LAMMPS that set up one potential: the mean of some networks' files, plus a pair potential.

    `elements` are those of the atom types, from type 1.
    """
    networks = [f"mliap model nn {model} descriptor sna {descriptor}" for model in models]
    symbols = " ".join(elements)
    if len(networks) == 1 and baseline is None:
        return [f"pair_style {networks[0]}", f"pair_coeff * * {symbols}"]
    pairs, coefficients = _pair_potential_commands(baseline, elements) if baseline is not None else ([], [])
    if len(networks) == 1:
        style = ["hybrid/overlay", *networks, *pairs]
        return [f"pair_style {' '.join(style)}", f"pair_coeff * * mliap {symbols}", *coefficients]
    share = repr(1.0 / len(networks))
    style = ["hybrid/scaled", *(f"{share} {network}" for network in networks), *(f"1.0 {pair}" for pair in pairs)]
    return [
        f"pair_style {' '.join(style)}",
        *(f"pair_coeff * * mliap {index} {symbols}" for index in range(1, len(networks) + 1)),
        *coefficients,
        # Lists of neighbours as long as the longest cutoff for all: with lists cut to each pair's own, LAMMPS of 2025
        # fails to put three or more of them in order ("Failed to reorder neighbor lists").
        "pair_modify neigh/trim no",
    ]


def _pair_potential_commands(potential: LennardJones, elements: Sequence[str]) -> tuple[list[str], list[str]]:
    """Write a pair potential as LAMMPS' style of the same form, and its coefficients for every pair of types."""
    style = "lj/smooth/linear" if potential.smooth else "lj/cut"
    coefficients = []
    for (i, first), (j, second) in combinations_with_replacement(enumerate(elements, 1), 2):
        pair = potential.parameters.get(ordered_pair(first, second))
        if pair is None or not (pair.c6 > 0.0 and pair.c12 > 0.0):
            raise InputError(
                f"the pair potential of {first}-{second} ({pair}) is no Lennard-Jones potential; LAMMPS has no such one"
            )
        epsilon, sigma = float(pair.c6**2 / (4.0 * pair.c12)), float((pair.c12 / pair.c6) ** (1.0 / 6.0))
        coefficients.append(f"pair_coeff {i} {j} {style} {epsilon!r} {sigma!r}")
    return [f"{style} {potential.cutoff!r}"], coefficients


def data_text(atoms: Atoms, elements: Sequence[str]) -> str:
    """Atoms as LAMMPS' ``read_data`` takes them, the elements as types from 1 on."""
    box = box_of(atoms)
    lines = [f"# {atoms.get_chemical_formula()} for basinet's potential", "", f"{len(atoms)} atoms"]
    lines += [f"{len(elements)} atom types", ""]
    lines += [f"0 {length!r} {axis}lo {axis}hi" for axis, length in zip("xyz", box.lengths.tolist(), strict=True)]
    if box.is_tilted:
        lines += [" ".join(map(repr, box.tilts.tolist())) + " xy xz yz"]
    lines += ["", "Masses", ""]
    lines += [f"{index} {_mass(element)!r} # {element}" for index, element in enumerate(elements, 1)]
    lines += ["", "Atoms # atomic", ""]
    for index, (symbol, position) in enumerate(zip(atoms.get_chemical_symbols(), box.positions.tolist(), strict=True)):
        place = " ".join(map(repr, position))
        lines.append(f"{index + 1} {elements.index(symbol) + 1} {place}")
    return "\n".join(lines) + "\n"


def _input_text(
    models: Sequence[str], elements: Sequence[str], atoms: Atoms, title: str, baseline: LennardJones | None = None
) -> str:
    """Input that computes the energies of the atoms of `data_text`, and shows how to go on from there."""
    box = box_of(atoms)
    if len(models) == 1:
        commands = [f"variable model index {models[0]}  # another one: lmp -in {INPUT} -var model FILE.nn"]
        commands += pair_commands(["${model}"], elements, baseline=baseline)
    else:
        style, *coefficients = pair_commands(models, elements, baseline=baseline)
        commands = ["# The mean of all members, each evaluated in turn: as one network it would be slower."]
        commands += [style.replace(" mliap", " &\n  mliap"), *coefficients]
    symbols = " ".join(elements)
    return "\n".join(
        [
            f"# {title}",
            f"# lmp -in {INPUT}",
            "",
            "units metal",
            "atom_style atomic",
            f"boundary {box.boundary('s')}",
            *(["box tilt large"] if box.is_tilted else []),  # ignored by LAMMPS since 2025, older ones ask for it
            f"read_data {START}",
            "",
            *commands,
            "",
            "# Energy of every atom, eV; the energy of the isolated atom is inside.",
            "compute energy all pe/atom",
            "compute total all reduce sum c_energy",
            "thermo_style custom step pe c_total  # c_total makes LAMMPS tally the atoms' energies",
            "thermo_modify format float %.12g",
            "run 0",
            f"write_dump all custom {ENERGIES} id element x y z fx fy fz c_energy &",
            f'  modify sort id element {symbols} format float "%.17g"',
            f'print "energies of the atoms: {ENERGIES}"',
            "",
            "# Molecular dynamics: remove the signs in front of these lines.",
            "# velocity all create 120 1",
            "# timestep 0.002  # ps",
            "# fix motion all nvt temp 120 120 0.2",
            "# thermo 100",
            "# run 1000",
            "",
        ]
    )
