"""Gaussian cores: what they have by themselves, and what two of them share."""

from __future__ import annotations

import math

import numpy as np
import pytest

from basinet.density.cores import COULOMB, Core, core_overlap_energies, core_self_energies
from basinet.errors import InputError
from basinet.units import Bohr, Hartree


@pytest.mark.parametrize(("rloc", "energy"), [(0.4, -45.135), (0.5, -36.108)])
def test_self_energies_of_argon_and_krypton(rloc, energy):
    # CP2K prints -1444.32533388225602 Ha for 32 argon atoms.
    assert core_self_energies([(8.0, rloc * Bohr)])[0] / Hartree == pytest.approx(energy, abs=5e-4)


def test_self_energy_of_32_argon_atoms_is_what_cp2k_prints():
    total = core_self_energies([Core(8.0, 0.4 * Bohr)] * 32).sum()
    assert total / Hartree == pytest.approx(-1444.32533388225602, rel=1e-14)


def test_self_energy_is_the_gaussians_own_hartree_energy():
    # 1/2 int rho V with V = Z erf(r / sqrt2 s) / r, by quadrature.
    r, step = np.linspace(1e-6, 6.0, 200001, retstep=True)
    radius, charge = 0.31, 5.0
    density = charge * np.exp(-(r**2) / (2 * radius**2)) / (2 * np.pi * radius**2) ** 1.5
    potential = COULOMB * charge * np.vectorize(math.erf)(r / (math.sqrt(2) * radius)) / r
    energy = 0.5 * np.sum(4 * np.pi * r**2 * density * potential) * step
    assert Core(charge, radius).self_energy == pytest.approx(-energy, rel=1e-9)


def test_overlap_of_a_pair_is_shared_in_halves():
    cell, distance = 20.0 * np.eye(3), 0.9
    energies = core_overlap_energies(cell, [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0 + distance]], [(4.0, 0.2), (6.0, 0.3)])
    pair = COULOMB * 24.0 / distance * math.erfc(distance / math.sqrt(2 * (0.2**2 + 0.3**2)))
    np.testing.assert_allclose(energies, 0.5 * pair, rtol=1e-13)


def test_overlap_reaches_across_the_cell_and_to_own_images():
    cell = 0.8 * np.eye(3)
    one = core_overlap_energies(cell, [[0.1, 0.2, 0.3]], [(1.0, 0.2)])
    eight = core_overlap_energies(
        2 * cell, [[0.8 * i, 0.8 * j, 0.8 * k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], [(1.0, 0.2)] * 8
    )
    np.testing.assert_allclose(eight, one[0], rtol=1e-13)
    six_nearest = 0.5 * COULOMB * 6 / 0.8 * math.erfc(0.8 / (2 * 0.2))
    assert one[0] > six_nearest > 0.0


def test_no_overlap_in_liquid_argon():
    energies = core_overlap_energies(12.2 * np.eye(3), [[0.0, 0.0, 0.0], [3.2, 0.0, 0.0]], [(8.0, 0.4 * Bohr)] * 2)
    assert energies.max() < 1e-16 * Hartree


def test_ghosts_have_no_energy():
    assert core_self_energies([(0.0, 0.2)])[0] == 0.0
    assert core_overlap_energies(5 * np.eye(3), np.zeros((0, 3)), []).shape == (0,)


@pytest.mark.parametrize("core", [(-1.0, 0.2), (8.0, 0.0), (8.0, -0.2), (np.nan, 0.2), (8.0, np.inf)])
def test_impossible_cores_are_refused(core):
    with pytest.raises(InputError, match="a core has the"):
        Core(*core)


def test_cores_and_atoms_must_be_as_many():
    with pytest.raises(InputError, match="1 cores for 2 atoms"):
        core_overlap_energies(np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], [(1.0, 0.2)])
    with pytest.raises(InputError, match="not a pair of numbers"):
        core_self_energies(["Ar"])
