"""What an integration over Bader basins returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Maxima:
    """Maxima of the density on the grid, in the order of their grid points.

    Valence densities of pseudopotentials have a hole at the nucleus and, on the shell around it, tens to hundreds
    of them for one atom. A plateau without a way up is one maximum.

    Attributes
    ----------
    positions : (m, 3) float64
        Angstrom, in the cell.
    density : (m,) float64
        e/A^3.
    atom : (m,) int64
        The nearest nucleus, or -1 if none is within the nuclear radius.
    distance : (m,) float64
        To the nearest nucleus, Angstrom.
    """

    positions: NDArray[np.float64]
    density: NDArray[np.float64]
    atom: NDArray[np.int64]
    distance: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.density)


@dataclass(frozen=True)
class NonNuclear:
    """Basins of maxima that belong to no nucleus, one each, in the order of their grid points.

    Attributes
    ----------
    positions : (m, 3) float64
        Angstrom, in the cell.
    density : (m,) float64
        At the maximum, e/A^3.
    distance : (m,) float64
        To the nearest nucleus, Angstrom.
    population : (m,) float64
        Electrons.
    volume : (m,) float64
        Cubic Angstrom.
    integrals : dict
        Of each field, (m,) float64, the field's unit times cubic Angstrom.
    """

    positions: NDArray[np.float64]
    density: NDArray[np.float64]
    distance: NDArray[np.float64]
    population: NDArray[np.float64]
    volume: NDArray[np.float64]
    integrals: dict[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.density)


@dataclass(frozen=True)
class Vacuum:
    """The points whose density is at or below the vacuum threshold.

    Attributes
    ----------
    threshold
        e/A^3.
    population
        Electrons.
    volume
        Cubic Angstrom.
    integrals : dict
        Of each field, the field's unit times cubic Angstrom.
    """

    threshold: float
    population: float
    volume: float
    integrals: dict[str, float]


@dataclass(frozen=True)
class Basins:
    """Integrals over the Bader basins of a density.

    Atoms, non-nuclear maxima and vacuum add up to the cell; `residuals` say how exactly.

    Attributes
    ----------
    population : (n_atoms,) float64
        Electrons.
    volume : (n_atoms,) float64
        Cubic Angstrom.
    integrals : dict
        Of each field, (n_atoms,) float64, the field's unit times cubic Angstrom.
    maxima : Maxima
        All maxima, nuclear and not.
    non_nuclear : NonNuclear
        Maxima further than the nuclear radius from every nucleus, and what their basins hold. It is part of no
        atom.
    vacuum : Vacuum or None
        What lies at or below the vacuum threshold, where one was given. It is part of no atom.
    maximum_distance : (n_atoms,) float64
        From the nucleus to the farthest of its maxima, Angstrom; NaN for an atom without one.
    empty_atoms : (k,) int64
        Atoms without a maximum: their basin is empty, all their integrals are zero.
    residuals : dict
        Of ``population``, ``volume`` and each field: the sum over basins, non-nuclear maxima and vacuum less the
        plain sum over the grid, relative to the sum of absolute values.
    """

    population: NDArray[np.float64]
    volume: NDArray[np.float64]
    integrals: dict[str, NDArray[np.float64]]
    maxima: Maxima
    non_nuclear: NonNuclear
    vacuum: Vacuum | None
    maximum_distance: NDArray[np.float64]
    empty_atoms: NDArray[np.int64]
    residuals: dict[str, float]
