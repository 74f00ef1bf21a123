"""Energies, forces and virial of one frame from the energies of atoms and their slopes in the descriptors."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from basinet.errors import InputError
from basinet.potentials.dataset import DescriptorRange, Scaling
from basinet.potentials.network import Architecture, Layer, Network, atom_energies_and_slopes, row_energies

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ase import Atoms
    from numpy.typing import NDArray

    from basinet.descriptors.bispectrum import Bispectrum
    from basinet.potentials.dataset import Dataset
    from basinet.potentials.pair_potential import LennardJones


@dataclass(frozen=True)
class Evaluation:
    """What an ensemble says of a frame.

    Attributes
    ----------
    local_energies : (members, n_atoms) array
        eV, E0 included: their sum over atoms compares with ``REF_energy``.
    forces : (n_atoms, 3) array
        Of the members' mean, eV/A.
    virial : (3, 3) array
        Of the members' mean: minus the derivative of the energy in the strain, eV. The stress is minus the virial
        over the volume.
    descriptors : (n_atoms, n_components) array
        What the networks read.
    """

    local_energies: NDArray[np.float64]
    forces: NDArray[np.float64]
    virial: NDArray[np.float64]
    descriptors: NDArray[np.float64]


def chosen_members(n_members: int, chosen: Sequence[int] | None) -> Sequence[int]:
    """Members as they were chosen, all unless any were, or an error where they are none, doubled, or absent."""
    if chosen is None:
        return range(n_members)
    if not len(chosen) or len(set(chosen)) < len(chosen) or not set(chosen) <= set(range(n_members)):
        msg = f"mean_over is {list(chosen)}; name some of the members 0 to {n_members - 1}, each once"
        raise InputError(msg)
    return chosen


def evaluate_frame(
    atoms: Atoms,
    descriptor: Bispectrum,
    energies_and_slopes: Callable[
        [NDArray[np.int64], NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]
    ],
    *,
    members: int,
    threads: int = 1,
) -> Evaluation:
    """Evaluate functions of the descriptors on a frame.

    Parameters
    ----------
    atoms
        The frame.
    descriptor
        What the functions read.
    energies_and_slopes
        From some atoms' indices (n,) and components (n, n_components) to the members' energies (members, n) in eV, and
        the derivatives (n, n_components) of the energy that forces belong to.
    members
        Number of members.
    threads
        Threads to share the atoms.
    """
    energies = np.zeros((members, len(atoms)))

    def slopes(block: NDArray[np.int64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
        energies[:, block], slopes_of_block = energies_and_slopes(block, rows)
        return slopes_of_block

    gradient = descriptor.gradient(atoms, slopes, threads=threads)
    return Evaluation(energies, gradient.forces, gradient.virial, gradient.descriptors)


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
        from basinet.jobs.arrays import save_arrays

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
    from basinet.descriptors.bispectrum import Bispectrum
    from basinet.jobs.arrays import load_arrays
    from basinet.potentials.pair_potential import LennardJones

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


T = TypeVar("T", Scaling, DescriptorRange)


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
        for name in ("descriptor", "architecture", "members", "baseline"):
            if getattr(part, name) != getattr(first, name):
                msg = (
                    f"models of {first.elements[0]} and {part.elements[0]} differ in their {name} "
                    f"({getattr(first, name)} and {getattr(part, name)}): only equal ones compose"
                )
                raise InputError(msg)
    scaling, ranges = joined(parts, "scaling", Scaling), None
    if all(part.range is not None for part in parts):
        ranges = joined(parts, "range", DescriptorRange)
    layers = tuple(
        Layer(
            np.concatenate([layer.weight for layer in same], axis=1),
            np.concatenate([layer.bias for layer in same], axis=1),
        )
        for same in zip(*(part.networks for part in parts), strict=True)
    )
    return Ensemble(
        first.descriptor,
        first.architecture,
        tuple(sorted(models)),
        {part.elements[0]: part.e0[part.elements[0]] for part in parts},
        scaling,
        layers,
        {part.elements[0]: dict(part.training) for part in parts},
        ranges,
        first.baseline,
    )


def joined(parts: Sequence[Ensemble], name: str, kind: type[T]) -> T:
    """Join the arrays of one attribute of all parts, element after element."""
    values = [getattr(part, name) for part in parts]
    return kind(*(np.concatenate([getattr(value, field.name) for value in values]) for field in fields(values[0])))
