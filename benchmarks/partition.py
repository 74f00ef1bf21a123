"""Time from files to labelled frames by ``basinet partition``, and the share of each step.

    python benchmarks/partition.py RUN --frames 200
    python benchmarks/partition.py RUN --frames 20 --workers 1 2

RUN is the directory of a finished CP2K run with its density. As many copies of it as frames are made of hard links,
so that all are read from memory: the time of a disk comes on top. Each line is one command, its start included.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np


def link_copies(run: Path, folder: Path, frames: int) -> list[Path]:
    """Directories with hard links to the files of a run."""
    copies = [folder / f"run-{number:04d}" for number in range(frames)]
    for copy in copies:
        copy.mkdir()
        for file in run.iterdir():
            if file.is_file():
                (copy / file.name).hardlink_to(file.resolve())
    return copies


def partition(
    copies: list[Path], out: Path, workers: int, extra: list[str]
) -> tuple[float, float, list[dict[str, float]]]:
    """Wall and processor time of the command, and the seconds of the steps of every frame."""
    command = [sys.executable, "-m", "basinet", "partition", *map(str, copies), "--out", str(out), "--json"]
    before, begun = os.times(), time.perf_counter()
    done = subprocess.run([*command, "--workers", str(workers), *extra], capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - begun, os.times()
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, used, [frame["seconds"] for frame in json.loads(done.stdout)["frames"]]


def line(frames: int, workers: int, wall: float, used: float, seconds: list[dict[str, float]]) -> str:
    """One line of the table: time per frame, and the shares of the steps in the time of the workers."""
    steps: defaultdict[str, float] = defaultdict(float)
    for of_frame in seconds:
        for step, value in of_frame.items():
            steps[step] += value
    whole = wall * workers
    shares = ", ".join(f"{step} {value / whole:.0%}" for step, value in steps.items())
    rest = 1 - sum(steps.values()) / whole
    median = float(np.median([sum(of_frame.values()) for of_frame in seconds]))
    return (
        f"{frames:6d} {workers:7d} {wall:8.1f} {wall / frames:10.3f} {median:10.3f} {used / frames:10.3f}   "
        f"{shares}, start, labels and files {rest:.0%}"
    )


def main() -> None:
    """Print a line for each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, len(os.sched_getaffinity(0))])
    parser.add_argument("--no-error-bars", action="store_true")
    chosen = parser.parse_args()
    print("frames workers  wall, s  wall/frame     median  CPU/frame   shares of the workers' time")
    with tempfile.TemporaryDirectory(dir=chosen.run.resolve().parent) as folder:
        copies = link_copies(chosen.run, Path(folder), chosen.frames)
        extra = ["--no-error-bars"] if chosen.no_error_bars else []
        for workers in chosen.workers:
            out = Path(folder) / f"frames-{workers}.extxyz"
            print(line(chosen.frames, workers, *partition(copies, out, workers, extra)), flush=True)


if __name__ == "__main__":
    main()
