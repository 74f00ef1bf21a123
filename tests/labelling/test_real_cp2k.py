"""Campaigns of the real CP2K on four argon atoms: single points, and molecular dynamics in segments."""

from __future__ import annotations

import json
import time
from itertools import pairwise

import numpy as np
import pytest
from tests.cli.process import start
from tests.labelling.campaigns import frames, results, write_campaign

from basinet.frames.reading import read_frames

pytestmark = [pytest.mark.long, pytest.mark.cp2k]


def assert_labelled(atoms):
    assert atoms.arrays["bader_population"].sum() == pytest.approx(32, abs=1e-8)
    assert atoms.arrays["bader_volume"].sum() == pytest.approx(atoms.get_volume(), rel=1e-9)
    # The printed Hartree energy is of the density before the last SCF step; see the reference data's README.
    assert abs(atoms.info["closure_error"]) < 5e-3
    assert np.linalg.norm(atoms.arrays["REF_forces"], axis=1).min() > 1e-3


def test_a_single_point_is_labelled_and_keeps_what_its_file_said(cp2k_command, run, tmp_path):
    write_campaign(tmp_path, 1, run={"workers": 1, "command": cp2k_command})
    result = run("dft", "run", "argon.yaml")
    assert result.exit_code == 0, result.stderr
    (atoms,) = read_frames(tmp_path / "argon" / "labelled.extxyz")
    assert_labelled(atoms)
    (given,) = frames(1)
    np.testing.assert_array_equal(atoms.positions, given.positions)
    np.testing.assert_array_equal(atoms.cell.array, given.cell.array)
    assert (atoms.info["system"], atoms.info["frame"]) == ("ar", 100)
    assert sorted(path.name for path in (tmp_path / "argon").iterdir()) == [
        ".basinet", "config.yaml", "frames.extxyz", "labelled.extxyz", "labelled.json", "results",
    ]  # fmt: skip


def test_dynamics_are_labelled_segment_by_segment_and_their_densities_deleted(cp2k_command, tmp_path):
    aimd = {"steps": 3, "density_every": 1, "segment": 1, "temperature": 300}
    write_campaign(tmp_path, 1, mode="aimd", aimd=aimd, run={"workers": 1, "command": cp2k_command})
    process = start("dft", "run", "argon.yaml", cwd=tmp_path)
    most = 0
    while process.poll() is None:
        most = max(most, sum(1 for _ in tmp_path.glob("argon/scratch/*/*ELECTRON_DENSITY*.cube")))
        time.sleep(0.1)
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert 1 <= most <= 2  # of four densities: those of one segment at a time
    assert not list(tmp_path.rglob("*.cube"))

    found = read_frames(tmp_path / "argon" / "labelled.extxyz")
    assert [atoms.info["step"] for atoms in found] == [0, 1, 2, 3]
    assert [atoms.info["frame"] for atoms in found] == [0, 1, 2, 3]
    for atoms in found:
        assert_labelled(atoms)
    np.testing.assert_allclose(found[0].positions, frames(1)[0].positions, atol=1e-9)
    travelled = [np.abs(later.positions - atoms.positions).max() for atoms, later in pairwise(found)]
    # 300 K is 4.3e-3 A/fs along each axis in the mean; 2 fs a step.
    assert 2e-3 < min(travelled) <= max(travelled) < 4e-2

    # Segments go on with velocities, thermostat and counters: the conserved quantity knows no seam.
    reports = [json.loads(path.read_text())["result"]["report"] for path in results(tmp_path / "argon")]
    assert sorted({step for report in reports for step in report["step"]}) == [0, 1, 2, 3]
    conserved = [value for report in reports for value in report["conserved"]]
    assert np.ptp(conserved) < 2e-5  # hartree


def test_wave_functions_of_the_frame_before_change_no_energy_by_more_than_verify_allows(cp2k_command, run, tmp_path):
    config = write_campaign(tmp_path, 2, run={"workers": 1, "command": cp2k_command}, wavefunction_chain=2)
    result = run("dft", "run", config)
    assert result.exit_code == 0, result.stderr
    assert not list((tmp_path / "argon").rglob("*.wfn"))  # gone with the campaign's end
    result = run("dft", "verify", "argon", "2", "--workers", "1", "--json")
    assert result.exit_code == 0, result.stdout
    restarted = json.loads(result.stdout)[1]
    assert restarted["electrostatic"] != 0.0  # first order in the wave functions; the energy is the same to all digits
