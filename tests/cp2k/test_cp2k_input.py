"""Inputs are read as CP2K reads them: cells, atoms and kinds in all their spellings, or refused by the line."""

from __future__ import annotations

import numpy as np
import pytest
from ase.geometry import cell_to_cellpar

from basinet import units
from basinet.cp2k import language
from basinet.cp2k.input import read_cp2k_input
from basinet.errors import InputError

INPUT = """&GLOBAL
  PROJECT argon
  RUN_TYPE ENERGY_FORCE
&END GLOBAL
&FORCE_EVAL
  &DFT
    POTENTIAL_FILE_NAME GTH_POTENTIALS
  &END DFT
  &SUBSYS
    &CELL
      ABC 5.0 6.0 7.0
    &END CELL
    &COORD
      Ar 0.1 0.2 0.3
      Kr 2.5 3.0 3.5
    &END COORD
    &KIND Ar
      POTENTIAL GTH-PBE
    &END KIND
    &KIND Kr
      POTENTIAL GTH-PBE-q8
    &END KIND
  &END SUBSYS
&END FORCE_EVAL
"""


@pytest.fixture
def read(tmp_path):
    """A function that reads the input with replacements made in it."""

    def reader(*pairs):
        text = INPUT
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "run.inp").write_text(text)
        return read_cp2k_input(tmp_path / "run.inp")

    return reader


def test_the_plain_input(read):
    given = read()
    assert (given.project, given.run_type, given.method, given.poisson_solver) == (
        "argon",
        "ENERGY_FORCE",
        "GPW",
        "PERIODIC",
    )
    assert given.cell.tolist() == [[5, 0, 0], [0, 6, 0], [0, 0, 7]]
    assert given.names == given.elements == ("Ar", "Kr")
    assert given.positions.tolist() == [[0.1, 0.2, 0.3], [2.5, 3.0, 3.5]]
    kind = given.kinds["KR"]
    assert (kind.element, kind.potential, kind.potential_type, kind.files) == (
        "Kr",
        "GTH-PBE-q8",
        "GTH",
        ("GTH_POTENTIALS",),
    )


BOHR_CELL = f"ABC [bohr] {5 / units.Bohr!r} {6 / units.Bohr!r} {7 / units.Bohr!r}"


@pytest.mark.parametrize(
    "cell",
    [
        "abc 5.0 6.0 7.0 ! a comment",
        "ABC [angstrom] 5.0 6.0 7.0",
        BOHR_CELL,
        "ABC [nm] 0.5 0.6 0.7",
        "ABC 5.0 6.0 [pm] 700.0",
        "A 5 0 0\n B 0 6.0D0 0\n C 0. 0. 0.7E+1",
        "A [nm] 1/2 0 0\n B 0 6 0\n C 0 0 7",
        "ABC 5.0 &\\\n 6.0 7.0".replace("&", ""),
        "ABC 5.0 6.0 7.0\n ALPHA_BETA_GAMMA [rad] 1.5707963267948966 [deg] 90 90",
        "MULTIPLE_UNIT_CELL 1 1 1\n ABC 5.0 6.0 7.0 # a comment",
        "A 1 1 1\n ABC 5.0 6.0 7.0",
    ],
)
def test_one_cell_in_many_spellings(read, cell):
    assert read(("ABC 5.0 6.0 7.0", cell)).cell == pytest.approx(np.diag([5.0, 6.0, 7.0]), abs=1e-14)


def test_angles_mean_what_they_mean_to_ase(read):
    given = read(("ABC 5.0 6.0 7.0", "ABC 5.0 6.0 7.0\n ALPHA_BETA_GAMMA 80 75.5 100.25"))
    assert cell_to_cellpar(given.cell) == pytest.approx([5, 6, 7, 80, 75.5, 100.25])
    assert given.cell[0, 1:].tolist() == [0, 0]
    assert given.cell[1, 2] == 0


@pytest.mark.parametrize(
    ("coord", "first"),
    [
        ("SCALED\n Ar 0.1 0.2 0.3", (0.5, 1.2, 2.1)),
        ("SCALED .TRUE.\n Ar 1/10 0.2 0.3", (0.5, 1.2, 2.1)),
        ("scaled f\n Ar 0.1 0.2 0.3", (0.1, 0.2, 0.3)),
        ("UNIT bohr\n Ar 1.0 2.0 3.0", (units.Bohr, 2 * units.Bohr, 3 * units.Bohr)),
        ("UNIT [nm]\n Ar 0.01 0.02 0.03 MOL1", (0.1, 0.2, 0.3)),
        ("@INCLUDE 'atoms.xyz'", (0.25, 0.5, 0.75)),
    ],
)
def test_coordinates_in_their_units(read, tmp_path, coord, first):
    (tmp_path / "atoms.xyz").write_text("Ar 0.25 0.5 0.75 ! from a file\n")
    assert read(("Ar 0.1 0.2 0.3", coord)).positions[0] == pytest.approx(first, rel=1e-15)


def test_atoms_from_an_xyz_file_and_of_several_frames_the_last(read, tmp_path):
    (tmp_path / "frame.xyz").write_text(
        "2\nfirst\nAr 9 9 9\nKr 9 9 9\n2\nlast\n Ar 0.123456789012 0 0 extra\n36 1 2 3\n\n"
    )
    topology = "&TOPOLOGY\n COORD_FILE_NAME frame.xyz\n COORD_FILE_FORMAT XYZ\n&END\n    &CELL\n"
    given = read(("    &CELL\n", topology))
    assert given.names == ("Ar", "Kr")
    assert given.positions.tolist() == [[0.123456789012, 0, 0], [1, 2, 3]]


def test_variables_conditions_and_included_files(read, tmp_path):
    (tmp_path / "cell.inc").write_text("ABC ${A} $B ${C-7.0}\n")
    choice = "@IF ${LONG}\n ABC $UNKNOWN 9 9\n@ENDIF\n@IF ( ${LONG} == 0 )\n@INCLUDE cell.inc\n@ENDIF\n"
    given = read(
        ("&GLOBAL", "@SET A 5.0\n@SET B 6.0\n@SET LONG 0\n@PRINT hello\n&GLOBAL"),
        ("      ABC 5.0 6.0 7.0", choice + "@IF ${A} /= 5.0\n ABC 8 8 8\n@ENDIF"),
    )
    assert given.cell.tolist() == np.diag([5.0, 6.0, 7.0]).tolist()


def test_kinds_have_elements_types_and_files_of_their_own(read):
    given = read(
        ("Ar 0.1", "Ar_a 0.1"),
        (
            "&KIND Ar\n      POTENTIAL GTH-PBE",
            "&kind Ar_a\n element ar\n Potential GTH MY_OWN\n Potential_file_name MINE",
        ),
    )
    kind = given.kind_of("AR_A", "Ar")
    assert given.elements == ("Ar", "Kr")
    assert (kind.element, kind.potential, kind.potential_type, kind.files) == ("Ar", "MY_OWN", "GTH", ("MINE",))


def test_an_atom_without_its_own_kind_takes_that_of_its_element_then_the_default(read):
    given = read(("Ar 0.1", "Ar1 0.1"), ("&KIND Kr", "&KIND DEFAULT"))
    assert given.kind_of("Ar1", "Ar").name == "Ar"
    assert given.kind_of("Kr", "Kr").name == "DEFAULT"
    with pytest.raises(InputError, match=r"run\.inp: the atom 'Kr' has no &KIND section"):
        read(("&KIND Kr", "&KIND Xe")).kind_of("Kr", "Kr")


def test_a_pseudopotential_written_into_the_input(read):
    text = "&KIND Ar\n &POTENTIAL\n 2 6\n 0.4 1 -7.1\n 2\n &END POTENTIAL"
    given = read(("&KIND Ar\n      POTENTIAL GTH-PBE", text))
    assert given.kinds["AR"].core == (8.0, 0.4 * units.Bohr)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ABC 5.0 6.0 7.0", "ABC 5.0 6.0", "line 11: expected three numbers"),
        ("ABC 5.0 6.0 7.0", "ABC 5.0 6.0 x", "line 11: expected a number, found 'x'"),
        ("ABC 5.0 6.0 7.0", "ABC [ell] 5.0 6.0 7.0", "line 11: unknown unit of length 'ell'"),
        ("ABC 5.0 6.0 7.0", "ABC 5.0 6.0 1/0", "line 11: '1/0' divides by zero"),
        ("ABC 5.0 6.0 7.0", "ABC 5.0 6.0 0.0", "line 10: the cell has no sensible volume"),
        ("ABC 5.0 6.0 7.0", "A 5 0 0\n B 5 0 0\n C 0 0 7", "line 10: the cell has no sensible volume"),
        ("ABC 5.0 6.0 7.0", "ABC 5 6 7\n ALPHA_BETA_GAMMA 10 10 170", "line 10: the cell has no sensible volume"),
        ("ABC 5.0 6.0 7.0", "A 5 0 0\n B 0 6 0", "line 10: &CELL has neither ABC nor all of A, B and C"),
        ("ABC 5.0 6.0 7.0", "CELL_FILE_NAME cell.xyz", "line 11: basinet does not read cells from files"),
        (
            "ABC 5.0 6.0 7.0",
            "ABC 5 6 7\n MULTIPLE_UNIT_CELL 2 1 1",
            "line 12: basinet does not read MULTIPLE_UNIT_CELL",
        ),
        ("ABC 5.0 6.0 7.0", "ABC $A 6 7", "line 11: the variable .A has no value; give it one with @SET"),
        ("ABC 5.0 6.0 7.0", "@INCLUDE cell.inc", "line 11: the included file .*cell.inc is missing"),
        ("ABC 5.0 6.0 7.0", "@CALL cell", "line 11: basinet does not know @CALL"),
        ("Ar 0.1 0.2 0.3", "Ar 0.1 0.2", "line 14: expected an atom and three coordinates, found 'Ar 0.1 0.2'"),
        ("Ar 0.1 0.2 0.3", "Ar 0.1 0.2 NaN", "line 14: expected a number, found 'NaN'"),
        ("Ar 0.1 0.2 0.3", "UNIT foot\nAr 0.1 0.2 0.3", "line 13: unknown unit of length 'foot'"),
        ("&END COORD", "&END CORD", "line 16: '&END CORD' closes no open section"),
        ("&END FORCE_EVAL", "", "line 5: the section &FORCE_EVAL is never closed; is the input cut short"),
        ("&END FORCE_EVAL", "&END\n&END", "line 25: '&END' closes no open section"),
        ("&END FORCE_EVAL", "&END\n&FORCE_EVAL\n&END", "2 &FORCE_EVAL sections"),
        ("&SUBSYS", "&SUBSYSTEM", "closes no open section"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(read, old, new, message):
    with pytest.raises(InputError, match=message) as caught:
        read((old, new))
    assert "run.inp" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("topology", "message"),
    [
        ("COORD_FILE_NAME a.pdb\n COORD_FILE_FORMAT PDB", "line 10: basinet reads COORD_FILE_FORMAT XYZ, not PDB"),
        ("COORD_FILE_NAME a.cif", "line 10: basinet reads COORD_FILE_FORMAT XYZ"),
        ("COORD_FILE_NAME a.xyz", r"a\.xyz: no such file, yet the CP2K input takes its atoms from it"),
        ("COORD_FILE_NAME short.xyz", r"short\.xyz, line 1: the file is cut short, 1 of 2 atoms"),
        ("COORD_FILE_NAME wrong.xyz", r"wrong\.xyz, line 1: expected the number of atoms, found 'Ar 0 0 0'"),
        ("COORD_FILE_NAME blank.xyz", r"blank\.xyz, line 1: expected the number of atoms, found a blank line"),
        ("MULTIPLE_UNIT_CELL 2 2 2", "line 11: basinet does not read MULTIPLE_UNIT_CELL"),
    ],
)
def test_atoms_from_other_files_are_refused(read, tmp_path, topology, message):
    (tmp_path / "short.xyz").write_text("2\n\nAr 0 0 0\n")
    (tmp_path / "wrong.xyz").write_text("Ar 0 0 0\n")
    (tmp_path / "blank.xyz").write_text("\n2\n")
    with pytest.raises(InputError, match=message):
        read(("    &CELL\n", f"    &TOPOLOGY\n {topology}\n    &END\n    &CELL\n"))


def test_an_input_without_atoms_or_that_includes_itself_is_refused(read, tmp_path):
    with pytest.raises(InputError, match="line 9: no atoms in &COORD and no COORD_FILE_NAME"):
        read(("      Ar 0.1 0.2 0.3\n      Kr 2.5 3.0 3.5\n", ""))
    (tmp_path / "circle").write_text("@INCLUDE circle\n")
    with pytest.raises(InputError, match="goes in a circle"):
        read(("&GLOBAL", "@INCLUDE circle\n&GLOBAL"))


@pytest.mark.parametrize("fan", ["@INCLUDE {}\n", "@INCLUDE {}\nX $A\n"])
def test_a_short_input_that_becomes_a_very_long_one_is_refused(read, tmp_path, fan, monkeypatch):
    """Ten files that include the next ten times: 10^10 lines."""
    monkeypatch.setattr(language, "_MOST_INCLUDED", 1 << 16)
    for number in range(10):
        (tmp_path / f"f{number}").write_text(fan.format(f"f{number + 1}") * 10)
    (tmp_path / "f10").write_text("X 1\n")
    with pytest.raises(InputError, match="@INCLUDE and variables add more than 65536 characters"):
        read(("&GLOBAL", "@SET A 1\n@INCLUDE f0\n&GLOBAL"))
    doubled = "@SET A 1234567890\n" + "@SET A $A$A$A$A$A$A$A$A\n" * 30
    with pytest.raises(InputError, match="@INCLUDE and variables add more"):
        read(("&GLOBAL", f"{doubled}&GLOBAL"))


def test_an_xyz_file_cut_in_its_last_number_is_refused(read, tmp_path):
    topology = "&TOPOLOGY\n COORD_FILE_NAME frame.xyz\n COORD_FILE_FORMAT XYZ\n&END\n    &CELL\n"
    (tmp_path / "frame.xyz").write_text("2\n\nAr 0.0 0.0 0.125\nAr 1.0 1.0 1.5")
    with pytest.raises(InputError, match=r"line 4: the file ends without a line break and the last number '1.5'"):
        read(("&CELL\n", topology))
