"""What the readers promise, kept with runs of the CP2K that is installed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import psutil
import pytest
from tests.cp2k_engine import INPUT, run_cp2k

from basinet import units
from basinet.cp2k.output import read_cp2k_output
from basinet.cp2k.program import run_program
from basinet.cp2k.run_directory import read_run
from basinet.errors import InputError

pytestmark = [pytest.mark.long, pytest.mark.cp2k]

CUBES = INPUT[INPUT.index("      &TOT_DENSITY_CUBE") : INPUT.index("    &END PRINT\n  &END DFT")]
SMALL = INPUT.replace("CUTOFF 300", "CUTOFF 200").replace(CUBES, "")


def test_a_run_is_read_with_cell_atoms_cores_labels_and_cubes(argon_run):
    run = read_run(argon_run)
    assert run.atoms.cell.array.diagonal().tolist() == [5.31234567891, 5.41234567892, 5.51234567893]
    assert run.atoms.positions[0].tolist() == [0.10123456789, 0.20123456789, 0.30123456789]
    assert run.cores == ((8.0, 0.4 * units.Bohr),) * 4
    assert run.electrons == 32
    assert run.eps_scf == 1e-7
    assert [path.name for path in (run.density, run.total_density, run.hartree_potential)] == [
        f"argon-{quantity}-1_0.cube" for quantity in ("ELECTRON_DENSITY", "TOTAL_DENSITY", "v_hartree")
    ]


def test_the_self_energy_follows_from_the_cores(argon_run):
    r"""E_self = -sum_i Z_i^2 / (2 sqrt(pi) r_i): the cores read are those that CP2K calculated with."""
    run = read_run(argon_run)
    coulomb = units.Hartree * units.Bohr
    expected = -sum(charge**2 / (2 * np.sqrt(np.pi) * radius) for charge, radius in run.cores) * coulomb
    assert run.labels["REF_core_self_energy"] == pytest.approx(expected, rel=1e-12)


def test_the_parts_of_the_energy_add_up(argon_run):
    labels = read_run(argon_run).labels
    parts = sum(labels[f"REF_{part}_energy"] for part in ("electrostatic", "core_hamiltonian", "xc"))
    assert parts == pytest.approx(labels["REF_energy"], abs=1e-8)
    assert "REF_dispersion_energy" not in labels


def test_forces_balance(argon_run):
    """The grid alone breaks translational invariance, by far less than the forces."""
    forces = read_run(argon_run).forces
    assert np.abs(forces).max() > 0.02
    assert np.abs(forces.sum(axis=0)).max() < 0.002


def test_forces_are_the_gradient_of_the_energy(cp2k_command, tmp_path):
    """In the middle between two places of an atom, to the order of the third power of their distance."""
    places = (0.18, 0.22)
    below, above = (
        read_cp2k_output(run_cp2k(cp2k_command, tmp_path / str(x), SMALL.replace("Ar 0.10123456789", f"Ar {x}")))
        for x in places
    )
    gradient = (above.energies["REF_energy"] - below.energies["REF_energy"]) / (places[1] - places[0])
    force = (below.forces[0, 0] + above.forces[0, 0]) / 2
    assert force == pytest.approx(-gradient, abs=5e-4)


def test_a_run_without_convergence_is_refused(cp2k_command, tmp_path):
    text = SMALL.replace("MAX_SCF 50", "MAX_SCF 2")
    (tmp_path / "argon.inp").write_text(text)
    try:
        run_cp2k(cp2k_command, tmp_path, text)
    except AssertionError:  # since 2024.1 CP2K ends with an error then
        assert (tmp_path / "argon.out").exists()
    with pytest.raises(InputError, match="the SCF run did NOT converge"):
        read_run(tmp_path)


def test_an_all_electron_run_is_refused(cp2k_command, tmp_path):
    text = SMALL.replace("EPS_DEFAULT 1.0E-12", "EPS_DEFAULT 1.0E-12\n      METHOD GAPW")
    run_cp2k(cp2k_command, tmp_path, text)
    with pytest.raises(InputError, match="method GAPW; basinet reads GPW"):
        read_run(tmp_path)


def test_centred_atoms_and_an_inclined_cell_agree_with_the_cube(cp2k_command, tmp_path):
    """The cube's header has the atoms where CP2K had them, to 6 decimals of a bohr."""
    text = SMALL.replace(
        "ABC 5.31234567891 5.41234567892 5.51234567893", "A 5.31 0.1 0\n B 0.2 5.41 0.3\n C 0 -0.4 5.51"
    )
    text = text.replace("    &KIND Ar", "    &TOPOLOGY\n      &CENTER_COORDINATES\n      &END\n    &END\n    &KIND Ar")
    run_cp2k(cp2k_command, tmp_path, text)
    run = read_run(tmp_path)
    lines = run.density.read_text().split("\n", 10)
    header = np.array([[float(word) for word in line.split()] for line in lines[3:6]])
    assert header[:, 0].tolist() == list(run.grid)
    assert header[:, 1:] * header[:, :1] * units.Bohr == pytest.approx(run.atoms.cell.array, abs=1e-4)
    atoms = np.array([[float(word) for word in line.split()[2:]] for line in lines[6:10]])
    assert run.atoms.positions == pytest.approx(atoms * units.Bohr, abs=1e-6)


def test_cp2k_listens_on_no_port(cp2k_command, tmp_path):
    """Open MPI would open one at every address of the machine, for processes that never come."""
    (tmp_path / "basinet.inp").write_text(SMALL)
    seen, ports = set(), set()
    with ThreadPoolExecutor() as pool:
        run = pool.submit(run_program, [cp2k_command], tmp_path, threads=1, time_limit=300)
        while not run.done():
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    if process.name().startswith("cp2k"):
                        seen.add(process.pid)
                        ports |= {found.laddr for found in process.net_connections("inet")}
            time.sleep(0.05)
        assert run.result() > 0.0
    assert seen
    assert ports == set()
