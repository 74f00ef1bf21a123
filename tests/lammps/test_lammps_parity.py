"""Exported models are in LAMMPS what they are here: 1e-9 eV per atom relative to E0, forces 1e-8 eV/A."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.io import read
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.potentials.toys import gas, random_ensemble

import basinet
from basinet.descriptors.bispectrum import Bispectrum
from basinet.files import read_json
from basinet.lammps.engine import lammps_engine
from basinet.lammps.export import ENERGY_TOLERANCE, FORCE_TOLERANCE, export_lammps
from basinet.lammps.files import box_of
from basinet.potentials.ensemble import Ensemble
from basinet.potentials.network import Architecture
from basinet.potentials.pair_potential import LennardJones, literature_lennard_jones

pytestmark = [pytest.mark.lammps, pytest.mark.slow]

PROGRAMS = Path(sys.executable).parent
"""Where pip puts ``lmp`` and ``mpiexec``."""

EQUAL = Bispectrum(rcut=5.25, twojmax=6, weights={"Ar": 1.0, "Kr": 0.8})
UNEQUAL = Bispectrum(rcut=5.0, twojmax=4, weights={"Ar": 1.0, "Kr": -1.3}, radii={"Ar": 0.5, "Kr": 0.5372})


def frame(elements: tuple[str, ...], cell: str) -> Atoms:
    """Twelve atoms at random."""
    atoms = gas("Ar6Kr6" if len(elements) == 2 else "Ar12", seed=1, box=9.5)
    if cell == "orthorhombic":
        atoms.set_cell(np.diag([9.0, 10.0, 11.0]), scale_atoms=True)
    return atoms


def assert_same(ensemble: Ensemble, atoms: Atoms) -> None:
    """LAMMPS and basinet agree on every member; forces are not those of nothing."""
    with lammps_engine(ensemble) as engine:
        theirs = engine.evaluate(atoms)
    for m in range(ensemble.members):
        ours = ensemble.evaluate(atoms, mean_over=[m])
        assert np.abs(theirs.local_energies[m] - ours.local_energies[m]).max() < ENERGY_TOLERANCE
        assert np.abs(theirs.forces[m] - ours.forces).max() < FORCE_TOLERANCE
        assert np.abs(ours.forces).max() > 1e3 * FORCE_TOLERANCE


@pytest.mark.parametrize("cell", ["orthorhombic", "triclinic"])
@pytest.mark.parametrize("elements", [("Ar",), ("Ar", "Kr")], ids="+".join)
@pytest.mark.parametrize("width", [4, 32, 500])
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("activation", ["linear", "tanh"])
def test_members_agree(activation, depth, width, elements, cell):
    architecture = Architecture(activation, depth, width)
    ensemble = random_ensemble(elements, architecture, members=2 if width < 500 else 1, descriptor=EQUAL)
    assert_same(ensemble, frame(elements, cell))


@pytest.mark.parametrize("cell", ["orthorhombic", "triclinic"])
def test_elements_of_unequal_size(cell):
    assert_same(random_ensemble(("Ar", "Kr"), descriptor=UNEQUAL), frame(("Ar", "Kr"), cell))


def test_a_cell_smaller_than_the_cutoff():
    atoms = bulk("Ar", "fcc", a=5.4) * (1, 1, 2)
    atoms.rattle(0.2, seed=1)
    assert_same(random_ensemble(("Ar",), descriptor=EQUAL), atoms)


@pytest.mark.parametrize("structure", ["cubic", "primitive", "left-handed", "turned", "outside"])
def test_atoms_on_the_faces_of_any_cell(structure):
    atoms = bulk("Ar", "fcc", a=5.4, cubic=structure == "cubic") * (2, 2, 2)
    if structure == "left-handed":
        atoms.set_cell(atoms.cell[[1, 0, 2]])
    elif structure == "turned":
        atoms.rotate(37.0, (1, 2, 3), rotate_cell=True)
    elif structure == "outside":
        atoms.positions += 3 * atoms.cell[0] - 2 * atoms.cell[1]
    ensemble = random_ensemble(("Ar",), descriptor=EQUAL)
    with lammps_engine(ensemble) as engine:
        theirs = engine.evaluate(atoms)
    np.testing.assert_allclose(theirs.local_energies, ensemble.local_energies(atoms), rtol=0, atol=ENERGY_TOLERANCE)
    np.testing.assert_allclose(theirs.forces, 0.0, atol=FORCE_TOLERANCE)


@pytest.mark.long
@pytest.mark.parametrize("pbc", [(True, True, False), (False, True, True), (True, False, False), (False, False, False)])
def test_open_boundaries(pbc):
    atoms = frame(("Ar", "Kr"), "triclinic")
    atoms.pbc = pbc
    assert_same(random_ensemble(("Ar", "Kr"), descriptor=UNEQUAL), atoms)


@pytest.mark.long
@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    pbc=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    tilts=st.tuples(*[st.floats(-1.5, 1.5)] * 3),
)
def test_any_cell_in_any_orientation(seed, pbc, tilts):
    """Cells tilted beyond what LAMMPS calls large, turned at random, with axes that repeat or not."""
    rng = np.random.default_rng(seed)
    cell = np.diag(rng.uniform(5.0, 11.0, 3))
    cell[1, 0], cell[2, 0], cell[2, 1] = tilts[0] * cell[0, 0], tilts[1] * cell[0, 0], tilts[2] * cell[1, 1]
    atoms = gas("Ar3Kr2", seed=seed, box=7.0)
    atoms.set_cell(cell, scale_atoms=True)
    atoms.rotate(*rng.uniform(-180.0, 180.0, 1), rng.normal(size=3), rotate_cell=True)
    atoms.pbc = pbc
    ensemble = random_ensemble(("Ar", "Kr"), descriptor=UNEQUAL, members=1)
    with lammps_engine(ensemble) as engine:
        theirs = engine.evaluate(atoms)
    ours = ensemble.evaluate(atoms)
    assert np.abs(theirs.local_energies - ours.local_energies).max() < ENERGY_TOLERANCE
    assert np.abs(theirs.forces[0] - ours.forces).max() < FORCE_TOLERANCE


def test_frames_of_any_size_one_after_another():
    ensemble = random_ensemble(("Ar", "Kr"), descriptor=EQUAL)
    with lammps_engine(ensemble) as engine:
        for atoms in (gas("Ar3"), gas("Ar6Kr6"), gas("Kr"), gas("Ar3")):
            expected = ensemble.local_energies(atoms)
            np.testing.assert_allclose(engine.local_energies(atoms), expected, rtol=0, atol=ENERGY_TOLERANCE)


@pytest.mark.parametrize("cell", ["orthorhombic", "triclinic"])
def test_the_virial_is_the_same(cell):
    """At rest LAMMPS' pressure tensor is the virial over the volume; its frame of reference is this cell's."""
    ensemble, atoms = random_ensemble(("Ar", "Kr"), descriptor=UNEQUAL, members=1), frame(("Ar", "Kr"), cell)
    with lammps_engine(ensemble) as engine:
        engine.evaluate(atoms)
        engine.session.commands_list(["thermo_style custom step press", "run 0 post no"])
        bar = np.array([engine.session.get_thermo(f"p{axes}") for axes in ("xx", "yy", "zz", "yz", "xz", "xy")])
    bar_per_ev = 1.6021765e6  # per cubic Angstrom; LAMMPS' own constant, in metal units
    virial = ensemble.evaluate(atoms).virial[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    np.testing.assert_allclose(bar * atoms.get_volume() / bar_per_ev, virial, rtol=0, atol=1e-10 * np.abs(virial).max())


def test_pure_models_on_the_mixture_are_the_papers_transfer():
    parts = {element: random_ensemble((element,), descriptor=EQUAL, seed=i) for i, element in enumerate(("Ar", "Kr"))}
    assert_same(basinet.compose(**parts), frame(("Ar", "Kr"), "orthorhombic"))


@pytest.mark.parametrize("smooth", [True, False])
def test_networks_upon_a_pair_potential(tmp_path, smooth):
    """As hybrid/overlay; each pair's energy is shared by its atoms."""
    pairs = LennardJones(literature_lennard_jones().parameters, 7.5, smooth=smooth)
    ensemble = replace(random_ensemble(("Ar", "Kr"), descriptor=UNEQUAL), baseline=pairs)
    atoms = frame(("Ar", "Kr"), "triclinic")
    assert_same(ensemble, atoms)
    export_lammps(ensemble, tmp_path / "out", start=atoms)
    theirs = run_input(tmp_path / "out", 2)
    expected = ensemble.local_energies(atoms).mean(axis=0)
    np.testing.assert_allclose(theirs.arrays["c_energy"].ravel(), expected, rtol=0, atol=ENERGY_TOLERANCE)


def test_a_mean_in_turn_upon_a_pair_potential(tmp_path):
    pairs = LennardJones(literature_lennard_jones().parameters, 7.5, smooth=True)
    architecture = Architecture("tanh", 2, 96)
    ensemble = replace(random_ensemble(("Ar",), architecture, members=6), baseline=pairs)
    atoms = frame(("Ar",), "orthorhombic")
    export_lammps(ensemble, tmp_path / "out", start=atoms)
    assert not (tmp_path / "out" / "mean.nn").exists()
    theirs = run_input(tmp_path / "out", 2)
    expected = ensemble.local_energies(atoms).mean(axis=0)
    np.testing.assert_allclose(theirs.arrays["c_energy"].ravel(), expected, rtol=0, atol=ENERGY_TOLERANCE)


def run_input(folder: Path, ranks: int, *arguments: str) -> Atoms:
    """Run in.lammps as it is, and read the energies of the atoms that it writes."""
    parallel = [PROGRAMS / "mpiexec", "-n", str(ranks)] if ranks > 1 else []
    command = [*parallel, PROGRAMS / "lmp", "-in", "in.lammps", *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return read(folder / "energies.dump")


@pytest.mark.parametrize("cell", ["orthorhombic", "triclinic"])
@pytest.mark.parametrize("elements", [("Ar",), ("Ar", "Kr")], ids="+".join)
@pytest.mark.parametrize(
    "shape",
    [
        ("linear", 1, 4),
        pytest.param(("linear", 2, 500), marks=pytest.mark.long),
        pytest.param(("tanh", 1, 500), marks=pytest.mark.long),
        ("tanh", 2, 4),
        pytest.param(("tanh", 2, 500), marks=pytest.mark.long),
    ],
    ids=str,
)
def test_the_input_runs_as_it_is_on_one_rank_and_on_two(tmp_path, shape, elements, cell):
    ensemble = random_ensemble(elements, Architecture(*shape), descriptor=UNEQUAL, members=2)
    atoms = frame(elements, cell)
    export_lammps(ensemble, tmp_path / "out", start=atoms)
    ours, box = ensemble.evaluate(atoms), box_of(atoms)
    for ranks in (1, 2):
        theirs = run_input(tmp_path / "out", ranks)
        np.testing.assert_allclose(
            theirs.arrays["c_energy"].ravel(), ours.local_energies.mean(axis=0), rtol=0, atol=ENERGY_TOLERANCE
        )
        np.testing.assert_allclose(box.to_frame(theirs.get_forces()), ours.forces, rtol=0, atol=FORCE_TOLERANCE)
        assert theirs.get_chemical_symbols() == atoms.get_chemical_symbols()


def test_the_input_runs_any_member(tmp_path):
    ensemble, atoms = random_ensemble(("Ar", "Kr"), descriptor=UNEQUAL), frame(("Ar", "Kr"), "triclinic")
    export_lammps(ensemble, tmp_path / "out", start=atoms)
    theirs = run_input(tmp_path / "out", 1, "-var", "model", "member_002.nn")
    expected = ensemble.local_energies(atoms)[2]
    np.testing.assert_allclose(theirs.arrays["c_energy"].ravel(), expected, rtol=0, atol=ENERGY_TOLERANCE)


def test_the_input_runs_a_mean_too_wide_for_one_network(tmp_path):
    ensemble = random_ensemble(("Ar", "Kr"), Architecture("tanh", 2, 96), descriptor=UNEQUAL, members=6)
    atoms = frame(("Ar", "Kr"), "triclinic")
    record = export_lammps(ensemble, tmp_path / "out", start=atoms)
    assert not (tmp_path / "out" / "mean.nn").exists()
    assert record["potentials"][-1]["files"] == [f"member_{m:03d}.nn" for m in range(6)]
    theirs = run_input(tmp_path / "out", 2)
    expected = ensemble.local_energies(atoms).mean(axis=0)
    np.testing.assert_allclose(theirs.arrays["c_energy"].ravel(), expected, rtol=0, atol=ENERGY_TOLERANCE)


def test_the_input_runs_a_slab(tmp_path):
    atoms = fcc111("Ar", (2, 2, 3), a=5.4, vacuum=6.0, periodic=False)
    atoms.pbc = (True, True, False)
    atoms.rattle(0.1, seed=2)
    ensemble = random_ensemble(("Ar",), descriptor=EQUAL)
    export_lammps(ensemble, tmp_path / "out", start=atoms)
    theirs = run_input(tmp_path / "out", 1)
    expected = ensemble.local_energies(atoms).mean(axis=0)
    np.testing.assert_allclose(theirs.arrays["c_energy"].ravel(), expected, rtol=0, atol=ENERGY_TOLERANCE)


def test_a_trained_model_agrees_on_the_liquid(tmp_path):
    frames = basinet.load_reference("ar")
    ensemble = basinet.train(frames[:20], width=4, members=2, learning_rates=[0.01], max_steps=50)
    record = export_lammps(ensemble, tmp_path / "out", start=frames[100])
    assert record == read_json(tmp_path / "out" / "check.json")
    assert record["checked"]
    assert record["max_energy_deviation_ev_per_atom"] < ENERGY_TOLERANCE
    assert record["max_force_deviation_ev_per_angstrom"] < FORCE_TOLERANCE
    theirs = run_input(tmp_path / "out", 1)
    expected = ensemble.local_energies(frames[100]).mean(axis=0)
    np.testing.assert_allclose(theirs.arrays["c_energy"].ravel(), expected, rtol=0, atol=ENERGY_TOLERANCE)


def test_energies_are_comparable_with_dft(tmp_path):
    """The energy of the isolated atom is inside: an atom far from all others has just this plus a constant."""
    ensemble = random_ensemble(("Ar",), descriptor=EQUAL)
    alone = Atoms("Ar", cell=[30.0, 30.0, 30.0], pbc=True)
    export_lammps(ensemble, tmp_path / "out", start=alone)
    theirs = run_input(tmp_path / "out", 1)
    expected = ensemble.local_energies(alone).mean()
    assert theirs.arrays["c_energy"].item() == pytest.approx(expected, abs=ENERGY_TOLERANCE)


@pytest.mark.parametrize("width", [8, 96])
def test_the_lines_for_dynamics_run(tmp_path, width):
    """Uncommented as the input says, with the mean as one network and with members in turn."""
    ensemble = random_ensemble(("Ar", "Kr"), Architecture("tanh", 2, width), descriptor=UNEQUAL, members=6)
    export_lammps(ensemble, tmp_path / "out", start=frame(("Ar", "Kr"), "triclinic"))
    assert (tmp_path / "out" / "mean.nn").exists() == (width == 8)
    path = tmp_path / "out" / "in.lammps"
    text, count = re.subn(r"^# (?=(velocity|timestep|fix|thermo|run) )", "", path.read_text(), flags=re.MULTILINE)
    assert count == 5
    path.write_text(text.replace("run 1000", "run 4") + "variable steps equal step\nprint 'done ${steps}'\n")
    command = [PROGRAMS / "lmp", "-in", path.name]
    result = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)
    assert "done 4" in result.stdout, result.stdout + result.stderr
