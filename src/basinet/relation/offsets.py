"""Constants per species from sums over frames, and what pins them where the sums do not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from ase import Atoms

from basinet.arrays import FloatArray
from basinet.errors import InputError
from basinet.frames.labels import CORE_SELF_ENERGY, FrameEnergies, energy_label, frame_energies, frame_name

PinnedBy = Literal["single species", "compositions", "isolated atoms", "equal shares"]

RANK_TOLERANCE = 1e-8
"""Compositions that differ by less than this fraction are one composition."""


def isolated_energies(isolated: Iterable[Atoms]) -> dict[str, FrameEnergies]:
    """Energies of isolated atoms by element.

    Raises
    ------
    InputError
        If a frame holds more than one atom, an element occurs twice, or a label is missing.
    """
    energies: dict[str, FrameEnergies] = {}
    for index, atoms in enumerate(isolated):
        if len(atoms) != 1:
            raise InputError(
                f"isolated {frame_name(atoms, index)} has {len(atoms)} atoms; give one atom in a large box"
            )
        element = atoms.get_chemical_symbols()[0]
        if element in energies:
            raise InputError(f"isolated {frame_name(atoms, index)}: {element} is given twice; keep one of the two")
        energies[element] = frame_energies([atoms])
    return energies


def how_pinned(fractions: FloatArray, elements: Sequence[str], isolated: Mapping[str, object]) -> PinnedBy:
    """Tell what determines the constants of the species, given the compositions (n_frames, n_species).

    Raises
    ------
    InputError
        If isolated atoms are needed and given, but not for every species.
    """
    if len(elements) == 1:
        return "single species"
    if np.linalg.matrix_rank(fractions, tol=RANK_TOLERANCE * np.sqrt(len(fractions))) == len(elements):
        return "compositions"
    if not isolated:
        return "equal shares"
    absent = [element for element in elements if element not in isolated]
    if absent:
        raise InputError(f"isolated atoms are given, but none of {', '.join(absent)}; add it to pin its offset")
    return "isolated atoms"


def species_constants(fractions: FloatArray, target: FloatArray, base: FloatArray) -> FloatArray:
    r"""Constants per species with :math:`\sum_s x_s b_s` closest to the target.

    Where the compositions leave freedom, the constants keep the differences of ``base``: first the same shift
    for every atom, then the smallest further change that the compositions ask for.

    Parameters
    ----------
    fractions
        (n_frames, n_species) mole fractions.
    target
        (n_frames,) eV per atom.
    base
        (n_species,) eV.

    Returns
    -------
    (n_species,) eV
    """
    shifted = base + np.mean(target - fractions @ base)
    change = np.linalg.lstsq(fractions, target - fractions @ shifted, rcond=RANK_TOLERANCE)[0]
    return np.asarray(shifted + change, dtype=np.float64)


def species_offsets(
    energies: FrameEnergies, slope: float, isolated: Mapping[str, FrameEnergies]
) -> tuple[dict[str, float], PinnedBy]:
    """Offsets b_s of the relation with the given slope, eV by element, and what pins them.

    Isolated atoms pin the differences of the b_s where the compositions leave them open.
    """
    pinned_by = how_pinned(energies.fractions, energies.elements, isolated)
    base = np.zeros(len(energies.elements))
    if pinned_by == "isolated atoms":
        alone = [isolated[element] for element in energies.elements]
        base = np.array([float(atom.total[0] - (1.0 + slope) * atom.electrostatic[0]) for atom in alone])
    target = (energies.total - (1.0 + slope) * energies.electrostatic) / energies.n_atoms
    values = species_constants(energies.fractions, target, base)
    return {element: float(b) for element, b in zip(energies.elements, values, strict=True)}, pinned_by


def core_self_energies(
    frames: Sequence[Atoms], numbers: Sequence[int], energies: FrameEnergies, isolated: Sequence[Atoms]
) -> dict[str, float]:
    """Self energy of the core charge of each species, eV; empty if no frame carries the label.

    In a mixture of one composition only isolated atoms tell the species apart; without them (or without their
    label) the self energies are shared equally.
    """
    if not any(CORE_SELF_ENERGY in atoms.info for atoms in frames):
        return {}
    numbered = zip(frames, numbers, strict=True)
    labels = np.array([energy_label(atoms, CORE_SELF_ENERGY, number) for atoms, number in numbered])
    known = {
        atoms.get_chemical_symbols()[0]: energy_label(atoms, CORE_SELF_ENERGY, index)
        for index, atoms in enumerate(isolated)
        if CORE_SELF_ENERGY in atoms.info
    }
    complete = all(element in known for element in energies.elements)
    base = np.array([known[element] if complete else 0.0 for element in energies.elements])
    values = species_constants(energies.fractions, labels / energies.n_atoms, base)
    return {element: float(value) for element, value in zip(energies.elements, values, strict=True)}
