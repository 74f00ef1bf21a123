"""What cannot be partitioned is refused in one line that names the file, the cause and the remedy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.density.cubes import write_cube
from tests.labelling import neutral_atoms as known

from basinet.errors import InputError
from basinet.labelling.partition import partition_input
from basinet.labelling.partition_settings import PartitionInput, PartitionSettings
from basinet.labelling.sources import _read_isolated, _read_source
from basinet.units import Bohr

pytestmark = pytest.mark.slow


def refusal(path, **settings):
    with pytest.raises(InputError) as caught:
        partition_input(PartitionInput(path), PartitionSettings(**({"cores": known.PAIRS, "threads": 1} | settings)))
    message = str(caught.value)
    assert "\n" not in message
    return message


def edited(path, edit):
    path.write_text(edit(path.read_text()))
    return path


def test_a_cube_cut_in_the_middle(atoms_cube):
    message = refusal(edited(atoms_cube, lambda text: text[: len(text) // 2]))
    assert str(atoms_cube) in message
    assert "29400 values" in message.replace(",", "")


def test_text_among_the_numbers(atoms_cube):
    lines = atoms_cube.read_text().split("\n")
    lines[50] = lines[50].replace("E", "Q", 1)
    message = refusal(edited(atoms_cube, lambda _: "\n".join(lines)))
    assert f"{atoms_cube}, line 51" in message


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_value_that_is_no_number(atoms_cube, value):
    lines = atoms_cube.read_text().split("\n")
    lines[60] = f" {value} " + lines[60].split(maxsplit=1)[1]
    message = refusal(edited(atoms_cube, lambda _: "\n".join(lines)))
    assert f"{atoms_cube}, line 61" in message


@pytest.mark.parametrize(
    ("values", "words"), [(np.zeros(known.SHAPE), "0 electrons"), (np.full(known.SHAPE, 14 / 235.2), "everywhere")]
)
def test_a_density_without_shape(tmp_path, values, words):
    write_cube(tmp_path / "flat.cube", values * Bohr**3, known.neutral_atoms())
    message = refusal(tmp_path / "flat.cube")
    assert str(tmp_path / "flat.cube") in message
    assert words in message
    assert words in refusal(tmp_path / "flat.cube", cores={})


def test_a_density_with_other_electrons_says_how_many(tmp_path):
    message = refusal(known.write_neutral_atoms(tmp_path / "few.cube", factor=0.9))
    assert "12.6 electrons instead of 14" in message
    assert "few.cube" in message


def test_a_density_in_another_unit(tmp_path):
    message = refusal(known.write_neutral_atoms(tmp_path / "unit.cube", factor=1 / Bohr**3))
    assert "94.4" in message
    assert "divide them by 6.748" in message


def test_an_element_without_a_core(tmp_path, atoms_cube):
    message = refusal(atoms_cube, cores={"Ar": (8.0, 0.2)})
    assert "no core of Kr" in message
    assert str(atoms_cube) in message
    potentials = tmp_path / "POTENTIALS"
    potentials.write_text("Ar GTH-PBE-q8 GTH-PBE\n 2 6\n 0.4 1 -1.0\n 0\n")
    assert f"{potentials}: no GTH pseudopotential of Kr" in refusal(atoms_cube, cores={}, potential_file=potentials)


def test_an_element_with_several_pseudopotentials(tmp_path, atoms_cube):
    potentials = tmp_path / "POTENTIALS"
    entry = "Ar GTH-{0}-q8\n 2 6\n {1} 1 -1.0\n 0\n"
    potentials.write_text(entry.format("BLYP", 0.41) + entry.format("PADE", 0.42))
    message = refusal(atoms_cube, cores={"Kr": known.PAIRS["Kr"]}, potential_file=potentials)
    assert "GTH-BLYP-Q8, GTH-PADE-Q8" in message
    assert "--cores Ar=" in message


def test_two_atoms_in_one_place(tmp_path):
    atoms = known.neutral_atoms()
    atoms.positions[1] = atoms.positions[0] + known.CELL[2]
    write_cube(tmp_path / "twice.cube", known.density() * Bohr**3, atoms)
    message = refusal(tmp_path / "twice.cube")
    assert "twice.cube" in message
    assert "atoms 0 and 1" in message


def test_a_further_field_on_another_grid(tmp_path, atoms_cube):
    write_cube(tmp_path / "spin.cube", known.density((20, 20, 20)), known.neutral_atoms())
    message = refusal(atoms_cube, fields={"spin": "spin.cube"})
    assert "atoms.cube" in message
    assert "spin.cube" in message
    assert "grids differ" in message
    assert "none.cube: no such file" in refusal(atoms_cube, fields={"spin": "none.cube"})


def test_divisions_of_a_density_without_energies(atoms_cube):
    message = refusal(atoms_cube, divisions=("voronoi",))
    assert "atoms.cube: --divisions: there is no energy density; print LOCAL_ENERGY_CUBE" in message


def test_isolated_atoms_that_are_missing_or_not_alone(atoms_cube):
    settings = PartitionSettings(divisions=("hirshfeld",), cores=known.PAIRS)
    source = _read_source(PartitionInput(atoms_cube), settings)
    with pytest.raises(InputError, match="no density of an isolated Ar; give its run or cube, --isolated"):
        _read_isolated(settings, source)
    with pytest.raises(InputError, match="2 atoms; --isolated takes the density of one atom"):
        _read_isolated(replace(settings, isolated=(atoms_cube,)), source)


def test_a_potential_in_place_of_a_density(atoms_cube):
    edited(atoms_cube, lambda text: "-Quickstep-\n HARTREE POTENTIAL" + text[text.index("\n", 1) :])
    assert "name the cube of the ELECTRON DENSITY" in refusal(atoms_cube)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing", "no such file or directory"),
        ("empty", "no CP2K output in this directory"),
        ("many", "many/*"),
        ("vasp", "vasp/CHGCAR"),
        ("notes.txt", "give the directory of a CP2K run, a cube"),
    ],
)
def test_what_is_no_input(tmp_path, name, words):
    for folder in ("empty", "many/one", "vasp"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "vasp" / "CHGCAR").touch()
    (tmp_path / "notes.txt").write_text("nothing of interest\n")
    message = refusal(tmp_path / name, cores={})
    assert message.startswith(str(tmp_path / name))
    assert words in message


def test_a_structure_that_is_none(tmp_path, atoms_cube):
    (tmp_path / "bad.extxyz").write_text("two\n")
    (tmp_path / "bad.vasp").write_text("two\n")
    for name, words in (
        ("bad.extxyz", "expected the number of atoms, found 'two'"),
        ("bad.vasp", "ASE reads no structure"),
        ("none.extxyz", "no such file"),
    ):
        with pytest.raises(InputError, match=words):
            partition_input(PartitionInput(atoms_cube, tmp_path / name), PartitionSettings(cores=known.PAIRS))
