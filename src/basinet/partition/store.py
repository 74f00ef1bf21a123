"""Results of finished inputs, one file each, so that a killed run never does anything twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase import Atoms

from basinet.io.files import atomic_write
from basinet.io.frames import format_frame, parse_frames
from basinet.partition.frame import Partitioned
from basinet.partition.settings import Job, PartitionSettings, job_key
from basinet.partition.source import Stamp, stamp

FORMAT = 1
"""Of these files; results in another one are computed anew."""


@dataclass(frozen=True)
class Result:
    """A finished input as it is kept: text of the frame, report, and the state of the files it came from."""

    frame: str
    report: dict[str, Any]
    stamps: dict[str, Stamp | None]

    @property
    def closure_error(self) -> float | None:
        """Sum of local Hartree energies less the printed one, eV; None if none was printed."""
        value: float | None = self.report.get("closure_error")
        return value

    def atoms(self, index: int, source: str) -> Atoms:
        """The frame, with its place among the inputs."""
        (atoms,) = parse_frames(self.frame, source)
        atoms.info["frame"] = index
        atoms.info["source"] = source
        return atoms


def as_result(done: Partitioned) -> Result:
    """Turn a finished input into text."""
    return Result(format_frame(done.atoms), done.report, done.stamps)


class Store:
    """The folder of results beside the output file."""

    def __init__(self, root: Path, settings: PartitionSettings) -> None:
        self.root = root
        self.settings = settings

    def path(self, job: Job) -> Path:
        """File of an input's result."""
        return self.root / f"{job_key(job, self.settings)}.json"

    def write(self, job: Job, result: Result) -> None:
        """Keep a result; the file appears when it is whole."""
        text = json.dumps({"format": FORMAT, **vars(result)}, allow_nan=False)
        with atomic_write(self.path(job)) as stream:
            stream.write(text)

    def read(self, job: Job) -> Result | None:
        """Result of an input; None if there is none, or its files have changed since. They may be gone, though."""
        try:
            kept = json.loads(self.path(job).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(kept, dict) or kept.pop("format", None) != FORMAT:
            return None
        result = Result(**kept)
        now = {path: stamp(path) for path in result.stamps}
        changed = any(now[path] is not None and now[path] != before for path, before in result.stamps.items())
        return None if changed else result

    def pending(self, jobs: Sequence[Job]) -> list[int]:
        """Which inputs are still to be done."""
        return [index for index, job in enumerate(jobs) if self.read(job) is None]
