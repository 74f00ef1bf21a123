"""Charge density and Hartree potential: Poisson's equation, known energies, and what must not matter."""

from __future__ import annotations

from itertools import product
from math import erf, pi, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.density.gaussians import CUBIC, TRICLINIC, gaussians, grid_points, laplacian

from basinet.density.cores import COULOMB, Core
from basinet.density.potential import hartree_energy, hartree_potential
from basinet.errors import InputError

pytestmark = pytest.mark.slow

seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(*[st.integers(1, 13)] * 3)
CELLS = {"cubic": CUBIC, "triclinic": TRICLINIC}
cells = st.sampled_from(sorted(CELLS))


def random_system(seed, shape, cell, n_atoms=5):
    """Noise for electrons and a few cores of three species, neutral together."""
    rng = np.random.default_rng(seed)
    positions = rng.uniform(-1.0, 2.0, (n_atoms, 3)) @ cell
    cores = [[(8.0, 0.21), (6.0, 0.5), (1.0, 0.9)][i] for i in rng.integers(0, 3, n_atoms)]
    density = rng.uniform(0.0, 1.0, shape)
    density *= sum(charge for charge, _ in cores) / (density.mean() * np.linalg.det(cell))
    return density, positions, cores


@settings(max_examples=30)
@given(seeds, shapes, cells)
def test_laplacian_of_the_potential_gives_back_the_charge(seed, shape, name):
    cell = CELLS[name]
    density, positions, cores = random_system(seed, shape, cell)
    rho, v_h = hartree_potential(density, cell, positions, cores)
    residual = -laplacian(v_h, cell) / (4 * pi * COULOMB) - (rho - rho.mean())
    assert np.abs(residual).max() <= 1e-12 * (np.abs(rho).max() + density.max())
    assert abs(v_h.mean()) <= 1e-13 * max(np.abs(v_h).max(), 1.0)


@settings(max_examples=30)
@given(seeds, shapes, cells)
def test_cores_are_the_formula_wave_by_wave(seed, shape, name):
    cell = CELLS[name]
    density, positions, cores = random_system(seed, shape, cell)
    rho, _ = hartree_potential(density, cell, positions, cores)
    spectrum = np.fft.fftn(density - rho) / rho.size
    volume, vectors = np.linalg.det(cell), 2 * pi * np.linalg.inv(cell).T
    for index in product(*map(range, shape)):
        waves = np.array([i - n if 2 * i > n else i for i, n in zip(index, shape, strict=True)])
        if any(2 * wave == n for wave, n in zip(waves, shape, strict=True)):
            continue  # the Nyquist wave is two waves; its rule is tested through Poisson's equation and by symmetry
        g = waves @ vectors
        exact = sum(
            charge * np.exp(-(g @ g) * radius**2 / 2 - 1j * (g @ position))
            for position, (charge, radius) in zip(positions, cores, strict=True)
        )
        assert abs(spectrum[index] - exact / volume) < 1e-13 * (8 * len(cores)) / volume


@settings(max_examples=8)
@given(seeds, cells)
def test_sampled_gaussians_are_the_cores(seed, name):
    # Wide enough for the grid: the sum over images in real space and the sum over waves are the same function.
    cell, rng = CELLS[name], np.random.default_rng(seed)
    positions, shape = rng.uniform(0, 1, (3, 3)) @ cell, (24, 20, 25)
    radii, charges = [0.6, 0.6, 0.75], [8.0, 8.0, 6.0]
    density = gaussians(shape, cell, positions, charges, radii)
    rho, v_h = hartree_potential(density, cell, positions, list(zip(charges, radii, strict=True)))
    aliased = np.exp(-0.5 * (0.6 * pi * 20 / 9) ** 2)
    assert np.abs(rho).max() < 20 * aliased * density.max()
    assert np.abs(v_h).max() < 1e-3


@settings(max_examples=20)
@given(seeds, shapes, cells)
def test_energy_is_the_sum_over_waves(seed, shape, name):
    cell = CELLS[name]
    density, positions, cores = random_system(seed, shape, cell)
    rho, v_h = hartree_potential(density, cell, positions, cores)
    volume = np.linalg.det(cell)
    rho_g, v_g = np.fft.fftn(rho) / rho.size, np.fft.fftn(v_h) / rho.size
    waves = 0.5 * volume * np.sum(rho_g.conj() * v_g).real
    assert hartree_energy(rho, v_h, cell) == pytest.approx(waves, rel=1e-12, abs=1e-12)
    assert waves >= 0.0


@settings(max_examples=20)
@given(seeds, shapes, cells)
def test_neutral_system_gives_neutral_charge(seed, shape, name):
    cell = CELLS[name]
    density, positions, cores = random_system(seed, shape, cell)
    rho, _ = hartree_potential(density, cell, positions, cores)
    assert abs(rho.sum()) <= 1e-13 * (np.abs(rho).sum() + density.sum())


@settings(max_examples=20)
@given(seeds, shapes, cells, st.tuples(*[st.integers(-20, 20)] * 3))
def test_moving_everything_by_grid_points_moves_the_result(seed, shape, name, steps):
    cell = CELLS[name]
    density, positions, cores = random_system(seed, shape, cell)
    rho, v_h = hartree_potential(density, cell, positions, cores)
    shift = (np.array(steps) / shape) @ cell
    moved = hartree_potential(np.roll(density, steps, (0, 1, 2)), cell, positions + shift, cores)
    scale = np.abs(rho).max() + np.abs(density).max()
    np.testing.assert_allclose(moved[0], np.roll(rho, steps, (0, 1, 2)), rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(moved[1], np.roll(v_h, steps, (0, 1, 2)), rtol=0, atol=1e-11 * np.abs(v_h).max() + 1e-12)


@settings(max_examples=20)
@given(seeds, shapes, cells)
def test_inversion_and_permuted_axes_carry_over(seed, shape, name):
    cell = CELLS[name]
    density, positions, cores = random_system(seed, shape, cell)
    rho, v_h = hartree_potential(density, cell, positions, cores)
    scale = np.abs(rho).max() + np.abs(density).max()

    def inverted(field):
        return np.roll(field[::-1, ::-1, ::-1], (1, 1, 1), (0, 1, 2))

    # The sum over electrons comes in another order: equal to round-off.
    for change, box, points in (
        (inverted, cell, -positions),
        (lambda field: field.transpose(2, 0, 1), cell[[2, 0, 1]], positions),
    ):
        other = hartree_potential(change(density), box, points, cores)
        np.testing.assert_allclose(other[0], change(rho), rtol=0, atol=1e-12 * scale)
        np.testing.assert_allclose(other[1], change(v_h), rtol=0, atol=1e-11 * np.abs(v_h).max() + 1e-12)


@settings(max_examples=12)
@given(seeds, st.tuples(*[st.integers(3, 8)] * 3), cells, st.tuples(*[st.integers(1, 3)] * 3))
def test_supercell_repeats_the_result(seed, shape, name, repeats):
    cell = CELLS[name]
    density, positions, cores = random_system(seed, shape, cell)
    rho, v_h = hartree_potential(density, cell, positions, cores)
    images = np.array(list(product(*map(range, repeats)))) @ cell
    large = hartree_potential(
        np.tile(density, repeats),
        cell * np.array(repeats)[:, None],
        (images[:, None] + positions).reshape(-1, 3),
        cores * len(images),
    )
    np.testing.assert_allclose(
        large[0], np.tile(rho, repeats), rtol=0, atol=1e-12 * (np.abs(rho).max() + density.max())
    )
    np.testing.assert_allclose(large[1], np.tile(v_h, repeats), rtol=0, atol=1e-11 * np.abs(v_h).max() + 1e-12)


def test_another_choice_of_cell_vectors_changes_nothing():
    # b + a instead of b, on the same grid points: i along a and j along b + a is i + j along a and j along b.
    shape, box = (32, 32, 30), TRICLINIC
    other = np.array([box[0], box[0] + box[1], box[2]])
    positions, cores = np.array([[1.0, 2.0, 3.0], [4.0, 4.5, 5.0]]), [(8.0, 0.8), (6.0, 0.85)]
    density = gaussians(shape, box, positions + 0.1, [8.0, 6.0], [0.9, 0.9])
    i, j = np.meshgrid(np.arange(32), np.arange(32), indexing="ij")
    rho, v_h = hartree_potential(density, box, positions, cores)
    rho_other, v_other = hartree_potential(density[(i + j) % 32, j], other, positions, cores)
    # The bands of the two cells have different corners, and these Gaussians next to nothing there.
    np.testing.assert_allclose(rho_other, rho[(i + j) % 32, j], rtol=0, atol=1e-10 * density.max())
    np.testing.assert_allclose(v_other, v_h[(i + j) % 32, j], rtol=0, atol=1e-10 * np.abs(v_h).max())
    assert hartree_energy(rho_other, v_other, other) == pytest.approx(hartree_energy(rho, v_h, box), rel=1e-11)


@settings(max_examples=5)
@given(st.tuples(*[st.floats(-0.5, 0.5)] * 3))
def test_energy_does_not_notice_where_the_grid_lies(shift):
    cell, shape = 10.0 * np.eye(3), (40, 40, 40)
    at = np.array([[4.0, 5.0, 5.5], [6.0, 5.0, 4.5]]) + shift
    rho, v_h = hartree_potential(
        gaussians(shape, cell, at[:1], [6.0], [0.6], images=1), cell, at[1:], [(6.0, 0.5)], workers=1
    )
    reference = hartree_potential(
        gaussians(shape, cell, at[:1] - shift, [6.0], [0.6], images=1), cell, at[1:] - shift, [(6.0, 0.5)], workers=1
    )
    assert hartree_energy(rho, v_h, cell) == pytest.approx(hartree_energy(*reference, cell), rel=1e-10)


def test_concentric_gaussians_are_an_isolated_neutral_atom():
    # Spherical and neutral: images feel nothing, so energy and potential are the isolated atom's.
    cell, centre, charge, s1, s2 = 11.0 * np.eye(3), np.array([5.1, 5.4, 5.9]), 6.0, 0.6, 0.45
    density = gaussians((60, 60, 60), cell, [centre], [charge], [s1], images=1)
    rho, v_h = hartree_potential(density, cell, [centre], [(charge, s2)])
    own = COULOMB * charge**2 / (2 * sqrt(pi)) * (1 / s1 + 1 / s2)
    mutual = -COULOMB * charge**2 / sqrt(s1**2 + s2**2) * 2 / sqrt(2 * pi)
    assert hartree_energy(rho, v_h, cell) == pytest.approx(own + mutual, rel=1e-12)
    r = np.linalg.norm(grid_points(rho.shape, cell) - centre, axis=-1)[20:40, 20:40, 20:40]
    isolated = COULOMB * charge / r * (np.vectorize(erf)(r / (sqrt(2) * s1)) - np.vectorize(erf)(r / (sqrt(2) * s2)))
    # V_H(0) = 0 moves the potential by 2 pi / 3 V times the charge's second moment.
    shift = 2 * pi / (3 * 11.0**3) * COULOMB * charge * 3 * (s1**2 - s2**2)
    np.testing.assert_allclose(v_h[20:40, 20:40, 20:40], isolated + shift, rtol=0, atol=1e-10 * np.abs(v_h).max())


def test_pair_of_gaussians_apart_is_a_dipole_in_a_box():
    # Isolated pair, and the interaction of a dipole with its images in a cubic box: -2 pi p^2 / 3 V, then L^-5.
    charge, s1, s2, distance = 2.0, 0.5, 0.45, 1.1
    own = COULOMB * charge**2 / (2 * sqrt(pi)) * (1 / s1 + 1 / s2)
    isolated = own - COULOMB * charge**2 / distance * erf(distance / sqrt(2 * (s1**2 + s2**2)))
    missing = []
    for length, points in ((8.0, 40), (16.0, 80)):
        cell, at = length * np.eye(3), np.array([3.0, 3.0, 3.0])
        density = gaussians((points,) * 3, cell, [at], [charge], [s1], images=1)
        rho, v_h = hartree_potential(density, cell, np.add([at], [distance, 0, 0]), [(charge, s2)])
        dipole = -2 * pi / (3 * length**3) * COULOMB * (charge * distance) ** 2
        missing.append(hartree_energy(rho, v_h, cell) - isolated - dipole)
    assert missing[1] == pytest.approx(missing[0] / 32, rel=2e-2)
    assert abs(missing[1]) < 0.01 * abs(dipole)


ROCK_SALT = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
MADELUNG = {
    # Reduced to the nearest distance; D. Borwein, J. M. Borwein, K. F. Taylor, J. Math. Phys. 26, 2999 (1985) for
    # rock salt; caesium chloride as in C. Kittel, Introduction to Solid State Physics, Ch. 3.
    "rock salt, cube": (4.0 * np.eye(3), ROCK_SALT, ROCK_SALT + 0.5, 2.0, 1.747564594633182),
    "rock salt, primitive": (
        2.0 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]),
        np.zeros((1, 3)),
        np.full((1, 3), 0.5),
        2.0,
        1.747564594633182,
    ),
    "caesium chloride": (3.0 * np.eye(3), np.zeros((1, 3)), np.full((1, 3), 0.5), 1.5 * sqrt(3), 1.762674773070988),
}


@pytest.mark.parametrize("crystal", MADELUNG)
def test_madelung_constants(crystal):
    # Gaussians too narrow to overlap are point charges, but for what each has with itself.
    cell, cations, anions, distance, madelung = MADELUNG[crystal]
    radius, charge, shape = 0.2, 1.0, (48, 48, 48)
    density = gaussians(shape, cell, anions @ cell, [charge] * len(anions), [radius] * len(anions))
    rho, v_h = hartree_potential(density, cell, cations @ cell, [(charge, radius)] * len(cations))
    core = Core(charge, radius)
    energy = hartree_energy(rho, v_h, cell) / len(cations) + 2 * core.self_energy
    assert -energy * distance / (COULOMB * charge**2) == pytest.approx(madelung, abs=1e-10)


@pytest.mark.parametrize("shape", [(12, 10, 9), (7, 11, 8), (1, 1, 6)])
def test_threads_change_nothing_and_input_is_left_alone(shape):
    density, positions, cores = random_system(3, shape, TRICLINIC)
    before = density.copy(), positions.copy()
    one = hartree_potential(density, TRICLINIC, positions, cores, workers=1)
    for workers in (2, 5, None):
        for ours, theirs in zip(
            hartree_potential(density, TRICLINIC, positions, cores, workers=workers), one, strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(density, before[0])
    np.testing.assert_array_equal(positions, before[1])


def test_images_of_an_atom_and_the_order_of_atoms_do_not_matter():
    density, positions, cores = random_system(4, (9, 8, 7), TRICLINIC)
    one = hartree_potential(density, TRICLINIC, positions, cores)
    order = [3, 1, 4, 0, 2]
    moved = (positions + np.array([[1, -2, 3]]) @ TRICLINIC)[order]
    other = hartree_potential(density, TRICLINIC, moved, [Core(*cores[i]) for i in order])
    np.testing.assert_allclose(other[0], one[0], rtol=0, atol=1e-12 * (np.abs(one[0]).max() + density.max()))


def test_charged_cells_have_a_uniform_background():
    cell, centre = 10.0 * np.eye(3), np.full((1, 3), 5.0)
    density = gaussians((40, 40, 40), cell, centre, [7.0], [0.6], images=1)
    with pytest.raises(InputError, match="integrates to 7 electrons, but the cores have the charge 8"):
        hartree_potential(density, cell, centre, [(8.0, 0.5)])
    rho, v_h = hartree_potential(density, cell, centre, [(8.0, 0.5)], charge=1.0)
    assert rho.sum() * 10.0**3 / rho.size == pytest.approx(-1.0, rel=1e-10)
    assert abs(v_h.mean()) < 1e-12


GOOD = {
    "density": np.full((4, 4, 4), 8e-3),
    "cell": 10.0 * np.eye(3),
    "positions": [[0.0, 0.0, 0.0]],
    "cores": [(8.0, 0.2)],
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"density": np.full((4, 4), 8e-3)}, r"the density has the shape \(4, 4\)"),
        ({"density": np.full((0, 4, 4), 8e-3)}, "the density has the shape"),
        ({"density": np.full((4, 4, 4), np.nan)}, "every value must be a finite number"),
        ({"density": np.zeros((4, 4, 4))}, "integrates to 0 electrons"),
        ({"density": np.full((4, 4, 4), 8e-3) / 0.529177**3}, "integrates to 53.98[0-9]* electrons"),
        ({"cell": np.ones((3, 3))}, "no volume"),
        ({"cell": np.ones((2, 3))}, "three finite vectors"),
        ({"positions": [0.0, 0.0, 0.0]}, r"one row x, y, z"),
        ({"positions": [[0.0, np.inf, 0.0]]}, r"must be a finite number"),
        ({"cores": []}, "0 cores for 1 atoms"),
        ({"cores": [(8.0, -0.2)]}, "radius"),
    ],
)
def test_bad_input_is_named(change, message):
    hartree_potential(**GOOD)
    with pytest.raises(InputError, match=message):
        hartree_potential(**{**GOOD, **change})


def test_energy_wants_one_grid():
    with pytest.raises(InputError, match="different grids"):
        hartree_energy(np.ones((2, 2, 2)), np.ones((2, 2, 3)), np.eye(3))
