"""CP2K's own Hartree energy, charge density and potential, from nothing but its valence density."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.cp2k_engine import INPUT, run_cp2k

from basinet.cp2k.output import read_cp2k_output
from basinet.cp2k.run_directory import read_run
from basinet.density.cores import core_overlap_energies, core_self_energies
from basinet.density.files import read_cube
from basinet.density.grid import renormalise
from basinet.density.potential import cross_check, hartree_energy, hartree_potential
from basinet.errors import InputError
from basinet.units import Bohr, Hartree

pytestmark = [pytest.mark.long, pytest.mark.cp2k]

MIXTURE = (
    INPUT.replace(
        "ABC 5.31234567891 5.41234567892 5.51234567893",
        "A 5.31234567891 0.1 -0.2\n      B 1.1 5.41234567892 0.3\n      C -0.9 0.4 5.51234567893",
    )
    .replace("Ar 2.65617283946 2.80617283946", "Kr 2.65617283946 2.80617283946")
    .replace(
        "    &KIND Ar",
        "    &KIND Kr\n      BASIS_SET DZVP-MOLOPT-SR-GTH\n      POTENTIAL GTH-PBE\n    &END KIND\n    &KIND Ar",
    )
)
"""Argon and krypton in a triclinic cell."""


@pytest.fixture(scope="module", params=["argon", "triclinic mixture"])
def run(request, argon_run, cp2k_command, tmp_path_factory):
    if request.param == "argon":
        return read_run(argon_run)
    directory = tmp_path_factory.mktemp("triclinic")
    run_cp2k(cp2k_command, directory, MIXTURE)
    return read_run(directory)


@pytest.fixture(scope="module")
def solution(run):
    cell = run.atoms.cell.array
    density, factor = renormalise(read_cube(run.density).values / Bohr**3, cell, run.electrons)
    assert abs(factor - 1.0) < 1e-6
    return hartree_potential(density, cell, run.atoms.positions, run.cores)


def test_hartree_energy_is_the_printed_one(run, solution):
    # The aim is 1e-4 Ha for 32 atoms.
    energy = hartree_energy(*solution, run.atoms.cell.array)
    assert energy == pytest.approx(run.labels["REF_hartree_energy"], abs=1e-4 * len(run.atoms) / 32 * Hartree)


def test_self_and_overlap_energies_are_the_printed_ones(run):
    cell, positions = run.atoms.cell.array, run.atoms.positions
    assert core_self_energies(run.cores).sum() == pytest.approx(run.labels["REF_core_self_energy"], rel=1e-12)
    overlap = core_overlap_energies(cell, positions, run.cores).sum()
    assert overlap == pytest.approx(run.labels["REF_core_overlap_energy"], abs=1e-9)


def test_overlap_energy_of_a_molecule_is_the_printed_one(cp2k_command, tmp_path):
    # In a bond cores do overlap: 2e-5 eV here, where argon's do so by less than 1e-16 Ha.
    text = (
        INPUT[: INPUT.index("    &CELL")]
        + (
            "&CELL\nABC 4 4 4\n&END\n&COORD\nH 1.0 1.1 1.2\nH 1.0 1.1 1.9\n&END\n"
            "&KIND H\nBASIS_SET DZVP-MOLOPT-SR-GTH\nPOTENTIAL GTH-PBE\n&END\n"
        )
        + INPUT[INPUT.index("  &END SUBSYS") :]
    )
    output = read_cp2k_output(run_cp2k(cp2k_command, tmp_path, text))
    overlap = core_overlap_energies(4 * np.eye(3), [[1.0, 1.1, 1.2], [1.0, 1.1, 1.9]], [(1.0, 0.2 * Bohr)] * 2)
    printed = output.energies["REF_core_overlap_energy"]
    assert printed > 1e-6
    assert overlap == pytest.approx(np.full(2, printed / 2), rel=1e-6)


def test_charge_density_and_potential_are_those_of_the_cubes(run, solution):
    check = cross_check(*solution, run.atoms.cell.array, read_cube(run.total_density), read_cube(run.hartree_potential))
    rho, v_h = solution
    assert check.charge_max < 2e-5 * np.abs(rho).max()
    assert check.potential_max < 2e-5 * np.abs(v_h).max()
    assert abs(check.potential_mean) < 1e-5 * np.abs(v_h).max()
    assert abs(check.energy_difference) < 1e-4 * Hartree


def test_cubes_of_another_grid_or_cell_are_refused(run, solution):
    cell, total, potential = run.atoms.cell.array, read_cube(run.total_density), read_cube(run.hartree_potential)
    with pytest.raises(InputError, match="STRIDE 1 1 1"):
        cross_check(*solution, cell, replace(total, values=total.values[::2]), potential)
    with pytest.raises(InputError, match="another cell"):
        cross_check(*solution, cell, total, replace(potential, cell=1.0001 * potential.cell))
