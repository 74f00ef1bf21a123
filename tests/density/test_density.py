"""A density is told by its file's name, comes in e/A^3, and goes with others of the same grid only."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from basinet.density.files import read_cube, read_density
from basinet.density.grid import same_grid
from basinet.errors import InputError
from basinet.units import Bohr

FIXTURES = Path(__file__).parent / "fixtures"
DENSITY = FIXTURES / "triclinic-ELECTRON_DENSITY-1_0.cube"
POTENTIAL = FIXTURES / "triclinic-v_hartree-1_0.cube.gz"

CHGCAR = """one atom
1.0
2.0 0.0 0.0
0.0 2.0 0.0
0.0 0.0 2.0
Ar
1
Direct
0.0 0.0 0.0

1 1 2
8.0 4.0
"""


@pytest.mark.parametrize("name", ["rho.cube", "rho.CUB", "ELECTRON_DENSITY-1_0.cube"])
def test_a_cube_is_taken_to_be_in_atomic_units(tmp_path, name):
    shutil.copy(DENSITY, tmp_path / name)
    volume = read_density(tmp_path / name)
    electrons = volume.values.mean() * abs(np.linalg.det(volume.cell))
    assert electrons == pytest.approx(15.9977215178, abs=2e-5)
    np.testing.assert_allclose(volume.values, read_cube(DENSITY).values / Bohr**3, rtol=1e-15)


@pytest.mark.parametrize(
    "name", ["CHGCAR", "CHGCAR_sum", "AECCAR0", "run1.CHGCAR.vasp", "CHG", "CHG.old", "PARCHG.0001"]
)
def test_vasps_densities_are_known_by_name(tmp_path, name):
    (tmp_path / name).write_text(CHGCAR)
    assert read_density(str(tmp_path / name)).values.ravel().tolist() == [1.0, 0.5]


@pytest.mark.parametrize("name", ["LOCPOT", "ELFCAR.gz"])
def test_what_is_no_density_is_refused_by_name(tmp_path, name):
    (tmp_path / name).write_text(CHGCAR)
    with pytest.raises(InputError, match=f"{name}: holds no density; name a CHGCAR"):
        read_density(tmp_path / name)


@pytest.mark.parametrize("name", ["density.dat", "CHGSUM", "rho.xsf", "cube"])
def test_an_unknown_kind_of_file_is_refused(tmp_path, name):
    (tmp_path / name).write_text(CHGCAR)
    with pytest.raises(InputError, match=rf"{name}: unknown kind of file; a density is named \*\.cube, CHGCAR"):
        read_density(tmp_path / name)


def test_a_potential_of_cp2k_is_not_taken_for_a_density():
    with pytest.raises(InputError, match="holds CP2K's 'HARTREE POTENTIAL'; name the cube of the ELECTRON DENSITY"):
        read_density(POTENTIAL)


def test_density_and_potential_of_one_calculation_share_their_grid():
    same_grid(read_cube(DENSITY), read_cube(POTENTIAL))


def test_the_rounding_of_a_header_is_no_difference_of_cells():
    density = read_cube(DENSITY)
    same_grid(density, replace(density, cell=density.cell + 0.9e-6 * Bohr * 15))


def test_grids_of_different_shape_are_refused_and_both_files_named(tmp_path):
    density = read_cube(DENSITY)
    coarse = replace(density, values=density.values[:, :, ::2], path=tmp_path / "coarse.cube")
    with pytest.raises(
        InputError, match=r"1_0\.cube and .*coarse\.cube: the grids differ \(15 x 15 x 18 and 15 x 15 x 9"
    ):
        same_grid(density, coarse)


def test_different_cells_are_refused_and_both_files_named(tmp_path):
    density = read_cube(DENSITY)
    other = replace(density, cell=density.cell * 1.0001, path=tmp_path / "other.cube")
    with pytest.raises(InputError, match=r"1_0\.cube and .*other\.cube: the cells differ \(by 0\.00058 Angstrom\)"):
        same_grid(density, other)
