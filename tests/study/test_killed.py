"""A study that is killed at any moment, and begun again, ends with the table it would have had anyway."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from tests.study import small_study

from basinet.frames.reading import write_frames
from basinet.study.tables import RESULT_KEYS, RESULTS

pytestmark = pytest.mark.long

SCRIPT = Path(small_study.__file__)
ROOT = Path(__file__).parents[2]


def start(out: Path, frames: Path) -> subprocess.Popen[str]:
    """Start the small study in a process of its own; the journal goes to a file beside `out`."""
    out.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), "JAX_PLATFORMS": "cpu"}
    environment["TMPDIR"] = str(out.parent)
    with out.with_suffix(".log").open("a", encoding="utf-8") as log:
        return subprocess.Popen(
            [sys.executable, str(SCRIPT), str(out), str(frames)],
            env=environment, cwd=out.parent, stdout=log, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip


def finish(out: Path, process: subprocess.Popen[str]) -> None:
    code = process.wait(timeout=300)
    assert code == 0, out.with_suffix(".log").read_text(encoding="utf-8")[-3000:]


def wait_until(moment: Callable[[], bool], process: subprocess.Popen[str], out: Path) -> None:
    deadline = time.monotonic() + 240
    while not moment():
        assert process.poll() is None, "over too early: " + out.with_suffix(".log").read_text(encoding="utf-8")[-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def kill(process: subprocess.Popen[str]) -> None:
    """Kill the driver without a chance to clean up; its workers must notice and end by themselves."""
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not alive


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Worker processes."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):  # killed a moment ago
            if "_serve(" in " ".join(child.cmdline()):
                found.append(child)
    return found


def results(out: Path) -> list[Path]:
    return list((out / "work" / "results").glob("*.json"))


def programs(out: Path) -> list[Path]:
    return list(out.parent.glob("basinet-*/*-cache"))


def table(out: Path) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """What names a row, and its numbers (nan where missing), without the seconds it took."""
    with (out / "results.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    values = [name for name in RESULTS if name not in {*RESULT_KEYS, "train_seconds"}]
    numbers = [[float(row[name]) if row[name] else np.nan for name in values] for row in rows]
    return [tuple(row[name] for name in RESULT_KEYS) for row in rows], np.array(numbers)


def test_a_study_killed_at_any_moment_ends_with_the_same_table(tmp_path):
    frames = tmp_path / "frames.extxyz"
    write_frames(frames, small_study.small_frames(systems=("ar",)) + small_study.isolated_atoms())
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    finish(whole, start(whole, frames))
    assert not programs(whole)

    # While the first program is being compiled and written: nothing is trained yet.
    process = start(broken, frames)
    wait_until(lambda: len(results(broken)) >= 2 and len(programs(broken)) >= 1, process, broken)
    kill(process)

    # In the midst of training; before that, the worker alone.
    process = start(broken, frames)
    before = len(results(broken))
    wait_until(lambda: len(results(broken)) >= before + 1, process, broken)
    victims = workers(process)
    assert victims
    for worker in victims:
        worker.kill()
    killed = {worker.pid for worker in victims}
    wait_until(lambda: any(worker.pid not in killed for worker in workers(process)), process, broken)
    kill(process)
    assert len(results(broken)) < len(results(whole))

    # When all tasks are done but the tables are not written.
    process = start(broken, frames)
    wait_until(lambda: len(results(broken)) == len(results(whole)), process, broken)
    kill(process)
    assert not (broken / "results.csv").exists()

    finish(broken, start(broken, frames))
    assert sorted(path.name for path in results(broken)) == sorted(path.name for path in results(whole))
    names, numbers = table(whole)
    names_again, numbers_again = table(broken)
    assert names == names_again
    assert len(names) > 40
    of_models = [dict(zip(RESULT_KEYS, name, strict=True))["model"] for name in names]
    drift = numbers[:, [name for name in RESULTS if name not in {*RESULT_KEYS, "train_seconds"}].index("kernel_drift")]
    trained, linearised = (np.array(of_models) == model for model in ("network", "linearised"))
    assert linearised.any()
    assert np.isfinite(drift[trained]).any()
    assert not np.isfinite(drift[linearised]).any()
    assert np.array_equal(np.isnan(numbers), np.isnan(numbers_again))
    difference = np.abs(numbers - numbers_again) / np.maximum(1.0, np.abs(numbers))
    assert np.nanmax(difference) < 1e-6
    for name in ("relation.json", "relation_points.csv", "selection.csv"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    leftovers = [path for path in broken.rglob("*.tmp") if path.is_file()]
    assert len(leftovers) <= 4  # one half-written file at most for each kill, under a name that nothing reads
