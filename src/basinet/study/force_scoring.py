"""Scores of forces on labelled frames, beside those of energies (`basinet.study.scoring`)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from basinet.analysis.metrics import centred_metrics
from basinet.models import Ensemble
from basinet.relation.labels import FORCES, TOTAL_ENERGY, energy_label, force_labels
from basinet.study.evaluation import interval_columns
from basinet.study.scoring import by_composition, by_system, divided, elements_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from numpy.typing import NDArray


def score_forces(
    model: Ensemble | Calculator, frames: Sequence[Atoms], *, engine: str = "basinet"
) -> list[dict[str, Any]]:
    """Fidelity of the forces of an ensemble's mean, or of a calculator that has forces.

    Frames of one system and composition are scored together, those groups in which all carry ``REF_forces`` (eV/A).
    Components x, y and z are pooled. With the engine ``lammps``, LAMMPS evaluates the ensemble.

    Returns
    -------
    list of dict
        A row for all atoms and, in mixtures, one for each element, with the columns of `basinet.evaluate` and the
        target ``force``; errors in meV/A.

    Raises
    ------
    InputError
        If a label is not three finite numbers per atom, or an element has no network.
    """
    if not isinstance(model, Ensemble) and "forces" not in model.implemented_properties:
        return []

    with _evaluator(model, engine) as forces:
        return [
            row
            for name, own in by_system(divided(frames)[0]).items()
            for group in by_composition(own)
            if all(FORCES in atoms.arrays for atoms in group)
            for row in _rows(name, forces, group)
        ]


@contextmanager
def _evaluator(model: Ensemble | Calculator, engine: str) -> Iterator[Callable[[Atoms], NDArray[np.float64]]]:
    """Function from a frame to forces ``(n_atoms, 3)``, eV/A."""
    if not isinstance(model, Ensemble):
        yield lambda atoms: model.get_property("forces", atoms)
    elif engine == "lammps":
        from basinet.deploy.lammps_engine import lammps_engine

        with lammps_engine(model) as lammps:
            yield lambda atoms: lammps.evaluate(atoms).forces.mean(axis=0)
    else:
        yield lambda atoms: model.evaluate(atoms).forces


def _rows(name: str, forces: Callable[[Atoms], NDArray[np.float64]], frames: Sequence[Atoms]) -> list[dict[str, Any]]:
    reference = np.concatenate([force_labels(atoms, index) for index, atoms in enumerate(frames)])
    predicted = np.concatenate([forces(atoms) for atoms in frames])
    frame = np.repeat(np.arange(len(frames)), len(frames[0]))
    symbols = np.concatenate([atoms.get_chemical_symbols() for atoms in frames])
    energy = np.array([energy_label(atoms, TOTAL_ENERGY, index) for index, atoms in enumerate(frames)])
    elements = elements_of(frames)
    shared = {"test_system": name, "n_atoms": len(frames[0]), "seed": "mean", "target": "force", "gauge": "raw"}
    rows = []
    for species in ["all", *(elements if len(elements) > 1 else [])]:
        own = symbols == species if species != "all" else np.ones(len(symbols), bool)
        p, q, of_frame = predicted[own].ravel(), reference[own].ravel(), np.repeat(frame[own], 3)
        metrics = centred_metrics(p[None], q, np.zeros_like(of_frame), 1, None)[0]
        rows.append(shared | {"species": species} | metrics.as_row() | interval_columns(p, q, of_frame, None, energy))
    return rows
