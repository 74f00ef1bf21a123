"""A fitted relation E_rest = a E_es + b: its residuals, and the local DFT energies of the atoms of a frame."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
from ase import Atoms

from basinet.arrays import FloatArray
from basinet.errors import InputError
from basinet.frames import labels
from basinet.frames.bootstrap import Interval

PinnedBy = Literal["single species", "compositions", "isolated atoms", "equal shares"]
Definition = Literal["direct", "total", "electronic"]
"""Of local energies: those of the energy density, or of the relation with a reading of the Hartree energy."""
OTHER_DEFINITION: Mapping[Definition, Definition] = {"total": "electronic", "electronic": "total"}

_MAX_CLOSURE_ERROR = 0.05
"""eV per atom. Converged grids close to 1e-4; beyond this the labels are not parts of this Hartree energy."""
_MAX_SELF_ENERGY_ERROR = 1e-3
"""eV per atom by which a frame's core self energy, a constant, may differ from the sum over its species."""
_LEAST_R2 = 0.5
"""Out-of-sample r^2 of total energies below which there is no relation: r of E_rest and E_es is close to -1 anyway."""
_LARGEST_P = 0.05
_FIGURES = ("pearson_r", "null_r", "pearson_r_total_es", "unexplained_variance", "r2_out_of_sample", "p_value")
_MEV = {"rmse": "rmse_mev_per_atom"}  # figures that ``relation.json`` gives in meV per atom, with their names there


@dataclass(frozen=True)
class Relation:
    r"""A fitted relation, :math:`E_{rest} = a E_{es} + \sum_s N_s b_s`.

    - `slope`: a, dimensionless; :math:`E_{tot} = (1 + a) E_{es} + \dots`, with 1 + a about -0.2 in noble-gas liquids.
    - `intercept`: mean over frames of :math:`\sum_s x_s b_s`, eV per atom.
    - `species_offsets`: b_s, eV.
    - `pinned_by`: what determines the b_s: ``single species``; ``compositions`` (they differ enough); ``isolated
      atoms``; or ``equal shares``, which says that local energies of different species must not be compared.
    - `rmse`: root mean square residual, eV per atom.
    - `pearson_r`, `null_r`: r(E_rest, E_es), and what it is on average with E_tot shuffled over frames (mostly
      part-whole correlation).
    - `pearson_r_total_es`, `unexplained_variance`: r(E_tot, E_es), and the share of the variance of E_tot that the
      relation leaves: the informative figures.
    - `r2_out_of_sample`: share of the variance of E_tot in left-out blocks of frames that the line of the others
      explains.
    - `p_value`: share of permutations of blocks of frames in which E_tot and E_es correlate as strongly; nan where
      there are too few blocks to tell.
    - `n_frames`: frames fitted to.
    - `intervals`: block-bootstrap intervals of ``slope``, ``rmse``, ``pearson_r``, ``pearson_r_total_es`` and
      ``unexplained_variance``, in their units.
    - `self_energies`: core self energy of each species, eV; empty if the frames did not carry it.

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
    r2_out_of_sample: float
    p_value: float
    n_frames: int
    intervals: dict[str, Interval] = field(default_factory=dict)
    self_energies: dict[str, float] = field(default_factory=dict)

    @property
    def doubts(self) -> str:
        """Why these frames show no relation, in words; empty where they do."""
        if not self.r2_out_of_sample >= _LEAST_R2:
            return (
                f"the line explains {100 * max(self.r2_out_of_sample, 0.0):.0f} % of the variance of total energies of "
                f"frames left out, and {100 * _LEAST_R2:.0f} % are the least"
            )
        if self.p_value > _LARGEST_P:
            return f"blocks of frames in another order correlate as well in {100 * self.p_value:.0f} % of cases"
        return ""

    def local_energies(self, atoms: Atoms, definition: Definition = "total", index: int | None = None) -> FloatArray:
        r"""Local DFT energies.

        .. math:: E_{loc,i} = (1 + a) E_{es,i} + b_{s(i)}

        They sum to the fitted energy of the frame, which is ``REF_energy`` less :meth:`residuals`: the
        closure error of the grid is taken off in equal shares. The definition ``electronic`` has no sum rule.

        - `atoms`: frame with ``REF_local_hartree_energy`` (or ``..._electronic``).
        - `definition`: ``total`` or ``electronic``, see `local_electrostatic_energies`.
        - `index`: number of the frame, for messages.

        Returns (n_atoms,) eV. InputError if labels are missing, the frame does not close, or it holds a species that
        the relation does not know.
        """
        name = labels.frame_name(atoms, index)
        offsets = np.array([self._offset(symbol, name) for symbol in atoms.get_chemical_symbols()])
        electrostatic = local_electrostatic_energies(atoms, self.self_energies, definition, index)
        return np.asarray((1.0 + self.slope) * electrostatic + offsets, dtype=np.float64)

    def residuals(self, frames: Sequence[Atoms]) -> FloatArray:
        """E_tot less the fitted energy, (n_frames,) eV per frame (not per atom)."""
        return self.energy_residuals(labels.frame_energies(frames))

    def energy_residuals(self, energies: labels.FrameEnergies) -> FloatArray:
        """:meth:`residuals` of energies that have been read already."""
        offsets = np.array([self._offset(element, "frames") for element in energies.elements])
        fitted = (1.0 + self.slope) * energies.electrostatic + energies.counts @ offsets
        return np.asarray(energies.total - fitted, dtype=np.float64)

    def _offset(self, element: str, where: str) -> float:
        """b_s of one species, eV; ``where`` is named in the error if the relation does not know it."""
        if element not in self.species_offsets:
            known = ", ".join(self.species_offsets)
            msg = f"{where}: the relation was fitted to {known} and knows no {element}; fit it to such frames"
            raise InputError(msg)
        return self.species_offsets[element]

    def to_dict(self) -> dict[str, object]:
        """Give the system's entry of ``relation.json``; a figure that is not defined is None."""
        figures: dict[str, object] = {
            "slope": self.slope,
            "intercept_ev_per_atom": self.intercept,
            "species_offsets_ev": dict(self.species_offsets),
            "pinned_by": self.pinned_by,
            "rmse_mev_per_atom": 1e3 * self.rmse,
            **{name: _defined(getattr(self, name)) for name in _FIGURES},
            "n_frames": self.n_frames,
        }
        intervals: dict[str, object] = {}
        for name, interval in self.intervals.items():
            factor = 1e3 if name in _MEV else 1.0
            intervals[_MEV.get(name, name)] = [_defined(factor * interval.low), _defined(factor * interval.high)]
            intervals |= {"level": interval.level, "block_length_frames": interval.block_length}
        return figures | {"intervals": intervals}


def _defined(value: float) -> float | None:
    """None for nan, which JSON does not have."""
    return float(value) if np.isfinite(value) else None


def local_energy_labels(
    name: str, frames: Sequence[Atoms], relation: Relation | None, definition: Definition
) -> Callable[[Atoms], FloatArray] | None:
    """Give the function from a frame of a system to its local DFT energies, (n_atoms,) eV with E0, or None.

    Direct ones are a label of their own. Otherwise the relation comes first: a label ``REF_local_energy`` beside
    electrostatic ones comes from a relation that may have seen test frames, and knows no `definition`. InputError where
    only some of the frames carry a label that is needed, or ``REF_local_energy`` is all there is where the definition
    ``electronic`` is asked for.
    """
    if definition == "direct":
        carried = labels.all_labelled(frames, labels.DIRECT_ENERGY)
        return partial(labels.atom_labels, key=labels.DIRECT_ENERGY, index=None) if carried else None
    if relation is not None and labels.all_labelled(frames, labels.LOCAL_HARTREE_ENERGY[definition]):
        return lambda atoms: relation.local_energies(atoms, definition)
    if not labels.all_labelled(frames, labels.LOCAL_ENERGY):
        return None
    if definition != "total":
        raise InputError(
            f"system {name}: {labels.LOCAL_ENERGY} does not tell the definition '{definition}'; give frames with "
            f"REF_electrostatic_energy and {labels.LOCAL_HARTREE_ENERGY[definition]}, or take the definition 'total'"
        )
    return lambda atoms: labels.atom_labels(atoms, labels.LOCAL_ENERGY, None)


def local_electrostatic_energies(
    atoms: Atoms, self_energies: Mapping[str, float], definition: Definition = "total", index: int | None = None
) -> FloatArray:
    r"""Electrostatic energy of each atom.

    .. math:: E_{es,i} = \frac12 \int_{\Omega_i} \rho V_H + E_{self,s(i)} + c

    With the reading ``total`` (rho neutral) the constant c makes the atoms sum to the frame's E_es exactly. It holds
    the core overlaps (zero in noble-gas liquids) less the closure error of the grid, an equal share for every atom.
    With ``electronic`` (rho of the electrons alone) the integrals are not parts of the Hartree energy, and c is left
    out; the sum then means nothing. Source: the seed's definition of the energy of an atom (arXiv:2403.00377, "Local
    energy computation"), and Yu, Trinkle, Martin, Phys. Rev. B 83, 115113 (2011) for the role of the self terms.

    - `atoms`: frame with ``REF_local_hartree_energy`` (or ``..._electronic``) and, for ``total``,
      ``REF_electrostatic_energy``.
    - `self_energies`: core self energy of each species, eV. Empty: the frame's own ``REF_core_self_energy``, which must
      then be a frame of one species.
    - `index`: number of the frame, for messages.

    Returns (n_atoms,) eV; InputError if a label is missing or not finite, a species has no self energy, or the frame
    does not close.
    """
    if definition not in labels.LOCAL_HARTREE_ENERGY:
        raise InputError(f"definition {definition!r} is unknown; it is one of {', '.join(labels.LOCAL_HARTREE_ENERGY)}")
    key = labels.LOCAL_HARTREE_ENERGY[definition]
    energies = labels.atom_labels(atoms, key, index) + _atom_self_energies(atoms, self_energies, index)
    if definition == "total":
        open_part = (labels.energy_label(atoms, labels.ELECTROSTATIC_ENERGY, index) - energies.sum()) / len(atoms)
        if abs(open_part) > _MAX_CLOSURE_ERROR:
            raise InputError(
                f"{labels.frame_name(atoms, index)}: {key} and core self energies miss {labels.ELECTROSTATIC_ENERGY} "
                f"by {open_part:.3g} eV per atom; partition the frame on a finer grid, or check its labels"
            )
        energies = energies + open_part
    return energies


def _atom_self_energies(atoms: Atoms, self_energies: Mapping[str, float], index: int | None) -> FloatArray:
    """Core self energy of each atom, (n_atoms,) eV, checked against the frame's where it has one."""
    symbols = atoms.get_chemical_symbols()
    name = labels.frame_name(atoms, index)
    if not self_energies:
        share = labels.energy_label(atoms, labels.CORE_SELF_ENERGY, index) / len(atoms)
        if len(set(symbols)) > 1:
            raise InputError(
                f"{name}: the relation knows no core self energies to tell {', '.join(sorted(set(symbols)))} "
                f"apart; fit it to frames labelled with {labels.CORE_SELF_ENERGY}"
            )
        return np.full(len(atoms), share)
    unknown = sorted(set(symbols) - set(self_energies))
    if unknown:
        raise InputError(f"{name}: the relation knows no {unknown[0]}; fit it to frames that hold this species")
    values = np.array([self_energies[symbol] for symbol in symbols])
    if labels.CORE_SELF_ENERGY in atoms.info:
        difference = (labels.energy_label(atoms, labels.CORE_SELF_ENERGY, index) - values.sum()) / len(atoms)
        if abs(difference) > _MAX_SELF_ENERGY_ERROR:
            raise InputError(
                f"{name}: {labels.CORE_SELF_ENERGY} is {difference:.3g} eV per atom off that of the frames the "
                "relation was fitted to; label both with one set of pseudopotentials, and fit mixtures with "
                "isolated atoms"
            )
    return values
