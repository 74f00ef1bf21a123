"""The systems of a study: frames, their split in time, and their local DFT energies."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from basinet.dataset import Split, contiguous_split, isolated_energies
from basinet.errors import InputError
from basinet.relation import Relation, fit_relation
from basinet.relation.labels import atom_labels, is_isolated_atom

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ase import Atoms
    from numpy.typing import NDArray

    from basinet.config.settings import DataSettings, SplitSettings

LOCAL_LABEL = "REF_local_energy"
HARTREE_LABEL = "REF_local_hartree_energy"


@dataclass(frozen=True)
class StudySystem:
    """Frames of one system and one number of atoms.

    Attributes
    ----------
    name
        Such as ``"ar"``.
    frames
        In order of time.
    split
        Blocks of time; None for frames that are only tested on (another number of atoms).
    e0
        Energy of each element's isolated atom, eV.
    relation
        Fitted to the training frames; None where frames carry no electrostatic energies.
    """

    name: str
    frames: tuple[Atoms, ...]
    split: Split | None
    e0: Mapping[str, float]
    relation: Relation | None

    @property
    def n_atoms(self) -> int:
        """Atoms per frame (of the first one)."""
        return len(self.frames[0])

    def local_energies(self, definition: str) -> Callable[[Atoms], NDArray[np.float64]] | None:
        """Give the function from a frame to its local DFT energies in eV (E0 included), or None.

        The relation of the training frames comes first: a label ``REF_local_energy`` beside electrostatic ones comes
        from a relation that may have seen test frames, and knows no `definition`.
        """
        relation = self.relation
        if relation is not None and all(HARTREE_LABEL in atoms.arrays for atoms in self.frames):
            return lambda atoms: relation.local_energies(atoms, definition)  # type: ignore[arg-type]
        if all(LOCAL_LABEL in atoms.arrays for atoms in self.frames):
            return lambda atoms: atom_labels(atoms, LOCAL_LABEL, None)
        return None


def load_frames(data: DataSettings, seed: int, note: Callable[[str], None]) -> tuple[list[Atoms], list[Atoms]]:
    """Frames and isolated atoms that a config asks for."""
    from ase import Atoms

    from basinet.data.reference_data import SIZES, SYSTEMS, load_isolated_atoms, load_reference

    if data.frames == "reference":
        sizes = SIZES if data.size_transfer else SIZES[:1]
        frames = [atoms for system in SYSTEMS for size in sizes for atoms in load_reference(system, size)]
        return frames, list(load_isolated_atoms().values())
    if data.frames == "synthetic":
        from basinet.sampling.liquid import synthetic_liquid

        frames = []
        for system in SYSTEMS:
            note(f"sampling {data.synthetic_frames} frames of the synthetic liquid {system}")
            frames += synthetic_liquid(system, data.synthetic_frames, seed=seed)
        return frames, [Atoms(element, info={"REF_energy": 0.0}) for element in ("Ar", "Kr")]
    from basinet.io.frames import read_frames

    read = read_frames(list(data.frames), energy_key=data.energy_key, forces_key=data.forces_key)
    isolated = [atoms for atoms in read if is_isolated_atom(atoms)]
    return [atoms for atoms in read if not is_isolated_atom(atoms)], distinct(isolated)


def distinct(isolated: Sequence[Atoms]) -> list[Atoms]:
    """Drop isolated atoms that repeat an earlier one: every file of a study may carry its own."""
    found: dict[tuple[object, ...], Atoms] = {}
    for atoms in isolated:
        energies = sorted((key, str(value)) for key, value in atoms.info.items() if key.startswith("REF_"))
        found.setdefault((atoms.get_chemical_formula(), *energies), atoms)
    return list(found.values())


def group_systems(
    frames: Sequence[Atoms], isolated: Sequence[Atoms], split: SplitSettings, *, size_transfer: bool, seed: int
) -> list[StudySystem]:
    """Group frames by system and number of atoms, split the largest group of each system, fit its relation.

    Groups of another number of atoms are tested on only, with the relation of the system's main group.

    Raises
    ------
    InputError
        If there are no frames, frames lack energies, a system has too few frames to split, or its frames of one size
        differ in composition.
    """
    from basinet.io.frames import require_label, system_of

    if not frames:
        msg = "no frames to study: the files hold isolated atoms only"
        raise InputError(msg)
    groups: dict[str, dict[tuple[str, ...], list[Atoms]]] = defaultdict(lambda: defaultdict(list))
    for index, atoms in enumerate(frames):
        require_label(atoms, "REF_energy", index, str(atoms.info.get("source", "frames")))
        groups[system_of(atoms)][tuple(sorted(atoms.get_chemical_symbols()))].append(atoms)
    systems = []
    for name, compositions in sorted(groups.items()):
        by_count = sorted(compositions.values(), key=len, reverse=True)
        _refuse_unclear(name, by_count)
        main = _main_system(name, by_count[0], isolated, split, seed)
        systems.append(main)
        if size_transfer:
            systems += [
                StudySystem(name, tuple(in_time(other)), None, main.e0, main.relation)
                for other in by_count[1:]
                if len(other) >= 2
            ]
    return systems


def _refuse_unclear(name: str, groups: Sequence[Sequence[Atoms]]) -> None:
    """Refuse a name that is no file name, and groups that name and number of atoms do not tell apart."""
    if not re.fullmatch(r"\w[\w.+-]*", name):
        msg = f"system {name!r}: use letters, digits and . + - _ only, it names files"
        raise InputError(msg)
    formulas: dict[int, str] = {}
    for group in groups:
        formula = group[0].get_chemical_formula()
        other = formulas.setdefault(len(group[0]), formula)
        if other != formula:
            msg = f"system {name}: frames of {other} and of {formula}; give each composition a `system` of its own"
            raise InputError(msg)


def in_time(frames: Sequence[Atoms]) -> list[Atoms]:
    """Order frames by their number, where they have one."""
    if all("frame" in atoms.info for atoms in frames):
        return sorted(frames, key=lambda atoms: int(atoms.info["frame"]))
    return list(frames)


def _main_system(
    name: str, frames: Sequence[Atoms], isolated: Sequence[Atoms], split: SplitSettings, seed: int
) -> StudySystem:
    ordered = in_time(frames)
    try:
        blocks = contiguous_split(len(ordered), split.fractions, split.gap)
    except InputError as error:
        msg = f"system {name}: {error}"
        raise InputError(msg) from error
    elements = {symbol for atoms in ordered for symbol in atoms.get_chemical_symbols()}
    own = [atoms for atoms in isolated if atoms.get_chemical_symbols()[0] in elements]
    train = [ordered[i] for i in blocks.train]
    relation = None
    if all("REF_electrostatic_energy" in atoms.info for atoms in ordered):
        relation = fit_relation(train, own or None, seed=seed)
    return StudySystem(name, tuple(ordered), blocks, isolated_energies(own, train), relation)


def describe_systems(systems: Sequence[StudySystem], source: str, gap: int) -> dict[str, Any]:
    """Counts, elements and splits, for `study.json`: main systems by name, and what else they are tested on."""
    described: dict[str, Any] = {}
    others: dict[str, list[dict[str, int]]] = {}
    for system in systems:
        if system.split is None:
            others.setdefault(system.name, []).append({"n_frames": len(system.frames), "n_atoms": system.n_atoms})
            continue
        numbers = [int(atoms.info.get("frame", index)) for index, atoms in enumerate(system.frames)]
        blocks = system.split.blocks()
        described[system.name] = {
            "n_frames": len(system.frames),
            "n_atoms": system.n_atoms,
            "elements": sorted(system.e0),
            "splits": {k: [numbers[b[0]], numbers[b[-1]]] for k, b in blocks.items()} | {"gap": gap},
            "n_by_split": {k: len(b) for k, b in blocks.items()},
        }
    return {"source": source, "systems": described, "other_sizes": others}
