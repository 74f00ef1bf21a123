"""A partition of several inputs that is killed at any moment, and resumed, ends with the file it would have had."""

from __future__ import annotations

import signal
import time

import psutil
import pytest
from tests.cli.process import start
from tests.density.cubes import write_cube
from tests.labelling import neutral_atoms as known

from basinet.units import Bohr

pytestmark = pytest.mark.long

SHAPE = (70, 56, 60)
INPUTS = 8


def partition(folder, *options):
    names = [f"frame-{number}.cube" for number in range(INPUTS)]
    arguments = ("partition", *names, "--cores", known.OPTION, "--out", "all.extxyz", "--workers", "2", *options)
    return start(*arguments, cwd=folder, start_new_session=True)


def finished(folder):
    return sorted((folder / "all.extxyz.work").glob("*.json"))


def wait_for(process, moment):
    deadline = time.monotonic() + 120
    while not moment():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def family(process):
    return psutil.Process(process.pid).children(recursive=True)


def workers(process):
    return [child for child in family(process) if "_serve(" in " ".join(child.cmdline())]


def end(process):
    """Wait for the regular end."""
    stdout, stderr = process.communicate(timeout=180)
    assert process.returncode == 0, stderr
    return stdout, stderr


@pytest.fixture(scope="module")
def cubes(tmp_path_factory):
    """Inputs, each a little different from the others."""
    folder = tmp_path_factory.mktemp("cubes")
    values = known.density(SHAPE) * Bohr**3
    for number in range(INPUTS):
        write_cube(folder / f"frame-{number}.cube", (1 + 1e-4 * number) * values, known.neutral_atoms())
    return sorted(folder.iterdir())


@pytest.fixture
def folders(tmp_path, cubes):
    """Two folders with the same inputs."""
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
        for cube in cubes:
            (tmp_path / name / cube.name).hardlink_to(cube)
    return tmp_path / "whole", tmp_path / "broken"


def test_a_killed_partition_goes_on_where_it_was(folders):
    whole, broken = folders
    end(partition(whole))

    process = partition(broken)
    wait_for(process, lambda: len(finished(broken)) >= 2)
    children = family(process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive  # workers end with their driver
    kept = {path: path.stat().st_mtime_ns for path in finished(broken)}
    assert 2 <= len(kept) < INPUTS
    assert not (broken / "all.extxyz").exists()

    # A worker is killed: the driver goes on without it.
    process = partition(broken, "--resume")
    wait_for(process, lambda: len(finished(broken)) > len(kept))
    workers(process)[0].kill()
    _, stderr = end(process)
    assert f"{INPUTS} tasks, {len(kept)} done before" in stderr
    assert all(path.stat().st_mtime_ns == before for path, before in kept.items())  # nothing was done twice
    assert (broken / "all.extxyz").read_bytes() == (whole / "all.extxyz").read_bytes()

    # What is complete is not done again.
    _, stderr = end(partition(broken, "--resume"))
    assert f"{INPUTS} tasks, {INPUTS} done before" in stderr


def test_ctrl_c_says_how_to_go_on(folders):
    _, broken = folders
    process = partition(broken)
    wait_for(process, lambda: len(finished(broken)) >= 1)
    children = family(process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert stderr.splitlines()[-1].startswith("basinet: interrupted; finished inputs are kept in all.extxyz.work")
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
