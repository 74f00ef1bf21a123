"""Ensembles of per-species networks: prediction, composition, and one file to keep them in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from basinet.errors import InputError
from basinet.models.architecture import Architecture
from basinet.models.network import Layer, Network, atom_energies_and_slopes, row_energies
from basinet.models.scaling import DescriptorRange, Scaling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ase import Atoms
    from numpy.typing import NDArray

    from basinet.dataset import Dataset
    from basinet.descriptors import Bispectrum
    from basinet.models.evaluation import Evaluation
    from basinet.models.pair_potential import LennardJones

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
    range
        Where the descriptors of the training atoms lay; None if the model does not tell.
    baseline
        Pair potential to which the networks give the difference; None if they give everything.
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

    def network_of(self, elements: tuple[str, ...]) -> NDArray[np.int64]:
        """Index of the network of each element, or an error that names those without."""
        missing = sorted(set(elements) - set(self.elements))
        if missing:
            have = ", ".join(self.elements)
            msg = f"no network for {', '.join(missing)}: this model was trained on {have}; compose it with one that was"
            raise InputError(msg)
        return np.array([self.elements.index(element) for element in elements], dtype=np.int64)

    def predict(self, dataset: Dataset) -> NDArray[np.float64]:
        """Local energies relative to the isolated atoms, ``(members, n_atoms_total)``, eV.

        A dataset for a model that stands on a pair potential carries that potential's share.
        """
        energies = self._energies(dataset.descriptors, self.network_of(dataset.elements)[dataset.species])
        if self.baseline is None:
            return energies
        if dataset.pairs is None or dataset.pairs.potential != self.baseline:
            msg = f"system {dataset.system}: the model stands on a pair potential, whose share the dataset lacks"
            raise ValueError(msg)
        return energies + dataset.pairs.local_energy

    def _energies(self, descriptors: NDArray[np.float64], network_of: NDArray[np.int64]) -> NDArray[np.float64]:
        energies = np.zeros((self.members, len(descriptors)))
        for s in np.unique(network_of):
            own = network_of == s
            rows = (descriptors[own] - self.scaling.mean[s]) / self.scaling.std[s]
            count = np.ones(len(rows))
            for m in range(self.members):
                raw = row_energies(self.network(m, s), rows, count, self.architecture.activation)
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
        network_of = self.network_of(tuple(symbols))
        own = np.array([self.e0[symbol] for symbol in symbols])
        pairs = 0.0 if self.baseline is None else self.baseline.local_energies(atoms)
        return own + pairs + self._energies(self.descriptor(atoms), network_of)

    def evaluate(self, atoms: Atoms, *, threads: int = 1, mean_over: Sequence[int] | None = None) -> Evaluation:
        """Local energies of every member, and forces and virial of their mean.

        Forces are exact derivatives: ``F_k = -dE/dr_k`` with ``E`` the members' mean energy.

        Parameters
        ----------
        atoms
            The frame; nothing of it is changed.
        threads
            Threads to share the atoms.
        mean_over
            Members to whose mean forces and virial belong, each once; all of them unless given.

        Raises
        ------
        InputError
            An element without a network, a member that the ensemble lacks, or a geometry that the descriptor refuses.
        """
        from basinet.models.evaluation import chosen_members, evaluate_frame

        symbols = atoms.get_chemical_symbols()
        network_of = self.network_of(tuple(symbols))
        averaged = chosen_members(self.members, mean_over)

        def local(
            block: NDArray[np.int64], rows: NDArray[np.float64]
        ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            return self._energies_and_slopes(rows, network_of[block], averaged)

        found = evaluate_frame(atoms, self.descriptor, local, members=self.members, threads=threads)
        energies = found.local_energies + [self.e0[symbol] for symbol in symbols]
        if self.baseline is None:
            return replace(found, local_energies=energies)
        pairs = self.baseline.evaluate(atoms)
        return replace(
            found,
            local_energies=energies + pairs.local_energies,
            forces=found.forces + pairs.forces,
            virial=found.virial + pairs.virial,
        )

    def _energies_and_slopes(
        self, descriptors: NDArray[np.float64], network_of: NDArray[np.int64], averaged: Sequence[int]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Energies as `_energies` gives them, and the slopes of the mean of some members."""
        energies, slopes = np.zeros((self.members, len(descriptors))), np.zeros_like(descriptors)
        for s in np.unique(network_of):
            own = network_of == s
            std, scale = self.scaling.std[s], self.scaling.scale[s]
            rows = (descriptors[own] - self.scaling.mean[s]) / std
            total = np.zeros_like(rows)
            for m in range(self.members):
                raw, slope = atom_energies_and_slopes(self.network(m, s), rows, self.architecture.activation)
                energies[m, own] = self.scaling.offset[s] + scale * raw
                if m in averaged:
                    total += slope
            slopes[own] = total * (scale / len(averaged)) / std
        return energies, slopes

    def network(self, member: int, element: int) -> Network:
        """Return one network: layers ``(fan_in, fan_out)``, in units of the scaling."""
        return tuple(Layer(layer.weight[member, element], layer.bias[member, element]) for layer in self.networks)

    def member(self, index: int) -> Ensemble:
        """Return one member as an ensemble of its own."""
        layers = tuple(Layer(layer.weight[index : index + 1], layer.bias[index : index + 1]) for layer in self.networks)
        return replace(self, networks=layers)

    def restrict(self, element: str) -> Ensemble:
        """Keep the network of one element only."""
        index = int(self.network_of((element,))[0])
        s = slice(index, index + 1)
        scaling = Scaling(self.scaling.mean[s], self.scaling.std[s], self.scaling.offset[s], self.scaling.scale[s])
        layers = tuple(Layer(layer.weight[:, s], layer.bias[:, s]) for layer in self.networks)
        own = None if self.range is None else DescriptorRange(self.range.low[s], self.range.high[s])
        e0 = {element: self.e0[element]}
        return replace(self, elements=(element,), e0=e0, scaling=scaling, networks=layers, range=own)

    def save(self, path: str | Path) -> None:
        """Write the ensemble to one file: a line of JSON, then the weights."""
        from basinet.io.checkpoint import save_arrays

        arrays = {f"scaling.{name}": getattr(self.scaling, name) for name in ("mean", "std", "offset", "scale")}
        for index, layer in enumerate(self.networks):
            arrays[f"layer{index}.weight"], arrays[f"layer{index}.bias"] = layer
        if self.range is not None:
            arrays["range.low"], arrays["range.high"] = self.range.low, self.range.high
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
    """Read an ensemble that `Ensemble.save` wrote.

    Raises
    ------
    InputError
        If the file is not such a file, was cut short or altered, or was written by a newer version.
    """
    from basinet.descriptors import Bispectrum
    from basinet.io.checkpoint import load_arrays
    from basinet.models.pair_potential import LennardJones

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
        DescriptorRange(arrays["range.low"], arrays["range.high"]) if "range.low" in arrays else None,
        LennardJones.from_dict(header["baseline"]) if "baseline" in header else None,
    )
