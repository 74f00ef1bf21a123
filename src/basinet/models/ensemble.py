"""Ensembles of per-species networks: prediction, composition, and one file to keep them in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from basinet.errors import InputError
from basinet.models.architecture import Architecture
from basinet.models.network import Layer, Network, row_energies
from basinet.models.scaling import Scaling

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ase import Atoms
    from numpy.typing import NDArray

    from basinet.dataset import Dataset
    from basinet.descriptors import Bispectrum

FORMAT = "basinet-ensemble"


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

    Attributes
    ----------
    descriptor
        The bispectrum the networks read.
    elements
        Elements that have a network, sorted.
    e0
        Energy of each element's isolated atom, eV.
    scaling
        Units of the networks, one row per element.
    networks
        Layers stacked over members and elements, float64.
    training
        Record of the training: one entry per member or one for all.
    """

    descriptor: Bispectrum
    architecture: Architecture
    elements: tuple[str, ...]
    e0: Mapping[str, float]
    scaling: Scaling
    networks: Network
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def members(self) -> int:
        """Number of networks per element."""
        return int(self.networks[0].weight.shape[0])

    def _network_of(self, elements: tuple[str, ...]) -> NDArray[np.int64]:
        missing = sorted(set(elements) - set(self.elements))
        if missing:
            have = ", ".join(self.elements)
            msg = f"no network for {', '.join(missing)}: this model was trained on {have}; compose it with one that was"
            raise InputError(msg)
        return np.array([self.elements.index(element) for element in elements])

    def predict(self, dataset: Dataset) -> NDArray[np.float64]:
        """Local energies relative to the isolated atoms, ``(members, n_atoms_total)``, eV."""
        network_of = self._network_of(dataset.elements)[dataset.species]
        return self._energies(dataset.descriptors, network_of)

    def _energies(self, descriptors: NDArray[np.float64], network_of: NDArray[np.int64]) -> NDArray[np.float64]:
        energies = np.zeros((self.members, len(descriptors)))
        for s in np.unique(network_of):
            own = network_of == s
            rows = (descriptors[own] - self.scaling.mean[s]) / self.scaling.std[s]
            count = np.ones(len(rows))
            for m in range(self.members):
                network = tuple(Layer(layer.weight[m, s], layer.bias[m, s]) for layer in self.networks)
                raw = row_energies(network, rows, count, self.architecture.activation)
                energies[m, own] = self.scaling.offset[s] + self.scaling.scale[s] * raw
        return energies

    def local_energies(self, atoms: Atoms) -> NDArray[np.float64]:
        """Local energies ``(members, n_atoms)`` in eV, E0 included: their sum over atoms compares with REF_energy.

        Raises
        ------
        InputError
            If an element has no network.
        """
        symbols = atoms.get_chemical_symbols()
        network_of = self._network_of(tuple(symbols))
        own = np.array([self.e0[symbol] for symbol in symbols])
        return own + self._energies(self.descriptor(atoms), network_of)

    def member(self, index: int) -> Ensemble:
        """Return one member as an ensemble of its own."""
        layers = tuple(Layer(layer.weight[index : index + 1], layer.bias[index : index + 1]) for layer in self.networks)
        return replace(self, networks=layers)

    def restrict(self, element: str) -> Ensemble:
        """Keep the network of one element only."""
        s = slice(int(self._network_of((element,))[0]), int(self._network_of((element,))[0]) + 1)
        scaling = Scaling(self.scaling.mean[s], self.scaling.std[s], self.scaling.offset[s], self.scaling.scale[s])
        layers = tuple(Layer(layer.weight[:, s], layer.bias[:, s]) for layer in self.networks)
        return replace(self, elements=(element,), e0={element: self.e0[element]}, scaling=scaling, networks=layers)

    def save(self, path: str | Path) -> None:
        """Write the ensemble to one file: a line of JSON, then the weights."""
        from basinet.io.checkpoint import save_arrays

        arrays = {f"scaling.{name}": getattr(self.scaling, name) for name in ("mean", "std", "offset", "scale")}
        for index, layer in enumerate(self.networks):
            arrays[f"layer{index}.weight"], arrays[f"layer{index}.bias"] = layer
        header = {
            "kind": FORMAT,
            "descriptor": self.descriptor.to_dict(),
            "architecture": self.architecture.as_dict(),
            "elements": list(self.elements),
            "e0": dict(self.e0),
            "training": dict(self.training),
        }
        save_arrays(path, header, arrays)


def load_model(path: str | Path) -> Ensemble:
    """Read an ensemble that `Ensemble.save` wrote.

    Raises
    ------
    InputError
        If the file is not such a file, was cut short or altered, or was written by a newer version.
    """
    from basinet.descriptors import Bispectrum
    from basinet.io.checkpoint import load_arrays

    header, arrays = load_arrays(path)
    if header.get("kind") != FORMAT:
        msg = f"{path}: holds {header.get('kind')!r}, not an ensemble of networks"
        raise InputError(msg)
    architecture = Architecture(**header["architecture"])
    layers = tuple(
        Layer(arrays[f"layer{index}.weight"], arrays[f"layer{index}.bias"]) for index in range(architecture.depth + 1)
    )
    return Ensemble(
        Bispectrum.from_dict(header["descriptor"]),
        architecture,
        tuple(header["elements"]),
        header["e0"],
        Scaling(*(arrays[f"scaling.{name}"] for name in ("mean", "std", "offset", "scale"))),
        layers,
        header["training"],
    )


def compose(**models: Ensemble) -> Ensemble:
    """One potential from per-species networks: ``compose(Ar=argon, Kr=krypton)``.

    Each atom is handled by the network that its element's model holds for it; neighbours of the other element are seen
    through the descriptor's species weights. Member m of the result joins the members m of the parts.

    Raises
    ------
    InputError
        If the models read different descriptors, differ in architecture or in the number of members.
    """
    if not models:
        msg = "compose() needs at least one model, as in compose(Ar=argon, Kr=krypton)"
        raise InputError(msg)
    parts = [models[element].restrict(element) for element in sorted(models)]
    first = parts[0]
    for part in parts[1:]:
        for name in ("descriptor", "architecture", "members"):
            if getattr(part, name) != getattr(first, name):
                msg = (
                    f"models of {first.elements[0]} and {part.elements[0]} differ in their {name} "
                    f"({getattr(first, name)} and {getattr(part, name)}): only equal ones compose"
                )
                raise InputError(msg)
    scaling = Scaling(
        *(
            np.concatenate([getattr(part.scaling, name) for part in parts])
            for name in ("mean", "std", "offset", "scale")
        )
    )
    layers = tuple(
        Layer(
            np.concatenate([layer.weight for layer in same], axis=1),
            np.concatenate([layer.bias for layer in same], axis=1),
        )
        for same in zip(*(part.networks for part in parts), strict=True)
    )
    e0 = {part.elements[0]: part.e0[part.elements[0]] for part in parts}
    training = {part.elements[0]: dict(part.training) for part in parts}
    return Ensemble(first.descriptor, first.architecture, tuple(sorted(models)), e0, scaling, layers, training)
