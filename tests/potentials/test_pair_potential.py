"""A pair potential shares each pair fairly, exerts the gradient of its energy, and knows no box."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

from basinet.errors import InputError
from basinet.frames.neighbours import half_list, neighbour_pairs, species_pairs
from basinet.frames.shipped import load_isolated_atoms, load_reference
from basinet.potentials.pair_potential import (
    LennardJones,
    PairCoefficients,
    _power_sums,
    fit_pair_potential,
    literature_lennard_jones,
)

POTENTIAL = literature_lennard_jones()


@st.composite
def crystals(draw: st.DrawFn) -> Atoms:
    """Perturbed lattices of both species in skewed cells smaller than the cutoff, periodic or open."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    cell = np.diag(rng.uniform(7.4, 9.0, 3)) + np.tril(rng.uniform(-2, 2, (3, 3)), -1)
    corners = np.stack(np.meshgrid([0.0, 0.5], [0.0, 0.5], [0.0, 0.5]), axis=-1).reshape(-1, 3)
    positions = corners @ cell + rng.uniform(-0.3, 0.3, (8, 3))
    return Atoms(rng.choice(["Ar", "Kr"], 8), positions, cell=cell, pbc=draw(st.tuples(*[st.booleans()] * 3)))


def brute_force(atoms: Atoms, potential: LennardJones) -> np.ndarray:
    """Local energies by the definition: every image within reach, one after the other."""
    symbols, cell = atoms.get_chemical_symbols(), atoms.cell.array
    reach = [range(-4, 5) if periodic else range(1) for periodic in atoms.pbc]
    local = np.zeros(len(atoms))
    for i, j in np.ndindex(len(atoms), len(atoms)):
        pair = potential.parameters[min(symbols[i], symbols[j]), max(symbols[i], symbols[j])]
        for image in np.array(np.meshgrid(*reach)).reshape(3, -1).T:
            r = np.linalg.norm(atoms.positions[j] + image @ cell - atoms.positions[i])
            if 0.0 < r < potential.cutoff:
                local[i] += 0.5 * (pair.c12 / r**12 - pair.c6 / r**6)
    return local


@settings(max_examples=4)
@given(crystals())
def test_local_energies_are_half_of_each_pair_over_all_images(atoms):
    assert POTENTIAL.local_energies(atoms) == pytest.approx(brute_force(atoms, POTENTIAL), rel=1e-10, abs=1e-13)


@settings(max_examples=25)
@given(crystals(), st.integers(0, 7), st.integers(0, 2))
def test_forces_are_the_gradient_of_the_energy(atoms, atom, axis):
    step = 1e-5
    before = np.sort(neighbour_pairs(atoms, half_list(POTENTIAL.cutoff + 1e-3))[3])
    # Plain truncation: skip the rare frame in which a pair crosses the cutoff within the step.
    if np.any(np.abs(np.sqrt(before) - POTENTIAL.cutoff) < 1e-3):
        return
    energies = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[atom, axis] += sign * step
        energies.append(POTENTIAL.energy(moved))
    gradient = (energies[0] - energies[1]) / (2 * step)
    assert POTENTIAL.forces(atoms)[atom, axis] == pytest.approx(-gradient, rel=1e-6, abs=1e-7)


@given(crystals())
def test_action_equals_reaction_and_local_energies_sum_to_the_total(atoms):
    forces = POTENTIAL.forces(atoms)
    assert forces.sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-11 * (1 + np.abs(forces).max()))
    assert POTENTIAL.energy(atoms) == POTENTIAL.local_energies(atoms).sum()


@settings(max_examples=10)
@given(crystals(), st.tuples(*[st.integers(1, 2)] * 3))
def test_local_energies_do_not_depend_on_the_choice_of_the_cell(atoms, repeats):
    repeats = tuple(n if periodic else 1 for n, periodic in zip(repeats, atoms.pbc, strict=True))
    larger = POTENTIAL.local_energies(atoms.repeat(repeats))
    assert larger == pytest.approx(np.tile(POTENTIAL.local_energies(atoms), np.prod(repeats)), rel=1e-9, abs=1e-13)


@settings(max_examples=20)
@given(crystals(), st.integers(0, 2**32 - 1))
def test_rotation_translation_and_order_change_nothing(atoms, seed):
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    order = rng.permutation(len(atoms))
    moved = atoms[order]
    moved.set_cell(moved.cell.array @ rotation)
    moved.positions = (moved.positions + rng.normal(size=3)) @ rotation
    a, b = POTENTIAL.evaluate(atoms), POTENTIAL.evaluate(moved)
    assert b.local_energies == pytest.approx(a.local_energies[order], rel=1e-8, abs=1e-12)
    assert b.forces == pytest.approx((a.forces[order] @ rotation), rel=1e-7, abs=1e-9)


def test_evaluation_does_not_change_its_input():
    atoms = load_reference("mix")[0]
    before = atoms.copy()
    POTENTIAL.evaluate(atoms)
    assert atoms == before
    assert atoms.info == before.info


def test_a_dimer_at_the_minimum_has_the_depth_of_the_well_and_no_force():
    atoms = Atoms("ArKr", [[0, 0, 0], [0, 0, 3.519 * 2 ** (1 / 6)]])
    assert POTENTIAL.energy(atoms) == pytest.approx(-0.01214)
    assert POTENTIAL.forces(atoms) == pytest.approx(np.zeros((2, 3)), abs=1e-14)
    assert POTENTIAL.energy(Atoms("Ar")) == 0.0


@given(crystals())
def test_local_energies_are_linear_in_the_power_sums(atoms):
    sums = _power_sums(atoms, POTENTIAL.cutoff, ("Ar", "Kr"))
    coefficients = np.array(
        [[-POTENTIAL.parameters[p].c6, POTENTIAL.parameters[p].c12] for p in species_pairs(("Ar", "Kr"))]
    )
    local = 0.5 * np.einsum("ipk,pk->i", sums, coefficients)
    assert local == pytest.approx(POTENTIAL.local_energies(atoms), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("system", ["ar", "mix"])
def test_a_fit_to_totals_of_a_pair_potential_finds_that_potential(system):
    frames = load_reference(system)[:40]
    fitted = fit_pair_potential(frames, np.array([POTENTIAL.energy(atoms) for atoms in frames]))
    for pair, found in fitted.parameters.items():
        assert found.c6 == pytest.approx(POTENTIAL.parameters[pair].c6, rel=1e-6)
        assert found.c12 == pytest.approx(POTENTIAL.parameters[pair].c12, rel=1e-6)


@pytest.mark.parametrize(
    ("system", "literature", "fit"), [("ar", 0.99, 0.99), ("kr", 0.98, 0.985), ("mix", 0.97, 0.97)]
)
def test_pair_physics_explains_the_local_energies_of_dft(system, literature, fit):
    frames = load_reference(system)
    isolated = {symbol: atom.info["REF_energy"] for symbol, atom in load_isolated_atoms().items()}
    energies = np.array([f.info["REF_energy"] - sum(isolated[s] for s in f.get_chemical_symbols()) for f in frames])
    train = len(frames) * 7 // 10
    potentials = {literature: POTENTIAL, fit: fit_pair_potential(frames[:train], energies[:train])}
    test = frames[train:]
    symbols = np.concatenate([atoms.get_chemical_symbols() for atoms in test])
    # Up to a negative factor and a constant per species, the local Hartree energies are the local energies.
    local = -np.concatenate([atoms.arrays["REF_local_hartree_energy"] for atoms in test])
    for bar, potential in potentials.items():
        predicted = np.concatenate([potential.local_energies(atoms) for atoms in test])
        for species in np.unique(symbols):
            chosen = symbols == species
            assert np.corrcoef(predicted[chosen], local[chosen])[0, 1] > bar
        assert np.corrcoef([potential.energy(atoms) for atoms in test], energies[train:])[0, 1] > 0.99


def test_mistakes_are_refused_with_what_to_do():
    argon = PairCoefficients(64.0, 1e5)
    with pytest.raises(InputError, match="no parameters for Ar-Kr"):
        LennardJones({("Ar", "Ar"): argon, ("Kr", "Kr"): argon}, 11.0)
    with pytest.raises(InputError, match="give a positive distance"):
        LennardJones({("Ar", "Ar"): argon}, 0.0)
    with pytest.raises(InputError, match="no parameters for Xe; known are Ar, Kr"):
        POTENTIAL.energy(Atoms("Xe"))
    with pytest.raises(InputError, match="atoms 0 and 1 are in one place"):
        POTENTIAL.energy(Atoms("Ar2"))
    frame = load_reference("ar")[0]
    with pytest.raises(InputError, match="1 frames determine 1 of 2 coefficients"):
        fit_pair_potential([frame], np.zeros(1))
    with pytest.raises(InputError, match="as many finite energies"):
        fit_pair_potential([frame], np.array([np.nan]))


def test_pairs_may_be_named_in_either_order():
    argon = PairCoefficients(64.0, 1e5)
    potential = LennardJones({("Kr", "Ar"): argon, ("Ar", "Ar"): argon, ("Kr", "Kr"): argon}, 11.0)
    assert potential.parameters["Ar", "Kr"] == argon


SMOOTH = LennardJones(POTENTIAL.parameters, 7.0, smooth=True)


@settings(max_examples=10)
@given(crystals(), st.integers(0, 7), st.integers(0, 2))
def test_smooth_truncation_leaves_forces_the_gradient_at_every_distance(atoms, atom, axis):
    step = 1e-4
    energies = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[atom, axis] += sign * step
        energies.append(SMOOTH.energy(moved))
    forces = SMOOTH.forces(atoms)
    expected = (energies[1] - energies[0]) / (2 * step)
    assert forces[atom, axis] == pytest.approx(expected, rel=1e-5, abs=1e-6 * np.abs(forces).max())


def test_smooth_truncation_ends_without_a_step_in_energy_or_force():
    def pair(distance: float) -> tuple[float, float]:
        atoms = Atoms("ArKr", positions=[[0, 0, 0], [0, distance, 0]])
        return SMOOTH.energy(atoms), float(SMOOTH.forces(atoms)[1, 1])

    assert pair(7.0 + 1e-9) == (0.0, 0.0)
    assert pair(7.0 - 1e-6) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert POTENTIAL.cutoff > 7.0
    assert abs(pair(6.0)[1]) > 1e-4


@settings(max_examples=5)
@given(crystals())
def test_the_virial_is_minus_the_derivative_in_the_strain(atoms):
    atoms.pbc = True
    step = 1e-5
    energies = []
    for sign in (1, -1):
        strain = np.eye(3)
        strain[1, 2] += sign * step
        strained = atoms.copy()
        strained.set_cell(atoms.cell.array @ strain, scale_atoms=True)
        energies.append(SMOOTH.energy(strained))
    virial = SMOOTH.evaluate(atoms).virial
    expected = (energies[1] - energies[0]) / (2 * step)
    assert virial[1, 2] == pytest.approx(expected, rel=1e-4, abs=1e-5 * np.abs(virial).max())
    assert virial == pytest.approx(virial.T, abs=1e-12 * np.abs(virial).max())


@pytest.mark.parametrize("potential", [POTENTIAL, SMOOTH], ids=["plain", "smooth"])
def test_settings_survive_being_written_down(potential):
    assert LennardJones.from_dict(potential.to_dict()) == potential
    assert potential != LennardJones(potential.parameters, 6.5, smooth=potential.smooth)
