"""What CP2K printed is read in both dialects, with its units and to its last digit; what it did not print is absent."""

from __future__ import annotations

import numpy as np
import pytest
from ase.geometry import cell_to_cellpar
from tests.cp2k.dialect_2025 import stop_unconverged, to_2025
from tests.cp2k.runs import FIXTURES, edit

from basinet import units
from basinet.cp2k.input import read_cp2k_input
from basinet.cp2k.output import read_cp2k_output
from basinet.errors import InputError

DIALECTS = ("argon", "argon_2025")


def output(name):
    return read_cp2k_output(FIXTURES / name / "run.out")


@pytest.mark.parametrize("name", DIALECTS)
def test_energies_and_forces_are_those_printed(name):
    printed = output(name)
    hartree = {
        "REF_core_overlap_energy": 0.0,
        "REF_core_self_energy": -180.54066673528200,
        "REF_core_hamiltonian_energy": 42.50428434846556,
        "REF_hartree_energy": 68.39489872710200,
        "REF_xc_energy": -14.64289460066357,
        "REF_dispersion_energy": -0.01030127828515,
        "REF_energy": -84.294679538663303,
    }
    assert set(printed.energies) == {*hartree, "REF_electrostatic_energy"}
    for label, energy in hartree.items():
        assert printed.energies[label] == pytest.approx(energy * units.Hartree, rel=1e-9), label
    forces = printed.forces / (units.Hartree / units.Bohr)
    assert forces[0] == pytest.approx([-0.00121026, 0.00088995, -0.00100093], abs=1e-12)
    assert forces.shape == (4, 3)


@pytest.mark.parametrize("name", DIALECTS)
def test_the_parts_of_the_energy_add_up_to_the_total(name):
    energies = output(name).energies
    parts = [value for label, value in energies.items() if label not in ("REF_energy", "REF_electrostatic_energy")]
    assert sum(parts) == pytest.approx(energies["REF_energy"], rel=1e-12)
    electrostatic = ("REF_hartree_energy", "REF_core_self_energy", "REF_core_overlap_energy")
    assert energies["REF_electrostatic_energy"] == sum(energies[label] for label in electrostatic)


@pytest.mark.parametrize("name", DIALECTS)
def test_the_head_of_the_run_is_read(name):
    printed = output(name)
    assert printed.version == {"argon": "2023.1", "argon_2025": "2025.2"}[name]
    assert printed.input_name == "run.inp"
    assert (printed.method, printed.poisson_solver) == ("GPW", "PERIODIC")
    assert printed.symbols == ("Ar",) * 4
    assert printed.grid == (36, 36, 36)
    assert printed.electrons == 32
    assert printed.eps_scf == 1e-7
    assert printed.scf_converged is True
    assert (printed.finished, printed.abort_line) == (True, None)
    (kind,) = printed.kinds
    assert (kind.name, kind.potential, kind.core) == ("Ar", "GTH-PBE", (8.0, 0.4 * units.Bohr))


def test_the_fixture_of_the_newer_dialect_is_the_older_one_translated():
    older = (FIXTURES / "argon" / "run.out").read_text()
    assert (FIXTURES / "argon_2025" / "run.out").read_text() == to_2025(older)
    box = (FIXTURES / "aborted" / "run.out").read_text()
    start = box.index(" ****")
    stopped = stop_unconverged(
        to_2025((FIXTURES / "unconverged" / "run.out").read_text()), box[start : box.index(" ****", start + 100) + 81]
    )
    assert (FIXTURES / "unconverged_2025" / "run.out").read_text() == stopped


def test_the_newer_dialects_units_of_choice_mean_the_same(copy_run):
    path = copy_run("argon_2025") / "run.out"
    reference = read_cp2k_output(path)
    energy, force = reference.energies["REF_energy"], reference.forces[0]
    row = "1 -1.21026000E-03  8.89950000E-04 -1.00093000E-03"
    edit(
        path,
        ("[hartree]            -84.294679538663303", f"[eV]  {energy:.12f}"),
        ("[hartree/bohr]", "[kcalmol*angstrom^-1]"),
        (row, "1 " + " ".join(f"{value / (units.kcal / units.mol):.12E}" for value in force)),
    )
    changed = read_cp2k_output(path)
    assert changed.energies["REF_energy"] == pytest.approx(energy, rel=1e-13)
    assert changed.forces[0] == pytest.approx(force, rel=1e-12)


def test_older_parentheses_around_the_unit_are_read(copy_run):
    path = copy_run("argon") / "run.out"
    edit(path, ("energy [a.u.]:", "energy (a.u.):"))
    assert read_cp2k_output(path).energies == output("argon").energies


def test_what_is_not_printed_is_absent(copy_run):
    path = copy_run("argon") / "run.out"
    edit(
        path,
        ("  Dispersion energy:        ", "  Something else:           "),
        ("  Overlap energy of the core", "  Overlapping of the core   "),
        ("ATOMIC FORCES", "NUCLEAR FORCES"),
    )
    printed = read_cp2k_output(path)
    assert "REF_dispersion_energy" not in printed.energies
    assert "REF_electrostatic_energy" not in printed.energies
    assert printed.forces is None


def test_a_low_print_level_leaves_only_energies_and_convergence():
    printed = output("argon_low")
    assert (printed.cell, printed.symbols, printed.kinds, printed.grid) == (None, None, (), None)
    assert printed.energies["REF_energy"] == output("argon").energies["REF_energy"]
    assert printed.scf_converged is True
    assert printed.electrons == 32


def test_an_inclined_cell_is_read_to_its_printed_precision():
    printed = output("argon_krypton")
    exact = read_cp2k_input(FIXTURES / "argon_krypton" / "run.inp").cell
    assert np.abs(cell_to_cellpar(printed.cell) - cell_to_cellpar(exact)).max() < 1e-6
    assert np.abs(printed.cell - exact).max() < 3e-4
    assert printed.symbols == ("Ar", "Kr")
    assert [kind.core for kind in printed.kinds] == [(8.0, 0.4 * units.Bohr), (8.0, 0.5 * units.Bohr)]


def test_a_core_radius_of_many_digits_comes_from_the_exponent(copy_run):
    path = copy_run("argon") / "run.out"
    radius = 0.338471238  # carbon's, of more than 6 digits
    edit(path, ("3.125000", f"{0.5 / radius**2:.6f}"), ("0.400000   -7.1", f"{radius:.6f}   -7.1"))
    (kind,) = read_cp2k_output(path).kinds
    assert kind.core[1] == pytest.approx(radius * units.Bohr, rel=1e-7)


def test_the_energies_of_each_step_are_kept_apart():
    printed = output("trajectory")
    assert [evaluation.step for evaluation in printed.evaluations] == [None, 1, 2]
    totals = [evaluation.energies["REF_energy"] / units.Hartree for evaluation in printed.evaluations]
    assert totals == pytest.approx([-84.294679538663303, -84.294659338265816, -84.294641356921559], rel=1e-14)
    hartree = [evaluation.energies["REF_hartree_energy"] for evaluation in printed.evaluations]
    assert len(set(hartree)) == 3
    assert all(evaluation.forces.shape == (4, 3) for evaluation in printed.evaluations)
    assert printed.scf_converged is True


def test_an_scf_taken_up_again_counts_once_with_its_last_energies():
    printed = output("outer_scf")
    assert len(printed.evaluations) == 1
    assert printed.scf_converged is True
    reference = output("argon").energies
    assert printed.energies["REF_hartree_energy"] == pytest.approx(reference["REF_hartree_energy"], abs=1e-5)


@pytest.mark.parametrize("name", ["unconverged", "unconverged_2025"])
def test_a_run_that_did_not_converge_says_so(name):
    printed = output(name)
    assert printed.scf_converged is False
    assert printed.finished is (name == "unconverged")
    assert (printed.abort_line is None) is (name == "unconverged")
    assert "REF_hartree_energy" in printed.energies


def test_of_several_runs_appended_to_one_file_the_last_counts(copy_run):
    path = copy_run("argon") / "run.out"
    path.write_text((FIXTURES / "unconverged" / "run.out").read_text() + path.read_text())
    printed = read_cp2k_output(path)
    assert printed.scf_converged is True
    assert printed.energies == output("argon").energies


def test_windows_line_ends_change_nothing(copy_run):
    path = copy_run("argon") / "run.out"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_cp2k_output(path).energies == output("argon").energies


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b" \n\n", "the file is empty"),
        (bytes(range(256)), "not text but binary"),
        (b"\xff\xfe\xfa garbage", "not a CP2K output"),
        (b"Lorem ipsum\n", "not a CP2K output"),
    ],
)
def test_what_is_no_output_is_refused(tmp_path, content, message):
    path = tmp_path / "run.out"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_cp2k_output(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("68.39489872710200", "*****************", "line 507: expected a number, found '[*]+'"),
        ("-84.294679538663303", "              NaN", "line 541: expected a number, found 'NaN'"),
        ("energy [a.u.]", "energy [furlong]", "line 541: unknown unit of energy 'furlong'"),
        ("-0.00121026", "***********", "line 543: expected a number"),
        ("FORCES in [a.u.]", "FORCES in [eV]", "line 543: unknown unit of force 'eV'"),
        ("3.125000", "-3.12500", "exponent -3.125 and radius 0.4 of a core are not positive"),
        ("3.125000", "0.000000", "exponent 0 and radius 0.4 of a core are not positive"),
        ("0.400000   -7.1", "0.000000   -7.1", "exponent 3.125 and radius 0 of a core are not positive"),
        ("  8.0000  39.9480\n", "\n", "the table of atomic coordinates is damaged"),
    ],
)
def test_a_damaged_number_is_named_with_its_line(copy_run, old, new, message):
    path = copy_run("argon") / "run.out"
    edit(path, (old, new))
    with pytest.raises(InputError, match=message) as caught:
        read_cp2k_output(path)
    assert str(caught.value).startswith(str(path))


def test_a_failure_before_the_run_began_is_told():
    with pytest.raises(InputError, match=r"run\.out, line 15: CP2K aborted before it began"):
        output("aborted")
