"""The synthetic liquid is a liquid, and its labels are exact."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.md.verlet import VelocityVerlet

from basinet.errors import InputError
from basinet.frames.shipped import load_reference
from basinet.md.liquids import _box_length, _starting_lattice
from basinet.md.sampling import synthetic_liquid
from basinet.md.settings import _LiquidSettings
from basinet.md.structure import CRYSTALLINE, _lattice_order
from basinet.potentials.calculator import PairPotentialCalculator
from basinet.potentials.pair_potential import literature_lennard_jones

pytestmark = pytest.mark.slow

# An eighth of the usual length.
SHORT = _LiquidSettings(melt_steps=600, equilibration_steps=600, spacing_steps=50)


@pytest.fixture(scope="module")
def krypton() -> list[Atoms]:
    return synthetic_liquid(
        "kr", 24, settings=_LiquidSettings(melt_steps=600, equilibration_steps=1000, spacing_steps=100)
    )


def test_labels_are_the_potentials_own_and_sum_exactly(krypton):
    potential = literature_lennard_jones()
    for index, frame in enumerate(krypton):
        assert frame.info["frame"] == index
        assert frame.info["system"] == "kr"
        assert frame.arrays["REF_local_energy"].sum() == frame.info["REF_energy"]
        assert np.array_equal(frame.arrays["REF_local_energy"], potential.local_energies(frame))
        assert np.array_equal(frame.arrays["REF_forces"], potential.forces(frame))
        assert np.all((frame.get_scaled_positions(wrap=False) >= 0) & (frame.get_scaled_positions(wrap=False) <= 1))


def test_there_are_no_electrostatic_labels(krypton):
    assert set(krypton[0].info) == {"system", "frame", "REF_energy"}
    assert set(krypton[0].arrays) == {"numbers", "positions", "REF_forces", "REF_local_energy"}


def test_krypton_just_above_freezing_is_liquid(krypton):
    assert _lattice_order(krypton) < CRYSTALLINE - 0.1


def test_the_liquid_has_the_energy_of_the_reference_configurations(krypton):
    potential = literature_lennard_jones()
    reference = np.array([potential.energy(atoms) for atoms in load_reference("kr")]) / 32
    energies = np.array([atoms.info["REF_energy"] for atoms in krypton]) / 32
    error = np.hypot(reference.std() / np.sqrt(len(reference)), energies.std() / np.sqrt(len(energies)))
    assert abs(energies.mean() - reference.mean()) < 6 * error


@pytest.mark.long
def test_frames_depend_on_the_seed_and_on_nothing_else():
    first, again, other = (synthetic_liquid("mix", 2, n_atoms=16, seed=s, settings=SHORT) for s in (1, 1, 2))
    assert np.array_equal(first[1].positions, again[1].positions)
    assert not np.allclose(first[1].positions, other[1].positions)
    assert first[0].get_chemical_symbols().count("Ar") == 8


def test_progress_counts_every_step():
    steps: list[tuple[str, int, int]] = []
    synthetic_liquid("ar", 3, n_atoms=16, settings=SHORT, progress=lambda stage, *done: steps.append((stage, *done)))
    for stage, total in (("melting, cooling", 1200), ("sampling", 150)):
        done = [now for name, now, of in steps if name == stage and of == total]
        assert done == sorted(done)
        assert done[-1] == total


def test_a_crystal_is_told_from_a_liquid():
    lattice = [_starting_lattice("kr", 32, np.random.default_rng(seed)) for seed in range(10)]
    assert _lattice_order(lattice) > 0.9
    assert _lattice_order([_starting_lattice("kr", 32, np.random.default_rng(0), displacement=0.0)]) == pytest.approx(1)
    assert _lattice_order(load_reference("ar")) < 0.15
    assert _lattice_order(load_reference("kr")) < 0.3


def test_a_lattice_that_does_not_melt_is_refused():
    cold = _LiquidSettings(temperature=20, melt_temperature=20, melt_steps=20, equilibration_steps=40)
    with pytest.raises(InputError, match="raise melt_temperature"):
        synthetic_liquid("kr", 1, settings=cold)


@pytest.mark.parametrize("n_atoms", [10, 32, 33, 108])
def test_a_start_has_the_density_and_no_overlaps(n_atoms):
    atoms = _starting_lattice("mix", n_atoms, np.random.default_rng(0))
    assert len(atoms) == n_atoms
    assert abs(atoms.get_chemical_symbols().count("Ar") - n_atoms / 2) <= 0.5
    assert atoms.cell.lengths() == pytest.approx([_box_length("mix", n_atoms)] * 3)
    distances = atoms.get_all_distances(mic=True) + 99 * np.eye(n_atoms)
    assert distances.min() > 2.0


def test_newtons_equations_with_this_calculator_conserve_energy():
    atoms = load_reference("ar")[0]
    atoms.calc = PairPotentialCalculator(literature_lennard_jones(cutoff=30.0))
    dynamics = VelocityVerlet(atoms, 2 * units.fs)
    start = atoms.get_total_energy()
    dynamics.run(50)
    assert atoms.get_kinetic_energy() > 0.01
    assert atoms.get_total_energy() == pytest.approx(start, abs=1e-4)


def test_a_skin_and_reused_lists_change_nothing():
    atoms = load_reference("mix")[0]
    atoms.calc = PairPotentialCalculator(literature_lennard_jones(), skin=1.0)
    rng = np.random.default_rng(0)
    for _ in range(30):
        atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
        exact = literature_lennard_jones().evaluate(atoms)
        assert atoms.get_potential_energies() == pytest.approx(exact.local_energies, rel=1e-10, abs=1e-13)
        assert atoms.get_forces() == pytest.approx(exact.forces, rel=1e-9, abs=1e-12)
    atoms.set_cell(atoms.cell.array * 1.01, scale_atoms=True)
    assert atoms.get_potential_energy() == pytest.approx(literature_lennard_jones().energy(atoms), rel=1e-12)
    atoms.numbers[:] = 36
    assert atoms.get_potential_energy() == pytest.approx(literature_lennard_jones().energy(atoms), rel=1e-12)


def test_mistakes_are_refused_with_what_to_do():
    with pytest.raises(InputError, match="unknown system 'xe'; choose one of ar, kr, mix"):
        synthetic_liquid("xe", 1)
    with pytest.raises(InputError, match="give at least 1"):
        synthetic_liquid("ar", 0)
    with pytest.raises(InputError, match="give at least 8"):
        synthetic_liquid("ar", 1, n_atoms=4)
    with pytest.raises(ValueError, match="timestep"):
        _LiquidSettings(timestep=-1)
