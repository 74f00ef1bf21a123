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


def written(path, values, n_atoms=1, per_voxel=1):
    """A cube of an argon atom in a box of 4 bohr."""
    edges = "".join(f" {n} {' '.join(repr(4.0 / n if i == axis else 0.0) for i in range(3))}\n"
                    for axis, n in enumerate(values.shape))  # fmt: skip
    head = f"a\nb\n {n_atoms} 0.0 0.0 0.0{f' {per_voxel}' if per_voxel > 1 else ''}\n{edges} 18 8.0 2.0 2.0 2.0\n"
    named = " 1 9\n" if n_atoms < 0 else ""
    path.write_text(head + named + "\n".join(repr(float(x)) for x in values.ravel() for _ in range(per_voxel)) + "\n")
    return path


def waves(*points):
    x, y, z = np.meshgrid(*[2 * np.pi * np.arange(n) / n for n in points], indexing="ij")
    return 3.0 - np.cos(x + 0.3) - np.cos(y + 0.5) - np.cos(z + 0.2)


def test_orbitals_and_several_values_per_voxel_are_no_density(tmp_path):
    with pytest.raises(InputError, match=r"mo\.cube: holds orbitals"):
        read_density(written(tmp_path / "mo.cube", waves(6, 6, 6), n_atoms=-1))
    with pytest.raises(InputError, match=r"two\.cube: holds 2 values per voxel"):
        read_density(written(tmp_path / "two.cube", waves(6, 6, 6), per_voxel=2))


def test_values_of_both_signs_are_no_density_and_ripples_are(tmp_path):
    with pytest.raises(InputError, match=r"spin\.cube: 50 % of it is negative"):
        read_density(written(tmp_path / "spin.cube", waves(6, 6, 6) - 3.0))
    read_density(written(tmp_path / "ripples.cube", waves(6, 6, 6) - 0.2))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_grid_that_repeats_its_end_plane_is_refused(tmp_path, axis):
    values = waves(10, 9, 8)
    assert read_density(written(tmp_path / "periodic.cube", values)).values.shape == (10, 9, 8)
    doubled = np.concatenate([values, np.take(values, [0], axis=axis)], axis=axis)
    with pytest.raises(InputError, match=rf"doubled\.cube: the last plane along {'abc'[axis]} repeats the first"):
        read_density(written(tmp_path / "doubled.cube", doubled))


def test_a_mirror_between_two_planes_is_no_repeated_plane(tmp_path):
    x = 2 * np.pi * (np.arange(8) + 0.5) / 8
    values = 4.0 - np.cos(x)[:, None, None] - np.cos(x)[None, :, None] - np.cos(x)
    assert read_density(written(tmp_path / "mirror.cube", values)).values.shape == (8, 8, 8)


@pytest.mark.parametrize("floor", [0.0, 1e-9])
def test_the_vacuum_around_a_molecule_is_no_repeated_plane(tmp_path, floor):
    x = np.arange(24) - 12.0  # in the middle of the box, on a point of the grid
    values = np.maximum(1e3 * np.exp(-0.13 * (x[:, None, None] ** 2 + x[None, :, None] ** 2 + x**2)), floor)
    assert read_density(written(tmp_path / "molecule.cube", values)).values.shape == (24, 24, 24)
    aside = np.roll(values, 2, axis=0)
    if not floor:
        with pytest.raises(InputError, match="the last plane along a repeats the first"):
            read_density(written(tmp_path / "doubled.cube", np.concatenate([aside, aside[:1]])))
