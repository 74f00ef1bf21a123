"""How many inputs at a time: as many as processors and free memory allow."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ase import Atoms

from basinet.cp2k.run_directory import DENSITY
from basinet.errors import InputError
from basinet.files import atomic_write
from basinet.frames.reading import format_frame, parse_frames
from basinet.jobs.progress import Progress
from basinet.jobs.provenance import available_processors
from basinet.jobs.workers import Failed, Workers
from basinet.labelling.partition import Partitioned, partition_input
from basinet.labelling.partition_settings import Job, PartitionSettings, job_key, named
from basinet.labelling.sources import Stamp, stamp

BYTES_PER_VALUE = 13
"""Of a cube's text; CHGCAR takes 18."""
COMPRESSION = 4
"""By gzip, at least as much as cubes shrink."""
ARRAYS = 8
"""Arrays of float64 on the grid that are alive at the peak: 5.5 measured, and some for further fields."""
BASE = 250 << 20
"""Bytes of a worker without arrays: Python and compiled code."""
SHARE = 0.8
"""Of the free memory that may be used."""


def choose_workers(paths: Sequence[Path]) -> int:
    """Number of worker processes for some inputs, at least 1."""
    processors = available_processors() or 1
    peak = max((peak_memory(path) for path in paths), default=BASE)
    return max(1, min(processors, len(paths), int(SHARE * free_memory() / peak)))


def peak_memory(path: Path) -> int:
    """Bytes that an input takes at most, by the size of its density; nothing is opened."""
    size = density_size(path)
    return BASE + ARRAYS * 8 * size // BYTES_PER_VALUE


def density_size(path: Path) -> int:
    """Bytes of the density's text."""
    try:
        if path.is_dir():
            return max((density_size(file) for file in path.glob(f"*{DENSITY}*.cube*")), default=0)
        return path.stat().st_size * (COMPRESSION if path.suffix == ".gz" else 1)
    except OSError:
        return 0


def free_memory() -> int:
    """Bytes that can be had without swapping, within the limits of a control group."""
    limits = [available_to_machine()]
    group = Path("/sys/fs/cgroup")
    try:
        most = (group / "memory.max").read_text(encoding="ascii").strip()
        if most != "max":
            limits.append(int(most) - int((group / "memory.current").read_text(encoding="ascii")))
    except (OSError, ValueError):
        pass
    return max(min(limits), 0)


def available_to_machine() -> int:
    """Bytes that the machine has left; half of its memory where it does not tell."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError):
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


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


@dataclass
class Run:
    """Inputs being partitioned.

    Attributes
    ----------
    jobs
        In the order of the output.
    settings
        The same for all.
    folder
        Where finished inputs are kept; None: in memory alone.
    failures
        What is wrong with inputs that failed, by their place.
    """

    jobs: Sequence[Job]
    settings: PartitionSettings
    folder: Path | None = None
    failures: dict[int, str] = field(default_factory=dict)
    _held: dict[int, Result] = field(default_factory=dict)

    def compute(self, workers: int | None, progress: Progress | None) -> None:
        """Do all that is not done; failures are told as they happen, and kept."""
        store = None if self.folder is None else Store(self.folder, self.settings)
        pending = list(range(len(self.jobs))) if store is None else store.pending(self.jobs)
        count = min(workers or choose_workers([self.jobs[index].path for index in pending]), max(len(pending), 1))
        threads = self.settings.threads or max(1, (available_processors() or 1) // count)
        function = partial(finish, settings=replace(self.settings, threads=threads), folder=self.folder)
        if progress is not None:
            progress.start("partition", [1.0] * len(self.jobs), [1.0] * (len(self.jobs) - len(pending)))
        for place, outcome in Workers(function, count).run([self.jobs[index] for index in pending]):
            index = pending[place]
            name = str(self.jobs[index].path)
            if isinstance(outcome, Failed):
                self.failures[index] = named(self.jobs[index].path, str(outcome))
            elif outcome is not None:
                self._held[index] = outcome
            if progress is not None:
                if index in self.failures:
                    progress.note(f"basinet: error: {self.failures[index]}")
                progress.advance(1.0, name)
        if progress is not None:
            progress.finish()

    def results(self) -> Iterator[tuple[int, Result]]:
        """Finished inputs in their order, one at a time.

        Raises
        ------
        InputError
            A result that was there is gone or out of date: its input changed while others were computed.
        """
        store = None if self.folder is None else Store(self.folder, self.settings)
        for index, job in enumerate(self.jobs):
            if index in self.failures:
                continue
            result = self._held[index] if store is None else store.read(job)
            if result is None:
                raise InputError(f"{job.path}: has changed since it was computed; run again with --resume")
            yield index, result

    def frames(self) -> Iterator[tuple[Atoms, Result]]:
        """Finished frames in their order."""
        for index, result in self.results():
            yield result.atoms(index, str(self.jobs[index].path)), result

    def write(self, out: Path) -> None:
        """Write all finished frames to one file, which appears when it is whole."""
        with atomic_write(out) as stream:
            for atoms, _ in self.frames():
                stream.write(format_frame(atoms))


def finish(job: Job, *, settings: PartitionSettings, folder: Path | None) -> Result | None:
    """Do one input; give its result back, or keep it in a folder."""
    try:
        result = as_result(partition_input(job, settings))
    except Exception as error:
        error.add_note(f"while {job.path} was partitioned")
        raise
    if folder is None:
        return result
    Store(folder, settings).write(job, result)
    return None
