"""What the equations of motion promise: energy, momentum, reversibility, temperature, pressure."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.lj import LennardJones as AseLennardJones
from tests.md.liquids import DoubtfulCalculator, config, motion, smooth_argon, start

from basinet.errors import InputError
from basinet.md.motion import _AseMotion, _Guard, _kinetic_temperature, set_velocities

pytestmark = pytest.mark.slow


def totals(timestep, picoseconds=2.0):
    """Total energy at times that all time steps share."""
    moving = motion(timestep=timestep)
    rows = [moving.row()]
    for _ in range(round(1000.0 * picoseconds / 8.0)):
        moving.advance(round(8.0 / timestep))
        rows.append(moving.row())
    return np.array([row["total_ev"] for row in rows])


@pytest.mark.long
def test_the_energy_fluctuates_a_quarter_as_much_at_half_the_time_step():
    """Velocity Verlet follows a Hamiltonian that differs from the true one by the square of the step."""
    eight, four, two = (totals(timestep).std() for timestep in (8.0, 4.0, 2.0))
    assert eight / four == pytest.approx(4.0, rel=0.1)
    assert four / two == pytest.approx(4.0, rel=0.1)


def test_momentum_is_conserved():
    moving = motion()
    moving.advance(200)
    assert np.abs(moving.atoms.get_momenta().sum(axis=0)).max() < 1e-12


def test_the_motion_runs_back_to_where_it_came_from():
    moving = motion()
    before = moving.atoms.get_positions()
    moving.advance(200)
    assert np.abs(moving.atoms.positions - before).max() > 0.1
    moving.atoms.set_momenta(-moving.atoms.get_momenta())
    moving.advance(200)
    assert np.abs(moving.atoms.positions - before).max() < 1e-8


def test_the_thermostat_holds_its_temperature_and_conserves_its_own_energy():
    moving = motion(ensemble="nvt", timestep=5.0)
    rows = []
    for _ in range(500):
        moving.advance(5)
        rows.append(moving.row())
    temperature, conserved, total = (
        np.array([row[name] for row in rows]) for name in ("temperature_k", "conserved_ev", "total_ev")
    )
    assert temperature.mean() == pytest.approx(120.0, abs=3.0)
    assert temperature.std() / temperature.mean() == pytest.approx(np.sqrt(2.0 / 93.0), rel=0.15)
    assert conserved.std() < 0.01 * total.std()


def test_the_pressure_is_minus_the_derivative_of_the_free_energy_at_fixed_scaled_momenta():
    """P = N k_B T / V - dU/dV, with the kinetic energy for the first."""
    moving = motion()
    found = moving.row()
    atoms, volume = moving.atoms, moving.atoms.get_volume()
    energies = []
    for factor in (1.0 + 1e-4, 1.0 - 1e-4):
        scaled = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
        scaled.set_cell(atoms.cell * factor ** (1.0 / 3.0), scale_atoms=True)
        scaled.calc = smooth_argon()
        energies.append(scaled.get_potential_energy())
    static = -(energies[0] - energies[1]) / (2e-4 * volume)
    kinetic = 2.0 * found["kinetic_ev"] / (3.0 * volume)
    assert found["pressure_mpa"] == pytest.approx((static + kinetic) / units.GPa * 1000.0, rel=1e-5)


def test_without_a_box_there_is_no_pressure():
    settings = config()
    cluster = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 3.8]])
    cluster.calc = smooth_argon()
    set_velocities(cluster, settings)
    moving = _AseMotion.of_config(cluster, settings, _Guard.for_start(cluster, 120.0))
    moving.advance()
    assert moving.row()["pressure_mpa"] is None


def test_any_calculator_of_ase_moves_atoms():
    moving = motion(AseLennardJones(sigma=3.405, epsilon=0.0103, rc=6.0, smooth=True))
    first = moving.row()
    moving.advance(5)
    assert moving.row()["total_ev"] == pytest.approx(first["total_ev"], abs=1e-4)


def test_the_log_tells_the_largest_doubt_since_the_line_before():
    moving = motion(DoubtfulCalculator())
    moving.row()
    moving.advance(8)
    row = moving.row()
    assert row["extrapolating"] == 3
    assert row["spread_ev"] == 0.003
    calls, moving.atoms.calc.calls = moving.atoms.calc.calls, 3
    assert calls > 8
    moving.advance()
    assert moving.row()["extrapolating"] == 0


def test_velocities_are_those_of_the_temperature_and_of_the_seed():
    momenta = [start(config(seed=seed)).get_momenta() for seed in (1, 1, 2)]
    assert np.array_equal(momenta[0], momenta[1])
    assert not np.array_equal(momenta[0], momenta[2])
    many = Atoms("Ar2000", positions=np.random.default_rng(0).uniform(0, 50, (2000, 3)))
    set_velocities(many, config())
    assert _kinetic_temperature(many) == pytest.approx(120.0, rel=0.05)


def test_velocities_of_the_start_are_kept_but_for_the_centre_of_mass():
    settings = config(temperature=None)
    atoms = start(config())
    momenta = atoms.get_momenta()
    atoms.set_momenta(momenta + 0.1)
    set_velocities(atoms, settings)
    assert atoms.get_momenta() == pytest.approx(momenta, abs=1e-12)


def test_a_start_without_velocities_needs_a_temperature():
    with pytest.raises(InputError, match=r"ar\.extxyz: has no velocities.*--temperature"):
        set_velocities(Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 4]]), config(temperature=None))
