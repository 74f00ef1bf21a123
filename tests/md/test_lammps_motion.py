"""LAMMPS moves a model's atoms along the path that ASE does, and goes on where it was stopped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.cli.conftest import untrained
from tests.md.liquids import config, contents, start
from tests.tables import read_rows

import basinet
from basinet.errors import InputError
from basinet.frames.reading import read_frames
from basinet.frames.shipped import load_reference
from basinet.jobs.arrays import load_arrays, save_arrays
from basinet.md import run as run_module
from basinet.md.dynamics_settings import DynamicsConfig
from basinet.md.motion import set_velocities
from basinet.md.run import simulate
from basinet.potentials.pair_potential import LennardJones, literature_lennard_jones

pytestmark = [pytest.mark.lammps, pytest.mark.slow]


class StoppedError(Exception):
    """Stands for whatever ends a process."""


@pytest.fixture(scope="module")
def model():
    """Its networks know nothing, but its energies have gradients."""
    return untrained("mix").restrict("Ar")


@pytest.fixture(autouse=True)
def every_restart_point(monkeypatch):
    monkeypatch.setattr(run_module, "PAUSE", 0.0)


def moved(folder, settings, model, report=None, slant=0.0):
    """Run 32 atoms in a box that may lean over."""
    folder.mkdir(exist_ok=True)
    atoms = load_reference("ar")[0]
    cell = atoms.cell.array.copy()
    cell[1, 0], cell[2, 0], cell[2, 1] = slant, 0.5 * slant, -slant
    atoms.set_cell(cell, scale_atoms=True)
    atoms.positions += [0.0, 0.0, 30.0]  # outside of the box
    atoms.rotate(20.0, "x", rotate_cell=bool(slant))
    atoms.calc = basinet.Calculator(model)
    set_velocities(atoms, settings)
    simulate(folder, atoms, settings, report=report)
    return read_frames(folder / "trajectory.extxyz"), read_rows(folder / "log.csv")


@pytest.mark.parametrize("slant", [2.0, pytest.param(0.0, marks=pytest.mark.long)])
@pytest.mark.parametrize("ensemble", ["nve", "nvt"])
def test_both_engines_follow_one_path(tmp_path, model, ensemble, slant):
    """Units of LAMMPS and of ASE differ in the seventh digit."""
    paths = {}
    for engine in ("ase", "lammps"):
        settings = config(engine=engine, ensemble=ensemble, steps=100, every=20)
        paths[engine] = moved(tmp_path / engine, settings, model, slant=slant)
    for ours, theirs in zip(*(frames for frames, _ in paths.values()), strict=True):
        assert theirs.positions == pytest.approx(ours.positions, abs=1e-5)
        assert theirs.get_momenta() == pytest.approx(ours.get_momenta(), abs=1e-5)
    for ours, theirs in zip(*(rows for _, rows in paths.values()), strict=True):
        for column in ("potential_ev", "conserved_ev", "temperature_k"):
            assert theirs[column] == pytest.approx(ours[column], rel=1e-5, abs=1e-5)
        assert theirs["pressure_mpa"] == pytest.approx(ours["pressure_mpa"], abs=1e-3)  # of two parts, 30 MPa each


def test_both_engines_follow_one_path_upon_a_pair_potential(tmp_path, model):
    pairs = LennardJones(literature_lennard_jones().parameters, 7.0, smooth=True)
    paths = {}
    for engine in ("ase", "lammps"):
        settings = config(engine=engine, ensemble="nve", steps=60, every=20)
        paths[engine], _ = moved(tmp_path / engine, settings, replace(model, baseline=pairs))
    for ours, theirs in zip(*paths.values(), strict=True):
        assert theirs.positions == pytest.approx(ours.positions, abs=1e-5)


@pytest.mark.parametrize("ensemble", ["nvt", pytest.param("nve", marks=pytest.mark.long)])
def test_a_resumed_run_repeats_the_uninterrupted_one_to_the_last_bit(tmp_path, model, ensemble):
    settings = config(engine="lammps", ensemble=ensemble, steps=300, every=20)

    def stop(step, _row):
        if step == 160:
            raise StoppedError

    moved(tmp_path / "whole", settings, model)
    with pytest.raises(StoppedError):
        moved(tmp_path / "parts", settings, model, report=stop)
    moved(tmp_path / "parts", settings, model)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_the_export_lies_beside_the_trajectory(tmp_path, model):
    moved(tmp_path / "md", config(engine="lammps", steps=20), model)
    assert {"in.lammps", "check.json", "model.descriptor"} <= {path.name for path in (tmp_path / "md/lammps").iterdir()}


def test_what_lammps_cannot_move_is_refused(tmp_path, model):
    settings = config(engine="lammps", steps=20)
    atoms = start(settings, basinet.Calculator(model))
    for change, word in (({"pbc": False}, "open box"), ({"masses": np.full(32, 36.0)}, "masses of its own")):
        changed = atoms.copy()
        changed.calc = atoms.calc
        changed.set_pbc(change.get("pbc", True))
        changed.set_masses(change.get("masses", atoms.get_masses()))
        with pytest.raises(InputError, match=word):
            simulate(tmp_path, changed, settings)
    with pytest.raises(ValueError, match="moves models alone"):
        DynamicsConfig(start="ar.extxyz", temperature=120.0, engine="lammps", calculator="a:b")


@pytest.mark.parametrize(
    "kind", ["noise", pytest.param("cut", marks=pytest.mark.long), pytest.param("empty", marks=pytest.mark.long)]
)
def test_a_crafted_state_of_lammps_is_refused(tmp_path, model, kind):
    """LAMMPS itself would end the process, or crash it."""
    settings = config(engine="lammps", steps=20)
    moved(tmp_path, settings, model)
    header, arrays = load_arrays(tmp_path / "restart.checkpoint")
    noise = np.random.default_rng(0).integers(0, 256, 4000, dtype=np.uint8)
    crafted = {"noise": noise, "cut": arrays["lammps"][:500], "empty": np.zeros(0, np.uint8)}[kind]
    save_arrays(tmp_path / "restart.checkpoint", header, arrays | {"lammps": crafted})
    with pytest.raises(InputError, match="LAMMPS does not read the state in its restart point; start anew"):
        moved(tmp_path, replace(settings, steps=40), model)
