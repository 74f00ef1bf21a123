"""What the driver prepares once and every worker reads: systems as arrays, and their descriptors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from basinet.descriptors.bispectrum import Bispectrum
from basinet.frames.labels import LOCAL_HARTREE_ENERGY, force_labels
from basinet.frames.splits import Split
from basinet.jobs.arrays import load_arrays, save_arrays
from basinet.potentials.dataset import Dataset, build_dataset, pair_share
from basinet.relation.relation import OTHER_DEFINITION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from basinet.descriptors.bispectrum import PairDerivatives
    from basinet.potentials.dataset import PairShare
    from basinet.potentials.pair_potential import LennardJones
    from basinet.relation.relation import Definition
    from basinet.study.systems import StudySystem


@dataclass(frozen=True)
class StoredSystem:
    """A system without descriptors; `arrays` hold geometry, gauge features and everything of a `Dataset`."""

    name: str
    n_atoms: int
    elements: tuple[str, ...]
    e0: Mapping[str, float]
    split: Split | None
    arrays: Mapping[str, NDArray[Any]]

    @property
    def key(self) -> str:
        """Name of its files."""
        return f"{self.name}-{self.n_atoms}"

    def dataset(self, descriptors: NDArray[np.float64]) -> Dataset:
        """Join the labels with descriptors."""
        local = self.arrays.get("local_energy")
        return Dataset(
            self.name,
            self.elements,
            self.arrays["frame"],
            self.arrays["species"],
            descriptors,
            self.arrays["energy"],
            None if local is None else local,
        )

    def describe(self, descriptor: Bispectrum) -> NDArray[np.float64]:
        """Descriptors of all frames, ``(n_atoms_total, n_components)``."""
        return np.concatenate([descriptor(atoms) for atoms in self.frames()])

    def derivatives(self, descriptor: Bispectrum) -> tuple[PairDerivatives, ...]:
        """Derivatives of the descriptors of all frames: quicker made than read, so they are never written."""
        return tuple(descriptor.derivatives(atoms) for atoms in self.frames())

    def pair_share(self, potential: LennardJones) -> PairShare:
        """What a pair potential gives of the energies of all frames: quicker made than read, too."""
        return pair_share(self.frames(), potential)

    def frames(self) -> list[Atoms]:
        """Elements, positions and cells of all frames."""
        symbols, frame = np.array(self.elements)[self.arrays["species"]], self.arrays["frame"]
        return [
            Atoms(symbols[frame == index], self.arrays["positions"][frame == index], cell=cell, pbc=pbc)
            for index, (cell, pbc) in enumerate(zip(self.arrays["cell"], self.arrays["pbc"], strict=True))
        ]


def descriptor_key(descriptor: Bispectrum) -> str:
    """Short name of a descriptor, such as ``rc5.25-tj6-Ar1-Kr1.3``; sizes where they differ: ``-R0.5-R0.5372``."""
    weights = "-".join(f"{element}{weight:g}" for element, weight in descriptor.weights.items())
    sizes = "" if descriptor.equal_sizes else "".join(f"-R{radius:g}" for radius in descriptor.radii.values())
    return f"rc{descriptor.rcut:g}-tj{descriptor.twojmax}-{weights}{sizes}"


class Store:
    """The folder ``work`` of a results directory."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def write_system(self, system: StudySystem, definition: Definition, *, forces: bool = False) -> None:
        """Write a system's arrays, its forces only where they are asked for."""
        from basinet.fidelity.gauge import stack_pair_features

        plain = build_dataset(
            system.name,
            system.frames,
            lambda atoms: np.zeros((len(atoms), 0)),
            system.e0,
            system.local_energies(definition),
        )
        arrays: dict[str, NDArray[Any]] = {
            "frame": plain.frame,
            "species": plain.species,
            "energy": plain.energy,
            "positions": np.concatenate([atoms.get_positions() for atoms in system.frames]),
            "cell": np.array([atoms.cell.array for atoms in system.frames]),
            "pbc": np.array([atoms.pbc for atoms in system.frames]).astype(np.int64),
            "gauge": stack_pair_features(system.frames, plain.elements),
        }
        if plain.local_energy is not None:
            arrays["local_energy"] = plain.local_energy
            other = other_reading(system, definition)
            if other is not None:
                arrays["local_energy_other"] = other
        if forces and system.split is not None:
            arrays["forces"] = np.concatenate([force_labels(atoms, i) for i, atoms in enumerate(system.frames)])
        if system.split is not None:
            arrays |= {f"split.{name}": block for name, block in system.split.blocks().items()}
        header = {
            "name": system.name,
            "n_atoms": system.n_atoms,
            "elements": list(plain.elements),
            "e0": dict(system.e0),
            "main": system.split is not None,
        }
        save_arrays(self.root / "systems" / f"{system.name}-{system.n_atoms}.bin", header, arrays)

    def systems(self) -> list[StoredSystem]:
        """All systems, main ones first."""
        found = [_read_system(path, _stamp(path)) for path in sorted((self.root / "systems").glob("*.bin"))]
        return sorted(found, key=lambda system: (system.split is None, system.key))

    def main(self, name: str) -> StoredSystem:
        """Return the group of a system that is split for training."""
        return next(system for system in self.systems() if system.name == name and system.split is not None)

    def write_descriptors(self, system: StoredSystem, descriptor: Bispectrum) -> None:
        """Compute and keep the descriptors of a system, unless they are there already."""
        path = self._descriptors(system, descriptor)
        if not path.exists():
            save_arrays(path, {"descriptor": descriptor.to_dict()}, {"descriptors": system.describe(descriptor)})

    def dataset(
        self, system: StoredSystem, descriptor: Bispectrum, pair_potential: LennardJones | None = None
    ) -> Dataset:
        """Return a system's dataset with descriptors, computing them where they are not kept.

        With a pair potential, networks are to learn the difference to it.
        """
        self.write_descriptors(system, descriptor)
        path = self._descriptors(system, descriptor)
        pairs = None if pair_potential is None else system.pair_share(pair_potential)
        return replace(system.dataset(_read_descriptors(path, _stamp(path))), pairs=pairs)

    def dataset_with_forces(
        self, system: StoredSystem, descriptor: Bispectrum, pair_potential: LennardJones | None = None
    ) -> Dataset:
        """Return a system's dataset to train on forces with; its study was prepared for that."""
        forces, derivatives = system.arrays["forces"], system.derivatives(descriptor)
        dataset = self.dataset(system, descriptor, pair_potential)
        return replace(dataset, forces=forces, derivatives=derivatives)

    def _descriptors(self, system: StoredSystem, descriptor: Bispectrum) -> Path:
        return self.root / "descriptors" / descriptor_key(descriptor) / f"{system.key}.bin"


def _stamp(path: Path) -> tuple[int, int]:
    """Tell one content of a file from the next: workers of a cluster outlive a results directory."""
    status = path.stat()
    return status.st_mtime_ns, status.st_ino


def other_reading(system: StudySystem, definition: Definition) -> NDArray[np.float64] | None:
    """Local energies by the definition that the study does not use, less E0; None where frames carry only one."""
    relation, other = system.relation, OTHER_DEFINITION[definition]
    if relation is None or not all(LOCAL_HARTREE_ENERGY[other] in atoms.arrays for atoms in system.frames):
        return None
    e0 = [[system.e0[symbol] for symbol in atoms.get_chemical_symbols()] for atoms in system.frames]
    return np.concatenate(
        [relation.local_energies(atoms, other) - own for atoms, own in zip(system.frames, e0, strict=True)]
    )


@lru_cache(maxsize=32)
def _read_system(path: Path, stamp: tuple[int, int]) -> StoredSystem:  # noqa: ARG001 - part of the cache's key
    header, arrays = load_arrays(path)
    split = None
    if header["main"]:
        split = Split(*(arrays[f"split.{name}"] for name in ("train", "validation", "test")))
    return StoredSystem(header["name"], header["n_atoms"], tuple(header["elements"]), header["e0"], split, arrays)


@lru_cache(maxsize=32)
def _read_descriptors(path: Path, stamp: tuple[int, int]) -> NDArray[np.float64]:  # noqa: ARG001 - as above
    return load_arrays(path)[1]["descriptors"]
