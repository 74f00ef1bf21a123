"""Small campaigns: frames of four argon atoms, configs, and `basinet dft` as a process of its own."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import yaml
from ase import Atoms

from basinet.frames.reading import read_frames, write_frames

FAKE = Path(__file__).with_name("fake_cp2k.py")
CELL = (5.41234567891, 5.51234567892, 5.61234567893)
PLACES = np.array([[0, 0.2, 0.3], [2.7, 2.86, 0.05], [2.6, 0, 2.9], [0, 2.75, 2.8]])


def frames(count: int) -> list[Atoms]:
    """Frames of argon; the first atom's x coordinate has the frame's number in its fourth decimal."""
    rng = np.random.default_rng(5)
    found = []
    for number in range(count):
        places = PLACES + np.round(rng.normal(scale=0.05, size=PLACES.shape), 6)
        places[0, 0] = 1e-4 * number
        atoms = Atoms("Ar4", positions=places, cell=CELL, pbc=True)
        atoms.info.update(system="ar", frame=100 + number)
        found.append(atoms)
    return found


def write_campaign(folder: Path, count: int, **settings) -> Path:
    """Write frames and a config; give back the config's path."""
    folder.mkdir(parents=True, exist_ok=True)
    write_frames(folder / "start.extxyz", frames(count))
    config = folder / "argon.yaml"
    config.write_text(yaml.safe_dump({"frames": str(folder / "start.extxyz"), **settings}))
    return config


def fake(folder: Path, fates: dict[int, list[str]] | None = None, **plan) -> str:
    """Command of the stand-in for CP2K, with what is to happen to which frame."""
    path = folder / "plan.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"fates": {str(key): value for key, value in (fates or {}).items()}, **plan}))
    return f"{sys.executable} {FAKE} {path}"


def journal(folder: Path) -> Counter[str]:
    """How often each frame was begun and ended."""
    path = folder / "journal"
    return Counter(path.read_text().split()) if path.exists() else Counter()


def results(root: Path) -> list[Path]:
    return sorted((root / "results").glob("*.json"))


def wait_until(moment, process=None, *, seconds: float = 120) -> None:
    """Wait for a moment while a process lives."""
    deadline = time.monotonic() + seconds
    while not moment():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def same_frames(one: Path, other: Path) -> None:
    """Two files of labelled frames are the same to the last digit, none missing and none twice."""
    first, second = read_frames(one), read_frames(other)
    assert [atoms.info["frame"] for atoms in first] == [atoms.info["frame"] for atoms in second]
    assert one.read_text() == other.read_text()
