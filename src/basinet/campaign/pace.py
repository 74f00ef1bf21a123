"""How long a campaign will take: mean cost of what is finished, over the workers there are."""

from __future__ import annotations

from typing import TextIO

from basinet.execution.progress import Progress


def seconds_left(spent: float, done: float, remaining: float, workers: int) -> float | None:
    """Time left in seconds, if what remains costs as much as what is done; None if nothing is done yet.

    Parameters
    ----------
    spent
        Seconds of calculations so far, failures included.
    done, remaining
        Sizes of finished and remaining calculations: atoms times steps.
    workers
        Calculations at a time.

    Examples
    --------
    >>> seconds_left(spent=60.0, done=96.0, remaining=320.0, workers=2)
    100.0
    """
    if done <= 0:
        return None
    return spent / done * remaining / max(workers, 1)


def spoken(seconds: float | None) -> str:
    """Spell a time as people say it.

    Examples
    --------
    >>> spoken(80.0), spoken(600.0), spoken(90000.0), spoken(None)
    ('80 s', '10 min', '25.0 h', 'unknown')
    """
    if seconds is None:
        return "unknown"
    if seconds > 7200:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"


class CampaignProgress(Progress):
    """Progress whose estimate of the time left knows what was spent before, and how many work at it."""

    def __init__(self, stream: TextIO | None = None, *, every: float = 15.0) -> None:
        super().__init__(stream, every=every)
        self.workers = 1
        self.spent = 0.0

    def remaining(self) -> str:
        """Time left, spelled."""
        done = self._kept + self._done
        return spoken(seconds_left(self.spent, done, max(self._total - done, 0.0), self.workers))
