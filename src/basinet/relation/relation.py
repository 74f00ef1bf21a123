"""What a fitted relation knows and can do: residuals, and the local DFT energies of the atoms of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms

from basinet.arrays import FloatArray
from basinet.errors import InputError
from basinet.frames.bootstrap import Interval
from basinet.frames.labels import FrameEnergies, frame_energies, frame_name
from basinet.relation.local import Definition, local_electrostatic_energies
from basinet.relation.offsets import PinnedBy

MEV = {"rmse": "rmse_mev_per_atom"}
"""Figures that ``relation.json`` gives in meV per atom, with their names there."""


@dataclass(frozen=True)
class Relation:
    r"""A fitted relation, :math:`E_{rest} = a E_{es} + \sum_s N_s b_s`.

    Attributes
    ----------
    slope
        a, dimensionless; :math:`E_{tot} = (1 + a) E_{es} + \dots`, with 1 + a about -0.2 in noble-gas
        liquids.
    intercept
        Mean over frames of :math:`\sum_s x_s b_s`, eV per atom.
    species_offsets
        b_s, eV.
    pinned_by
        What determines the b_s: ``single species``; ``compositions`` (they differ enough); ``isolated
        atoms``; or ``equal shares``, which says that local energies of different species must not be
        compared.
    rmse
        Root mean square residual, eV per atom.
    pearson_r, null_r
        r(E_rest, E_es), and what it is on average with E_tot shuffled over frames (mostly part-whole
        correlation).
    pearson_r_total_es, unexplained_variance
        r(E_tot, E_es), and the share of the variance of E_tot that the relation leaves: the informative
        figures.
    n_frames
        Frames fitted to.
    intervals
        Block-bootstrap intervals of ``slope``, ``rmse``, ``pearson_r``, ``pearson_r_total_es`` and
        ``unexplained_variance``, in their units.
    self_energies
        Core self energy of each species, eV; empty if the frames did not carry it.

    With several compositions all correlations and variances are those within a composition.
    """

    slope: float
    intercept: float
    species_offsets: dict[str, float]
    pinned_by: PinnedBy
    rmse: float
    pearson_r: float
    null_r: float
    pearson_r_total_es: float
    unexplained_variance: float
    n_frames: int
    intervals: dict[str, Interval] = field(default_factory=dict)
    self_energies: dict[str, float] = field(default_factory=dict)

    def local_energies(self, atoms: Atoms, definition: Definition = "total", index: int | None = None) -> FloatArray:
        r"""Local DFT energies.

        .. math:: E_{loc,i} = (1 + a) E_{es,i} + b_{s(i)}

        They sum to the fitted energy of the frame, which is ``REF_energy`` less :meth:`residuals`: the
        closure error of the grid is taken off in equal shares. The definition ``electronic`` has no sum rule.

        Parameters
        ----------
        atoms
            Frame with ``REF_local_hartree_energy`` (or ``..._electronic``).
        definition
            ``total`` or ``electronic``, see :func:`~basinet.relation.local.local_electrostatic_energies`.
        index
            Number of the frame, for messages.

        Returns
        -------
        (n_atoms,) eV

        Raises
        ------
        InputError
            If labels are missing, the frame does not close, or it holds a species that the relation does not
            know.
        """
        name = frame_name(atoms, index)
        offsets = np.array([self.offset(symbol, name) for symbol in atoms.get_chemical_symbols()])
        electrostatic = local_electrostatic_energies(atoms, self.self_energies, definition, index)
        return np.asarray((1.0 + self.slope) * electrostatic + offsets, dtype=np.float64)

    def residuals(self, frames: Sequence[Atoms]) -> FloatArray:
        """E_tot less the fitted energy, (n_frames,) eV per frame (not per atom)."""
        return self.energy_residuals(frame_energies(frames))

    def energy_residuals(self, energies: FrameEnergies) -> FloatArray:
        """:meth:`residuals` of energies that have been read already."""
        offsets = np.array([self.offset(element, "frames") for element in energies.elements])
        fitted = (1.0 + self.slope) * energies.electrostatic + energies.counts @ offsets
        return np.asarray(energies.total - fitted, dtype=np.float64)

    def offset(self, element: str, where: str) -> float:
        """b_s of one species, eV; ``where`` is named in the error if the relation does not know it."""
        if element not in self.species_offsets:
            known = ", ".join(self.species_offsets)
            raise InputError(
                f"{where}: the relation was fitted to {known} and knows no {element}; fit it to such frames"
            )
        return self.species_offsets[element]

    def to_dict(self) -> dict[str, object]:
        """Give the system's entry of ``relation.json``; a figure that is not defined is None."""
        figures: dict[str, object] = {
            "slope": self.slope,
            "intercept_ev_per_atom": self.intercept,
            "species_offsets_ev": dict(self.species_offsets),
            "pinned_by": self.pinned_by,
            "rmse_mev_per_atom": 1e3 * self.rmse,
            "pearson_r": defined(self.pearson_r),
            "null_r": defined(self.null_r),
            "pearson_r_total_es": defined(self.pearson_r_total_es),
            "unexplained_variance": defined(self.unexplained_variance),
            "n_frames": self.n_frames,
        }
        intervals: dict[str, object] = {}
        for name, interval in self.intervals.items():
            factor = 1e3 if name in MEV else 1.0
            intervals[MEV.get(name, name)] = [defined(factor * interval.low), defined(factor * interval.high)]
            intervals |= {"level": interval.level, "block_length_frames": interval.block_length}
        return figures | {"intervals": intervals}


def defined(value: float) -> float | None:
    """None for nan, which JSON does not have."""
    return float(value) if np.isfinite(value) else None
