"""The density, the one there is or the one named; of a trajectory it chooses the step."""

from __future__ import annotations

import numpy as np
import pytest
from tests.cp2k.runs import edit, refuse

from basinet.cp2k.input import read_cp2k_input
from basinet.cp2k.output import read_cp2k_output
from basinet.cp2k.run_directory import densities_of_steps, read_run
from basinet.errors import InputError


def test_the_steps_of_a_restarted_trajectory_need_no_positions_of_the_input(copy_run):
    directory = copy_run("trajectory")
    before = read_run(directory).atoms.positions
    edit(directory / "run.inp", ("0.10123456789", "0.20123456789"))
    assert np.array_equal(read_run(directory).atoms.positions, before)


def test_the_density_must_be_there_and_be_one(copy_run):
    directory = copy_run("argon")
    (directory / "run-ELECTRON_DENSITY-1_0.cube").unlink()
    refuse(directory, r"no cube of the electron density \(run-ELECTRON_DENSITY-1_0\.cube\); add &E_DENSITY_CUBE")
    refuse(directory, "rho.cube: no such file", density=directory / "rho.cube")
    (directory / "rho.cube").touch()
    assert read_run(directory, density=directory / "rho.cube").density == directory / "rho.cube"


def test_of_a_trajectory_the_density_chooses_the_step(copy_run):
    directory = copy_run("trajectory")
    (directory / "run-ELECTRON_DENSITY-1_0.cube").unlink()
    with pytest.raises(InputError, match="no cube of the electron density"):
        read_run(directory)
    (directory / "rho.cube").touch()
    refuse(directory, "3 energies; name the density of the step you mean", density=directory / "rho.cube")
    cubes = [directory / f"run-ELECTRON_DENSITY-1_{step}.cube" for step in range(3)]
    for cube in cubes:
        cube.touch()
    refuse(directory, "several cubes of ELECTRON_DENSITY .*1_0.cube, .*1_1.cube, .*1_2.cube.; name one of them")
    evaluations = read_cp2k_output(directory / "run.out").evaluations
    previous = None
    for step, cube in enumerate(cubes):
        run = read_run(directory, density=cube)
        assert run.step == step
        assert run.labels == evaluations[step].energies
        assert np.array_equal(run.forces, evaluations[step].forces)
        assert previous is None or 1e-4 < np.abs(run.atoms.positions - previous).max() < 0.1
        previous = run.atoms.positions
    assert densities_of_steps(directory) == cubes
    start = read_cp2k_input(directory / "run.inp").positions
    assert read_run(directory, density=cubes[0]).atoms.positions == pytest.approx(start, abs=1e-10)


def test_only_the_step_that_did_not_converge_is_refused(copy_run):
    directory = copy_run("trajectory")
    text = (directory / "run.out").read_text()
    place = text.rindex("*** SCF run converged in     3 steps ***")
    warning = "*** WARNING in qs_scf.F:601 :: SCF run NOT converged ***"
    (directory / "run.out").write_text(text[:place] + warning + text[place + 40 :])
    assert read_run(directory).step == 0
    cube = directory / "run-ELECTRON_DENSITY-1_2.cube"
    cube.touch()
    refuse(directory, r"run\.out: the SCF run did NOT converge at step 2", density=cube)
    assert read_cp2k_output(directory / "run.out").scf_converged is False


def test_steps_that_a_trajectory_lacks_are_refused(copy_run):
    directory = copy_run("trajectory")
    cube = directory / "run-ELECTRON_DENSITY-1_0.cube"
    cube = cube.rename(cube.with_name("run-ELECTRON_DENSITY-1_7.cube"))
    cube.touch()
    refuse(directory, "no energy of step 7", density=cube)
    refuse(directory, "3 energies; name the density of the step you mean", density=directory / "run.inp")
    refuse(directory, "no energy of step 7", density=None)
    cube = cube.with_name("run-ELECTRON_DENSITY-1_2.cube")
    cube.touch()
    edit(directory / "run-pos-1.xyz", ("i =        2", "i =        9"))
    refuse(directory, r"run-pos-1\.xyz: step 2 is not in it", density=cube)
    text = (directory / "run-pos-1.xyz").read_text()
    edit(directory / "run-pos-1.xyz", ("i =        9", "i =        2"), ("\n Ar ", "\n Kr "))
    refuse(directory, r"run-pos-1\.xyz, line 1: other atoms than those of the input", density=cube)
    lines = text.replace("i =        9", "i =        2").splitlines(keepends=True)
    (directory / "run-pos-1.xyz").write_text("".join(lines[:-1]))
    refuse(directory, r"run-pos-1\.xyz, line 13: the file is cut short, 3 of 4 atoms", density=cube)
    (directory / "run-pos-1.xyz").write_text("".join(lines)[:-4])
    refuse(directory, r"run-pos-1\.xyz, line 18: the file is cut short", density=cube)
    (directory / "run-pos-1.xyz").write_text("".join(lines).replace("84.2946413", "84.2946412"))
    refuse(directory, r"run-pos-1\.xyz: step 2 has another energy than in run\.out", density=cube)
    (directory / "run-pos-1.xyz").unlink()
    refuse(directory, r"run-pos-1\.xyz: no such file", density=cube)
    edit(directory / "run.inp", ("ENSEMBLE NVE", "ENSEMBLE NPT_I"))
    refuse(directory, "ENSEMBLE NPT_I changes the cell", density=cube)
