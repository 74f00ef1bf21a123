"""Campaigns that are killed with ``kill -9``, wherever it hits, end with the frames of an undisturbed one."""

from __future__ import annotations

import json
import signal

import psutil
import pytest
from tests.cli.process import start
from tests.labelling.campaigns import fake, journal, results, same_frames, wait_until, write_campaign

pytestmark = pytest.mark.long

COUNT = 6


def dft_run(folder, *options, **popen):
    return start("dft", "run", "argon.yaml", *options, cwd=folder, start_new_session=True, **popen)


def end(process):
    """Wait for the regular end."""
    _, stderr = process.communicate(timeout=240)
    assert process.returncode == 0, stderr
    return stderr


def family(process):
    return psutil.Process(process.pid).children(recursive=True)


def words(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def programs(process, name="fake_cp2k.py"):
    """The running CP2Ks, real or not, of a campaign; their guards, which have the name as an argument, left out."""
    return [child for child in family(process) if name in words(child) and "guard.py" not in words(child)]


def guards(process):
    return [child for child in family(process) if "guard.py" in words(child)]


def workers(process):
    return [child for child in family(process) if "_serve(" in words(child)]


def kill_driver(process):
    """Kill the driver; nothing of it lives on, and the directory is as it lay at that moment."""
    children = family(process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive


def at_work(folder):
    """How many calculations have begun and not ended."""
    counts = journal(folder)
    return sum(number if key.startswith("begin") else -number for key, number in counts.items())


def tries_failed(root, run):
    return json.loads(run("dft", "status", root, "--json").stdout)["tries_failed"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Labelled frames of a campaign that nothing befell."""
    folder = tmp_path_factory.mktemp("undisturbed")
    write_campaign(folder, COUNT, run={"workers": 2, "command": fake(folder)})
    end(dft_run(folder))
    assert journal(folder) == {f"{word}:{frame}": 1 for word in ("begin", "end") for frame in range(COUNT)}
    return folder / "argon" / "labelled.extxyz"


@pytest.fixture
def folder(tmp_path):
    """The same campaign, of calculations that take long enough to be killed."""
    fates = {frame: ["well:1.5"] for frame in range(COUNT)}
    write_campaign(tmp_path, COUNT, run={"workers": 2, "command": fake(tmp_path, fates)})
    return tmp_path


def test_a_killed_driver_leaves_nothing_running_and_its_campaign_goes_on(folder, undisturbed):
    root = folder / "argon"
    process = dft_run(folder)
    wait_until(lambda: len(results(root)) >= 2 and at_work(folder) > 0, process)
    kill_driver(process)
    kept = {path: path.stat().st_mtime_ns for path in results(root)}
    assert 2 <= len(kept) < COUNT
    assert not (root / "labelled.extxyz").exists()

    stderr = end(dft_run(folder, "--resume"))
    assert f"{COUNT} tasks, {len(kept)} done before" in stderr
    assert all(path.stat().st_mtime_ns == before for path, before in kept.items())
    begun = journal(folder)
    assert all(begun[f"begin:{int(path.stem)}"] == 1 for path in kept)
    same_frames(root / "labelled.extxyz", undisturbed)
    assert not (root / "scratch").exists()

    end(dft_run(folder, "--resume"))
    assert journal(folder) == begun  # what is complete is not done again
    same_frames(root / "labelled.extxyz", undisturbed)


@pytest.mark.parametrize("victims", [programs, guards, workers])
def test_a_killed_calculation_is_done_again_and_no_other(folder, undisturbed, victims, run):
    process = dft_run(folder)
    wait_until(lambda: results(folder / "argon") and at_work(folder) == 2, process)
    victims(process)[0].kill()
    stderr = end(process)
    assert "killed, tried again" in stderr
    assert tries_failed(folder / "argon", run) == {"killed": 1}
    counts = journal(folder)
    assert sorted(counts[f"begin:{frame}"] for frame in range(COUNT)) == [1] * (COUNT - 1) + [2]
    assert all(counts[f"end:{frame}"] == 1 for frame in range(COUNT))
    same_frames(folder / "argon" / "labelled.extxyz", undisturbed)


def test_ctrl_c_says_how_to_go_on(folder):
    process = dft_run(folder)
    wait_until(lambda: len(results(folder / "argon")) >= 1, process)
    children = family(process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert stderr.splitlines()[-1].startswith("basinet: interrupted; what is done is kept in argon")
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive


@pytest.mark.cp2k
def test_single_points_of_the_real_cp2k_are_the_same_to_the_last_digit_after_kills(cp2k_command, tmp_path, run):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for place in (whole, broken):
        write_campaign(place, 2, run={"workers": 1, "command": cp2k_command})
    end(dft_run(whole))

    process = dft_run(broken)
    wait_until(lambda: programs(process, "basinet.inp"), process)
    programs(process, "basinet.inp")[0].kill()
    wait_until(lambda: results(broken / "argon") and programs(process, "basinet.inp"), process)
    kill_driver(process)
    end(dft_run(broken, "--resume"))
    assert tries_failed(broken / "argon", run) == {"killed": 1}
    same_frames(broken / "argon" / "labelled.extxyz", whole / "argon" / "labelled.extxyz")


@pytest.mark.cp2k
def test_a_trajectory_of_the_real_cp2k_goes_on_to_the_last_digit_as_if_never_killed(cp2k_command, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    dynamics = {"steps": 2, "density_every": 1, "segment": 1, "temperature": 300}
    for place in (whole, broken):
        write_campaign(place, 1, mode="aimd", aimd=dynamics, run={"workers": 1, "command": cp2k_command})
    end(dft_run(whole))

    process = dft_run(broken)
    wait_until(lambda: results(broken / "argon") and programs(process, "basinet.inp"), process)
    kill_driver(process)
    end(dft_run(broken, "--resume"))
    same_frames(broken / "argon" / "labelled.extxyz", whole / "argon" / "labelled.extxyz")
