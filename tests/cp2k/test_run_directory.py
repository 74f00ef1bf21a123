"""A run is read whole, at the precision of its input, or refused in one line that names the file and the remedy."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.cp2k.runs import FIXTURES, edit, refuse

from basinet import units
from basinet.cp2k.input import read_cp2k_input
from basinet.cp2k.run_directory import read_run
from basinet.errors import InputError

CORE = (8.0, 0.4 * units.Bohr)
SHIFT = np.array([1.2345678, 0.5, -0.25])


@pytest.mark.parametrize("name", ["argon", "argon_2025", "argon_low", "outer_scf"])
def test_a_run_is_read_at_the_precision_of_its_input(copy_run, name):
    directory = copy_run(name)
    run = read_run(directory)
    assert run.atoms.cell.array.diagonal().tolist() == [5.41234567891, 5.51234567892, 5.61234567893]
    assert run.atoms.positions[0].tolist() == [0.10123456789, 0.20123456789, 0.30123456789]
    assert run.atoms.pbc.all()
    assert run.atoms.get_chemical_symbols() == ["Ar"] * 4
    assert run.cores == (CORE,) * 4
    assert run.electrons == 32
    assert run.eps_scf == 1e-7
    assert run.forces.shape == (4, 3)
    assert run.labels["REF_energy"] == pytest.approx(-2293.775, abs=1e-3)
    assert run.density == directory / "run-ELECTRON_DENSITY-1_0.cube"
    assert (run.total_density, run.hartree_potential, run.step) == (None, None, None)


def test_two_kinds_in_an_inclined_cell(copy_run):
    run = read_run(copy_run("argon_krypton"))
    assert run.atoms.get_chemical_symbols() == ["Ar", "Kr"]
    assert run.cores == (CORE, (8.0, 0.5 * units.Bohr))
    assert run.atoms.cell[0] == pytest.approx(np.array([10.1, 0.3, 0.2]) * units.Bohr, rel=1e-15)
    assert run.atoms.get_scaled_positions()[1] == pytest.approx([0.5, 0.5, 0.4876543210987], abs=1e-14)


def test_the_output_itself_and_compressed_cubes_may_be_named(copy_run):
    directory = copy_run("argon")
    (directory / "run-ELECTRON_DENSITY-1_0.cube").rename(directory / "run-ELECTRON_DENSITY-1_0.cube.gz")
    (directory / "run-TOTAL_DENSITY-1_0.cube").touch()
    (directory / "run-v_hartree-1_0.cube").touch()
    (directory / "other-ELECTRON_DENSITY-1_0.cube").touch()
    run = read_run(directory / "run.out")
    assert run.density.name == "run-ELECTRON_DENSITY-1_0.cube.gz"
    assert run.total_density.name == "run-TOTAL_DENSITY-1_0.cube"
    assert run.hartree_potential.name == "run-v_hartree-1_0.cube"


def test_atoms_that_cp2k_centred_are_where_cp2k_had_them(copy_run):
    """The table of atoms has 6 decimals; the shift is its mean, good to better than one of them."""
    directory = copy_run("argon")
    edit(directory / "run.inp", ("    &KIND Ar", "    &TOPOLOGY\n&CENTER_COORDINATES\n&END\n&END\n    &KIND Ar"))
    before = read_cp2k_input(directory / "run.inp").positions
    text = (directory / "run.out").read_text()
    for position in before:
        old = "".join(f" {value:13.6f}" for value in position)
        assert old in text
        text = text.replace(old, "".join(f" {value:13.6f}" for value in position + SHIFT))
    (directory / "run.out").write_text(text)
    moved = read_run(directory).atoms.positions - before
    assert moved == pytest.approx(np.tile(SHIFT, (4, 1)), abs=1e-6)
    assert np.ptp(moved, axis=0) == pytest.approx(0, abs=1e-14)


def test_a_restarted_run_needs_its_atoms_in_the_output(copy_run):
    restart = ("&GLOBAL", "&EXT_RESTART\n RESTART_FILE_NAME old.restart\n&END\n&GLOBAL")
    directory = copy_run("argon")
    edit(directory / "run.inp", restart)
    assert read_run(directory).atoms.positions[0, 0] == 0.10123456789
    edit(directory / "run.inp", ("0.10123456789", "0.20123456789"))
    refuse(directory, "atom 1 is not where run.out has it .*or run it without &EXT_RESTART, which changes them")
    directory = copy_run("argon_low")
    edit(directory / "run.inp", restart)
    refuse(directory, "prints no atoms, yet CP2K moved those of the input")


def test_another_cell_is_blamed_on_what_changed_it(copy_run):
    """CP2K makes a, b and c of SYMMETRY CUBIC equal, and turns the cell of CANONICALIZE."""
    for keyword, name in {"SYMMETRY CUBIC": "argon", "CANONICALIZE": "argon_2025"}.items():
        directory = copy_run(name)
        edit(directory / "run.inp", ("    &CELL\n", f"    &CELL\n {keyword}\n"))
        read_run(directory)
        edit(directory / "run.inp", ("5.41234567891", "5.42234567891"))
        refuse(directory, f"its cell is not that of run.out; .*or run it without {keyword} in &CELL")


@pytest.mark.usefixtures("nowhere")
def test_a_missing_potential_file_is_made_up_for_by_what_is_printed(copy_run):
    directory = copy_run("argon")
    edit(directory / "run.out", ("/usr/share/cp2k", "/no/such/place0"))
    (directory / "GTH_POTENTIALS").unlink()
    assert read_run(directory).cores == (CORE,) * 4


def test_what_is_printed_counts_where_the_potential_file_is_another(copy_run):
    directory = copy_run("argon")
    edit(directory / "GTH_POTENTIALS", ("0.40000000", "0.45000000"))
    assert read_run(directory).cores == (CORE,) * 4


def test_the_potential_file_adds_the_digits_that_are_not_printed(copy_run):
    directory = copy_run("argon")
    radius = 0.40000004
    edit(directory / "GTH_POTENTIALS", ("0.40000000", f"{radius:.8f}"))
    edit(directory / "run.out", ("3.125000", f"{0.5 / radius**2:.6f}"))
    assert read_run(directory).cores[0][1] == radius * units.Bohr


@pytest.mark.usefixtures("nowhere")
def test_cp2k_data_dir_is_searched(copy_run, monkeypatch, tmp_path):
    directory = copy_run("argon_low")
    edit(directory / "run.out", ("/usr/share/cp2k", "/no/such/place0"))
    shutil.move(directory / "GTH_POTENTIALS", tmp_path / "GTH_POTENTIALS")
    message = refuse(directory, "potential file GTH_POTENTIALS not found in .*; set CP2K_DATA_DIR")
    assert str(directory) in message
    assert "/no/such/place0" in message
    monkeypatch.setenv("CP2K_DATA_DIR", str(tmp_path))
    assert read_run(directory).cores == (CORE,) * 4


def test_a_directory_without_an_output_or_with_several(copy_run, tmp_path):
    refuse(tmp_path / "absent", "absent: no such file or directory")
    directory = copy_run("argon")
    shutil.copy(directory / "run.out", directory / "again.log")
    refuse(directory, r"several CP2K outputs \(again\.log, run\.out\); name one of these files")
    assert read_run(directory / "again.log").electrons == 32
    for name in ("run.out", "again.log"):
        (directory / name).write_text("")
    refuse(directory, r"no CP2K output in this directory \(again\.log, run\.out is empty or something else\)")
    refuse(directory / "run.out", r"run\.out: the file is empty")
    (directory / "run.out").write_bytes(bytes(range(256)) * 100)
    refuse(directory / "run.out", r"run\.out: not text but binary")


def test_the_input_must_be_there_and_be_the_right_one(copy_run):
    directory = copy_run("argon")
    (directory / "run.inp").rename(directory / "renamed.inp")
    assert read_run(directory).input.name == "renamed.inp"
    (directory / "renamed.inp").unlink()
    refuse(directory, r"run\.out: its input run\.inp is not beside it")


@pytest.mark.parametrize("name", ["unconverged", "unconverged_2025"])
def test_a_run_that_did_not_converge_is_refused(copy_run, name):
    refuse(copy_run(name), r"run\.out: the SCF run did NOT converge; raise MAX_SCF")


def test_a_run_that_aborted_or_has_not_ended_is_refused(copy_run):
    directory = copy_run("argon")
    edit(directory / "run.out", ("PROGRAM ENDED AT  ", "PROGRAM GOES ON AT"))
    refuse(directory, r"run\.out: the output is cut short, CP2K has not ended")
    edit(directory / "run.out", (" ENERGY| Total", " *  [ABORT]\n ENERGY| Total"))
    refuse(directory, r"run\.out, line 541: CP2K aborted")


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_an_output_cut_anywhere_is_refused(copy_run, tmp_path, data):
    name = data.draw(st.sampled_from(["argon", "argon_2025", "trajectory"]))
    directory = tmp_path / name if (tmp_path / name).exists() else copy_run(name)
    content = (FIXTURES / name / "run.out").read_bytes()
    end = content.index(b"PROGRAM ENDED AT")
    (directory / "run.out").write_bytes(content[: data.draw(st.integers(0, end))])
    refuse(directory / "run.out", r"run\.out")


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["argon", "argon_2025"]), st.sampled_from(["run.out", "run.inp"]), st.data())
def test_a_damaged_run_is_read_or_refused(copy_run, tmp_path, name, file, data):
    directory = tmp_path / name if (tmp_path / name).exists() else copy_run(name)
    content = (FIXTURES / name / file).read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    for other in ("run.out", "run.inp"):
        shutil.copy(FIXTURES / name / other, directory / other)
    damage = data.draw(st.binary(max_size=4) | st.sampled_from([b"-", b"9", b" ", b"\n", b"*", b"e"]))
    (directory / file).write_bytes(content[:place] + damage + content[place + len(damage) :])
    try:
        read_run(directory / "run.out")
    except InputError as refusal:
        message = str(refusal)
    else:
        return
    assert str(directory) in message


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("run.inp", "0.30123456789", "0.30133456789", "atom 1 is not where run.out has it .0.0001 Å apart."),
        ("run.inp", "      Ar 0.00000000000 2.7", "      # Ar 0.000 2.7", "3 atoms, but 4 in run.out"),
        ("run.inp", "ABC 5.41234567891", "ABC 5.41236567891", "its cell is not that of run.out"),
        ("run.inp", "&KIND Ar", "&KIND Ar\n      ELEMENT Kr", "the atom 'Ar' is Kr, but Ar in run.out"),
        ("run.inp", "&KIND Ar", "&KIND Ne", "the atom 'Ar' has no &KIND section"),
        ("run.inp", "&KIND Ar", "&KIND Ar\n      GHOST", "kind Ar is a ghost"),
        ("run.inp", "RUN_TYPE ENERGY_FORCE", "RUN_TYPE GEO_OPT", "RUN_TYPE GEO_OPT; basinet reads ENERGY"),
        ("run.inp", "POTENTIAL GTH-PBE", "POTENTIAL ALL", "kind Ar has the potential ALL; basinet reads only GTH"),
        ("run.out", "Method:                                                                 GPW",
         "Method:                                                                GAPW",
         "method GAPW; basinet reads GPW with GTH pseudopotentials alone"),
        ("run.out", "GTH Potential information for  ", " AE Potential information for  ",
         "kind Ar has the AE potential GTH-PBE; basinet reads only GTH"),
        ("run.out", "Solver                                                        PERIODIC",
         "Solver                                                         WAVELET",
         "Poisson solver WAVELET; basinet's electrostatics is periodic"),
        ("run.out", "*** SCF run converged", "*** SCF cycle went on", "prints no energy or no SCF convergence"),
        ("run.out", "ENERGY| Total", "ENERGY: Total", "prints no energy or no SCF convergence"),
        ("run.out", " Number of electrons:", " Quantity of electrons:", "does not print the number of electrons"),
        ("run.out", "      4      1      Ar  ", "                        ", "3 rows of forces for 4 atoms"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(copy_run, file, old, new, message):
    directory = copy_run("argon")
    edit(directory / file, (old, new))
    assert str(directory / "run.") in refuse(directory, message)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("POTENTIAL GTH-PBE", "POTENTIAL GTH-NONE", "no GTH pseudopotential 'GTH-NONE' of Ar in .*GTH_POTENTIALS"),
        ("POTENTIAL GTH-PBE", "# nothing", "no GTH pseudopotential '' of Ar"),
        ("&QS", "&QS\n METHOD GAPW", "method GAPW"),
        ("&QS", "&POISSON\n PSOLVER MT\n&END\n&QS", "Poisson solver MT"),
        ("Ar 0.1", "Zz 0.1", "the atom 'Zz' is of no known element"),
    ],
)
def test_an_output_that_tells_little_is_completed_from_the_input(copy_run, old, new, message):
    directory = copy_run("argon_low")
    edit(directory / "run.inp", (old, new))
    refuse(directory, message)
