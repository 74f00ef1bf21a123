"""VASP's files: populations, volumes, and with a LOCPOT the reading of the electrons alone."""

from __future__ import annotations

import numpy as np
import pytest
from ase.io import write
from tests.labelling import neutral_atoms as known

from basinet.density.potential import hartree_potential
from basinet.errors import InputError
from basinet.labelling.partition import partition_input
from basinet.labelling.partition_settings import PartitionInput, PartitionSettings

SETTINGS = PartitionSettings(threads=1)


def write_vasp(path, values, cell=known.CELL):
    """Write values as VASP does, the first axis fastest."""
    vectors = "\n".join(" ".join(f"{x:.12f}" for x in vector) for vector in cell)
    places = "\n".join(" ".join(f"{x:.12f}" for x in place) for place in known.FRACTIONS)
    numbers = "\n".join(f"{value:.17E}" for value in values.T.ravel())
    shape = " ".join(map(str, values.shape))
    path.write_text(f"two atoms\n1.0\n{vectors}\nAr Kr\n1 1\nDirect\n{places}\n\n{shape}\n{numbers}\n")
    return path


@pytest.fixture
def chgcar(tmp_path):
    return write_vasp(tmp_path / "CHGCAR", known.density() * np.linalg.det(known.CELL))


@pytest.fixture
def potential():
    atoms = known.neutral_atoms()
    return hartree_potential(known.density(), known.CELL, atoms.positions, list(known.CORES.values()))[1]


def test_a_chgcar_alone_gives_populations_and_volumes(chgcar):
    done = partition_input(PartitionInput(chgcar), SETTINGS)
    assert done.atoms.arrays["bader_population"] == pytest.approx(known.CHARGES, abs=1e-3)
    assert done.atoms.arrays["bader_volume"].sum() == pytest.approx(np.linalg.det(known.CELL), rel=1e-12)
    assert not [name for name in done.atoms.arrays if "energy" in name]
    assert any("no LOCPOT beside" in note for note in done.report["notes"])
    assert any("--reference AECCAR0 AECCAR2" in note for note in done.report["notes"])


@pytest.mark.parametrize("named", [False, True])
def test_a_locpot_gives_the_electronic_reading(tmp_path, chgcar, potential, atoms_cube, named):
    name = "POTENTIAL_OF_A_RUN" if named else "LOCPOT"
    write_vasp(tmp_path / name, potential)
    settings = PartitionSettings(threads=1, potential=tmp_path / name if named else None)
    arrays = partition_input(PartitionInput(chgcar), settings).atoms.arrays
    same = partition_input(PartitionInput(atoms_cube), PartitionSettings(threads=1, cores=known.PAIRS)).atoms.arrays
    key = "REF_local_hartree_energy_electronic"
    assert arrays[key] == pytest.approx(same[key], rel=1e-5)
    assert "REF_local_hartree_energy" not in arrays


def test_a_locpot_of_another_grid_or_cell_is_refused(tmp_path, chgcar, potential):
    for values, cell, words in ((potential[::2], known.CELL, "grids differ"), (potential, 1.01 * known.CELL, "cells")):
        write_vasp(tmp_path / "LOCPOT", values, cell)
        with pytest.raises(InputError, match=words) as refusal:
            partition_input(PartitionInput(chgcar), SETTINGS)
        assert "CHGCAR" in str(refusal.value)
        assert "LOCPOT" in str(refusal.value)


@pytest.mark.parametrize(("density", "beside"), [("CHG", "LOCPOT"), ("CHGCAR_relaxed", "LOCPOT_relaxed")])
def test_the_potential_is_looked_for_under_the_name_of_the_density(tmp_path, chgcar, potential, density, beside):
    chgcar.rename(tmp_path / density)
    write_vasp(tmp_path / beside, potential)
    done = partition_input(PartitionInput(tmp_path / density), SETTINGS)
    assert "REF_local_hartree_energy_electronic" in done.atoms.arrays


def test_cores_are_refused(chgcar):
    with pytest.raises(InputError, match="PAW has no Gaussian cores"):
        partition_input(PartitionInput(chgcar), PartitionSettings(cores=known.PAIRS))


def test_a_structure_names_the_elements_that_the_header_lacks(tmp_path, chgcar):
    lines = chgcar.read_text().split("\n")
    names = next(index for index, line in enumerate(lines) if line.split() == known.SYMBOLS)
    chgcar.write_text("\n".join(["a liquid", *lines[1:names], *lines[names + 1 :]]))
    nameless = partition_input(PartitionInput(chgcar), SETTINGS)
    assert set(nameless.atoms.symbols) == {"X"}
    assert any("--structure" in note for note in nameless.report["notes"])
    write(tmp_path / "POSCAR", known.neutral_atoms(), format="vasp")
    named = partition_input(PartitionInput(chgcar, tmp_path / "POSCAR"), SETTINGS)
    assert list(named.atoms.symbols) == known.SYMBOLS
    assert np.array_equal(named.atoms.arrays["bader_population"], nameless.atoms.arrays["bader_population"])


def test_a_header_of_no_atoms_is_refused(tmp_path, chgcar):
    lines = chgcar.read_text().split("\n")
    counts = next(index for index, line in enumerate(lines) if line.split() == ["1", "1"])
    (tmp_path / "CHGCAR_none").write_text("\n".join([*lines[:counts], " 0 0", *lines[counts + 1 :]]))
    with pytest.raises(InputError, match=rf"CHGCAR_none, line {counts + 1}: expected numbers of atoms"):
        partition_input(PartitionInput(tmp_path / "CHGCAR_none"), SETTINGS)
