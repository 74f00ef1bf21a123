"""Frames by system and composition, in order of time, and cut into blocks to train, validate and test on.

A gap is thrown away between the blocks.

Neighbouring frames of a trajectory resemble each other, so frames drawn at random would leak the test set into the
training set; a block of time with a gap does not.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
from ase import Atoms

from basinet.arrays import IntArray
from basinet.errors import InputError
from basinet.frames.labels import is_isolated_atom
from basinet.frames.reading import system_of


@dataclass(frozen=True)
class Split:
    """Frame indices of the three blocks, each ascending."""

    train: IntArray
    validation: IntArray
    test: IntArray

    @property
    def fitted(self) -> IntArray:
        """Training and validation frames: all that a choice may look at."""
        return np.concatenate([self.train, self.validation])

    def blocks(self) -> dict[str, IntArray]:
        """Return the blocks by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def contiguous_split(n_frames: int, fractions: tuple[float, float, float] = (0.6, 0.2, 0.2), gap: int = 1) -> Split:
    """Cut a trajectory of `n_frames` into train, validation and test blocks, with `gap` frames left out between two.

    The fractions are the shares among the frames that are not in a gap; they sum to 1. InputError if a block would hold
    fewer than two frames.

    >>> split = contiguous_split(12, gap=1)
    >>> split.train.tolist(), split.validation.tolist(), split.test.tolist()
    ([0, 1, 2, 3, 4, 5], [7, 8], [10, 11])
    """
    if not np.isclose(sum(fractions), 1.0):
        raise InputError(f"split fractions {fractions} sum to {sum(fractions):g}: they must sum to 1")
    usable = n_frames - 2 * gap
    ends = np.round(np.cumsum(fractions) * max(usable, 0)).astype(int)
    train, validation, test = (
        np.arange(start, stop) + shift * gap
        for shift, (start, stop) in enumerate(zip([0, *ends[:-1]], ends, strict=True))
    )
    if min(len(train), len(validation), len(test)) < 2:
        raise InputError(
            f"{n_frames} frames are too few for blocks {fractions} with a gap of {gap}, at least two frames each: "
            "give more frames or a smaller gap (split.gap)"
        )
    return Split(train, validation, test)


def blocked_folds(frames: IntArray, n_folds: int, gap: int = 1) -> list[tuple[IntArray, IntArray]]:
    """Cut `frames` into contiguous folds; return (rest, held out) pairs, where the rest keeps `gap` frames of distance.

    InputError if a fold would hold fewer than two frames, or nothing would be left beside it.

    >>> [(rest.tolist(), held.tolist()) for rest, held in blocked_folds(np.arange(6), 3, gap=1)]
    [([3, 4, 5], [0, 1]), ([0, 5], [2, 3]), ([0, 1, 2], [4, 5])]
    """
    if len(frames) < 2 * n_folds:
        raise InputError(f"{len(frames)} frames cannot be cut into {n_folds} folds of at least two frames")
    pairs = []
    for held in np.array_split(frames, n_folds):
        near = (frames >= held[0] - gap) & (frames <= held[-1] + gap)
        if near.all():
            msg = f"{len(frames)} frames in {n_folds} folds with a gap of {gap} leave none to fit: cut more folds"
            raise InputError(msg)
        pairs.append((frames[~near], held))
    return pairs


def divided(frames: Sequence[Atoms]) -> tuple[list[Atoms], list[Atoms]]:
    """Frames of condensed matter, InputError if there are none, and isolated atoms, each once: files repeat them."""
    isolated: dict[tuple[object, ...], Atoms] = {}
    for atoms in frames:
        if is_isolated_atom(atoms):
            energies = sorted((key, str(value)) for key, value in atoms.info.items() if key.startswith("REF_"))
            isolated.setdefault((atoms.get_chemical_formula(), *energies), atoms)
    liquid = [atoms for atoms in frames if not is_isolated_atom(atoms)]
    if not liquid:
        raise InputError("no frames besides isolated atoms; give labelled frames")
    return liquid, list(isolated.values())


def elements_of(frames: Sequence[Atoms]) -> list[str]:
    """Chemical symbols that occur, sorted."""
    return sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()})


def by_system(frames: Sequence[Atoms]) -> dict[str, tuple[Atoms, ...]]:
    """Frames of each system, each in the order of `_in_time`."""
    groups: dict[str, list[Atoms]] = defaultdict(list)
    for atoms in frames:
        groups[system_of(atoms)].append(atoms)
    return {name: _in_time(own) for name, own in groups.items()}


def by_composition(frames: Sequence[Atoms]) -> list[tuple[Atoms, ...]]:
    """Frames with the same atoms together, each group in the order of `_in_time`."""
    groups: dict[tuple[str, ...], list[Atoms]] = defaultdict(list)
    for atoms in frames:
        groups[tuple(sorted(atoms.get_chemical_symbols()))].append(atoms)
    return [_in_time(group) for group in groups.values()]


def _in_time(frames: Sequence[Atoms]) -> tuple[Atoms, ...]:
    """Order frames by their number, where each has one of its own; else as they come, which keeps runs apart."""
    numbers = [atoms.info.get("frame") for atoms in frames]
    if all(isinstance(number, Real) for number in numbers) and len(set(numbers)) == len(numbers):
        return tuple(sorted(frames, key=lambda atoms: atoms.info["frame"]))
    return tuple(frames)
