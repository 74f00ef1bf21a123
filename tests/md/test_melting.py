"""What is no liquid is found out, whichever way it is none."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from ase import Atoms

from basinet.errors import InputError
from basinet.md.liquids import (
    ARRESTED,
    MELTING_ATTEMPTS,
    _fault_of,
    _judge,
    _Judgement,
    _melt_and_cool,
    _perturbed_lattice,
    _Schedule,
)
from basinet.md.structure import CRYSTALLINE

EDGE = 12.27
SCHEDULE = _Schedule(melt_steps=10, melt_temperature=500, settle_steps=20, check_steps=20, temperature=120)


def vibrating(places, n_times, amplitude=0.4, seed=0):
    rng = np.random.default_rng(seed)
    return [moved(places, rng.normal(scale=amplitude, size=places.positions.shape)) for _ in range(n_times)]


def walking(places, n_times, step=0.9, seed=0):
    steps = np.random.default_rng(seed).normal(scale=step, size=(n_times, len(places), 3))
    return [moved(places, travel) for travel in steps.cumsum(axis=0)]


def moved(atoms, displacements):
    return Atoms(atoms.numbers, positions=atoms.positions + displacements, cell=atoms.cell, pbc=True)


@pytest.fixture
def lattice():
    return _perturbed_lattice(["Kr"] * 32, (EDGE,) * 3, np.random.default_rng(0), displacement=0.0)


@pytest.fixture
def disordered(lattice):
    return moved(lattice, np.random.default_rng(1).uniform(0, EDGE, size=(32, 3)))


def test_a_vibrating_crystal_has_a_bragg_peak_and_stays(lattice):
    (judgement,) = _judge(vibrating(lattice, 20))
    assert judgement.order > CRYSTALLINE
    assert judgement.exponent < ARRESTED
    assert "Bragg peak" in judgement.fault


def test_walking_atoms_are_a_liquid(lattice):
    judgements = _judge(walking(lattice, 60)[20:])
    assert _fault_of(judgements) is None
    assert judgements[0].exponent > 0.7


def test_a_glass_has_no_bragg_peak_but_does_not_travel(disordered):
    glass = vibrating(disordered, 20, amplitude=1.0)
    assert _judge(glass)[0].order < CRYSTALLINE
    assert "grows as t^" in _fault_of(_judge(glass))


def test_every_window_may_pass_and_the_whole_fail():
    slow = [_Judgement(order=0.3, exponent=exponent) for exponent in (0.45, 0.55, 0.5)]
    assert [judgement.fault for judgement in slow] == [None] * 3
    assert "grows as t^0.50" in _fault_of(slow)


def test_no_stretch_of_a_run_escapes(lattice):
    liquid, crystal = walking(lattice, 40)[20:] * 2, vibrating(lattice, 20)
    assert "Bragg peak" in _fault_of(_judge([*liquid, *crystal]))
    assert "Bragg peak" in _fault_of(_judge([*crystal, *liquid]))
    assert len(_judge([*liquid, *crystal[:5]])) == 3


@dataclass
class Puppet:
    """A run that does what it is told: each watch gives the next of some stretches."""

    stretches: list[list[Atoms]]
    steps: list[tuple[int, float]] = field(default_factory=list)
    expected: int = 0

    def advance(self, steps, temperature):
        self.steps.append((steps, temperature))

    def watch(self, steps, temperature):
        self.advance(steps, temperature)
        return self.stretches.pop(0)

    def expect(self, steps):
        self.expected += steps


def test_what_did_not_melt_is_melted_again(lattice):
    run = Puppet([vibrating(lattice, 20), walking(lattice, 40)[20:]])
    attempts, judgements = _melt_and_cool(run, SCHEDULE)
    assert attempts == 2
    assert _fault_of(judgements) is None
    assert run.steps == [(10, 500), (20, 120), (20, 120)] * 2
    assert run.expected == SCHEDULE.steps == 50


def test_what_never_melts_is_refused(lattice):
    run = Puppet([vibrating(lattice, 20)] * MELTING_ATTEMPTS)
    with pytest.raises(InputError, match=r"no liquid after 4 meltings at 500 K: a Bragg peak of 0.* N survives"):
        _melt_and_cool(run, SCHEDULE)
    assert not run.stretches
