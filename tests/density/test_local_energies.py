"""Local Hartree energies: they add up, they are known for atoms alone, and they move with the atoms."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
import pytest
from tests.density.gaussian_liquids import GaussianLiquid, gaussian_liquid

from basinet.density.basins import integrate_basins
from basinet.density.cores import COULOMB, core_overlap_energies, core_self_energies
from basinet.density.local_energies import direct_energies, local_hartree_energies
from basinet.density.potential import hartree_energy, hartree_potential
from basinet.errors import InputError
from basinet.labelling.sources import _rounding_error

LIQUID, POINTS = gaussian_liquid(2), 40


@pytest.fixture(scope="module")
def density():
    return LIQUID.density(POINTS)


@pytest.fixture(scope="module")
def local(density):
    return local_hartree_energies(density, LIQUID.cell, LIQUID.positions, LIQUID.cores)


@pytest.fixture(scope="module")
def solution(density):
    return hartree_potential(density, LIQUID.cell, LIQUID.positions, LIQUID.cores)


def test_atoms_add_up_to_the_hartree_energy(local, solution):
    energy = hartree_energy(*solution, LIQUID.cell)
    assert local.hartree_energy.sum() == pytest.approx(energy, rel=1e-12)
    assert local.total_energy == pytest.approx(energy, rel=1e-12)


def test_the_electronic_reading_adds_up_to_the_electrons_part(local, density, solution):
    energy = hartree_energy(density, solution[1], LIQUID.cell)
    assert local.hartree_energy_electronic.sum() == pytest.approx(energy, rel=1e-9)
    assert abs(energy - local.total_energy) > 1.0


def test_electrostatic_energy_is_hartree_and_cores(local):
    cores = core_self_energies(LIQUID.cores) + core_overlap_energies(LIQUID.cell, LIQUID.positions, LIQUID.cores)
    np.testing.assert_allclose(local.electrostatic_energy, local.hartree_energy + cores, rtol=1e-13)


def test_a_density_of_energy_that_follows_the_electrons_gives_their_share_and_the_cores(density, local):
    direct = direct_energies(density, -2.5 * density, LIQUID.cell, LIQUID.positions, LIQUID.cores)
    expected = -2.5 * local.population + local.core_self_energy + local.core_overlap_energy
    np.testing.assert_allclose(direct, expected, rtol=1e-12)
    assert local.direct_energy is None


def test_the_digits_of_an_energy_density_are_in_the_error_bars(density):
    exact = np.round(-2.5 * density + 1e-3 * np.random.default_rng(0).normal(size=density.shape), 9)
    given = np.vectorize(lambda value: float(f"{value:.2e}"))(exact)  # three digits
    error = _rounding_error(given, 3)
    assert np.sqrt(np.mean(((given - exact) / error)[exact != 0.0] ** 2)) == pytest.approx(1.0, rel=0.01)
    found = [
        local_hartree_energies(
            density, LIQUID.cell, LIQUID.positions, LIQUID.cores, energy_density=field, energy_density_error=bar
        )
        for field, bar in ((exact, None), (given, error), (given, 1e3 * error))
    ]
    deviation = found[1].direct_energy - found[0].direct_energy
    assert 0.5 < np.sqrt(np.mean((deviation / found[1].rounding_error) ** 2)) < 1.5
    assert "direct_energy_variance" not in found[1].basins.integrals
    assert "direct_energy_variance" not in found[1].basins.residuals
    with pytest.raises(InputError, match="but no energy density; give both"):
        local_hartree_energies(density, LIQUID.cell, LIQUID.positions, LIQUID.cores, energy_density_error=error)
    np.testing.assert_allclose(found[2].rounding_error, 1e3 * found[1].rounding_error, rtol=1e-12)
    bars = [one.errors.integrals["direct_energy"] for one in found]
    np.testing.assert_allclose(bars[1] ** 2 - found[1].rounding_error ** 2, bars[0] ** 2, rtol=0.05)


def test_charges_and_volumes_add_up_to_the_cell(local):
    assert local.population.sum() == pytest.approx(64.0, rel=1e-12)
    assert local.net_charge.sum() == pytest.approx(0.0, abs=1e-11)
    assert local.volume.sum() == pytest.approx(9.0**3, rel=1e-12)
    assert np.abs(local.net_charge).max() > 1e-3
    assert local.renormalisation == pytest.approx(1.0, abs=1e-9)


def test_energies_are_integrals_over_the_same_basins(local, density, solution):
    rho, v_h = solution
    basins = integrate_basins(density, LIQUID.cell, LIQUID.positions, {"e": 0.5 * rho * v_h})
    np.testing.assert_allclose(local.hartree_energy, basins.integrals["e"], rtol=1e-9)
    np.testing.assert_allclose(local.population, basins.population, rtol=1e-9)


def test_atoms_far_apart_have_the_energy_of_one_alone():
    # Concentric Gaussians are neutral and spherical: no atom feels another, nor the zero of the potential.
    charge, width, radius = 6.0, 0.5, 0.4
    positions = np.array([[2.0, 2.2, 2.1], [7.4, 7.3, 6.9]])
    atoms = GaussianLiquid(10.0, positions, [[(charge, width)]] * 2)
    local = local_hartree_energies(atoms.density(60), atoms.cell, positions, [(charge, radius)] * 2)
    own = COULOMB * charge**2 / (2 * sqrt(pi)) * (1 / width + 1 / radius)
    alone = own - COULOMB * charge**2 / sqrt(width**2 + radius**2) * 2 / sqrt(2 * pi)
    np.testing.assert_allclose(local.hartree_energy, alone, rtol=1e-7)
    np.testing.assert_allclose(local.net_charge, 0.0, atol=1e-6)


def test_a_shift_of_the_potential_moves_the_electronic_reading_only(local, density, solution):
    shifted = local_hartree_energies(density, LIQUID.cell, LIQUID.positions, potential=solution[1] + 0.7)
    expected = local.hartree_energy_electronic + 0.5 * 0.7 * local.population
    np.testing.assert_allclose(shifted.hartree_energy_electronic, expected, rtol=1e-8)
    assert shifted.hartree_energy is None
    assert shifted.net_charge is None
    assert shifted.electrostatic_energy is None
    np.testing.assert_allclose(shifted.population, local.population, rtol=1e-9)


def test_energies_move_with_the_atoms(density, local):
    order, steps = np.array([5, 2, 7, 0, 1, 6, 3, 4]), (3, -8, 11)
    moved = local_hartree_energies(
        np.roll(density, steps, (0, 1, 2)),
        LIQUID.cell,
        (LIQUID.positions + np.array(steps) * LIQUID.length / POINTS)[order],
        [LIQUID.cores[i] for i in order],
    )
    for name in ("hartree_energy", "hartree_energy_electronic", "population", "volume", "net_charge"):
        np.testing.assert_allclose(getattr(moved, name), getattr(local, name)[order], rtol=1e-9, atol=1e-9)


def test_a_supercell_repeats_the_atoms(density, local):
    cell = LIQUID.cell * np.array([2, 1, 1])[:, None]
    twice = local_hartree_energies(
        np.tile(density, (2, 1, 1)),
        cell,
        np.concatenate([LIQUID.positions, LIQUID.positions + LIQUID.cell[0]]),
        LIQUID.cores * 2,
        error_bars=False,
    )
    np.testing.assert_allclose(twice.hartree_energy, np.tile(local.hartree_energy, 2), rtol=1e-9)
    np.testing.assert_allclose(twice.volume, np.tile(local.volume, 2), rtol=1e-9)


def test_almost_the_right_count_is_scaled_and_told(density, local):
    scaled = local_hartree_energies(1.0002 * density, LIQUID.cell, LIQUID.positions, LIQUID.cores)
    assert scaled.renormalisation == pytest.approx(1 / 1.0002, rel=1e-8)
    np.testing.assert_allclose(scaled.hartree_energy, local.hartree_energy, rtol=1e-9)
    with pytest.raises(InputError, match=r"integrates to 67\.2 electrons instead of 64"):
        local_hartree_energies(1.05 * density, LIQUID.cell, LIQUID.positions, LIQUID.cores)


def test_error_bars_cover_a_finer_grid(local):
    fine = local_hartree_energies(LIQUID.density(120), LIQUID.cell, LIQUID.positions, LIQUID.cores, error_bars=False)
    assert fine.errors is None
    for name in ("hartree_energy", "hartree_energy_electronic"):
        error = getattr(local, name) - getattr(fine, name)
        bar = local.errors.integrals[name]
        assert np.all(np.abs(error) < 2 * bar)
        assert 0.3 < np.sqrt(np.mean(error**2) / np.mean(bar**2)) < 1.1


def test_threads_change_nothing_and_input_is_left_alone(density, local):
    before = density.copy()
    one = local_hartree_energies(density, LIQUID.cell, LIQUID.positions, LIQUID.cores, threads=1)
    for name in ("hartree_energy", "hartree_energy_electronic", "population", "volume", "maximum_distance"):
        np.testing.assert_array_equal(getattr(one, name), getattr(local, name))
    np.testing.assert_array_equal(one.errors.integrals["hartree_energy"], local.errors.integrals["hartree_energy"])
    np.testing.assert_array_equal(density, before)


def test_a_density_may_be_scaled_in_place_and_fields_and_potential_seen(density, local, solution):
    scaled, seen = 1.0002 * density, []
    found = local_hartree_energies(
        scaled,
        LIQUID.cell,
        LIQUID.positions,
        LIQUID.cores,
        fields={"twice": 2.0 * density},
        overwrite_density=True,
        inspect=lambda rho, v_h: seen.extend([rho.copy(), v_h.copy()]),
    )
    np.testing.assert_allclose(scaled, density, rtol=1e-9)
    np.testing.assert_allclose(found.basins.integrals["twice"], 2.0 * local.population, rtol=1e-9)
    for ours, expected in zip(seen, solution, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=1e-8)
    assert set(found.seconds) == {"renormalise", "electrostatics", "basins", "error bars"}


def test_without_cores_and_potential_there_are_populations_and_volumes(density, local):
    found = local_hartree_energies(density, LIQUID.cell, LIQUID.positions)
    np.testing.assert_allclose(found.population, local.population, rtol=1e-9)
    assert found.hartree_energy_electronic is None
    assert found.total_energy is None


def test_bad_input_is_named(density):
    with pytest.raises(InputError, match="cores and a potential"):
        local_hartree_energies(density, LIQUID.cell, LIQUID.positions, LIQUID.cores, potential=density)
    with pytest.raises(InputError, match="'hartree_energy', which is an energy"):
        local_hartree_energies(density, LIQUID.cell, LIQUID.positions, fields={"hartree_energy": density})
    with pytest.raises(InputError, match="different grids"):
        local_hartree_energies(density, LIQUID.cell, LIQUID.positions, potential=density[:-1])
    with pytest.raises(InputError, match="7 cores for 8 atoms"):
        local_hartree_energies(density, LIQUID.cell, LIQUID.positions, LIQUID.cores[:-1])
    with pytest.raises(InputError, match="every value must be a finite number"):
        local_hartree_energies(np.full_like(density, np.nan), LIQUID.cell, LIQUID.positions, LIQUID.cores)
