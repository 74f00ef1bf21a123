"""What a labelled frame says of itself: the new labels, what its configuration says, and a number of its own."""

import numpy as np
import pytest
from tests.cli.refusal import assert_refused
from tests.labelling.campaigns import fake, write_campaign

from basinet.frames.reading import read_frames, write_frames

pytestmark = [pytest.mark.usefixtures("no_workers"), pytest.mark.slow]

ONE = {"workers": 1}


def test_labels_of_another_calculation_do_not_survive(tmp_path, run):
    config = write_campaign(tmp_path, 1, run=ONE | {"command": fake(tmp_path, {})})
    (atoms,) = read_frames(tmp_path / "start.extxyz")
    stale = {"closure_error": 0.123, "bader_renormalisation": 0.5, "step": 40, "REF_energy": 1.0, "cp2k_version": "x"}
    atoms.info.update(stale, note="mine")
    atoms.arrays["local_hartree_energy_error"] = np.full(4, 9.0)
    write_frames(tmp_path / "start.extxyz", [atoms])
    assert run("dft", "run", config).exit_code == 0
    (found,) = read_frames(tmp_path / "argon" / "labelled.extxyz")
    assert all(found.info.get(key) != value for key, value in stale.items())
    assert "step" not in found.info
    assert np.all(found.arrays["local_hartree_energy_error"] < 9.0)
    assert found.info["note"] == "mine"


def test_a_corrected_configuration_corrects_its_finished_frame(tmp_path, run):
    config = write_campaign(tmp_path, 2, run=ONE | {"command": fake(tmp_path, {})})
    assert run("dft", "run", config).exit_code == 0
    frames = read_frames(tmp_path / "start.extxyz")
    for atoms in frames:
        atoms.info["system"] = "argon_cold"
    write_frames(tmp_path / "start.extxyz", frames)
    assert run("dft", "run", config, "--resume").exit_code == 0
    assert {a.info["system"] for a in read_frames(tmp_path / "argon" / "labelled.extxyz")} == {"argon_cold"}


def test_numbers_that_repeat_are_counted_anew(tmp_path, run):
    config = write_campaign(tmp_path, 2, run=ONE | {"command": fake(tmp_path, {})})
    again = read_frames(tmp_path / "start.extxyz")
    for atoms in again:
        atoms.positions[0, 0] += 0.0010
    write_frames(tmp_path / "start.extxyz", read_frames(tmp_path / "start.extxyz") + again)
    assert run("dft", "run", config).exit_code == 0
    found = read_frames(tmp_path / "argon" / "labelled.extxyz")
    assert [atoms.info["frame"] for atoms in found] == [0, 1, 2, 3]
    assert [atoms.info["source_frame"] for atoms in found] == [100, 101, 100, 101]


def test_what_a_campaign_is_made_from_is_not_overwritten(tmp_path, run):
    config = write_campaign(tmp_path, 1, run=ONE | {"command": fake(tmp_path, {})})
    root = tmp_path / "argon"
    assert run("dft", "run", config).exit_code == 0
    for name in (root / "frames.extxyz", tmp_path / "start.extxyz"):
        before = name.read_bytes()
        assert_refused(run("dft", "collect", root, "--out", name), "the campaign is made from that file")
        assert name.read_bytes() == before


def test_a_cutoff_too_low_for_a_core_is_told():
    from basinet.cp2k.potentials import data_directories, find_potential_file
    from basinet.cp2k.writer import Cp2kSettings
    from basinet.labelling.settings import unresolved_cores

    if find_potential_file("GTH_POTENTIALS", data_directories(None, None)) is None:
        import pytest

        pytest.skip("CP2K's potentials are not on this machine")
    assert not unresolved_cores(Cp2kSettings(cutoff=300), ["Ar", "Kr", "Xe"])
    (note,) = unresolved_cores(Cp2kSettings(cutoff=300), ["Ar", "Ne"])
    assert "300 Ry is too low for the core of Ne" in note
    assert not unresolved_cores(Cp2kSettings(cutoff=800), ["Ne"])
