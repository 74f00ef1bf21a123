"""Every way that a calculation can fail has a name, is tried again as configured, and never enters the data."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from tests.cli.refusal import assert_refused
from tests.labelling.campaigns import fake, journal, results, write_campaign

from basinet.errors import DiskFullError, InputError
from basinet.frames.reading import read_frames
from basinet.jobs import store
from basinet.labelling.campaign import check_same, create_campaign, load_inputs
from basinet.labelling.partition import partition_input
from basinet.labelling.settings import load_campaign_config
from basinet.labelling.work import run_unit

pytestmark = [pytest.mark.usefixtures("no_workers"), pytest.mark.slow]

ONE = {"workers": 1}


@pytest.fixture
def campaign(tmp_path, run):
    """Run a campaign of fates; give back what the command said and the directory."""

    def go(count, fates, *options, command=None, **settings):
        how = ONE | {"command": fake(tmp_path, fates) if command is None else command} | settings.pop("run", {})
        config = write_campaign(tmp_path, count, run=how, **settings)
        return run("dft", "run", config, *options), tmp_path / "argon"

    return go


def state(run, root):
    return json.loads(run("dft", "status", root, "--json").stdout)


def test_all_frames_become_labelled_frames_in_their_order(campaign, tmp_path):
    result, root = campaign(3, {})
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip().endswith("argon/labelled.extxyz")
    frames = read_frames(root / "labelled.extxyz")
    assert [atoms.info["frame"] for atoms in frames] == [100, 101, 102]
    for atoms in frames:
        assert atoms.arrays["bader_population"].sum() == pytest.approx(32, abs=1e-9)
        assert atoms.info["cp2k_version"] == "CP2K 2023.1"
        assert re.fullmatch("sha256:[0-9a-f]{16}", atoms.info["input_checksum"])
    assert not list(root.rglob("*.cube"))
    assert journal(tmp_path) == {f"{word}:{number}": 1 for word in ("begin", "end") for number in range(3)}


@pytest.mark.parametrize(
    ("fate", "kind", "words"),
    [
        ("unconverged", "scf_not_converged", "SCF run did NOT converge"),
        ("abort", "crash", "Cholesky decompose failed"),
        ("SIGSEGV", "crash", "CP2K ended by SIGSEGV"),
        ("SIGKILL", "killed", "CP2K ended by SIGKILL"),
        ("well:30", "time_limit", "longer than 5 s; raise run.time_limit"),
        ("cut", "damaged_density", "basinet-ELECTRON_DENSITY-1_0.cube"),
        ("nothing", "damaged_density", "no cube of the electron density"),
        ("full", "out_of_disk", "no space left"),
    ],
)
def test_a_failure_has_a_name_and_its_frame_no_place_in_the_data(campaign, run, fate, kind, words):
    never = dict.fromkeys(
        ("scf_not_converged", "crash", "killed", "time_limit", "damaged_density", "out_of_disk", "unusable"), 0
    )
    limit = {"time_limit": 5} if fate == "well:30" else {}  # seconds of waiting, which a busy machine makes longer
    result, root = campaign(2, {1: [fate]}, run={"retries": never} | limit)
    assert_refused_at_end(result, "1 of 2 calculations failed", "basinet dft status")
    (failure,) = state(run, root)["failures"]
    assert failure["kind"] == kind
    assert words in failure["message"]
    assert "/scratch/" not in failure["message"]
    if fate != "well:30":
        assert "CP2K" in Path(failure["log"]).read_text()
    assert [atoms.info["frame"] for atoms in read_frames(root / "labelled.extxyz")] == [100]
    assert not list((root / "scratch").iterdir())


def assert_refused_at_end(result, *words):
    """Exit code 2; the last line is the error, after those of the progress."""
    assert result.exit_code == 2, (result.stderr, result.exception)
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("basinet: error: ")
    for word in words:
        assert word in last


@pytest.mark.parametrize(
    "fate", ["SIGKILL", *(pytest.param(one, marks=pytest.mark.long) for one in ("abort", "cut", "unconverged"))]
)
def test_a_failure_that_passes_is_tried_again_and_counted(campaign, run, fate, tmp_path):
    result, root = campaign(2, {0: [fate, "well"]})
    assert result.exit_code == 0, result.stderr
    found = state(run, root)
    assert (found["done"], found["failed"]) == (2, 0)
    assert sum(found["tries_failed"].values()) == 1
    assert journal(tmp_path)["begin:0"] == 2
    assert len(read_frames(root / "labelled.extxyz")) == 2


def test_a_calculation_without_convergence_is_tried_again_with_more_patience(campaign):
    result, root = campaign(1, {0: ["unconverged", "well"]})
    assert result.exit_code == 0, result.stderr
    assert json.loads((root / "labelled.json").read_text())["rescued"] == ["00000"]


@pytest.mark.long
def test_failures_in_a_row_stop_the_campaign(campaign, tmp_path):
    result, _ = campaign(9, {frame: ["full"] for frame in range(9)}, run={"stop_after": 3})
    assert_refused_at_end(result, "3 calculations in a row were given up", "out_of_disk", "--resume")
    assert sum(count for key, count in journal(tmp_path).items() if key.startswith("begin")) == 3


def test_what_was_given_up_is_tried_again_when_asked(campaign, run, tmp_path):
    fates = {0: ["abort", "abort", "well"]}
    result, root = campaign(2, fates)
    assert result.exit_code == 2
    again, _ = campaign(2, fates, "--resume")
    assert again.exit_code == 2
    assert journal(tmp_path)["begin:0"] == 2
    final, _ = campaign(2, fates, "--resume", "--retry-failed")
    assert final.exit_code == 0, final.stderr
    assert journal(tmp_path) == {"begin:0": 3, "end:0": 1, "begin:1": 1, "end:1": 1}
    assert state(run, root)["tries_failed"] == {"crash": 2}


@pytest.fixture
def prepared(tmp_path):
    """A campaign of one frame, not begun."""
    config = load_campaign_config(write_campaign(tmp_path, 1, run={"command": fake(tmp_path)}))
    return create_campaign(tmp_path / "argon", config, *load_inputs(config))


def test_a_full_disk_is_noticed_before_cp2k_starts(prepared, monkeypatch, tmp_path):
    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda place: real(place)._replace(free=10**6))
    outcome = run_unit(str(prepared.root), "00000", 1)
    assert outcome.kind == "out_of_disk"
    assert "1 MB free, about" in outcome.message
    assert not journal(tmp_path)


def test_results_that_do_not_fit_the_disk_are_a_failure_too(prepared, monkeypatch):
    def full(path, *_):
        raise DiskFullError(f"{path}: disk full; free some space and run again")

    monkeypatch.setattr(store, "atomic_write", full)
    outcome = run_unit(str(prepared.root), "00000", 1)
    assert outcome.kind == "out_of_disk"
    assert not results(prepared.root)


def test_a_missing_or_old_cp2k_is_told_in_one_line_before_anything_is_written(campaign, tmp_path, monkeypatch):
    result, root = campaign(1, {}, command="no_such_cp2k")
    assert_refused(result, "no_such_cp2k: not found; install it (Debian: apt-get install cp2k")
    result, _ = campaign(1, {}, command=fake(tmp_path, version="9.1"))
    assert_refused(result, "CP2K 9.1 is too old, basinet needs 2023.1 or newer", "apt-get install cp2k")
    monkeypatch.setenv("PATH", str(tmp_path))
    result, _ = campaign(1, {}, run={"command": None})
    assert_refused(result, "cp2k: not found on the PATH; install it (Debian: apt-get install cp2k")
    assert not root.exists()


def test_a_campaign_goes_on_only_with_its_own_settings_and_frames(campaign, tmp_path):
    assert campaign(2, {})[0].exit_code == 0
    assert_refused(campaign(2, {})[0], "is not empty; use --resume, --overwrite")
    assert_refused(campaign(2, {}, "--resume", preset="paper")[0], "begun with another preset")
    assert_refused(campaign(1, {}, "--resume")[0], "1 frames, was begun with 2")
    more, root = campaign(3, {}, "--resume", run={"time_limit": 60})
    assert more.exit_code == 0, more.stderr
    assert journal(tmp_path)["begin:0"] == 1
    assert len(read_frames(root / "labelled.extxyz")) == 3


def test_a_damaged_campaign_names_a_remedy_that_works(campaign, tmp_path):
    _, root = campaign(2, {})
    damages = [
        ("config.yaml", b"[]"),
        ("config.yaml", b"run: 5\n"),
        ("config.yaml", b"\xff"),
        ("frames.extxyz", b"4\n"),
    ]
    for name, damage in damages:
        (root / name).write_bytes(damage)
        refused, _ = campaign(2, {}, "--resume")
        assert_refused(refused, str(root / name), f"or delete {root / 'config.yaml'}, and give your own", "--resume")
        (root / "config.yaml").unlink()
        mended, _ = campaign(2, {}, "--resume")
        assert mended.exit_code == 0, mended.stderr
        assert journal(tmp_path)["begin:0"] == 1  # what was done is kept


def test_a_trajectory_can_be_made_longer_and_nothing_else_changed(tmp_path):
    def config(**aimd):
        return load_campaign_config(write_campaign(tmp_path, 2, mode="aimd", aimd={"segment": 10} | aimd))

    begun = create_campaign(tmp_path / "argon", config(steps=20), *load_inputs(config(steps=20)))
    longer = config(steps=40)
    check_same(begun.root, longer, *load_inputs(longer))
    grown = create_campaign(begun.root, longer, *load_inputs(longer))
    assert len(begun.keys) == 4
    assert {name: grown.keys[name] for name in begun.keys} == begun.keys  # what is done stays done
    for other in (config(steps=20), config(steps=40, temperature=121)):
        with pytest.raises(InputError, match="begun with another aimd"):
            check_same(begun.root, other, *load_inputs(other))


def test_unknown_keys_name_the_nearest_one(campaign):
    assert_refused(campaign(1, {}, wavefunction_chian=3)[0], "did you mean 'wavefunction_chain'?")


def test_one_bad_calculation_does_not_stop_the_others(campaign):
    bad = {"0": ["SIGKILL"], "1": ["abort", "well"]}
    result, root = campaign(4, bad, run={"retries": {"killed": 5}})
    assert_refused_at_end(result, "1 of 4 calculations failed")
    assert [atoms.info["frame"] for atoms in read_frames(root / "labelled.extxyz")] == [101, 102, 103]


@pytest.mark.long
def test_a_campaign_that_stops_leaves_what_is_done_labelled(campaign):
    fates = {str(number): ["full"] for number in range(1, 9)}
    result, root = campaign(9, fates, run={"stop_after": 2})
    assert_refused_at_end(result, "2 calculations in a row were given up")
    assert len(read_frames(root / "labelled.extxyz")) == 1


def test_notes_of_the_partition_are_told(campaign, monkeypatch):
    def noted(*arguments):
        done = partition_input(*arguments)
        done.report["notes"] = [*done.report["notes"], "1 maximum is far from all nuclei"]
        return done

    monkeypatch.setattr("basinet.labelling.work.partition_input", noted)
    result, _ = campaign(1, {})
    assert "00000: note: 1 maximum is far from all nuclei" in result.stderr


def test_a_relative_command_is_found_where_cp2k_runs(campaign, tmp_path, monkeypatch):
    script = tmp_path / "wrap.sh"
    script.write_text(f'#!/bin/sh\nexec {fake(tmp_path, {})} "$@"\n')
    script.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    result, _ = campaign(1, {}, command="./wrap.sh")
    assert result.exit_code == 0, result.stderr
