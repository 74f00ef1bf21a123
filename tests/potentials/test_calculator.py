"""The potential as ASE users meet it."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from tests.potentials.toys import gas, random_ensemble

import basinet
from basinet.errors import InputError
from basinet.potentials.calculator import Calculator, ExtrapolationWarning
from basinet.potentials.dataset import DescriptorRange


@pytest.fixture(scope="module")
def ensemble():
    return random_ensemble(("Ar", "Kr"))


def with_calculator(ensemble, **options):
    atoms = gas("Ar4Kr3")
    atoms.calc = Calculator(ensemble, **options)
    return atoms


def test_energies_of_atoms_sum_to_the_energy_and_are_the_members_mean(ensemble):
    atoms = with_calculator(ensemble)
    local = ensemble.local_energies(atoms)
    np.testing.assert_allclose(atoms.get_potential_energies(), local.mean(axis=0), rtol=1e-14)
    assert atoms.get_potential_energy() == pytest.approx(local.sum(axis=1).mean(), rel=1e-14)
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
    np.testing.assert_allclose(atoms.calc.results["spread"], local.std(axis=0), atol=1e-12)


def test_a_member_alone_gives_its_own_energies(ensemble):
    atoms = with_calculator(ensemble, member=1)
    np.testing.assert_allclose(atoms.get_potential_energies(), ensemble.local_energies(atoms)[1], rtol=1e-14)


def test_stress_is_the_derivative_of_the_energy_in_the_strain(ensemble):
    atoms = with_calculator(ensemble)
    stress = atoms.get_stress(voigt=False)
    step = 1e-4
    energies = []
    for sign in (1, -1):
        strained = atoms.copy()
        strained.calc = atoms.calc
        strain = np.eye(3)
        strain[0, 1] += sign * step
        strained.set_cell(atoms.cell.array @ strain, scale_atoms=True)
        energies.append(strained.get_potential_energy())
    expected = (energies[0] - energies[1]) / (2 * step) / atoms.get_volume()
    assert stress[0, 1] == pytest.approx(expected, rel=1e-5, abs=1e-12)
    assert stress[0, 1] == stress[1, 0]


def test_nothing_is_computed_again_while_nothing_changes(ensemble, monkeypatch):
    calls = []
    evaluate = type(ensemble).evaluate
    monkeypatch.setattr(type(ensemble), "evaluate", lambda *a, **k: calls.append(1) or evaluate(*a, **k))
    atoms = with_calculator(ensemble)
    atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(), atoms.get_potential_energies()
    assert len(calls) == 1
    atoms.positions[0, 0] += 0.01
    atoms.get_forces()
    assert len(calls) == 2


def test_the_atoms_are_left_as_they_were(ensemble):
    atoms = with_calculator(ensemble)
    before = atoms.copy()
    atoms.get_forces()
    assert before == atoms


def test_optimiser_of_ase_finds_lower_energies(ensemble):
    atoms = with_calculator(ensemble)
    before = atoms.get_potential_energy()
    BFGS(atoms, logfile=None, maxstep=0.02).run(fmax=0.0, steps=5)
    assert atoms.get_potential_energy() < before


def test_velocity_verlet_conserves_the_energy_to_second_order(ensemble):
    def fluctuation(timestep):
        atoms = with_calculator(ensemble)
        atoms.set_velocities(np.random.default_rng(0).normal(scale=1e-3, size=(len(atoms), 3)))
        total = []
        dynamics = VelocityVerlet(atoms, timestep * units.fs)
        for _ in range(round(40 / timestep)):
            dynamics.run(1)
            total.append(atoms.get_total_energy())
        return np.std(total)

    assert fluctuation(4.0) / fluctuation(2.0) == pytest.approx(4.0, rel=0.2)


def test_outside_the_training_range_it_warns_once_and_keeps_count(ensemble):
    atoms = with_calculator(ensemble)
    rows = ensemble.descriptor(atoms)
    own = [rows[np.array(atoms.get_chemical_symbols()) == element] for element in ensemble.elements]
    bounds = DescriptorRange(np.array([r.min(0) for r in own]), np.array([r.max(0) for r in own]))
    atoms.calc = Calculator(replace(ensemble, range=bounds))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        atoms.get_forces()
    assert not atoms.calc.results["extrapolating"].any()
    atoms.positions[2] += 0.9 * (atoms.positions[0] - atoms.positions[2])
    with pytest.warns(ExtrapolationWarning, match="leave the training range, atom"):
        atoms.get_forces()
    assert atoms.calc.results["extrapolating"][0]
    atoms.positions[2] += 0.01
    atoms.get_forces()
    assert atoms.calc.extrapolated_frames == 2


def test_a_trained_model_knows_its_range_through_its_file(tmp_path):
    frames = basinet.load_reference("ar")[:20]
    model = basinet.train(frames, width=4, members=2, learning_rates=[0.01], max_steps=50)
    model.save(tmp_path / "ar.basinet")
    atoms = frames[0].copy()
    atoms.calc = Calculator(basinet.load_model(tmp_path / "ar.basinet"))
    atoms.get_potential_energy()
    assert atoms.calc.results["extrapolation"].max() == 0.0
    squeezed = bulk("Ar", "fcc", a=4.0, cubic=True)
    squeezed.calc = atoms.calc
    with pytest.warns(ExtrapolationWarning):
        squeezed.get_potential_energy()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda atoms: atoms.symbols.__setitem__(0, "Xe"), "no network for Xe"),
        (lambda atoms: atoms.positions.__setitem__((3, 1), np.nan), "atom 3 is at"),
        (lambda atoms: atoms.positions.__setitem__(1, atoms.positions[0]), "atoms 0 and 1 are in one place"),
        (lambda atoms: atoms.set_cell(np.diag([9, 9, 0])), "cell vector 2 is zero"),
        (lambda atoms: atoms.set_cell(np.diag([9, 9, 1e-3])), "atom . and its own image are .* the cell is too small"),
    ],
)
def test_what_has_no_energy_is_refused_in_one_line(ensemble, change, message):
    atoms = with_calculator(ensemble)
    change(atoms)
    with pytest.raises(InputError, match=message) as refused:
        atoms.get_potential_energy()
    assert "\n" not in str(refused.value)


def test_stress_of_a_cluster_is_not_implemented(ensemble):
    cluster = Atoms("ArKr", positions=[[0, 0, 0], [0, 0, 3.8]])
    cluster.calc = Calculator(ensemble)
    assert cluster.get_forces().shape == (2, 3)
    with pytest.raises(PropertyNotImplementedError):
        cluster.get_stress()


def test_a_box_without_volume_has_no_stress(ensemble):
    """In open directions cell vectors may point anywhere, in one direction too."""
    cluster = Atoms("ArKr", positions=[[0, 0, 0], [0, 0, 3.8]], cell=[[5, 0, 0], [5, 0, 0], [0, 0, 1]])
    cluster.calc = Calculator(ensemble)
    assert np.isfinite(cluster.get_forces()).all()
    assert "stress" not in cluster.calc.results
    with pytest.raises(PropertyNotImplementedError):
        cluster.get_stress()


def test_no_atoms_have_no_energy(ensemble):
    nothing = Atoms(cell=[9, 9, 9], pbc=True, calculator=Calculator(ensemble))
    assert nothing.get_potential_energy() == 0.0
    assert nothing.get_forces().shape == (0, 3)


def test_results_pass_through_the_properties_of_ase(ensemble):
    atoms = with_calculator(ensemble)
    properties = atoms.calc.calculate_properties(atoms, ["energy", "forces", "stress"])
    assert properties["energy"] == atoms.get_potential_energy()
    np.testing.assert_array_equal(properties["forces"], atoms.get_forces())


@pytest.mark.parametrize("member", [3, -1, True, 1.0, "1"])
def test_a_member_that_is_not_there_is_refused(ensemble, member):
    with pytest.raises(InputError, match="members 0 to 2"):
        Calculator(ensemble, member=member)
