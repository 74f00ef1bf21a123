"""Ensembles of networks, one per element and member: energies, forces and virial of frames, files, composition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pydantic import Field

from basinet.arrays import FloatArray, IntArray
from basinet.config.loading import Section, validated
from basinet.descriptors.bispectrum import Bispectrum
from basinet.errors import InputError
from basinet.jobs.arrays import load_arrays, refuse_other_arrays, save_arrays
from basinet.potentials.dataset import Dataset, DescriptorRange, Scaling
from basinet.potentials.network import Architecture, Layer, Network, _hidden_values, _readout_energies, _slopes_in_rows
from basinet.potentials.pair_potential import LennardJones


@dataclass(frozen=True)
class Evaluation:
    """Local energies of every member (members, n_atoms), forces (n_atoms, 3) and virial (3, 3) of the members' mean.

    Energies are in eV, E0 included: their sum over atoms compares with ``REF_energy``; forces in eV/A. The virial, eV,
    is minus the derivative of the energy in the strain; the stress is minus the virial over the volume. The descriptors
    (n_atoms, n_components) are what the networks read.
    """

    local_energies: FloatArray
    forces: FloatArray
    virial: FloatArray
    descriptors: FloatArray


FORMAT = "basinet-ensemble"
MODEL_SUFFIX = ".basinet"  # of the file of an ensemble


@dataclass(frozen=True)
class Ensemble:
    """Networks of one architecture, one per species and member.

    ========  =============================================  ======
    property  shape                                          unit
    ========  =============================================  ======
    weight    (members, n_elements, fan_in, fan_out)         -
    bias      (members, n_elements, fan_out)                 -
    energies  (members, n_atoms)                             eV
    ========  =============================================  ======

    Elements that have a network are sorted; `e0` is the energy of each one's isolated atom, eV, the scaling has a row
    of the networks' units for each, and layers are stacked over members and elements, float64. The record of the
    training has one entry per member or one for all. The range is where the descriptors of the training atoms lay, the
    baseline the pair potential to which networks give the difference; each may be None.
    """

    descriptor: Bispectrum
    architecture: Architecture
    elements: tuple[str, ...]
    e0: Mapping[str, float]
    scaling: Scaling
    networks: Network
    training: Mapping[str, Any] = field(default_factory=dict)
    range: DescriptorRange | None = None
    baseline: LennardJones | None = None

    @property
    def members(self) -> int:
        """Number of networks per element."""
        return int(self.networks[0].weight.shape[0])

    def network_of(self, elements: tuple[str, ...]) -> IntArray:
        """Index of the network of each element, or an error that names those without."""
        missing = sorted(set(elements) - set(self.elements))
        if missing:
            have = ", ".join(self.elements)
            msg = f"no network for {', '.join(missing)}: this model was trained on {have}; compose it with one that was"
            raise InputError(msg)
        return np.array([self.elements.index(element) for element in elements], dtype=np.int64)

    def predict(self, dataset: Dataset) -> FloatArray:
        """Local energies relative to the isolated atoms, ``(members, n_atoms_total)``, eV.

        A dataset for a model that stands on a pair potential carries that potential's share.
        """
        energies, _ = self._energies_and_slopes(dataset.descriptors, self.network_of(dataset.elements)[dataset.species])
        if self.baseline is None:
            return energies
        if dataset.pairs is None or dataset.pairs.potential != self.baseline:
            msg = f"system {dataset.system}: the model stands on a pair potential, whose share the dataset lacks"
            raise ValueError(msg)
        return energies + dataset.pairs.local_energy

    def local_energies(self, atoms: Atoms) -> FloatArray:
        """Local energies ``(members, n_atoms)`` in eV, E0 included: their sum over atoms compares with REF_energy."""
        symbols = atoms.get_chemical_symbols()
        network_of = self.network_of(tuple(symbols))
        own = np.array([self.e0[symbol] for symbol in symbols])
        pairs = 0.0 if self.baseline is None else self.baseline.local_energies(atoms)
        return own + pairs + self._energies_and_slopes(self.descriptor(atoms), network_of)[0]

    def evaluate(self, atoms: Atoms, *, threads: int = 1, mean_over: Sequence[int] | None = None) -> Evaluation:
        """Local energies of every member, and forces and virial of the mean of all members, or of those in `mean_over`.

        Forces are exact derivatives: ``F_k = -dE/dr_k`` with ``E`` the members' mean energy. The atoms are shared by
        threads. InputError: an element without a network, a member that the ensemble lacks, or a geometry that the
        descriptor refuses.
        """
        symbols = atoms.get_chemical_symbols()
        network_of = self.network_of(tuple(symbols))
        averaged = range(self.members) if mean_over is None else mean_over
        if not len(averaged) or len(set(averaged)) < len(averaged) or not set(averaged) <= set(range(self.members)):
            msg = f"mean_over is {list(averaged)}; name some of the members 0 to {self.members - 1}, each once"
            raise InputError(msg)
        energies = np.zeros((self.members, len(atoms)))

        def slopes(block: IntArray, rows: FloatArray) -> FloatArray:
            energies[:, block], slopes_of_block = self._energies_and_slopes(rows, network_of[block], averaged)
            return slopes_of_block

        gradient = self.descriptor.gradient(atoms, slopes, threads=threads)
        energies += [self.e0[symbol] for symbol in symbols]
        forces, virial = gradient.forces, gradient.virial
        if self.baseline is not None:
            pairs = self.baseline.evaluate(atoms)
            energies, forces, virial = energies + pairs.local_energies, forces + pairs.forces, virial + pairs.virial
        return Evaluation(energies, forces, virial, gradient.descriptors)

    def _energies_and_slopes(
        self, descriptors: FloatArray, network_of: IntArray, averaged: Sequence[int] = ()
    ) -> tuple[FloatArray, FloatArray]:
        """Energies (members, n) above E0 and pair potential, eV, and slopes (n, n_components) of some members' mean."""
        energies, slopes = np.zeros((self.members, len(descriptors))), np.zeros_like(descriptors)
        activation = self.architecture.activation
        for s in np.unique(network_of):
            own = network_of == s
            std, scale = self.scaling.std[s], self.scaling.scale[s]
            rows = (descriptors[own] - self.scaling.mean[s]) / std
            count, total = np.ones(len(rows)), np.zeros_like(rows)
            for m in range(self.members):
                network = self.network(m, s)
                hidden = _hidden_values(network, rows, count, activation)
                energies[m, own] = self.scaling.offset[s] + scale * _readout_energies(network, hidden[-1], count)
                if m in averaged:
                    total += _slopes_in_rows(network, hidden, activation)
            if averaged:
                slopes[own] = total * (scale / len(averaged)) / std
        return energies, slopes

    def network(self, member: int, element: int) -> Network:
        """Return one network: layers ``(fan_in, fan_out)``, in units of the scaling."""
        return tuple(Layer(layer.weight[member, element], layer.bias[member, element]) for layer in self.networks)

    def member(self, index: int) -> Self:
        """Return one member as an ensemble of its own."""
        layers = tuple(Layer(layer.weight[index : index + 1], layer.bias[index : index + 1]) for layer in self.networks)
        return replace(self, networks=layers)

    def restrict(self, element: str) -> Self:
        """Keep the network of one element only."""
        index = int(self.network_of((element,))[0])
        s = slice(index, index + 1)
        scaling = Scaling(*(array[s] for array in self.scaling))
        layers = tuple(Layer(layer.weight[:, s], layer.bias[:, s]) for layer in self.networks)
        own = None if self.range is None else DescriptorRange(*(array[s] for array in self.range))
        e0 = {element: self.e0[element]}
        return replace(self, elements=(element,), e0=e0, scaling=scaling, networks=layers, range=own)

    def save(self, path: str | Path) -> None:
        """Write the ensemble to one file: a line of JSON, then the weights."""
        arrays = {f"scaling.{name}": array for name, array in self.scaling._asdict().items()}
        for index, layer in enumerate(self.networks):
            arrays[f"layer{index}.weight"], arrays[f"layer{index}.bias"] = layer
        if self.range is not None:
            arrays |= {f"range.{name}": array for name, array in self.range._asdict().items()}
        header = {
            "kind": FORMAT,
            "descriptor": self.descriptor.to_dict(),
            "architecture": self.architecture.as_dict(),
            "elements": list(self.elements),
            "e0": dict(self.e0),
            "training": dict(self.training),
        }
        if self.baseline is not None:
            header["baseline"] = self.baseline.to_dict()
        save_arrays(path, header, arrays)


def load_model(path: str | Path) -> Ensemble:
    """Read an ensemble that `Ensemble.save` wrote; InputError where it is none, cut short, altered or too new."""
    values, arrays = load_arrays(path)
    if values.get("kind") != FORMAT:
        raise InputError(f"{path}: holds {values.get('kind')!r}, not an ensemble of networks")
    header = validated(_Header, values, str(path), _REMEDY)
    try:
        descriptor = Bispectrum.from_dict(header.descriptor)
        baseline = None if header.baseline is None else LennardJones.from_dict(header.baseline)
    except InputError as error:
        raise InputError(f"{path}: {error}; {_REMEDY}") from error
    elements = tuple(header.elements)
    if len(set(elements)) < len(elements) or not set(elements) <= descriptor.weights.keys() & header.e0.keys():
        raise InputError(f"{path}: its elements {', '.join(elements)} are not those of descriptor and e0; {_REMEDY}")
    refuse_other_arrays(path, arrays, _shapes(header, descriptor.n_components, arrays), _REMEDY)
    layers = tuple(
        Layer(arrays[f"layer{index}.weight"], arrays[f"layer{index}.bias"])
        for index in range(header.architecture.depth + 1)
    )
    return Ensemble(
        descriptor,
        header.architecture,
        elements,
        header.e0,
        Scaling(*(arrays[f"scaling.{name}"] for name in Scaling._fields)),
        layers,
        header.training,
        DescriptorRange(arrays["range.low"], arrays["range.high"]) if "range.low" in arrays else None,
        baseline,
    )


_REMEDY = "copy the model again, or save it anew"


class _Header(Section):
    """The header of a model's file."""

    kind: str
    descriptor: dict[str, Any]
    architecture: Architecture
    elements: list[str] = Field(min_length=1)
    e0: dict[str, float]
    training: dict[str, Any]
    baseline: dict[str, Any] | None = None


def _shapes(header: _Header, n_components: int, arrays: Mapping[str, NDArray[Any]]) -> dict[str, tuple[int, ...]]:
    """Shape of each array of a model, whose first one tells the number of members."""
    elements = len(header.elements)
    members = len(np.atleast_1d(arrays.get("layer0.weight", ())))
    shapes: dict[str, tuple[int, ...]] = {f"scaling.{name}": (elements, n_components) for name in ("mean", "std")}
    shapes |= {f"scaling.{name}": (elements,) for name in ("offset", "scale")}
    for index, (fan_in, fan_out) in enumerate(pairwise(header.architecture.sizes(n_components))):
        shapes[f"layer{index}.weight"] = (max(members, 1), elements, fan_in, fan_out)
        shapes[f"layer{index}.bias"] = (max(members, 1), elements, fan_out)
    if any(name.startswith("range.") for name in arrays):
        shapes |= {f"range.{name}": (elements, n_components) for name in DescriptorRange._fields}
    return shapes


def compose(**models: Ensemble) -> Ensemble:
    """One potential from per-species networks: ``compose(Ar=argon, Kr=krypton)``.

    Each atom is handled by the network that its element's model holds for it; neighbours of the other element are seen
    through the descriptor's species weights. Member m of the result joins the members m of the parts. InputError if the
    models read different descriptors, or differ in architecture or in the number of members.
    """
    if not models:
        raise InputError("compose() needs at least one model, as in compose(Ar=argon, Kr=krypton)")
    parts = [models[element].restrict(element) for element in sorted(models)]
    first = parts[0]
    for part in parts[1:]:
        for name in ("descriptor", "architecture", "members", "baseline"):
            if getattr(part, name) != getattr(first, name):
                raise InputError(
                    f"models of {first.elements[0]} and {part.elements[0]} differ in their {name} "
                    f"({getattr(first, name)} and {getattr(part, name)}): only equal ones compose"
                )
    ranges = [part.range for part in parts if part.range is not None]
    layers = tuple(
        Layer(*(np.concatenate(arrays, axis=1) for arrays in zip(*same, strict=True)))
        for same in zip(*(part.networks for part in parts), strict=True)
    )
    return replace(
        first,
        elements=tuple(sorted(models)),
        e0={part.elements[0]: part.e0[part.elements[0]] for part in parts},
        scaling=Scaling(*map(np.concatenate, zip(*(part.scaling for part in parts), strict=True))),
        networks=layers,
        training={part.elements[0]: dict(part.training) for part in parts},
        range=DescriptorRange(*map(np.concatenate, zip(*ranges, strict=True))) if len(ranges) == len(parts) else None,
    )
