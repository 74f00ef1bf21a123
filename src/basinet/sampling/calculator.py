"""A pair potential as an ASE calculator, so that ASE's integrators can drive it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from basinet.models.ase_state import exact_changes
from basinet.models.pair_potential import LennardJones
from basinet.models.pairs import half_list


class PairPotentialCalculator(Calculator):
    """ASE calculator of a `LennardJones` potential: ``energy``, ``energies``, ``forces`` and ``stress``.

    ``energies`` give half of each pair to each atom. Energies are in eV and relative to isolated atoms,
    forces in eV/A, the stress (ASE's order and sign) in eV/A^3 and only where there are three cell vectors.

    Parameters
    ----------
    potential
        The potential to evaluate.
    skin
        Width of the shell in which the neighbour list keeps candidates between steps, A. It costs no
        accuracy.
    """

    implemented_properties: list[str] = ["energy", "free_energy", "energies", "forces", "stress"]  # noqa: RUF012 - as in the base class

    def __init__(self, potential: LennardJones, skin: float = 1.0) -> None:
        super().__init__()
        self.potential = potential
        self.skin = skin
        self._neighbours = half_list(potential.cutoff, skin)

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:  # noqa: ARG002 - the base class's signature
        """List what changed since the last calculation, exactly."""
        return exact_changes(self.atoms, atoms)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Evaluate all properties at once. This is ASE's hook; users call ``atoms.get_forces()``."""
        super().calculate(atoms, properties, system_changes)
        if set(system_changes) != {"positions"}:
            self._neighbours = half_list(self.potential.cutoff, self.skin)
        system: Atoms | None = self.atoms
        if system is None:
            raise ValueError("there are no atoms to evaluate")
        if "stress" in properties and system.cell.rank < 3:
            raise PropertyNotImplementedError("stress needs three cell vectors")
        evaluation = self.potential.evaluate(system, self._neighbours)
        energy = float(evaluation.local_energies.sum())
        self.results: dict[str, Any] = {
            "energy": energy,
            "free_energy": energy,  # a pair potential has no electronic entropy; thermostats of ASE ask for it
            "energies": evaluation.local_energies,
            "forces": evaluation.forces,
        }
        if system.cell.rank == 3:
            self.results["stress"] = full_3x3_to_voigt_6_stress(-evaluation.virial / system.get_volume())
