"""The files that workers share: systems as arrays, their descriptors, the results of tasks, and models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from basinet.arrays import FloatArray
from basinet.config.loading import Section, validated
from basinet.descriptors.bispectrum import Bispectrum
from basinet.errors import InputError
from basinet.fidelity.gauge import stack_pair_features
from basinet.fidelity.scoring import ScoredFrames
from basinet.frames.labels import LOCAL_HARTREE_ENERGY, ORIGIN, all_labelled, for_each_frame, force_labels
from basinet.frames.splits import Split
from basinet.jobs.arrays import load_arrays, refuse_other_arrays, save_arrays
from basinet.jobs.store import Results, file_of
from basinet.potentials.dataset import Dataset, build_dataset, frame_derivatives, pair_share
from basinet.potentials.ensemble import MODEL_SUFFIX
from basinet.potentials.pair_potential import LennardJones
from basinet.relation.relation import OTHER_DEFINITION, Definition
from basinet.study.systems import StudySystem

if TYPE_CHECKING:
    from basinet.study.tasks import Scores, Task


@dataclass(frozen=True)
class StoredSystem:
    """A system without descriptors; `arrays` hold geometry, gauge features and everything of a `Dataset`.

    `definitions` are those of the local energies that are scored on, the main one first; the other attributes are those
    of `basinet.study.systems.StudySystem`.
    """

    name: str
    n_atoms: int
    elements: tuple[str, ...]
    e0: Mapping[str, float]
    split: Split | None
    arrays: Mapping[str, NDArray[Any]]
    definitions: Sequence[Definition] = ()
    origins: Sequence[str] = ()
    e0_given: bool = True

    @property
    def key(self) -> str:
        """Name of its files."""
        return f"{self.name}-{self.n_atoms}"

    def local_energy(self, definition: Definition | None = None) -> FloatArray | None:
        """Local DFT energies of all atoms, (n,) eV, less E0, by the main definition unless given; None without."""
        own = definition or next(iter(self.definitions), None)
        return self.arrays.get(f"local_energy.{own}")

    def frames(self) -> list[Atoms]:
        """Elements, positions and cells of all frames."""
        symbols, frame = np.array(self.elements)[self.arrays["species"]], self.arrays["frame"]
        found = [
            Atoms(symbols[frame == index], self.arrays["positions"][frame == index], cell=cell, pbc=pbc)
            for index, (cell, pbc) in enumerate(zip(self.arrays["cell"], self.arrays["pbc"], strict=True))
        ]
        for atoms, origin in zip(found, self.origins, strict=False):
            setattr(atoms, ORIGIN, origin)
        return found


def descriptor_key(descriptor: Bispectrum) -> str:
    """Short name of a descriptor, such as ``rc5.25-tj6-Ar1-Kr1.3``; sizes where they differ: ``-R0.5-R0.5372``."""
    weights = "-".join(f"{element}{weight:g}" for element, weight in descriptor.weights.items())
    sizes = "" if descriptor.equal_sizes else "".join(f"-R{radius:g}" for radius in descriptor.radii.values())
    return f"rc{descriptor.rcut:g}-tj{descriptor.twojmax}-{weights}{sizes}"


class Store:
    """The files of a study in its results directory `root`: ``work`` and ``models``."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def model(self, task_name: str) -> Path:
        """File of a trained ensemble."""
        return file_of(self.root / "models", task_name, MODEL_SUFFIX)

    def done(self, task: Task) -> bool:
        """Tell if the result of a task is there."""
        return self._results(task).get(task.name, task.fingerprint) is not None

    def keep(self, task: Task, result: Scores) -> None:
        """Keep the result of a task."""
        self._results(task).put(task.name, task.fingerprint, result)

    def result(self, task: Task) -> Any:
        """Result of a task that is done, of the type `task.result`."""
        found = self._results(task).get(task.name, task.fingerprint)
        if found is None:
            raise InputError(f"{self._results(task).path(task.name)}: is gone or damaged; run again with --resume")
        return found

    def _results(self, task: Task) -> Results[Any]:
        """Results of tasks of one kind."""
        return Results(self.root / "work" / "results", task.result)

    def write_system(self, system: StudySystem, definitions: Sequence[Definition], *, forces: bool = False) -> None:
        """Write a system's arrays: local energies by `definitions` and by the other reading, forces if asked for."""
        plain = build_dataset(system.name, system.frames, lambda atoms: np.zeros((len(atoms), 0)), system.e0, None)
        arrays: dict[str, NDArray[Any]] = {
            "frame": plain.frame,
            "species": plain.species,
            "energy": plain.energy,
            "positions": np.concatenate([atoms.get_positions() for atoms in system.frames]),
            "cell": np.array([atoms.cell.array for atoms in system.frames]),
            "pbc": np.array([atoms.pbc for atoms in system.frames]).astype(np.int64),
            "gauge": stack_pair_features(system.frames, plain.elements),
        }
        origin = np.array([system.e0[element] for element in plain.elements])[plain.species]
        related = definitions if system.relation is not None else ()
        others = [OTHER_DEFINITION[one] for one in related if one in OTHER_DEFINITION]  # readings not scored on
        others = [one for one in others if all_labelled(system.frames, LOCAL_HARTREE_ENERGY[one])]
        for definition in (*definitions, *others):
            local = system.local_energies(definition)
            if local is not None:
                arrays[f"local_energy.{definition}"] = np.concatenate(for_each_frame(local, system.frames)) - origin
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
            "e0_given": system.e0_given,
            "definitions": list(definitions),
            "origins": [getattr(atoms, ORIGIN, f"frame {index}") for index, atoms in enumerate(system.frames)],
        }
        save_arrays(file_of(self.root / "work" / "systems", f"{system.name}-{system.n_atoms}", ".bin"), header, arrays)

    def systems(self) -> list[StoredSystem]:
        """All systems, main ones first."""
        paths = sorted((self.root / "work" / "systems").glob("*.bin"))
        return sorted((_read_system(path, _stamp(path)) for path in paths), key=lambda s: (s.split is None, s.key))

    def main_systems(self) -> list[tuple[StoredSystem, Split]]:
        """The systems that are split for training, and their splits."""
        return [(system, system.split) for system in self.systems() if system.split is not None]

    def main(self, name: str) -> StoredSystem:
        """Return the group of a system that is split for training."""
        return next(system for system, _ in self.main_systems() if system.name == name)

    def dataset(
        self,
        system: StoredSystem,
        descriptor: Bispectrum,
        pair_potential: LennardJones | None = None,
        *,
        definition: Definition | None = None,
        forces: bool = False,
    ) -> Dataset:
        """Return a system's dataset, its local energies by one definition; descriptors are computed once and kept.

        Derivatives (for training on `forces`) and the share of a pair potential, to which networks learn the
        difference, are quicker made than read, and never written.
        """
        path = file_of(self.root / "work" / "descriptors" / descriptor_key(descriptor), system.key, ".bin")
        try:
            descriptors = _read_descriptors(path, _stamp(path), len(system.arrays["frame"]), descriptor)
        except (InputError, OSError):  # none, or damaged
            descriptors = np.concatenate(for_each_frame(descriptor, system.frames()))
            save_arrays(path, {"descriptor": descriptor.to_dict()}, {"descriptors": descriptors})
        arrays = system.arrays
        dataset = Dataset(
            system.name,
            system.elements,
            arrays["frame"],
            arrays["species"],
            descriptors,
            arrays["energy"],
            system.local_energy(definition),
            pairs=None if pair_potential is None else pair_share(system.frames(), pair_potential),
        )
        if not forces:
            return dataset
        derivatives = frame_derivatives(descriptor.derivatives, system.frames())
        return replace(dataset, forces=arrays["forces"], derivatives=derivatives)

    def block(
        self,
        system: StoredSystem,
        descriptor: Bispectrum,
        split: str,
        pair_potential: LennardJones | None = None,
        *,
        definition: Definition | None = None,
    ) -> ScoredFrames:
        """One block of a system to score models on; all of it for ``out_of_fold``, or ``test`` without a split.

        A model that stands on a pair potential needs that potential's share in the dataset.
        """
        dataset = self.dataset(system, descriptor, pair_potential, definition=definition)
        features = system.arrays["gauge"]
        if system.split is None or split == "out_of_fold":
            return ScoredFrames(dataset, features, split)
        block = system.split.blocks()[split]
        return ScoredFrames(dataset.select(block), features[np.isin(dataset.frame, block)], split)


_REMEDY = "run again with --resume"


class _Header(Section):
    """The header of a system's file."""

    name: str
    n_atoms: int
    elements: tuple[str, ...]
    e0: dict[str, float]
    main: bool
    e0_given: bool
    definitions: tuple[Definition, ...]
    origins: tuple[str, ...]


def _stamp(path: Path) -> tuple[int, int]:
    """Tell one content of a file from the next: workers of a cluster outlive a results directory."""
    status = path.stat()
    return status.st_mtime_ns, status.st_ino


@lru_cache(maxsize=32)
def _read_system(path: Path, stamp: tuple[int, int]) -> StoredSystem:  # noqa: ARG001 - part of the cache's key
    values, arrays = load_arrays(path)
    header = validated(_Header, values, str(path), _REMEDY)
    frames = len(header.origins)
    atoms = frames * header.n_atoms
    shapes = {"energy": (frames,), "cell": (frames, 3, 3), "positions": (atoms, 3)}
    refuse_other_arrays(path, arrays, shapes, _REMEDY)
    names = [f"split.{name}" for name in ("train", "validation", "test")] if header.main else []
    most = {"frame": frames, "species": len(header.elements), **dict.fromkeys(names, frames)}
    for name, limit in most.items():
        found = arrays.get(name, np.zeros(0))
        if found.dtype.kind != "i" or found.ndim != 1 or not ((found >= 0) & (found < limit)).all():
            raise InputError(f"{path}: the array {name!r} is not of numbers below {limit}; {_REMEDY}")
    sizes = len(arrays["frame"]), len(arrays["species"]), arrays.get("pbc", np.zeros(0)).shape
    if sizes != (atoms, atoms, (frames, 3)):
        raise InputError(f"{path}: its arrays are not of {frames} frames; {_REMEDY}")
    split = Split(*(arrays[name] for name in names)) if header.main else None
    return StoredSystem(**header.model_dump(exclude={"main"}), split=split, arrays=arrays)


@lru_cache(maxsize=32)
def _read_descriptors(path: Path, stamp: tuple[int, int], size: int, descriptor: Bispectrum) -> FloatArray:  # noqa: ARG001 - as above
    header, arrays = load_arrays(path)
    refuse_other_arrays(path, arrays, {"descriptors": (size, descriptor.n_components)}, _REMEDY)
    if header.get("descriptor") != descriptor.to_dict():
        raise InputError(f"{path}: of another descriptor; {_REMEDY}")
    return arrays["descriptors"]
