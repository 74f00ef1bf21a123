"""One input to one labelled frame: cubes whose answer is known."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from tests.density.cubes import write_cube
from tests.density.gaussians import gaussians
from tests.labelling import neutral_atoms as known

from basinet.errors import InputError
from basinet.labelling.partition import partition_input
from basinet.labelling.partition_settings import PartitionInput, PartitionSettings
from basinet.units import Bohr, Hartree

pytestmark = pytest.mark.slow

SETTINGS = PartitionSettings(cores=known.PAIRS, threads=1)


def partitioned(path, **changes):
    values = {"cores": known.PAIRS, "threads": 1} | changes
    return partition_input(PartitionInput(path), PartitionSettings(**values))


def test_gaussian_atoms_have_their_energies_charges_and_sums(atoms_cube):
    done = partitioned(atoms_cube)
    arrays, info = done.atoms.arrays, done.atoms.info
    assert arrays["REF_local_hartree_energy"] == pytest.approx(known.ENERGIES, rel=1e-6)
    assert arrays["bader_population"] == pytest.approx(known.CHARGES, abs=1e-3)
    assert arrays["bader_charge"] == pytest.approx(np.array(known.CHARGES) - arrays["bader_population"], abs=1e-12)
    assert arrays["bader_volume"].sum() == pytest.approx(np.linalg.det(known.CELL), rel=1e-12)
    assert done.report["hartree_energy"] == pytest.approx(arrays["REF_local_hartree_energy"].sum(), rel=1e-12)
    assert max(map(abs, done.report["residuals"].values())) < 1e-12
    own = sum(core.self_energy for core in known.CORES.values())
    assert info["REF_electrostatic_energy"] == pytest.approx(done.report["hartree_energy"] + own, rel=1e-12)
    assert "REF_hartree_energy" not in info  # no program printed it
    assert "closure_error" not in info
    assert "REF_energy" not in info


def test_error_bars_are_there_and_hold_the_error_of_the_energies(atoms_cube):
    arrays = partitioned(atoms_cube).atoms.arrays
    deviation = np.abs(arrays["REF_local_hartree_energy"] - known.ENERGIES)
    assert np.all(deviation < 3 * arrays["local_hartree_energy_error"] + 1e-6 * known.ENERGIES)
    without = partitioned(atoms_cube, error_bars=False).atoms.arrays
    assert not [name for name in without if name.endswith("_error")]
    assert np.array_equal(without["bader_population"], arrays["bader_population"])


def test_a_density_off_by_rounding_is_scaled_to_the_electrons(tmp_path):
    exact = partitioned(known.write_neutral_atoms(tmp_path / "a.cube"))
    scaled = partitioned(known.write_neutral_atoms(tmp_path / "b.cube", factor=1.0002))
    assert scaled.report["renormalisation"] == pytest.approx(-0.0002 / 1.0002, rel=1e-6)
    assert scaled.atoms.arrays["bader_population"].sum() == pytest.approx(14.0, rel=1e-12)
    name = "REF_local_hartree_energy"
    assert scaled.atoms.arrays[name] == pytest.approx(exact.atoms.arrays[name], rel=1e-9)


def test_atoms_outside_the_cell_are_their_images(tmp_path, atoms_cube):
    inside = partitioned(atoms_cube).atoms
    atoms = known.neutral_atoms()
    atoms.positions += np.array([[1, -2, 0], [0, 1, 3]]) @ known.CELL
    write_cube(tmp_path / "outside.cube", known.density() * Bohr**3, atoms)
    outside = partitioned(tmp_path / "outside.cube").atoms
    for name in ("REF_local_hartree_energy", "REF_local_hartree_energy_electronic", "bader_population", "bader_volume"):
        assert outside.arrays[name] == pytest.approx(inside.arrays[name], rel=1e-10)


def test_a_moved_liquid_keeps_its_labels(tmp_path, atoms_cube):
    still = partitioned(atoms_cube).atoms.arrays
    step = np.diag(known.CELL) / known.SHAPE
    moved = partitioned(known.write_neutral_atoms(tmp_path / "moved.cube", shift=step * (3, 0, -4))).atoms.arrays
    for name in ("REF_local_hartree_energy", "bader_population", "bader_volume", "local_hartree_energy_error"):
        assert moved[name] == pytest.approx(still[name], rel=1e-6, abs=1e-6)


def test_a_structure_gives_the_cell_and_brings_its_labels(tmp_path, atoms_cube):
    rounded = tmp_path / "rounded.cube"
    lines = atoms_cube.read_text().split("\n")
    for number in range(3, 6):
        count, *vector = lines[number].split()
        lines[number] = f"{count} " + " ".join(f"{float(x):.6f}" for x in vector)
    rounded.write_text("\n".join(lines))
    atoms = known.neutral_atoms()
    atoms.info["REF_energy"] = -12.5
    atoms.arrays["REF_forces"] = np.ones((2, 3))
    write(tmp_path / "atoms.extxyz", [atoms, atoms])
    exact = partitioned(atoms_cube).atoms
    done = partition_input(PartitionInput(rounded, tmp_path / "atoms.extxyz", 1), SETTINGS).atoms
    assert done.info["REF_energy"] == -12.5
    assert np.array_equal(done.arrays["REF_forces"], np.ones((2, 3)))
    name = "REF_local_hartree_energy"
    assert done.arrays[name] == pytest.approx(exact.arrays[name], rel=1e-8)
    assert partitioned(rounded).atoms.arrays[name] != pytest.approx(exact.arrays[name], rel=1e-8)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda atoms: atoms.set_cell(1.001 * atoms.cell.array), "cells differ"),
        (lambda atoms: atoms.translate([0.1, 0, 0]), "apart"),
        (lambda atoms: atoms.set_chemical_symbols(["Kr", "Ar"]), "is Ar and Kr"),
        (lambda atoms: atoms.pop(), "2 and 1 atoms"),
    ],
)
def test_a_structure_of_another_calculation_is_refused(tmp_path, atoms_cube, change, words):
    atoms = known.neutral_atoms()
    change(atoms)
    write(tmp_path / "other.extxyz", atoms)
    with pytest.raises(InputError, match=words) as refusal:
        partition_input(PartitionInput(atoms_cube, tmp_path / "other.extxyz"), SETTINGS)
    assert str(atoms_cube) in str(refusal.value)
    assert "other.extxyz" in str(refusal.value)


def test_gzip_gives_the_same(tmp_path, atoms_cube):
    compressed = tmp_path / "atoms.cube.gz"
    compressed.write_bytes(gzip.compress(atoms_cube.read_bytes()))
    plain, zipped = (partitioned(path).atoms.arrays for path in (atoms_cube, compressed))
    assert all(np.array_equal(plain[name], zipped[name]) for name in plain)


def test_without_cores_there_are_populations_and_volumes_only(atoms_cube):
    done = partitioned(atoms_cube, cores={})  # 14 electrons are not 16 of GTH-PBE
    assert done.atoms.arrays["bader_population"] == pytest.approx(known.CHARGES, abs=1e-3)
    assert not [name for name in done.atoms.arrays if "energy" in name or "charge" in name]
    assert "populations and volumes only" in done.report["notes"][0]
    assert "14 electrons" in done.report["notes"][0]


def test_cores_of_gth_pbe_are_taken_where_the_electrons_fit(tmp_path):
    path = tmp_path / "argon.cube"
    atoms = known.neutral_atoms()
    atoms.symbols = "Ar2"
    values = known.gaussians(known.SHAPE, known.CELL, atoms.positions, (8.0, 8.0), known.WIDTHS, images=1)
    write_cube(path, values * Bohr**3, atoms)
    done = partitioned(path, cores={})
    assert done.report["cores"]["Ar"]["charge"] == 8
    assert done.atoms.info["cores_from"] == "assumed: GTH-PBE"
    assert done.report["cores"]["Ar"]["rloc_bohr"] == pytest.approx(0.4, rel=1e-12)
    assert "GTH-PBE" in done.report["notes"][0]
    atoms.arrays["nuclear_charges"] = np.array([18.0, 18.0])  # an all-electron program says so
    write_cube(path, values * Bohr**3, atoms)
    assert partitioned(path, cores={}).report["cores"] is None


def test_a_potential_gives_the_reading_that_needs_no_cores(tmp_path, atoms_cube):
    from basinet.density.potential import hartree_potential

    atoms = known.neutral_atoms()
    _, v_h = hartree_potential(known.density(), known.CELL, atoms.positions, list(known.CORES.values()))
    write_cube(tmp_path / "v.cube", v_h / Hartree, atoms)
    done = partitioned(atoms_cube, cores={}, potential=tmp_path / "v.cube").atoms.arrays
    name = "REF_local_hartree_energy_electronic"
    assert done[name] == pytest.approx(partitioned(atoms_cube).atoms.arrays[name], rel=1e-6)
    assert "REF_local_hartree_energy" not in done


def test_further_fields_are_integrated_in_atomic_units_of_volume(tmp_path, atoms_cube):
    write_cube(tmp_path / "spin.cube", 0.25 * known.density() * Bohr**3, known.neutral_atoms())
    done = partitioned(atoms_cube, fields={"spin": "spin.cube"}).atoms.arrays
    assert done["bader_spin"] == pytest.approx(0.25 * done["bader_population"], rel=1e-9)
    assert np.all(done["bader_spin_error"] >= 0)


def test_vacuum_and_non_nuclear_maxima_are_reported_and_not_hidden(tmp_path, atoms_cube):
    done = partitioned(atoms_cube, vacuum=1e-3)
    info = done.atoms.info
    assert info["bader_vacuum_volume"] > 1.0
    total = done.atoms.arrays["bader_population"].sum() + info["bader_vacuum_population"]
    assert total == pytest.approx(14.0, rel=1e-12)
    atoms = known.neutral_atoms()[:1]
    write_cube(tmp_path / "one.cube", known.density() * Bohr**3, atoms)
    done = partitioned(tmp_path / "one.cube", cores={})
    assert done.atoms.info["bader_non_nuclear_maxima"] == 1
    assert done.atoms.info["bader_non_nuclear_population"] == pytest.approx(6.0, abs=1e-3)
    assert any("belong to no atom" in note for note in done.report["notes"])


def test_an_atom_without_a_maximum_is_refused(tmp_path):
    atoms = known.neutral_atoms()
    atoms.append("He")
    atoms.positions[2] = [3.5, 2.8, 0.5]
    write_cube(tmp_path / "empty.cube", known.density() * Bohr**3, atoms)
    with pytest.raises(InputError, match=r"empty\.cube: 1 of 3 atoms have no maximum of the density: 2 \(He\).*--ref"):
        partitioned(tmp_path / "empty.cube", cores={})


def test_the_basins_may_be_those_of_a_sum_of_other_densities(tmp_path, atoms_cube):
    atoms, cell = known.neutral_atoms(), known.CELL
    for atom, name in enumerate(("first", "second")):
        own = slice(atom, atom + 1)
        values = gaussians(known.SHAPE, cell, atoms.positions[own], known.CHARGES[own], known.WIDTHS[own], images=1)
        write_cube(tmp_path / f"{name}.cube", values * Bohr**3, atoms)
    plain = partitioned(atoms_cube).atoms.arrays
    both = partitioned(atoms_cube, reference=(Path("first.cube"), Path("second.cube"))).atoms.arrays
    for name in ("bader_population", "bader_volume", "REF_local_hartree_energy"):
        assert both[name] == pytest.approx(plain[name], rel=1e-9)
    with pytest.raises(InputError, match=r"no maximum of the density: 1 \(Kr\)"):
        partitioned(atoms_cube, reference=(Path("first.cube"),))


@pytest.mark.parametrize(
    ("factor", "words"),
    [(Bohr**-3, "in e/A.3"), (Bohr**3, "in Angstrom"), (9.3, "the nuclei have"), (0.05, "the nuclei have")],
)
def test_densities_in_other_units_are_refused(tmp_path, factor, words):
    atoms = known.neutral_atoms()
    atoms.set_array("nuclear_charges", np.array(known.CHARGES))
    write_cube(tmp_path / "other.cube", factor * known.density() * Bohr**3, atoms)
    with pytest.raises(InputError, match=rf"other\.cube: [0-9.]+ electrons.*{words}"):
        partitioned(tmp_path / "other.cube", cores={})


def test_error_bars_that_cannot_be_had_are_left_out_with_a_reason(tmp_path):
    """A hydrogen's small maximum at the flank of an oxygen's is gone where blocks smooth it away."""
    atoms = Atoms("OH", positions=[[2.0, 2.0, 2.0], [2.0, 2.0, 2.8]], cell=np.eye(3) * 4.0, pbc=True)
    grid = np.stack(np.meshgrid(*[np.arange(20) * 0.2] * 3, indexing="ij"), axis=-1)
    oxygen, hydrogen = (np.linalg.norm(grid - place, axis=-1) for place in atoms.positions)
    density = np.exp(-((oxygen / 0.6) ** 2)) + 0.5 * np.exp(-((hydrogen / 0.1) ** 2))
    write_cube(tmp_path / "oh.cube", density * Bohr**3, atoms)
    done = partitioned(tmp_path / "oh.cube", cores={})
    assert not [name for name in done.atoms.arrays if name.endswith("_error")]
    assert any(note.startswith("no error bars") for note in done.report["notes"])


def test_threads_change_nothing(atoms_cube):
    one, two = (partitioned(atoms_cube, threads=threads).atoms.arrays for threads in (1, 2))
    assert all(np.array_equal(one[name], two[name]) for name in one)
