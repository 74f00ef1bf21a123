"""From labelled frames to a `Dataset`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from basinet.dataset.dataset import Dataset, PairShare
from basinet.errors import InputError
from basinet.relation.labels import TOTAL_ENERGY, energy_label, force_labels, frame_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ase import Atoms
    from numpy.typing import NDArray

    from basinet.dataset.dataset import PairPotential
    from basinet.descriptors.jacobian import PairDerivatives


def isolated_energies(isolated: Sequence[Atoms], frames: Sequence[Atoms]) -> dict[str, float]:
    """Energy E0 of each element's isolated atom, eV.

    Where isolated atoms are missing, E0 comes from a least-squares fit of ``E = sum_s N_s E0_s`` to the frames (of
    least norm where compositions do not determine it), which shifts energies by constants but changes no difference.

    Raises
    ------
    InputError
        If an isolated atom is none, or a label is missing or not finite.
    """
    known = {}
    for index, atoms in enumerate(isolated):
        if len(atoms) != 1:
            msg = f"isolated {frame_name(atoms, index)} has {len(atoms)} atoms; give one atom in a large box"
            raise InputError(msg)
        known[atoms.get_chemical_symbols()[0]] = energy_label(atoms, TOTAL_ENERGY, index)
    elements = sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()})
    if all(element in known for element in elements):
        return {element: known[element] for element in elements}
    counts = np.array([[atoms.get_chemical_symbols().count(e) for e in elements] for atoms in frames], dtype=float)
    energy = np.array([energy_label(atoms, TOTAL_ENERGY, index) for index, atoms in enumerate(frames)])
    e0 = np.linalg.lstsq(counts, energy, rcond=None)[0]
    return dict(zip(elements, map(float, e0), strict=True))


def build_dataset(
    system: str,
    frames: Sequence[Atoms],
    descriptor: Callable[[Atoms], NDArray[np.float64]],
    e0: Mapping[str, float],
    local_energies: Callable[[Atoms], NDArray[np.float64]] | None = None,
    derivatives: Callable[[Atoms], PairDerivatives] | None = None,
    pair_potential: PairPotential | None = None,
) -> Dataset:
    """Flatten labelled frames.

    Parameters
    ----------
    system
        Name of the system.
    frames
        Labelled frames (``REF_energy``, eV), in order of time.
    descriptor
        Maps a frame to ``(n_atoms, n_components)``.
    e0
        Energy of each element's isolated atom, eV.
    local_energies
        Maps a frame to its local DFT energies ``(n_atoms,)`` in eV, E0 included; None where there are none.
    derivatives
        Maps a frame to the derivatives of its descriptors, for training on forces; frames then carry ``REF_forces``
        (eV/A).
    pair_potential
        Potential to which networks are to give the difference.

    Raises
    ------
    InputError
        If there is no frame, a label is missing or not finite, or an element has no E0.
    """
    if not frames:
        msg = f"system {system}: no frames; give at least one"
        raise InputError(msg)
    symbols = [atoms.get_chemical_symbols() for atoms in frames]
    elements = tuple(sorted({symbol for frame in symbols for symbol in frame}))
    missing = [element for element in elements if element not in e0]
    if missing:
        msg = f"system {system}: no isolated-atom energy for {', '.join(missing)}"
        raise InputError(msg)
    number = {element: index for index, element in enumerate(elements)}
    species = np.array([number[symbol] for frame in symbols for symbol in frame], dtype=np.int64)
    energy = [energy_label(atoms, TOTAL_ENERGY, i) - sum(e0[s] for s in symbols[i]) for i, atoms in enumerate(frames)]
    local = None
    if local_energies is not None:
        own = np.array([e0[element] for element in elements])[species]
        local = np.concatenate([local_energies(atoms) for atoms in frames]) - own
    return Dataset(
        system,
        elements,
        np.repeat(np.arange(len(frames)), [len(atoms) for atoms in frames]),
        species,
        np.concatenate([descriptor(atoms) for atoms in frames]),
        np.array(energy),
        local,
        None if derivatives is None else np.concatenate([force_labels(atoms, i) for i, atoms in enumerate(frames)]),
        None if derivatives is None else tuple(derivatives(atoms) for atoms in frames),
        None if pair_potential is None else pair_share(frames, pair_potential),
    )


def pair_share(frames: Sequence[Atoms], potential: PairPotential) -> PairShare:
    """Energies and forces that a pair potential gives to the atoms of all frames."""
    evaluated = [potential.evaluate(atoms) for atoms in frames]
    return PairShare(
        potential,
        np.concatenate([evaluation.local_energies for evaluation in evaluated]),
        np.concatenate([evaluation.forces for evaluation in evaluated]),
    )
