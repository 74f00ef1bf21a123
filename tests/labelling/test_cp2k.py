"""Local energies of real CP2K runs add up to what CP2K printed."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
from ase import Atoms
from tests.cp2k_engine import WITH_LOCAL_ENERGIES, WITH_RVV10, run_cp2k, with_atoms, with_pairs
from tests.density.cubes import write_cube

import basinet
from basinet.cp2k.output import read_cp2k_output
from basinet.cp2k.potentials import data_directories, find_potential_file, read_gth_potentials
from basinet.cp2k.run_directory import read_run
from basinet.density.files import read_cube
from basinet.errors import InputError
from basinet.labelling.partition import PartitionBatch, partition_input
from basinet.labelling.partition_settings import PartitionInput, PartitionSettings
from basinet.labelling.sources import _GTH_PBE, _cores_of_file, _default_cores, expanded
from basinet.units import Bohr, Hartree

pytestmark = [pytest.mark.long, pytest.mark.cp2k]

LOCAL = "REF_local_hartree_energy"
CUBE = "argon-ELECTRON_DENSITY-1_0.cube"


@pytest.fixture(scope="module")
def done(argon_run):
    return partition_input(PartitionInput(argon_run), PartitionSettings(threads=1, cross_check=True))


@pytest.fixture
def copied(argon_run, tmp_path):
    """A copy of the run to spoil."""
    return shutil.copytree(argon_run, tmp_path / "run")


def refusal(path, **settings):
    with pytest.raises(InputError) as caught:
        partition_input(PartitionInput(path), PartitionSettings(threads=1, **settings))
    return str(caught.value)


def test_local_hartree_energies_sum_to_the_printed_one(done):
    printed = done.atoms.info["REF_hartree_energy"]
    closure = done.atoms.arrays[LOCAL].sum() - printed
    assert abs(closure) < 1e-4 * Hartree * 4 / 32
    assert done.atoms.info["closure_error"] == closure
    assert max(map(abs, done.report["residuals"].values())) < 1e-12


DIRECT = {
    "PBE": WITH_LOCAL_ENERGIES,
    "rVV10": WITH_RVV10,
    "D2": with_pairs("DFTD2"),
    "D3(BJ), three-body": with_pairs("DFTD3(BJ)", "CALCULATE_C9_TERM"),
}


@pytest.mark.parametrize("name", DIRECT)
def test_direct_energies_sum_to_the_total_energy(name, cp2k_command, tmp_path, done):
    """By Bader regions, whose laplacian vanishes within its bar, and in both kinetic forms by other divisions."""
    if "D3" in name:
        pytest.importorskip("dftd3", reason="pip install 'basinet[d3]'")
    run_cp2k(cp2k_command, tmp_path / "run", DIRECT[name])
    atom, x = Atoms("Ar", positions=[[3.0, 3.0, 3.0]], cell=[6.0] * 3), np.arange(32) * 6.0 / 32 - 3.0
    square = x[:, None, None] ** 2 + x[:, None] ** 2 + x**2
    write_cube(tmp_path / "isolated.cube", Bohr**3 * 8.0 * np.exp(-square / 0.6) / (0.6 * np.pi) ** 1.5, atom)
    divisions = {"divisions": ("voronoi", "hirshfeld"), "isolated": (tmp_path / "isolated.cube",)}
    found = partition_input(PartitionInput(tmp_path / "run"), PartitionSettings(threads=1, **divisions))
    arrays = found.atoms.arrays
    bars = 3.0 * arrays["direct_energy_laplacian_error"] + 1e-4
    assert np.all(np.abs(arrays["direct_energy_laplacian"]) < bars)
    for division in ("voronoi", "hirshfeld"):
        assert arrays[f"{division}_population"].sum() == pytest.approx(32.0, rel=1e-9)
        for form in ("direct_energy", "direct_energy_positive"):
            sums = arrays[f"{division}_{form}"].sum(), arrays["REF_direct_energy"].sum()
            assert sums[0] == pytest.approx(sums[1], abs=1e-8)
        forms = arrays[f"{division}_direct_energy_positive"] - arrays[f"{division}_direct_energy"]
        assert np.abs(forms).max() > 10.0 * np.abs(arrays["direct_energy_laplacian"]).max()
    direct = found.atoms.arrays["REF_direct_energy"]
    assert found.atoms.info["direct_closure_error"] == direct.sum() - found.atoms.info["REF_energy"]
    assert abs(found.atoms.info["direct_closure_error"]) < 2e-4 * Hartree
    assert np.ptp(direct) > 1e-3  # the atoms are displaced: their energies differ
    assert "REF_direct_energy" not in done.atoms.arrays


def test_direct_energies_of_two_spins_sum_to_the_total_energy(cp2k_command, tmp_path):
    kind = "&KIND H\n      BASIS_SET DZVP-MOLOPT-SR-GTH\n      POTENTIAL GTH-PBE\n    &END\n    &KIND Ar"
    text = WITH_LOCAL_ENERGIES.replace("&DFT", "&DFT\n    UKS\n    MULTIPLICITY 2").replace("&KIND Ar", kind)
    run_cp2k(cp2k_command, tmp_path / "run", text.replace("Ar 0.101", "H 0.101"))
    found = partition_input(PartitionInput(tmp_path / "run"), PartitionSettings(threads=1))
    assert abs(found.atoms.info["direct_closure_error"]) < 2e-4 * Hartree


def deviations(one, other, copies=1):
    """Direct energies of `other` less those of `one`, over their error bars, the change of the total energy apart."""
    first, second = (atoms.arrays["REF_direct_energy"].reshape(-1, len(one)) for atoms in (one, other))
    bars = [atoms.arrays["direct_energy_error"].reshape(-1, len(one)) for atoms in (one, other)]
    of_total = (other.info["REF_energy"] / copies - one.info["REF_energy"]) / len(one)
    return (second - first - of_total) / np.hypot(*bars)


def test_direct_energies_do_not_depend_on_where_the_grid_begins_or_on_the_size_of_the_cell(
    cp2k_command, tmp_path, done
):
    """Cubes have five digits, which the error bars tell: deviations of more would be ours."""
    positions, cell = done.atoms.positions, done.atoms.cell.lengths()
    rng = np.random.default_rng(1)
    eight = np.concatenate([positions, positions + cell * [1, 0, 0]]) + rng.normal(scale=0.05, size=(8, 3))
    sixteen = np.concatenate([eight, eight + cell * [2, 0, 0]])
    shift = [0.041, 0.023, 0.052]  # of grid points that are 0.09 A apart
    runs = {
        "four": (positions, cell), "shifted": (positions + shift, cell),
        "eight": (eight, cell * [2, 1, 1]), "sixteen": (sixteen, cell * [4, 1, 1]),
    }  # fmt: skip
    found = {}
    for name, structure in runs.items():
        run_cp2k(cp2k_command, tmp_path / name, with_atoms(WITH_LOCAL_ENERGIES, *structure))
        found[name] = partition_input(PartitionInput(tmp_path / name), PartitionSettings(threads=1)).atoms
        assert abs(found[name].info["direct_closure_error"]) < 4.0 * found[name].info["direct_rounding_error"]
        assert found[name].info["direct_rounding_error"] < 2e-4 * Hartree
    shifted = deviations(found["four"], found["shifted"])
    doubled = deviations(found["eight"], found["sixteen"], copies=2)
    assert np.sqrt(np.mean(shifted**2)) < 2.0
    assert np.sqrt(np.mean(doubled**2)) < 2.0
    assert np.ptp(found["eight"].arrays["REF_direct_energy"]) > 4 * found["eight"].arrays["direct_energy_error"].max()


def test_an_energy_density_that_lacks_a_part_gives_no_direct_energies(cp2k_command, tmp_path):
    run_cp2k(cp2k_command, tmp_path / "run", WITH_RVV10)
    output = tmp_path / "run" / "argon.out"
    text = output.read_text()
    local = re.search(r"Total Energy +-\S+ +(-\S+)\n", text)[1]
    output.write_text(text.replace(local, f"{float(local) + 0.001:.8f}"))
    found = partition_input(PartitionInput(tmp_path / "run"), PartitionSettings(threads=1))
    assert "REF_direct_energy" not in found.atoms.arrays
    lacks = r"no direct energies: CP2K's energy density lacks 0\.027\d eV, "
    assert any(re.fullmatch(lacks + "as with hybrids and meta-GGAs", note) for note in found.report["notes"])
    output.write_text(output.read_text().replace("  Dispersion energy", "  Electronic entropic energy"))
    found = partition_input(PartitionInput(tmp_path / "run"), PartitionSettings(threads=1))
    assert "REF_entropic_energy" in found.atoms.info
    assert any(re.fullmatch(lacks + "the entropy of smearing", note) for note in found.report["notes"])


def test_a_dispersion_that_is_not_cp2ks_gives_no_direct_energies(cp2k_command, tmp_path):
    output = run_cp2k(cp2k_command, tmp_path / "run", with_pairs("DFTD2"))
    text = output.read_text()
    assert " 0.7500\n" in text
    output.write_text(text.replace(" 0.7500\n", " 0.7600\n", 1))
    found = partition_input(PartitionInput(tmp_path / "run"), PartitionSettings(threads=1))
    assert "REF_direct_energy" not in found.atoms.arrays
    assert any("no direct energies: pairs sum to -0.33" in note for note in found.report["notes"])


def test_argon_is_neutral(done):
    assert done.atoms.arrays["bader_population"] == pytest.approx(np.full(4, 8.0), abs=1e-3)
    assert done.atoms.arrays["bader_charge"] == pytest.approx(np.zeros(4), abs=1e-3)
    assert done.atoms.arrays["bader_population"].sum() == pytest.approx(32.0, abs=1e-10)
    assert done.atoms.arrays["bader_volume"].sum() == pytest.approx(done.atoms.get_volume(), rel=1e-12)


def test_labels_of_the_run_go_along(done, argon_run):
    run = read_run(argon_run)
    assert {key: done.atoms.info[key] for key in run.labels} == run.labels
    assert np.array_equal(done.atoms.arrays["REF_forces"], run.forces)
    assert np.array_equal(done.atoms.cell.array, run.atoms.cell.array)
    parts = ("REF_hartree_energy", "REF_core_self_energy", "REF_core_overlap_energy")
    assert done.atoms.info["REF_electrostatic_energy"] == pytest.approx(sum(run.labels[part] for part in parts))


def test_our_charge_and_potential_are_those_of_cp2k(done):
    check = done.report["cross_check"]
    assert check["charge_max"] < 1e-3
    assert check["potential_max"] < 5e-3
    assert abs(check["energy_difference"]) < 1e-4 * Hartree


def test_the_header_of_a_plain_cube_costs_what_the_docs_say_and_a_structure_gives_it_back(done, argon_run, tmp_path):
    basinet.write_frames(tmp_path / "argon.extxyz", [done.atoms])
    settings = PartitionSettings(threads=1)
    cube = shutil.copy(argon_run / CUBE, tmp_path / "plain.cube")
    plain = partition_input(PartitionInput(cube), settings).atoms.arrays[LOCAL]
    exact = partition_input(PartitionInput(cube, tmp_path / "argon.extxyz"), settings).atoms.arrays[LOCAL]
    assert exact == pytest.approx(done.atoms.arrays[LOCAL], abs=1e-9)
    assert 1e-4 < np.abs(plain - exact).max() < 2e-3


def test_a_cube_beside_its_output_is_the_run(done, argon_run):
    cube = partition_input(PartitionInput(argon_run / CUBE), PartitionSettings(threads=1))
    output = partition_input(PartitionInput(argon_run / "argon.out"), PartitionSettings(threads=1))
    for one in (cube, output):
        assert one.atoms.info["REF_energy"] == done.atoms.info["REF_energy"]
        assert np.array_equal(one.atoms.arrays[LOCAL], done.atoms.arrays[LOCAL])


def test_a_density_of_another_grid_or_frame_is_refused(copied):
    volume = read_cube(copied / CUBE)
    write_cube(copied / CUBE, volume.values[::2, ::2, ::2].copy(), volume.atoms)
    message = refusal(copied)
    assert "30 x 30 x 30 points of the run's 60 x 60 x 60" in message
    assert "STRIDE 1 1 1" in message
    volume.atoms.positions[2] += 0.05
    write_cube(copied / CUBE, volume.values, volume.atoms)
    assert "atom 2 is 0.087 Angstrom apart" in refusal(copied)


def test_a_density_with_lost_electrons_is_refused(copied):
    volume = read_cube(copied / CUBE)
    write_cube(copied / CUBE, 0.5 * volume.values, volume.atoms)
    message = refusal(copied)
    assert message.startswith(str(copied))
    assert "16 electrons instead of 32" in message


def test_an_unconverged_run_is_refused_unless_allowed(copied, done):
    output = copied / "argon.out"
    text = output.read_text()
    assert "*** SCF run converged in" in text
    output.write_text(
        text.replace("*** SCF run converged in", "*** WARNING in qs_scf.F:601 :: SCF run NOT converged ***")
    )
    message = refusal(copied)
    assert "argon.out" in message
    assert "NOT converge" in message
    accepted = partition_input(PartitionInput(copied), PartitionSettings(threads=1, allow_unconverged=True)).atoms
    assert np.array_equal(accepted.arrays[LOCAL], done.atoms.arrays[LOCAL])


def test_energies_that_miss_the_printed_sum_are_refused_unless_allowed(copied):
    output = copied / "argon.out"
    text = output.read_text()
    printed = re.search(r"Hartree energy:\s+(-?[0-9.]+)", text)
    output.write_text(text.replace(printed[0], printed[0].replace(printed[1], f"{float(printed[1]) + 1.0:.8f}")))
    assert "local energies miss the printed Hartree energy by -27.2" in refusal(copied)
    accepted = partition_input(PartitionInput(copied), PartitionSettings(threads=1, allow_open=True)).atoms
    assert accepted.info["closure_error"] == pytest.approx(-Hartree, abs=0.01)


def test_an_unknown_pseudopotential_is_refused(copied):
    given = copied / "argon.inp"
    given.write_text(given.read_text().replace("POTENTIAL GTH-PBE", "POTENTIAL GTH-MISSING"))
    output = copied / "argon.out"
    lines = output.read_text().split("\n")
    output.write_text(
        "\n".join(line for line in lines if "Gaussian exponent of the core" not in line and "GTH" not in line)
    )
    message = refusal(copied)
    assert "GTH-MISSING" in message
    assert "argon.inp" in message


def test_other_cubes_of_another_run_are_refused(copied):
    cube = next(copied.glob("*TOTAL_DENSITY*"))
    volume = read_cube(cube)
    write_cube(cube, volume.values[::2], volume.atoms)
    assert "TOTAL_DENSITY" in refusal(copied, cross_check=True)


def test_options_for_plain_cubes_are_refused(argon_run):
    assert "leave out" in refusal(argon_run, potential=argon_run / "argon-v_hartree-1_0.cube")
    with pytest.raises(InputError, match="--structure is for cubes and VASP"):
        partition_input(PartitionInput(argon_run, argon_run / "argon.inp"), PartitionSettings())


def test_a_trajectory_is_an_input_for_each_density_and_can_be_related(dynamics):
    run = PartitionBatch(expanded([PartitionInput(dynamics)]), PartitionSettings(threads=1))
    run.compute(1, None)
    assert run.failures == {}
    frames = [done.atoms for done in run.results()]
    assert [atoms.info["step"] for atoms in frames] == [0, 1, 2]
    energies = [
        evaluation.energies["REF_energy"] for evaluation in read_cp2k_output(dynamics / "argon.out").evaluations
    ]
    assert [atoms.info["REF_energy"] for atoms in frames] == energies
    assert max(abs(atoms.info["closure_error"]) for atoms in frames) < 1e-4 * Hartree * 4 / 32
    relation = basinet.fit_relation(frames)
    for atoms, residual in zip(frames, relation.residuals(frames), strict=True):
        local = relation.local_energies(atoms)
        assert local.sum() == pytest.approx(atoms.info["REF_energy"] - residual, abs=1e-8)


def test_one_step_of_a_trajectory_is_named_by_its_density(dynamics):
    done = partition_input(PartitionInput(dynamics / "argon-ELECTRON_DENSITY-1_1.cube"), PartitionSettings(threads=1))
    assert done.atoms.info["step"] == 1
    assert "name one of" in refusal(dynamics)


def test_our_table_of_cores_is_that_of_the_potential_file(argon_run):
    stated = read_cp2k_output(argon_run / "argon.out").data_directory
    file = find_potential_file("GTH_POTENTIALS", data_directories(argon_run, stated))
    table = read_gth_potentials(file)
    for element, core in zip(_GTH_PBE, _default_cores(list(_GTH_PBE)), strict=True):
        assert (core.charge, core.radius) == pytest.approx(table[element, "GTH-PBE"], rel=1e-12)
    cores = _cores_of_file(file, ["Ar", "Mg"])
    assert cores["Mg"].charge == 10.0  # of several the one that is called GTH-PBE
    assert cores["Ar"] == _default_cores(["Ar"])[0]
