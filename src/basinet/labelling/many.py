"""Many inputs: as many at a time as processors and free memory allow, none done twice."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from basinet.cp2k.run_directory import DENSITY
from basinet.errors import InputError
from basinet.files import atomic_write
from basinet.frames.reading import format_frame
from basinet.jobs.progress import Progress
from basinet.jobs.provenance import PACKAGE, available_processors, version
from basinet.jobs.store import Results, fingerprint
from basinet.jobs.workers import Failed, Workers
from basinet.labelling.partition import Partitioned, partition_input
from basinet.labelling.partition_settings import Job, PartitionSettings, named
from basinet.labelling.sources import stamp

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


RESULT_VERSION = 2
"""Of what is kept of an input; results of another version are computed anew."""


@dataclass
class PartitionBatch:
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
    _finished: dict[int, Partitioned] = field(default_factory=dict)

    def compute(self, workers: int | None, progress: Progress | None) -> None:
        """Do all that is not done; failures are told as they happen, and kept."""
        pending = [index for index, job in enumerate(self.jobs) if _kept(self.folder, job, self.settings) is None]
        count = min(workers or choose_workers([self.jobs[index].path for index in pending]), max(len(pending), 1))
        threads = self.settings.threads or max(1, (available_processors() or 1) // count)
        function = partial(_finish, settings=replace(self.settings, threads=threads), folder=self.folder)
        if progress is not None:
            progress.start("partition", [1.0] * len(self.jobs), [1.0] * (len(self.jobs) - len(pending)))
        for place, outcome in Workers(function, count).run([self.jobs[index] for index in pending]):
            index = pending[place]
            name = str(self.jobs[index].path)
            if isinstance(outcome, Failed):
                self.failures[index] = named(self.jobs[index].path, str(outcome))
            elif outcome is not None:
                self._finished[index] = outcome
            if progress is not None:
                if index in self.failures:
                    progress.note(f"basinet: error: {self.failures[index]}")
                progress.advance(1.0, name)
        if progress is not None:
            progress.finish()

    def results(self) -> Iterator[Partitioned]:
        """Finished inputs in their order, one at a time; ``info`` has the place among the inputs, and the input.

        Raises
        ------
        InputError
            A result that was there is gone or out of date: its input changed while others were computed.
        """
        for index, job in enumerate(self.jobs):
            if index in self.failures:
                continue
            done = self._finished[index] if self.folder is None else _kept(self.folder, job, self.settings)
            if done is None:
                raise InputError(f"{job.path}: has changed since it was computed; run again with --resume")
            done.atoms.info |= {"frame": index, "source": str(job.path)}
            yield done

    def write(self, out: Path) -> None:
        """Write all finished frames to one file, which appears when it is whole."""
        with atomic_write(out) as stream:
            for done in self.results():
                stream.write(format_frame(done.atoms))


def _task(job: Job, settings: PartitionSettings) -> tuple[str, str]:
    """Key and fingerprint of an input's result; threads do not change it."""
    structure = None if job.structure is None else (job.structure.resolve(), job.index)
    steering = {key: value for key, value in vars(settings).items() if key != "threads"}
    whole = fingerprint(RESULT_VERSION, version(PACKAGE), job.path.resolve(), structure, steering)
    return whole[:24], whole


def _kept(folder: Path | None, job: Job, settings: PartitionSettings) -> Partitioned | None:
    """Result of an input; None if there is none, or its files have changed since. They may be gone, though."""
    result = None if folder is None else Results(folder).get(*_task(job, settings))
    if result is None:
        return None
    now = {path: stamp(path) for path in result["stamps"]}
    changed = any(now[path] is not None and now[path] != before for path, before in result["stamps"].items())
    return None if changed else Partitioned(**result)


def _finish(job: Job, *, settings: PartitionSettings, folder: Path | None) -> Partitioned | None:
    """Do one input; give its result back, or keep it in a folder."""
    try:
        done = partition_input(job, settings)
    except Exception as error:
        error.add_note(f"while {job.path} was partitioned")
        raise
    if folder is None:
        return done
    Results(folder).put(*_task(job, settings), vars(done))
    return None
