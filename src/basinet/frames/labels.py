"""The labels of frames that the relation needs, read with care: a missing label is missing, never zero."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from ase import Atoms

from basinet.arrays import FloatArray
from basinet.errors import InputError

TOTAL_ENERGY = "REF_energy"
FORCES = "REF_forces"
ELECTROSTATIC_ENERGY = "REF_electrostatic_energy"
CORE_SELF_ENERGY = "REF_core_self_energy"
LOCAL_HARTREE_ENERGY = {"total": "REF_local_hartree_energy", "electronic": "REF_local_hartree_energy_electronic"}
LOCAL_ENERGY = "REF_local_energy"
DIRECT_ENERGY = "REF_direct_energy"
_ISOLATED_ATOM = "IsolatedAtom"
ORIGIN = "basinet_origin"  # attribute of atoms that were read: file and frame, for messages
Result = TypeVar("Result")


@dataclass(frozen=True)
class FrameEnergies:
    """E_tot and E_es (n_frames,), eV per frame, and atoms of each species, sorted, (n_frames, n_species)."""

    elements: tuple[str, ...]
    counts: FloatArray
    total: FloatArray
    electrostatic: FloatArray

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.total)

    @property
    def n_atoms(self) -> FloatArray:
        """Atoms of each frame, (n_frames,)."""
        return np.asarray(self.counts.sum(axis=-1), dtype=np.float64)

    @property
    def fractions(self) -> FloatArray:
        """Mole fractions, (n_frames, n_species)."""
        return np.asarray(self.counts / self.n_atoms[:, None], dtype=np.float64)


def is_isolated_atom(atoms: Atoms) -> bool:
    """Tell if a frame is marked ``config_type=IsolatedAtom``."""
    return str(atoms.info.get("config_type", "")) == _ISOLATED_ATOM


def frame_name(atoms: Atoms, index: int | None) -> str:
    """Name a frame in a message: its position where known, and what it says of itself."""
    own = [f"{key}={atoms.info[key]}" for key in ("system", "frame", "config_type") if key in atoms.info]
    position = getattr(atoms, ORIGIN, "the frame" if index is None else f"frame {index}")
    return position + (f" ({', '.join(own)})" if own else "")


def for_each_frame(function: Callable[[Atoms], Result], frames: Sequence[Atoms]) -> list[Result]:
    """Value of a function for each frame; what it refuses is told with the frame's name."""
    values = []
    for index, atoms in enumerate(frames):
        try:
            values.append(function(atoms))
        except InputError as error:
            if type(error) is not InputError:
                raise  # no fault of the frame
            name = frame_name(atoms, index)
            raise error if str(error).startswith(name) else InputError(f"{name}: {error}") from error
    return values


def all_labelled(frames: Sequence[Atoms], key: str) -> bool:
    """Tell if all frames have a label, of the frame or of its atoms; InputError if only some have, with the first."""
    have = [key in atoms.info or key in atoms.arrays for atoms in frames]
    if any(have) and not all(have):
        index = have.index(False)
        raise InputError(
            f"{frame_name(frames[index], index)}: label {key} is missing, which {sum(have)} of {len(have)} frames "
            "have; label the frame with it, or leave it out"
        )
    return all(have)


def energy_label(atoms: Atoms, key: str, index: int | None) -> float:
    """One energy of a frame, eV; InputError where the label is missing, or not a finite number."""
    name = frame_name(atoms, index)
    if key not in atoms.info:
        energies = {own for own in atoms.info if "energ" in str(own).lower()} | {*getattr(atoms.calc, "results", {})}
        found = ", ".join(sorted(energies - {"forces"})) or "none"
        if key == TOTAL_ENERGY and energies:
            raise InputError(
                f"{name}: label {key} is missing; name the total energy among {found} with --energy-key, or "
                f"energy_key=, or label the frame"
            )
        msg = f"{name}: label {key} is missing; label the frame with it or leave the frame out (labels found: {found})"
        raise InputError(msg)
    try:
        value = float(atoms.info[key])
    except (TypeError, ValueError):
        raise InputError(f"{name}: label {key} is {atoms.info[key]!r}, not a number in eV") from None
    if not np.isfinite(value):
        raise InputError(f"{name}: label {key} is {value}; label the frame anew or leave it out")
    return value


def atom_labels(atoms: Atoms, key: str, index: int | None) -> FloatArray:
    """One energy of each atom, (n_atoms,) eV; InputError where one is missing, or not a finite number."""
    remedies = ("compute it with 'basinet partition'", "partition the frame anew")
    return _array_label(atoms, key, index, (len(atoms),), "one number per atom", remedies)


def force_labels(atoms: Atoms, index: int | None) -> FloatArray:
    """Forces of a frame, (n_atoms, 3) eV/A; InputError where they are missing, or not three finite numbers per atom."""
    remedies = ("label the frame with it, or train with force_weight 0", "label the frame anew")
    return _array_label(atoms, FORCES, index, (len(atoms), 3), "three numbers per atom", remedies)


def _array_label(
    atoms: Atoms, key: str, index: int | None, shape: tuple[int, ...], shape_text: str, remedies: tuple[str, str]
) -> FloatArray:
    """A label of all atoms; the remedies are for one that is missing, and one that is not finite."""
    name = frame_name(atoms, index)
    if key not in atoms.arrays:
        raise InputError(f"{name}: per-atom label {key} is missing; {remedies[0]}")
    values = np.asarray(atoms.arrays[key], dtype=np.float64)
    if values.shape != shape:
        raise InputError(f"{name}: label {key} has shape {values.shape}, not {shape_text} ({len(atoms)})")
    finite = np.isfinite(values).reshape(len(atoms), -1).all(axis=1)
    if not finite.all():
        atom = int(np.flatnonzero(~finite)[0])
        raise InputError(f"{name}: label {key} of atom {atom} is {values[atom]}; {remedies[1]}")
    return values


def frame_energies(frames: Sequence[Atoms], numbers: Sequence[int] | None = None) -> FrameEnergies:
    """Compositions, total and electrostatic energies of frames, which messages call by their numbers.

    InputError if there is no frame, a frame has no atoms, or a label is missing or not finite.
    """
    if not frames:
        raise InputError("no frames: the relation between energies needs labelled frames")
    numbers = range(len(frames)) if numbers is None else numbers
    for atoms, number in zip(frames, numbers, strict=True):
        if len(atoms) == 0:
            raise InputError(f"{frame_name(atoms, number)} has no atoms; leave it out")
    symbols = [atoms.get_chemical_symbols() for atoms in frames]
    elements = tuple(sorted({symbol for of_frame in symbols for symbol in of_frame}))
    counts = np.array([[of_frame.count(element) for element in elements] for of_frame in symbols], dtype=np.float64)
    total, electrostatic = (
        np.array([energy_label(atoms, key, number) for atoms, number in zip(frames, numbers, strict=True)])
        for key in (TOTAL_ENERGY, ELECTROSTATIC_ENERGY)
    )
    return FrameEnergies(elements, counts, total, electrostatic)
