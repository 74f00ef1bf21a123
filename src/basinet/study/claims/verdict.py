"""A tested statement, and the rules that turn an interval into a verdict."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from basinet.frames.bootstrap import Interval

Verdict = Literal["supported", "contradicted", "not resolved", "not testable here"]

SMALLEST_EFFECT = 0.02
"""Smallest difference in Pearson r that matters: about what a literature pair potential lacks to perfect agreement."""
SMALLEST_RANK_CORRELATION = 0.2
"""Smallest Spearman correlation that matters: it would explain 4 % of the variance of the ranks."""
SMALLEST_RATIO = 1.25  # smallest ratio (of costs, of spreads) that matters
_NONE = Interval(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Claim:
    """A statement of the paper, and what this study says about it; several rows (one per system) share a `key`.

    `subject` is the system, `statistic` what was computed, `value` and `interval` the deciding number and its 95 %
    interval (nan where there is none), `detail` the numbers behind it, the rule, and what the interval does not cover.
    """

    key: str
    subject: str
    claim: str
    source: str
    statistic: str
    value: float
    interval: tuple[float, float]
    verdict: Verdict
    detail: str


@dataclass(frozen=True)
class Statement:
    """A statement before it is tested, in our words, and where the paper makes it."""

    key: str
    claim: str
    source: str

    def judged(
        self, subject: str, statistic: str, found: Interval, detail: str, verdict: Verdict | None = None
    ) -> Claim:
        """The claim with a result; unless given, the verdict is that on a difference (`judge_difference`)."""
        verdict = verdict or judge_difference(found)
        interval, value = (float(found.low), float(found.high)), float(found.estimate)
        return Claim(self.key, subject, self.claim, self.source, statistic, value, interval, verdict, detail)

    def untestable(self, subject: str, reason: str) -> Claim:
        """The claim without a result, and why."""
        return self.judged(subject, "none", _NONE, reason, "not testable here")


def judge_difference(found: Interval, smallest: float = SMALLEST_EFFECT) -> Verdict:
    """Verdict on a statement that a quantity exceeds zero by an amount that matters.

    ``supported``: the interval lies above zero and the estimate is at least ``smallest``. ``contradicted``:
    the interval lies below ``smallest``, so an effect that matters is excluded. Otherwise ``not resolved``;
    without an interval ``not testable here``.

    >>> judge_difference(Interval(0.10, 0.05, 0.15)), judge_difference(Interval(0.0, -0.01, 0.01))
    ('supported', 'contradicted')
    >>> judge_difference(Interval(0.03, -0.02, 0.08))
    'not resolved'
    """
    if not _known(found):
        return "not testable here"
    if found.low > 0.0 and found.estimate >= smallest:
        return "supported"
    return "contradicted" if found.high < smallest else "not resolved"


def judge_between(found: Interval, low: float = -np.inf, high: float = np.inf) -> Verdict:
    """Verdict on a statement that a quantity lies between limits: where the interval lies."""
    if not _known(found):
        return "not testable here"
    if low <= found.low and found.high <= high:
        return "supported"
    return "contradicted" if found.high < low or found.low > high else "not resolved"


def _known(found: Interval) -> bool:
    return bool(np.isfinite([found.estimate, found.low, found.high]).all())


def spelled(found: Interval, digits: int = 3) -> str:
    """An estimate and its interval in words: ``0.12 (0.10 to 0.15)``."""
    if not np.isfinite([found.low, found.high]).all():
        return f"{found.estimate:.{digits}f} (no interval)"
    return f"{found.estimate:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"
