"""Two unlike atoms whose density is a product of functions of x, y and z: every part of a direct energy is known.

One Kohn-Sham orbital holds all electrons, with Dirac's exchange. The surface between the atoms is a plane, by symmetry,
and integrals over the regions are products of integrals over one coordinate.
"""

from __future__ import annotations

from itertools import product
from math import pi

import numpy as np
import pytest
from scipy.integrate import quad

from basinet.density.cores import COULOMB, core_overlap_energies, core_self_energies
from basinet.density.local_energies import direct_energies, local_hartree_energies
from basinet.units import Bohr, Hartree

LENGTH, ELECTRONS = 6.0, 16.0
CELL, CORES = LENGTH * np.eye(3), [(8.0, 0.3), (8.0, 0.3)]
POSITIONS = np.array([[0.0, 0, 0], [LENGTH / 2, 0, 0]])
MEAN = ELECTRONS / LENGTH**3
WAVES = 2 * pi / LENGTH * np.arange(3)
ALONG, ACROSS = np.array([1.0, 0.2, 0.5]), np.array([1.0, 0.6, 0.0])  # amplitudes of the cosines of x, and of y and z
EDGE = LENGTH / (2 * pi) * np.arccos(-ALONG[1] / (4 * ALONG[2]))  # where the density along x is least
EXCHANGE = 0.25 * (3 / pi) ** (1 / 3) * Hartree * Bohr  # e_x - v_x rho of Dirac's exchange, of rho^(4/3)


def function(amplitudes, x):
    """A factor of the density, with its first two derivatives."""
    phase = WAVES[:, None] * np.atleast_1d(x)
    return (amplitudes @ np.cos(phase), -(amplitudes * WAVES) @ np.sin(phase), -(amplitudes * WAVES**2) @ np.cos(phase))


def factors(amplitudes, x):
    """A factor, and times it the kinetic energy of the orbital along its coordinate in two forms, and rho^(1/3)."""
    value, first, second = function(amplitudes, x)
    scale = 0.5 * Hartree * Bohr**2
    laplacian = -scale * (0.5 * second - 0.25 * first**2 / value)
    return value, laplacian, scale * 0.25 * first**2 / value, value ** (4 / 3)


def parts(one):
    """Each part of an energy from its factors ``one(amplitudes, kind or wave)``: on the grid, or integrated."""
    x, across = (lambda kind: one(ALONG, 0, kind)), (lambda axis, kind: one(ACROSS, axis, kind))
    found = {}
    for name, kind in (("kinetic", 1), ("gradient", 2)):
        found[name] = MEAN * (
            x(kind) * across(1, 0) * across(2, 0)
            + x(0) * across(1, kind) * across(2, 0)
            + x(0) * across(1, 0) * across(2, kind)
        )
    found["exchange"] = EXCHANGE * MEAN ** (4 / 3) * x(3) * across(1, 3) * across(2, 3)
    found["hartree"] = 0.0
    for p, q, r in product(range(3), repeat=3):
        if p or q or r:  # - 1/2 rho V of electrons in a uniform background
            wave = 4 * pi * COULOMB * MEAN * ALONG[p] * ACROSS[q] * ACROSS[r] / np.sum(WAVES[[p, q, r]] ** 2)
            found["hartree"] = found["hartree"] - 0.5 * MEAN * wave * x((p,)) * across(1, (q,)) * across(2, (r,))
    return found


def factor(amplitudes, kind, x):
    """A factor of a part, or times the cosine of a wave."""
    if isinstance(kind, tuple):
        return function(amplitudes, x)[0] * np.cos(WAVES[kind[0]] * np.atleast_1d(x))
    return factors(amplitudes, x)[kind]


def on_grid(points):
    axis = LENGTH * np.arange(points) / points

    def one(amplitudes, direction, kind):
        return factor(amplitudes, kind, axis).reshape([points if i == direction else 1 for i in range(3)])

    density = MEAN * one(ALONG, 0, 0) * one(ACROSS, 1, 0) * one(ACROSS, 2, 0)
    return density, {name: part + np.zeros_like(density) for name, part in parts(one).items()}


def exact():
    """Integrals of the parts over the region of each atom, (2,) eV."""

    def one(amplitudes, direction, kind):
        limits = [(-EDGE, EDGE), (EDGE, LENGTH - EDGE)] if direction == 0 else [(0.0, LENGTH)]
        return np.array(
            [
                quad(lambda x: factor(amplitudes, kind, x).item(), *ends, epsabs=1e-12, epsrel=1e-12)[0]
                for ends in limits
            ]
        )

    return parts(one)


@pytest.fixture(scope="module")
def known():
    return exact()


def test_a_region_without_flux_has_one_kinetic_energy(known):
    np.testing.assert_allclose(known["kinetic"], known["gradient"], rtol=1e-9)
    assert abs(np.diff(known["kinetic"])).item() > 1.0


@pytest.mark.parametrize(("points", "most"), [(48, 6e-3), (96, 2.5e-3)])
def test_every_part_of_a_direct_energy_is_the_known_one(known, points, most):
    density, fields = on_grid(points)
    energy = fields["kinetic"] + fields["hartree"] + fields["exchange"]
    local = local_hartree_energies(
        density, CELL, POSITIONS, CORES, energy_density=energy, fields=fields, error_bars=False
    )
    for name, part in known.items():
        found = local.basins.integrals[name]
        assert found.sum() == pytest.approx(part.sum(), rel=1e-7)
        np.testing.assert_allclose(found, part, atol=most)
    cores = core_self_energies(CORES) + core_overlap_energies(CELL, POSITIONS, CORES)
    expected = known["kinetic"] + known["hartree"] + known["exchange"] + cores
    found = direct_energies(density, energy, CELL, POSITIONS, CORES)
    np.testing.assert_allclose(found, expected, atol=most)
    assert found.sum() == pytest.approx(expected.sum(), rel=1e-7)
