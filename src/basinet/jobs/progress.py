"""Progress of long work: a bar on a terminal, plain lines elsewhere, both with an estimate of the time left."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.progress import Progress as Bar
    from rich.progress import TaskID


def seconds_left(spent: float, done: float, remaining: float, workers: int = 1) -> float | None:
    """Time left in seconds, if what remains costs as much as what is done; None if nothing is done yet.

    Seconds of work are spent so far, with so many workers at a time; 1 where that is time by the clock.

    >>> seconds_left(spent=60.0, done=96.0, remaining=320.0, workers=2)
    100.0
    """
    return spent / done * remaining / max(workers, 1) if done > 0 else None


def duration(seconds: float | None) -> str:
    """Spell a time.

    >>> duration(80.0), duration(600.0), duration(90000.0), duration(None)
    ('80 s', '10 min', '25.0 h', '?')
    """
    if seconds is None:
        return "?"
    if seconds > 7200:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"


class Progress:
    """Report stages of weighted tasks; the estimate of the time left assumes that work goes on at the pace so far.

    The pace is that of this run, unless `spent` gives the seconds of work at all tasks, those of an earlier run
    included; then `workers` are the tasks at a time.
    """

    def __init__(self, stream: TextIO | None = None, *, every: float = 15.0) -> None:
        self.stream = stream or sys.stderr
        self.every = every
        self.spent: float | None = None
        self.workers = 1
        self._bar: Bar | None = None
        self._row: TaskID | None = None
        self._total = self._done = self._kept = 0.0
        self._count = self._finished = 0
        self._started = self._spoken = 0.0

    def note(self, text: str) -> None:
        """Say one line; above the bar while there is one."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
            return
        self.stream.write(f"{text}\n")
        self.stream.flush()

    def start(self, stage: str, costs: Sequence[float], kept: Sequence[float] = (), unit: str = "tasks") -> None:
        """Begin a stage of tasks with these costs, of which those in `kept` are done already; say what is counted."""
        self._total, self._kept, self._done = sum(costs), sum(kept), 0.0
        self._count, self._finished = len(costs), len(kept)
        self._started = self._spoken = time.monotonic()
        resumed = f", {len(kept)} done before" if kept else ""
        self.note(f"{stage}: {len(costs)} {unit}{resumed}")
        if self.stream.isatty() and len(costs) > len(kept):
            self._open_bar()

    def advance(self, cost: float, name: str) -> None:
        """Count one finished task."""
        self._done += cost
        self._finished += 1
        if self._bar is not None and self._row is not None:
            self._bar.update(
                self._row, completed=self._kept + self._done, description=f"{self._finished}/{self._count}"
            )
        elif time.monotonic() - self._spoken > self.every:
            self._spoken = time.monotonic()
            self.note(f"  {self._finished}/{self._count} ({name}), about {self.remaining()} left")

    def remaining(self) -> str:
        """Time left, spelled."""
        left = max(self._total - self._kept - self._done, 0.0)
        if self.spent is not None:
            return duration(seconds_left(self.spent, self._kept + self._done, left, self.workers))
        return duration(seconds_left(time.monotonic() - self._started, self._done, left))

    def finish(self) -> None:
        """End the stage."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self.note(f"  done in {time.monotonic() - self._started:.1f} s")

    def _open_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("  {task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(file=self.stream),
            transient=True,
        )
        self._bar.start()
        self._row = self._bar.add_task(f"{self._finished}/{self._count}", total=self._total, completed=int(self._kept))
