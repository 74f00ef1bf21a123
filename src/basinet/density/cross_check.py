"""The charge density and potential from the valence density alone, beside those that CP2K wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from basinet.arrays import FloatArray
from basinet.density.grid import checked_cell, checked_field
from basinet.density.potential import hartree_energy
from basinet.errors import InputError
from basinet.units import Bohr, Hartree

if TYPE_CHECKING:
    from basinet.density.volume import Volume


@dataclass(frozen=True)
class CrossCheck:
    """Deviations of our charge density and potential from CP2K's, ours less theirs.

    Attributes
    ----------
    charge_rms, charge_max
        Of the charge density, e / A^3.
    potential_rms, potential_max
        Of the potential once both have mean zero, eV.
    potential_mean
        Mean of CP2K's potential, eV.
    energy, reference_energy
        1/2 int rho V_H of either, eV.
    """

    charge_rms: float
    charge_max: float
    potential_rms: float
    potential_max: float
    potential_mean: float
    energy: float
    reference_energy: float

    @property
    def energy_difference(self) -> float:
        """Our Hartree energy less that of CP2K's files, eV."""
        return self.energy - self.reference_energy


def cross_check(
    rho: ArrayLike, v_h: ArrayLike, cell: ArrayLike, total_density: Volume, v_hartree: Volume
) -> CrossCheck:
    """Compare with CP2K's ``TOT_DENSITY`` and ``V_HARTREE`` cubes (``STRIDE 1 1 1``).

    Files have five digits, which limits what can be seen: 1e-5 of the largest values.

    Parameters
    ----------
    rho, v_h : (n1, n2, n3) array_like
        e / A^3 and eV, as :func:`~basinet.density.potential.hartree_potential` returns them.
    cell : (3, 3) array_like
        Of the calculation, vectors as rows, Angstrom.
    total_density, v_hartree
        The cubes, with values as in the file: e / bohr^3, electrons positive; and Hartree, for an electron.

    Raises
    ------
    InputError
        If a cube has another grid or another cell.
    """
    charge, potential = checked_field(rho, "the charge density"), checked_field(v_h, "the potential")
    box = checked_cell(cell)
    their_charge = matching_values(total_density, charge.shape, box) / Bohr**3
    their_potential = matching_values(v_hartree, charge.shape, box) * Hartree
    mean = float(their_potential.mean())
    reference_energy = hartree_energy(their_charge, their_potential, box)
    charge_deviation = charge - their_charge
    potential_deviation = potential - potential.mean() - (their_potential - mean)
    return CrossCheck(
        *rms_and_largest(charge_deviation),
        *rms_and_largest(potential_deviation),
        potential_mean=mean,
        energy=hartree_energy(charge, potential, box),
        reference_energy=reference_energy,
    )


def rms_and_largest(deviation: FloatArray) -> tuple[float, float]:
    """Root mean square, and largest absolute value."""
    return float(np.sqrt(np.mean(deviation**2))), float(np.abs(deviation).max())


def matching_values(volume: Volume, shape: tuple[int, ...], cell: FloatArray) -> FloatArray:
    """Values of a cube that is on our grid.

    Raises
    ------
    InputError
        Another grid, or another cell.
    """
    from basinet.density.volume import HEADER_ROUNDING

    if volume.values.shape != shape:
        raise InputError(
            f"{volume.path} is on the grid {volume.values.shape}, the density on {shape}; print both with STRIDE 1 1 1"
        )
    if np.any(np.abs(volume.cell - cell) > HEADER_ROUNDING * np.array(shape)[:, None]):
        raise InputError(f"{volume.path} is in another cell than the density; give the cube of the same calculation")
    values: FloatArray = volume.values
    return values
