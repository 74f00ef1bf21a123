"""Core charges and radii of GTH pseudopotentials, by every name that CP2K knows them by."""

from __future__ import annotations

from pathlib import Path

import pytest

from basinet import units
from basinet.cp2k.output import read_cp2k_output
from basinet.cp2k.potentials import read_gth_potentials
from basinet.errors import InputError

FILE = """# a comment
Ar GTH-PADE-q8 GTH-LDA-q8 GTH-PADE GTH-LDA
    2    6
     0.40000000    1    -7.10000000
    2
#
Zn GTH-PBE-q12 GTH-PBE
    2    0   10
     0.51000000    0
    3
C GTH-NLCC-PBE-q4
    2    2
     0.31479000    2    -6.92377020     0.96359690
    NLCC 1
     0.27440  1  65.67160
    2
Ar ALLELECTRON ALL
    6   12
    24.5 0.0
Ar nelec 10
Ar ul
2  1.0  2.0
C GTH-NLCC-PBE-q4
    4
     0.99    0
"""


def test_names_and_aliases_lead_to_charge_and_radius(tmp_path):
    (tmp_path / "POTENTIAL").write_text(FILE)
    cores = read_gth_potentials(tmp_path / "POTENTIAL")
    argon = (8.0, 0.4 * units.Bohr)
    assert cores == {
        ("Ar", "GTH-PADE-Q8"): argon,
        ("Ar", "GTH-LDA-Q8"): argon,
        ("Ar", "GTH-PADE"): argon,
        ("Ar", "GTH-LDA"): argon,
        ("Zn", "GTH-PBE-Q12"): (12.0, 0.51 * units.Bohr),
        ("Zn", "GTH-PBE"): (12.0, 0.51 * units.Bohr),
        ("C", "GTH-NLCC-PBE-Q4"): (4.0, 0.31479 * units.Bohr),
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "the file is empty"), (b"\0\1", "not text"), (FILE.replace("0.51", "-.51").encode(), "are no core")],
)
def test_a_damaged_file_is_refused(tmp_path, content, message):
    (tmp_path / "P").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_gth_potentials(tmp_path / "P")
    with pytest.raises(InputError, match="no such file"):
        read_gth_potentials(tmp_path / "Q")


@pytest.mark.cp2k
@pytest.mark.parametrize("name", ["GTH_POTENTIALS", "POTENTIAL"])
def test_the_potentials_that_come_with_cp2k_are_read(argon_run, name):
    """Argon has Z 8 and r_loc 0.4 bohr, krypton 8 and 0.5; and every name ends in the charge that it states."""
    cores = read_gth_potentials(Path(read_cp2k_output(argon_run / "argon.out").data_directory, name))
    assert cores["Ar", "GTH-PBE"] == (8.0, 0.4 * units.Bohr)
    assert cores["Kr", "GTH-PBE-Q8"] == (8.0, 0.5 * units.Bohr)
    assert len(cores) > 500
    for (_, label), (charge, radius) in cores.items():
        stated = label.rpartition("-Q")[2]
        if stated.isdecimal():
            assert charge == int(stated), label
        assert 0.05 < radius < 1.0, label
