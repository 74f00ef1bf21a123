"""Cubes of any program: the values as they are, lengths in Angstrom, grid point (0, 0, 0) at the origin."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.io.cube import read_cube as read_cube_with_ase
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.density.cubes import write_cube

from basinet.density import text as text_stream
from basinet.density.files import read_cube
from basinet.errors import InputError
from basinet.units import Bohr

FIXTURES = Path(__file__).parent / "fixtures"
DENSITY = FIXTURES / "triclinic-ELECTRON_DENSITY-1_0.cube"
POTENTIAL = FIXTURES / "triclinic-v_hartree-1_0.cube.gz"

BY_ASE = units.Bohr / Bohr
"""ASE's bohr (CODATA 2014) per ours."""

HEADER = """title
description
{atoms}
  2  1.0 0.0 0.0
  2  0.5 1.5 0.0
  3  0.0 0.0 2.0
 18 8.0  1.5 2.5 3.5
"""


def header(atoms: str = "1 0.0 0.0 0.0") -> str:
    return HEADER.format(atoms=atoms)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "some.cube"
    path.write_text(text)
    return path


def test_a_cube_of_cp2k_holds_what_cp2k_printed():
    volume = read_cube(DENSITY)
    assert volume.values.shape == (15, 15, 18)
    assert volume.values.flags.c_contiguous
    assert volume.values.dtype == np.float64
    assert volume.comment == "-Quickstep-\nELECTRON DENSITY"
    assert volume.path == DENSITY
    electrons = volume.values.mean() * abs(np.linalg.det(volume.cell / Bohr))
    # Values have five digits and the header's edges six decimals.
    assert electrons == pytest.approx(15.9977215178, abs=2e-5)
    assert volume.cell == pytest.approx(np.array([[4.2, 0, 0], [1.1, 4.6, 0], [0.7, -0.9, 5.8]]), abs=1e-5)
    assert volume.atoms.get_chemical_symbols() == ["Ar", "Kr"]
    assert volume.atoms.positions == pytest.approx(np.array([[0.3, 0.2, 0.1], [3.1, 1.9, 3.3]]), abs=1e-6)
    assert volume.atoms.pbc.all()
    assert "nuclear_charges" not in volume.atoms.arrays  # CP2K 2023.1 writes zeros


def test_ase_reads_the_same_from_cp2ks_cube():
    volume = read_cube(DENSITY)
    with DENSITY.open() as stream:
        theirs = read_cube_with_ase(stream)
    assert np.array_equal(volume.values, theirs["data"])
    assert volume.atoms.positions * BY_ASE == pytest.approx(theirs["atoms"].positions, abs=1e-12)
    assert volume.cell * BY_ASE == pytest.approx(np.array(theirs["atoms"].cell), abs=1e-12)


def test_a_potential_compressed_with_gzip_reads_as_its_text_does(tmp_path):
    plain = tmp_path / "v.cube"
    plain.write_bytes(gzip.decompress(POTENTIAL.read_bytes()))
    volume = read_cube(str(POTENTIAL))
    assert np.array_equal(volume.values, read_cube(plain).values)
    # CP2K's sign: the energy of an electron, negative at the nuclei; its mean is zero.
    assert abs(volume.values.mean()) < 1e-5
    krypton = tuple(np.rint(volume.atoms.get_scaled_positions()[1] * volume.values.shape).astype(int))
    assert volume.values[krypton] < -1


def test_the_last_axis_is_the_fastest_in_any_number_of_columns(tmp_path):
    for per_line in (1, 5, 6, 12):
        numbers = [f"{value}.5" for value in range(12)]
        lines = [" ".join(numbers[start : start + per_line]) for start in range(0, 12, per_line)]
        volume = read_cube(written(tmp_path, header() + "\n".join(lines) + "\n"))
        assert np.array_equal(volume.values, np.arange(12).reshape(2, 2, 3) + 0.5)
    # Rows end their lines, as Gaussian's do; blank lines, carriage returns and a missing last line break do no harm.
    for text in ("0 1 2\n3 4 5\n6 7 8\n9 10 11", "0 1 2\r\n3 4 5\r\n\r\n6 7 8 9 10 11\r\n\n\n"):
        volume = read_cube(written(tmp_path, header() + text))
        assert np.array_equal(volume.values, np.arange(12).reshape(2, 2, 3))


def test_lengths_are_bohr_and_negative_counts_mean_angstrom(tmp_path):
    text = header() + " 1.0" * 12
    in_bohr = read_cube(written(tmp_path, text))
    assert in_bohr.cell == pytest.approx(Bohr * np.array([[2, 0, 0], [1, 3, 0], [0, 0, 6]]), rel=1e-15)
    assert in_bohr.atoms.positions == pytest.approx(Bohr * np.array([[1.5, 2.5, 3.5]]), rel=1e-15)
    assert in_bohr.atoms.arrays["nuclear_charges"].tolist() == [8.0]
    negative = text.replace("\n  2 ", "\n -2 ").replace("\n  3 ", "\n -3 ")
    in_angstrom = read_cube(written(tmp_path, negative))
    assert in_angstrom.cell == pytest.approx(in_bohr.cell / Bohr, rel=1e-15)
    assert in_angstrom.atoms.positions == pytest.approx(in_bohr.atoms.positions / Bohr, rel=1e-15)


def test_an_origin_is_folded_into_the_positions(tmp_path):
    shifted = read_cube(written(tmp_path, header("1 -1.0 0.5 2.0") + " 1.0" * 12))
    assert shifted.atoms.positions == pytest.approx(Bohr * np.array([[2.5, 2.0, 1.5]]), rel=1e-14)


@pytest.mark.parametrize(
    "head",
    [
        header("-1 0.0 0.0 0.0") + "    3   11   12   13\n",
        header("-1 0.0 0.0 0.0") + "    3   11\n 12\n   13\n",
        header("-1 0.0 0.0 0.0 3") + "    3   11   12   13\n",
        header("1 0.0 0.0 0.0 3"),
    ],
)
@pytest.mark.parametrize("piece", [200, 1 << 18])
def test_several_values_per_voxel_stand_together(tmp_path, monkeypatch, head, piece):
    """The values of all data sets alternate within each voxel, whether the sets are named or only counted."""
    monkeypatch.setattr(text_stream, "PIECE", piece)
    monkeypatch.setattr("basinet.density.text.PIECE", piece)
    values = np.random.default_rng(0).normal(size=(12, 3))
    text = "\n".join(" ".join(f"{value:.17g}" for value in row) for row in values)
    path = written(tmp_path, head + text + "\n")
    for dataset in range(3):
        assert np.array_equal(read_cube(path, dataset=dataset).values.ravel(), values[:, dataset])
    with pytest.raises(InputError, match=r"some\.cube: there is no data set 3, the file holds 3 \(counted from 0\)"):
        read_cube(path, dataset=3)


def test_a_cube_without_atoms_is_a_cube(tmp_path):
    text = header("0 0 0 0").replace(" 18 8.0  1.5 2.5 3.5\n", "") + " 1.0" * 12
    volume = read_cube(written(tmp_path, text))
    assert len(volume.atoms) == 0
    assert np.array_equal(volume.values, np.ones((2, 2, 3)))


finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


@settings(max_examples=40)
@given(
    values=arrays(np.float64, st.tuples(*[st.integers(1, 8)] * 3), elements=finite),
    cell=arrays(np.float64, (3, 3), elements=st.floats(-0.5, 0.5)),
    name=st.sampled_from(["round.cube", "round.cube.gz"]),
)
def test_what_is_written_comes_back(tmp_path_factory, values, cell, name):
    path = tmp_path_factory.mktemp("round") / name
    atoms = Atoms("ArKr", positions=[[0.1, 0.2, 0.3], [1.0, -2.0, 3.0]], cell=cell + 3 * np.eye(3), pbc=True)
    atoms.set_array("nuclear_charges", np.array([8.0, 8.5]))
    write_cube(path, values, atoms, comment="one\ntwo")
    volume = read_cube(path)
    assert volume.values.tobytes() == values.tobytes()
    assert volume.cell == pytest.approx(np.array(atoms.cell), rel=1e-14, abs=1e-14)
    assert volume.atoms.positions == pytest.approx(atoms.positions, rel=1e-14, abs=1e-14)
    assert volume.atoms.numbers.tolist() == [18, 36]
    assert volume.atoms.arrays["nuclear_charges"].tolist() == [8.0, 8.5]
    assert volume.comment == "one\ntwo"


def test_ase_reads_what_is_written(tmp_path):
    volume = read_cube(DENSITY)
    write_cube(tmp_path / "again.cube", volume.values, volume.atoms, comment=volume.comment)
    with (tmp_path / "again.cube").open() as stream:
        theirs = read_cube_with_ase(stream)
    assert np.array_equal(theirs["data"], volume.values)
    assert theirs["atoms"].positions == pytest.approx(volume.atoms.positions * BY_ASE, abs=1e-12)
    assert np.array(theirs["atoms"].cell) == pytest.approx(volume.cell * BY_ASE, abs=1e-12)


def test_what_no_cube_can_hold_is_not_written(tmp_path):
    atoms = Atoms(cell=np.eye(3), pbc=True)
    with pytest.raises(ValueError, match="three axes, not of 2"):
        write_cube(tmp_path / "flat.cube", np.zeros((2, 2)), atoms)
    with pytest.raises(ValueError, match="finite"):
        write_cube(tmp_path / "nan.cube", np.full((2, 2, 2), np.nan), atoms)
    with pytest.raises(ValueError, match="two lines of comment"):
        write_cube(tmp_path / "long.cube", np.zeros((2, 2, 2)), atoms, comment="a\nb\nc")
    assert list(tmp_path.iterdir()) == []
