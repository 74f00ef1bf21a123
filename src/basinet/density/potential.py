r"""The charge density of electrons and Gaussian cores, and its Hartree potential, by plane waves.

One pass over the half spectrum of the electrons' density, plane by plane, subtracts the cores and divides by
:math:`G^2`. The structure factors of a plane are the matrix product of phase factors along the axes, so no exponential
is taken for a wave and an atom, and no array of waves times atoms exists.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from basinet.arrays import ComplexArray, FloatArray, IntArray
from basinet.compiled import jit
from basinet.density.cores import COULOMB, Core, CoreLike, as_cores
from basinet.density.grid import HEADER_ROUNDING, Volume, checked_field, checked_threads
from basinet.errors import InputError
from basinet.frames.neighbours import checked_cell, checked_positions
from basinet.units import Bohr, Hartree

_MAX_CHARGE_ERROR = 0.01  # share of the cores' charge by which the electrons may miss it


def hartree_potential(
    density: ArrayLike,
    cell: ArrayLike,
    positions: ArrayLike,
    cores: Sequence[CoreLike],
    *,
    charge: float = 0.0,
    workers: int | None = None,
) -> tuple[FloatArray, FloatArray]:
    r"""Charge density of electrons and Gaussian cores, and its Hartree potential.

    .. math::

        \rho(G) = \rho_e(G) - \frac1V \sum_j Z_j e^{-G^2 r_j^2 / 2} e^{-i G R_j}, \qquad
        V_H(G) = \frac{4 \pi \rho(G)}{G^2}, \quad V_H(0) = 0

    Signs are CP2K's: electrons count positive, and V_H is the potential energy of an electron, negative at nuclei.
    The peak of memory, the density included, is four arrays of its size; one of them is gone at the end.

    The density (n1, n2, n3) is of valence electrons, e / A^3, at the fractions (i / n1, j / n2, k / n3) of the cell
    (3, 3), vectors as rows, and left as it is. Positions (n_atoms, 3), Angstrom, may be of any periodic image, each
    with a :class:`~basinet.density.cores.Core` or (Z, rloc in Angstrom). A charge of the cell (e, cores less electrons)
    is neutralised by a uniform background, which the charge density does not show. The result does not depend on the
    workers, threads on all processors by default.

    Returns rho, electrons less cores, e / A^3, which integrate to what the density does, less the cores; and V_H, eV,
    with mean zero. InputError if shapes do not fit, a number is not finite, or the electrons miss the charge of the
    cores by more than a hundredth.

    Electrons in the shape of their core cancel it:

    >>> x = np.arange(24) / 24 * 6.0 - 3.0
    >>> square = x[:, None, None] ** 2 + x[:, None] ** 2 + x**2
    >>> density = 8.0 * np.exp(-square / (2 * 0.5**2)) / (2 * np.pi * 0.5**2) ** 1.5
    >>> rho, v_h = hartree_potential(density, 6.0 * np.eye(3), [[3.0, 3.0, 3.0]], [(8.0, 0.5)])
    >>> bool(abs(rho).max() < 1e-6 * density.max())
    True
    """
    field, box = checked_field(density, "the density"), checked_cell(cell)
    fractions = checked_positions(positions) @ np.linalg.inv(box)
    fractions -= np.floor(fractions)
    checked = as_cores(cores, len(fractions))
    _check_charge(field, box, checked, charge)
    threads = checked_threads(workers)
    charge_spectrum = fft.rfftn(field, workers=threads)
    potential_spectrum = np.empty_like(charge_spectrum)

    solve = partial(
        _subtract_cores_and_solve, charge=charge_spectrum, potential=potential_spectrum, shape=field.shape,
        cell=box, fractions=fractions, cores=checked,
    )  # fmt: skip
    slabs = np.array_split(np.arange(len(field)), min(threads, len(field)))
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(solve, slabs))
    del solve
    rho = _to_real_space(charge_spectrum, field.shape[2], threads)
    del charge_spectrum
    return rho, _to_real_space(potential_spectrum, field.shape[2], threads)


def hartree_energy(rho: ArrayLike, v_h: ArrayLike, cell: ArrayLike) -> float:
    r"""Hartree energy :math:`E_H = \frac12 \int \rho V_H`, eV: of the charge with itself, cores' own included.

    Charge (e/A^3) and potential (eV) are those of `hartree_potential`; InputError if their grids differ.
    """
    charge, potential = checked_field(rho, "the charge density"), checked_field(v_h, "the potential")
    if charge.shape != potential.shape:
        raise InputError(f"charge density and potential are on different grids, {charge.shape} and {potential.shape}")
    volume = abs(np.linalg.det(checked_cell(cell)))
    return float(0.5 * volume / charge.size * np.vdot(charge, potential))


def _to_real_space(spectrum: ComplexArray, last: int, workers: int) -> FloatArray:
    """Inverse real FFT to ``last`` points on the third axis; destroys the spectrum instead of copying it."""
    planes = fft.ifft2(spectrum, axes=(0, 1), overwrite_x=True, workers=workers)
    return np.asarray(fft.irfft(planes, n=last, axis=2, overwrite_x=True, workers=workers))


@jit(fastmath={"contract"})
def _structure_factors(rows: ComplexArray, columns: ComplexArray) -> ComplexArray:
    """Sum over atoms of (n2, n_atoms) times (n_atoms, n3); a product of NumPy would take all processors for itself."""
    real, imag = np.empty(columns.shape[1]), np.empty(columns.shape[1])
    column_real, column_imag = np.ascontiguousarray(columns.real), np.ascontiguousarray(columns.imag)
    product = np.empty((len(rows), columns.shape[1]), np.complex128)
    for row in range(len(rows)):
        real[:] = 0.0
        imag[:] = 0.0
        for atom in range(len(columns)):
            a, b = rows[row, atom].real, rows[row, atom].imag
            for wave in range(len(real)):
                c, d = column_real[atom, wave], column_imag[atom, wave]
                real[wave] += a * c - b * d
                imag[wave] += a * d + b * c
        for wave in range(len(real)):
            product[row, wave] = complex(real[wave], imag[wave])
    return product


def _subtract_cores_and_solve(
    planes: IntArray,
    charge: ComplexArray,
    potential: ComplexArray,
    shape: tuple[int, ...],
    cell: FloatArray,
    fractions: FloatArray,
    cores: Sequence[Core],
) -> None:
    r"""Subtract the cores from some planes of a spectrum, and solve Poisson's equation there; see `hartree_potential`.

    The charge (n1, n2, n3 / 2 + 1) comes in as that of the electrons; the potential is written. The forward FFT has not
    divided by the number of points.
    """
    squares = _wave_squares(cell, shape)
    phases = [_phase_factors(fractions[:, axis], points) for axis, points in enumerate(shape)]
    along_rows = np.ascontiguousarray(phases[2][: charge.shape[2]].T)
    species = {core: [atom for atom, other in enumerate(cores) if other == core] for core in cores}
    per_volume = np.prod(shape) / abs(np.linalg.det(cell))
    for h in planes:
        square = squares(h)
        for core, own in species.items():
            form = core.charge * per_volume * np.exp(-0.5 * core.radius**2 * square)
            charge[h] -= form * _structure_factors(phases[0][h, own] * phases[1][:, own], along_rows[own])
        if h == 0:
            square[0, 0] = np.inf  # the potential's mean is zero
        np.multiply(charge[h], 4.0 * np.pi * COULOMB / square, out=potential[h])


def _wave_squares(cell: FloatArray, shape: tuple[int, ...]) -> Callable[[int], FloatArray]:
    """Square of the waves of a real spectrum, 1/A^2: (n2, n3 // 2 + 1) of one of its planes."""
    vectors = 2.0 * np.pi * np.linalg.inv(cell).T
    metric = vectors @ vectors.T  # G^2 = h^T M h for the wave of integers h, 1/A^2
    one, two, three = (_wave_numbers(points) for points in shape)
    # In products of two axes the Nyquist wave is zero, the mean of n/2 and -n/2.
    one_crossed, two_crossed, three_crossed = (
        np.where(2 * waves == points, 0, waves) for waves, points in zip((one, two, three), shape, strict=True)
    )
    half = shape[2] // 2 + 1
    within_plane = np.add.outer(metric[1, 1] * two**2, metric[2, 2] * three[:half] ** 2)
    within_plane += 2.0 * metric[1, 2] * np.outer(two_crossed, three_crossed[:half])
    across = 2.0 * np.add.outer(metric[0, 1] * two_crossed, metric[0, 2] * three_crossed[:half])

    def plane(h: int) -> FloatArray:
        square: FloatArray = metric[0, 0] * one[h] ** 2 + one_crossed[h] * across + within_plane
        return square

    return plane


def laplacian_energy_density(density: ArrayLike, cell: ArrayLike, workers: int | None = None) -> FloatArray:
    r"""Difference of the two kinetic energy densities, :math:`\nabla^2 \rho / 4` in atomic units, eV/A^3, by FFT.

    .. math:: \tfrac12 |\nabla \psi|^2 = -\tfrac12 \psi^* \nabla^2 \psi + \tfrac14 \nabla^2 |\psi|^2

    The density (n1, n2, n3) is of all electrons in question, e/A^3; the cell (3, 3), rows in Angstrom.

    >>> wave = 1.0 + np.cos(2 * np.pi * np.arange(8) / 8)[:, None, None] * np.ones((8, 8, 8))
    >>> found = laplacian_energy_density(wave, 2 * np.pi * np.eye(3))
    >>> bool(np.allclose(found, 0.25 * Hartree * Bohr**2 * (1.0 - wave)))
    True
    """
    field, box = checked_field(density, "the density"), checked_cell(cell)
    threads = checked_threads(workers)
    spectrum, squares = fft.rfftn(field, workers=threads), _wave_squares(box, field.shape)
    for h in range(len(field)):
        spectrum[h] *= -0.25 * Hartree * Bohr**2 * squares(h)
    return _to_real_space(spectrum, field.shape[2], threads)


def _check_charge(density: FloatArray, cell: FloatArray, cores: Sequence[Core], charge: float) -> None:
    """Refuse electrons that do not belong to the cores: another unit, another cell, other pseudopotentials."""
    electrons = float(density.mean() * abs(np.linalg.det(cell)))
    total = sum(core.charge for core in cores)
    if abs(total - electrons - charge) > _MAX_CHARGE_ERROR * max(total, abs(charge)):
        raise InputError(
            f"the density integrates to {electrons:.6g} electrons, but the cores have the charge {total:.6g} and the "
            f"cell {charge:g}; check the density's unit (e/A^3), its cell and the pseudopotentials"
        )


def _wave_numbers(points: int) -> IntArray:
    """Whole waves along one axis of so many points, in the order of the FFT; n/2 for the Nyquist wave."""
    waves = np.arange(points)
    return np.where(waves > points // 2, waves - points, waves)


def _phase_factors(fractions: FloatArray, points: int) -> ComplexArray:
    r"""(n_waves, n_atoms) :math:`e^{-2 \pi i h s}` along one axis; for the Nyquist wave the mean of both signs."""
    waves = _wave_numbers(points)
    turns = np.outer(waves, fractions)
    turns -= np.rint(turns)  # whole turns cost digits
    factors: ComplexArray = np.exp(-2j * np.pi * turns)
    factors[2 * waves == points] = factors[2 * waves == points].real
    return factors


@dataclass(frozen=True)
class CrossCheck:
    """Root mean square and largest deviations of our charge density (e/A^3) and potential (eV), less CP2K's.

    The potentials are compared once both have mean zero; `potential_mean` is that of CP2K's. The energies are 1/2 int
    rho V_H of either, eV.
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

    Files have five digits, which limits what can be seen: 1e-5 of the largest values. Charge density and potential come
    as `hartree_potential` returns them, with the cell of the calculation; the cubes with values as in the file: e /
    bohr^3, electrons positive, and Hartree, for an electron. InputError if a cube has another grid or another cell.
    """
    charge, potential = checked_field(rho, "the charge density"), checked_field(v_h, "the potential")
    box = checked_cell(cell)
    their_charge = _matching_values(total_density, charge.shape, box) / Bohr**3
    their_potential = _matching_values(v_hartree, charge.shape, box) * Hartree
    mean = float(their_potential.mean())
    reference_energy = hartree_energy(their_charge, their_potential, box)
    charge_deviation = charge - their_charge
    potential_deviation = potential - potential.mean() - (their_potential - mean)
    return CrossCheck(
        *_rms_and_largest(charge_deviation),
        *_rms_and_largest(potential_deviation),
        potential_mean=mean,
        energy=hartree_energy(charge, potential, box),
        reference_energy=reference_energy,
    )


def _rms_and_largest(deviation: FloatArray) -> tuple[float, float]:
    return float(np.sqrt(np.mean(deviation**2))), float(np.abs(deviation).max())


def _matching_values(volume: Volume, shape: tuple[int, ...], cell: FloatArray) -> FloatArray:
    if volume.values.shape != shape:
        raise InputError(
            f"{volume.path} is on the grid {volume.values.shape}, the density on {shape}; print both with STRIDE 1 1 1"
        )
    if np.any(np.abs(volume.cell - cell) > HEADER_ROUNDING * np.array(shape)[:, None]):
        raise InputError(f"{volume.path} is in another cell than the density; give the cube of the same calculation")
    return volume.values
