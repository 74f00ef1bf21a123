r"""The charge density of electrons and Gaussian cores, and its Hartree potential, by plane waves.

One compiled pass over the half spectrum of the electrons' density subtracts the cores and divides by :math:`G^2`. The
structure factors are built row by row from one phase factor per axis and atom, so no exponential is taken for an atom,
and no array of waves times atoms exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from basinet.arrays import ComplexArray, FloatArray
from basinet.compiled import jit
from basinet.density.cores import COULOMB, Core, CoreLike, as_cores
from basinet.density.grid import HEADER_ROUNDING, Volume, checked_field
from basinet.errors import InputError
from basinet.frames.neighbours import checked_cell
from basinet.jobs.provenance import available_processors
from basinet.units import Bohr, Hartree


class _CoreWaves(NamedTuple):
    """Cores grouped by species, and their phase factors.

    ``first`` (n_species + 1,) tells where each species starts among the atoms. ``weight`` is Z / V times the number of
    grid points, e/A^3 (the forward FFT does not divide by it), and ``half_square_radius`` :math:`r_{loc}^2 / 2`, A^2.
    Phase factors are (n_waves, n_atoms) along the first two axes, (n_atoms, n_waves) along the third, real and
    imaginary parts.
    """

    first: NDArray[np.int64]
    weight: NDArray[np.float64]
    half_square_radius: NDArray[np.float64]
    along_1: NDArray[np.complex128]
    along_2: NDArray[np.complex128]
    real_3: NDArray[np.float64]
    imag_3: NDArray[np.float64]


class _Waves(NamedTuple):
    """Wave numbers along each axis, those for products of two axes, and the metric of reciprocal space."""

    along: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    cross: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    metric: NDArray[np.float64]


_NEGLIGIBLE = 45.0
"""Exponent beyond which a core has no wave: exp(-45) is 3e-20 of its charge, far below round-off."""


@jit(fastmath={"contract"})
def _structure_factors(
    species: int,
    phase: NDArray[np.complex128],
    cores: _CoreWaves,
    real: NDArray[np.float64],
    imag: NDArray[np.float64],
) -> None:
    """Sum over the atoms of one species of their waves along the start of a row, real and imaginary parts."""
    real[:] = 0.0
    imag[:] = 0.0
    for atom in range(cores.first[species], cores.first[species + 1]):
        a, b = phase[atom].real, phase[atom].imag
        for wave in range(len(real)):
            c, d = cores.real_3[atom, wave], cores.imag_3[atom, wave]
            real[wave] += a * c - b * d
            imag[wave] += a * d + b * c


@jit()
def _waves_within(exponent: NDArray[np.float64]) -> int:
    """_Waves up to the last that is not negligible."""
    for last in range(len(exponent), 0, -1):
        if exponent[last - 1] < _NEGLIGIBLE:
            return last
    return 0


@jit()
def _form_factors(
    exponent: NDArray[np.float64],
    separable: bool,
    along_3: NDArray[np.float64],
    form: NDArray[np.float64],
) -> None:
    """Gaussians of a core along the start of a row; one exponential will do where the third axis stands apart."""
    if separable and len(exponent) > 0:
        rest = np.exp(-exponent[0])
        for wave in range(len(exponent)):
            form[wave] = rest * along_3[wave]
    else:
        for wave in range(len(exponent)):
            form[wave] = np.exp(-exponent[wave])


@jit(fastmath={"contract"})
def _subtract_cores_and_solve(
    first: int,
    last: int,
    waves: _Waves,
    cores: _CoreWaves,
    four_pi: float,
    density: NDArray[np.complex128],
    potential: NDArray[np.complex128],
) -> None:
    r"""Subtract the cores from a density's spectrum and solve Poisson's equation (`hartree_potential`) on some planes.

    ``four_pi`` is :math:`4 \pi e^2 / 4 \pi \epsilon_0`, eV A. The density (n1, n2, n3 / 2 + 1) of the electrons becomes
    the whole charge's; the potential is overwritten.
    """
    n2, n3 = density.shape[1], density.shape[2]
    n_atoms = cores.along_1.shape[1]
    phase = np.empty(n_atoms, dtype=np.complex128)
    square, exponent, form, real, imag = np.empty(n3), np.empty(n3), np.empty(n3), np.empty(n3), np.empty(n3)
    metric = waves.metric
    along_3 = np.exp(-np.outer(cores.half_square_radius, metric[2, 2] * waves.along[2] ** 2))
    for h in range(first, last):
        for k in range(n2):
            h_cross, k_cross = waves.cross[0][h], waves.cross[1][k]
            rest = metric[0, 0] * waves.along[0][h] ** 2 + metric[1, 1] * waves.along[1][k] ** 2
            rest += 2.0 * metric[0, 1] * h_cross * k_cross
            slope = 2.0 * (metric[0, 2] * h_cross + metric[1, 2] * k_cross)
            for wave in range(n3):
                square[wave] = rest + slope * waves.cross[2][wave] + metric[2, 2] * waves.along[2][wave] ** 2
            for atom in range(n_atoms):
                phase[atom] = cores.along_1[h, atom] * cores.along_2[k, atom]
            for species in range(len(cores.weight)):
                exponent[:] = cores.half_square_radius[species] * square
                within = _waves_within(exponent)
                _structure_factors(species, phase, cores, real[:within], imag[:within])
                _form_factors(exponent[:within], slope == 0.0, along_3[species], form)
                for wave in range(within):
                    factor = cores.weight[species] * form[wave]
                    density[h, k, wave] -= complex(factor * real[wave], factor * imag[wave])
            if h == 0 and k == 0:
                square[0] = np.inf  # the potential's mean is zero
            for wave in range(n3):
                potential[h, k, wave] = density[h, k, wave] * (four_pi / square[wave])


_MAX_CHARGE_ERROR = 0.01
"""Share of the cores' charge by which the electrons may miss it."""


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

    Parameters
    ----------
    density : (n1, n2, n3) array_like
        Valence electrons, e / A^3, at the fractions (i / n1, j / n2, k / n3) of the cell; left as it is.
    cell : (3, 3) array_like
        Vectors as rows, Angstrom.
    positions : (n_atoms, 3) array_like
        Angstrom; any periodic image of an atom will do.
    cores
        A :class:`~basinet.density.cores.Core` or (Z, rloc in Angstrom) per atom.
    charge
        Of the cell, e: cores less electrons. A charged cell is neutralised by a uniform background, which
        the charge density does not show.
    workers
        Threads; all processors by default. The result does not depend on it.

    Returns
    -------
    rho : (n1, n2, n3) array
        Electrons less cores, e / A^3. It integrates to what the density does, less the cores: see
        :func:`~basinet.density.grid`.
    v_h : (n1, n2, n3) array
        eV, with mean zero.

    Raises
    ------
    InputError
        If shapes do not fit, a number is not finite, or the electrons miss the charge of the cores by more
        than a hundredth.

    Examples
    --------
    Electrons in the shape of their core cancel it:

    >>> import numpy as np
    >>> x = np.arange(24) / 24 * 6.0 - 3.0
    >>> square = x[:, None, None] ** 2 + x[:, None] ** 2 + x**2
    >>> density = 8.0 * np.exp(-square / (2 * 0.5**2)) / (2 * np.pi * 0.5**2) ** 1.5
    >>> rho, v_h = hartree_potential(density, 6.0 * np.eye(3), [[3.0, 3.0, 3.0]], [(8.0, 0.5)])
    >>> bool(abs(rho).max() < 1e-6 * density.max())
    True
    """
    field, box = checked_field(density, "the density"), checked_cell(cell)
    fractions = _checked_fractions(positions, box)
    checked = as_cores(cores, len(fractions))
    _check_charge(field, box, checked, charge)
    threads = max(1, workers or available_processors() or 1)
    waves, core_waves = _waves_of_grid(field.shape, box), _waves_of_cores(field.shape, box, fractions, checked)
    charge_spectrum = fft.rfftn(field, workers=threads)
    potential_spectrum = np.empty_like(charge_spectrum)

    def solve(planes: NDArray[np.int64], rho_g: ComplexArray, v_g: ComplexArray) -> None:
        first, last = planes[0], planes[-1] + 1
        _subtract_cores_and_solve(first, last, waves, core_waves, 4.0 * np.pi * COULOMB, rho_g, v_g)

    slabs = np.array_split(np.arange(len(field)), min(threads, len(field)))
    if len(slabs) == 1:
        solve(slabs[0], charge_spectrum, potential_spectrum)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(solve, slabs, repeat(charge_spectrum), repeat(potential_spectrum)))
    rho = to_real_space(charge_spectrum, field.shape[2], threads)
    del charge_spectrum
    return rho, to_real_space(potential_spectrum, field.shape[2], threads)


def hartree_energy(rho: ArrayLike, v_h: ArrayLike, cell: ArrayLike) -> float:
    r"""Hartree energy :math:`E_H = \frac12 \int \rho V_H`, eV: of the charge with itself, cores' own included.

    Charge (e/A^3) and potential (eV) are those of `hartree_potential`; InputError if their grids differ.
    """
    charge, potential = checked_field(rho, "the charge density"), checked_field(v_h, "the potential")
    if charge.shape != potential.shape:
        raise InputError(f"charge density and potential are on different grids, {charge.shape} and {potential.shape}")
    volume = abs(np.linalg.det(checked_cell(cell)))
    return float(0.5 * volume / charge.size * np.vdot(charge, potential))


def to_real_space(spectrum: ComplexArray, last: int, workers: int) -> FloatArray:
    """Inverse real FFT to ``last`` points on the third axis; destroys the spectrum instead of copying it."""
    planes = fft.ifft2(spectrum, axes=(0, 1), overwrite_x=True, workers=workers)
    values: FloatArray = fft.irfft(planes, n=last, axis=2, overwrite_x=True, workers=workers)
    return values


def _waves_of_grid(shape: tuple[int, ...], cell: FloatArray) -> _Waves:
    """Wave numbers of the half spectrum of a real field."""
    half = shape[2] // 2 + 1
    along, cross = ([rule(points) for points in shape] for rule in (_wave_numbers, _cross_wave_numbers))
    return _Waves((along[0], along[1], along[2][:half]), (cross[0], cross[1], cross[2][:half]), reciprocal_metric(cell))


def _waves_of_cores(
    shape: tuple[int, ...], cell: FloatArray, fractions: FloatArray, cores: Sequence[Core]
) -> _CoreWaves:
    """Phase factors of the cores, sorted by species: atoms with the same charge and radius."""
    kinds = sorted(set(cores), key=lambda core: (core.charge, core.radius))
    species = np.array([kinds.index(core) for core in cores], dtype=np.int64)
    order = np.argsort(species, kind="stable")
    per_volume = np.prod(shape) / abs(np.linalg.det(cell))
    last = _phase_factors(fractions[order, 2], shape[2])[: shape[2] // 2 + 1]
    return _CoreWaves(
        np.searchsorted(species[order], np.arange(len(kinds) + 1)),
        np.array([core.charge * per_volume for core in kinds], dtype=np.float64),
        np.array([0.5 * core.radius**2 for core in kinds], dtype=np.float64),
        _phase_factors(fractions[order, 0], shape[0]),
        _phase_factors(fractions[order, 1], shape[1]),
        np.ascontiguousarray(last.real.T),
        np.ascontiguousarray(last.imag.T),
    )


def _checked_fractions(positions: ArrayLike, cell: FloatArray) -> FloatArray:
    """Positions as fractions of the cell, (n_atoms, 3), wrapped into it."""
    points = np.asarray(positions, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise InputError(
            f"positions have the shape {points.shape}; they must be (n_atoms, 3) finite numbers in Angstrom"
        )
    fractions: FloatArray = points @ np.linalg.inv(cell)
    return fractions - np.floor(fractions)


def _check_charge(density: FloatArray, cell: FloatArray, cores: Sequence[Core], charge: float) -> None:
    """Refuse electrons that do not belong to the cores: another unit, another cell, other pseudopotentials."""
    electrons = float(density.mean() * abs(np.linalg.det(cell)))
    total = sum(core.charge for core in cores)
    if abs(total - electrons - charge) > _MAX_CHARGE_ERROR * max(total, abs(charge)):
        raise InputError(
            f"the density integrates to {electrons:.6g} electrons, but the cores have the charge {total:.6g} and the "
            f"cell {charge:g}; check the density's unit (e/A^3), its cell and the pseudopotentials"
        )


def _wave_numbers(points: int) -> NDArray[np.int64]:
    """Whole waves along one axis of so many points, in the order of the FFT; n/2 for the Nyquist wave."""
    waves = np.arange(points)
    return np.where(waves > points // 2, waves - points, waves)


def reciprocal_metric(cell: FloatArray) -> FloatArray:
    r"""(3, 3) matrix M with :math:`G^2 = h^T M h` for the wave of integers h, 1/A^2."""
    vectors = 2.0 * np.pi * np.linalg.inv(cell).T
    metric: FloatArray = vectors @ vectors.T
    return metric


def _cross_wave_numbers(points: int) -> NDArray[np.int64]:
    """Waves along one axis for products of two axes: zero for the Nyquist wave, the mean of n/2 and -n/2."""
    waves = _wave_numbers(points)
    return np.where(2 * waves == points, 0, waves)


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
    """Root mean square, and largest absolute value."""
    return float(np.sqrt(np.mean(deviation**2))), float(np.abs(deviation).max())


def _matching_values(volume: Volume, shape: tuple[int, ...], cell: FloatArray) -> FloatArray:
    """Values of a cube that is on our grid, or an error."""
    if volume.values.shape != shape:
        raise InputError(
            f"{volume.path} is on the grid {volume.values.shape}, the density on {shape}; print both with STRIDE 1 1 1"
        )
    if np.any(np.abs(volume.cell - cell) > HEADER_ROUNDING * np.array(shape)[:, None]):
        raise InputError(f"{volume.path} is in another cell than the density; give the cube of the same calculation")
    values: FloatArray = volume.values
    return values
