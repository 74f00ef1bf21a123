"""One input or thousands: what is done already is kept, the rest is shared among workers, the order is that given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from ase import Atoms

from basinet.errors import InputError
from basinet.execution.progress import Progress
from basinet.io.files import atomic_write
from basinet.io.frames import format_frame
from basinet.io.provenance import available_processors
from basinet.partition.frame import partition_input
from basinet.partition.pool import Failed, Workers
from basinet.partition.resources import choose_workers
from basinet.partition.settings import Job, PartitionSettings, named
from basinet.partition.store import Result, Store, as_result


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
