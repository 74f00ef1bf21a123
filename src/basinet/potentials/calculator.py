"""ASE calculators of an ensemble and of a pair potential."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator as AseCalculator
from ase.calculators.calculator import PropertyNotImplementedError, all_changes
from ase.outputs import Properties, all_outputs
from ase.stress import full_3x3_to_voigt_6_stress

from basinet.arrays import FloatArray
from basinet.errors import InputError
from basinet.frames.neighbours import half_list
from basinet.potentials.ensemble import Ensemble
from basinet.potentials.pair_potential import LennardJones


class _ExactCalculator(AseCalculator, ABC):
    """A calculator that notices every change of positions, elements, cell and periodic axes.

    ASE's own comparison lets changes below 1e-15 A pass, and takes longer than the forces of 32 atoms by a pair
    potential. Charges and magnetic moments change nothing here.
    """

    implemented_properties: list[str] = ["energy", "free_energy", "energies", "forces", "stress"]  # noqa: RUF012 - as in the base class

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:  # noqa: ARG002 - the base class's signature
        old: Atoms | None = self.atoms
        if old is None:
            return list(all_changes)
        same = {
            "positions": np.array_equal(old.positions, atoms.positions),
            "numbers": np.array_equal(old.numbers, atoms.numbers),
            "cell": np.array_equal(old.cell.array, atoms.cell.array),
            "pbc": np.array_equal(old.pbc, atoms.pbc),
        }
        return [name for name, unchanged in same.items() if not unchanged]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Evaluate all properties at once. ASE calls it where something has changed; users ``atoms.get_forces()``."""
        super().calculate(atoms, properties, system_changes)
        frame: Atoms | None = self.atoms
        if frame is None:
            raise ValueError("there are no atoms to evaluate")
        self._evaluate(frame, system_changes)
        if "stress" in properties and "stress" not in self.results:
            raise PropertyNotImplementedError("stress needs three cell vectors that span a volume")

    @abstractmethod
    def _evaluate(self, frame: Atoms, changes: Sequence[str], /) -> None:
        """Evaluate a frame, and `_store` the results."""

    def _store(self, atoms: Atoms, energies: FloatArray, forces: FloatArray, virial: FloatArray) -> None:
        """Keep the results; the stress where the cell has a volume. Without electrons to heat, both energies agree."""
        energy = float(energies.sum())
        self.results: dict[str, Any] = {"energy": energy, "free_energy": energy, "energies": energies, "forces": forces}
        if atoms.cell.rank == 3 and atoms.get_volume() > 0.0:
            self.results["stress"] = full_3x3_to_voigt_6_stress(-virial / atoms.get_volume())


class ExtrapolationWarning(UserWarning):
    """Descriptors of some atoms lie outside of the training range."""


MARGIN = 0.1  # widths of the training range by which a component may leave it before an atom counts as extrapolating


class Calculator(_ExactCalculator):
    r"""The mean of an ensemble, or one member, as an ASE calculator.

    .. math:: E = \frac1M \sum_m \sum_i e_i^{(m)}, \qquad \mathbf F_k = -\partial E / \partial \mathbf r_k, \qquad
       \sigma = V^{-1}\, \partial E / \partial \varepsilon

    ==================  ============  ======  ==========================================================
    result              shape         unit
    ==================  ============  ======  ==========================================================
    energy              ()            eV      isolated atoms' energies included, as in ``REF_energy``
    free_energy         ()            eV      the same
    energies            (n_atoms,)    eV      sum to ``energy``
    forces              (n_atoms, 3)  eV/A
    stress              (6,)          eV/A^3  xx, yy, zz, yz, xz, xy; in three periodic directions
    spread              (n_atoms,)    eV      standard deviation of ``energies`` over the members
    extrapolation       (n_atoms,)    -       how far components leave the training range, in its widths
    extrapolating       (n_atoms,)    bool    by more than ``margin``
    ==================  ============  ======  ==========================================================

    The last three are read from ``results``. The first frame with an atom outside the training range warns
    (`ExtrapolationWarning`); `extrapolated_frames` counts them all. A model that does not tell its range gives neither.

    - `ensemble`: see `basinet.train`, `basinet.load_model` and `basinet.compose`.
    - `member`: one member in place of the mean; ``spread`` is still that of all.
    - `threads`: threads to share the atoms.
    - `margin`: see above; infinity never warns.

    InputError: a member that the ensemble lacks; on use: an element without a network, positions that are not finite,
    atoms in one place, or a cell without volume.

    >>> import basinet
    >>> frames = basinet.load_reference("ar")[:20]
    >>> model = basinet.train(frames, width=4, members=2, learning_rates=[0.01], max_steps=50)
    >>> atoms = frames[0].copy()
    >>> atoms.calc = basinet.Calculator(model)
    >>> bool(abs(atoms.get_potential_energies().sum() - atoms.get_potential_energy()) < 1e-9)
    True
    """

    def __init__(self, ensemble: Ensemble, member: int | None = None, threads: int = 1, margin: float = MARGIN) -> None:
        super().__init__()
        if not isinstance(ensemble, Ensemble):
            raise InputError(f"Calculator takes an ensemble, as load_model returns, not {type(ensemble).__name__}")
        whole = isinstance(member, (int, np.integer)) and type(member) is not bool
        if member is not None and not (whole and member in range(ensemble.members)):
            raise InputError(f"member {member!r}: the ensemble has the members 0 to {ensemble.members - 1}")
        self.member = None if member is None else int(member)
        self.ensemble, self.threads, self.margin = ensemble, threads, margin
        self.extrapolated_frames = 0

    def export_properties(self) -> Properties:
        """Give the results that ASE knows by name, which is all that it lets through."""
        return Properties({name: value for name, value in self.results.items() if name in all_outputs})

    def _evaluate(self, frame: Atoms, _changes: Sequence[str], /) -> None:
        mean_over = None if self.member is None else (self.member,)
        evaluation = self.ensemble.evaluate(frame, threads=self.threads, mean_over=mean_over)
        local = evaluation.local_energies
        energies = local.mean(axis=0) if self.member is None else local[self.member]
        if not (np.isfinite(energies).all() and np.isfinite(evaluation.forces).all()):
            raise InputError(f"the potential gives no finite energy or forces for {frame.get_chemical_formula()}")
        self._store(frame, energies, evaluation.forces, evaluation.virial)
        self.results["spread"] = local.std(axis=0)
        self._guard(frame, evaluation.descriptors)

    def _guard(self, frame: Atoms, descriptors: FloatArray) -> None:
        if self.ensemble.range is None:
            return
        excess = self.ensemble.range.excess(descriptors, self.ensemble.network_of(tuple(frame.symbols)))
        outside = excess > self.margin
        self.results |= {"extrapolation": excess, "extrapolating": outside}
        if outside.any():
            self.extrapolated_frames += 1
            if self.extrapolated_frames == 1:
                worst = int(np.argmax(excess))
                message = (
                    f"{np.count_nonzero(outside)} of {len(frame)} atoms leave the training range, atom {worst} "
                    f"({frame.symbols[worst]}) by {excess[worst]:.1f} times its width: energies and forces are "
                    "extrapolated"
                )
                warnings.warn(message, ExtrapolationWarning, stacklevel=2)


class PairPotentialCalculator(_ExactCalculator):
    """ASE calculator of a `LennardJones` potential: ``energy``, ``energies``, ``forces`` and ``stress``.

    ``energies`` give half of each pair to each atom. Energies are in eV and relative to isolated atoms, forces in eV/A,
    the stress (ASE's order and sign) in eV/A^3 and only where there are three cell vectors. The neighbour list keeps
    candidates within `skin` (A) of the cutoff between steps, which costs no accuracy.
    """

    def __init__(self, potential: LennardJones, skin: float = 1.0) -> None:
        super().__init__()
        self.potential = potential
        self.skin = skin
        self._neighbours = half_list(potential.cutoff, skin)

    def _evaluate(self, frame: Atoms, changes: Sequence[str], /) -> None:
        if set(changes) != {"positions"}:
            self._neighbours = half_list(self.potential.cutoff, self.skin)
        evaluation = self.potential.evaluate(frame, self._neighbours)
        self._store(frame, evaluation.local_energies, evaluation.forces, evaluation.virial)
