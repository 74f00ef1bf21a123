"""Which unit comes next, and when a unit is given up: the campaign's bookkeeping, no process involved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from basinet.cp2k.program import FailureKind
from basinet.labelling.campaign import Campaign, Unit
from basinet.labelling.settings import RetrySettings
from basinet.labelling.work import Outcome

OUTSIDE = (FailureKind.killed, FailureKind.out_of_disk)
"""Failures that lie outside of the calculation: a resumed campaign tries these again without being told."""


@dataclass
class Ledger:
    """State of a campaign while it runs.

    Attributes
    ----------
    units
        All, in an order in which they can be done.
    done
        Names of finished units.
    failures
        Kinds of the failures that count against the retries, by unit.
    attempts
        Number of the last try of each unit.
    retries
        How many more tries each kind is worth.
    running
        Names of units being done.
    """

    units: Mapping[str, Unit]
    done: set[str]
    failures: dict[str, Counter[str]]
    attempts: Counter[str]
    retries: RetrySettings
    running: set[str]

    def given_up(self, name: str) -> bool:
        """Whether a unit has failed more often than its retries allow, and was not done for all that."""
        if name in self.done:
            return False
        counts = self.failures.get(name, Counter())
        return any(count > getattr(self.retries, kind) for kind, count in counts.items())

    def blocked(self, unit: Unit) -> bool:
        """Whether a unit can never be done: its trajectory was given up before it."""
        while unit.steps and unit.previous is not None and unit.name not in self.done:
            if self.given_up(unit.previous):
                return True
            unit = self.units[unit.previous]
        return False

    def startable(self, unit: Unit) -> bool:
        """Whether a unit can be done now: it waits for what it begins with, unless that is given up."""
        if unit.name in self.done or unit.name in self.running or self.given_up(unit.name):
            return False
        previous = unit.previous
        return previous is None or previous in self.done or (not unit.steps and self.given_up(previous))

    def take(self) -> Unit | None:
        """The next unit to begin, now counted as running; None if none can begin now."""
        for unit in self.units.values():
            if self.startable(unit):
                self.running.add(unit.name)
                self.attempts[unit.name] += 1
                return unit
        return None

    def settle(self, outcome: Outcome) -> bool:
        """Enter what became of a unit; tell whether it is settled, done or given up."""
        self.running.discard(outcome.unit)
        if outcome.kind is None:
            self.done.add(outcome.unit)
            return True
        self.failures.setdefault(outcome.unit, Counter())[outcome.kind] += 1
        return self.given_up(outcome.unit)

    def remaining(self) -> list[Unit]:
        """Units that are still to be done, those that are being done included."""
        return [
            unit
            for unit in self.units.values()
            if unit.name not in self.done and not self.given_up(unit.name) and not self.blocked(unit)
        ]

    def abreast(self) -> int:
        """How many of the remaining units could be done at the same time: each chain is one after the other."""
        left = self.remaining()
        names = {unit.name for unit in left}
        return sum(unit.previous not in names for unit in left)


def ledger(campaign: Campaign) -> Ledger:
    """The state that the files of a campaign tell."""
    tries = {name: found for name in campaign.units if (found := campaign.failures(name))}
    return Ledger(
        units=campaign.units,
        done=set(campaign.done()),
        failures={
            name: Counter(failure.kind for failure in found if not failure.forgiven) for name, found in tries.items()
        },
        attempts=Counter({name: max(failure.attempt for failure in found) for name, found in tries.items()}),
        retries=campaign.config.run.retries,
        running=set(),
    )


def forgive(campaign: Campaign, *, everything: bool) -> None:
    """Let failures no longer count: those from outside, or all of them."""
    for name in campaign.units:
        before = campaign.failures(name)
        after = [
            replace(failure, forgiven=failure.forgiven or everything or failure.kind in OUTSIDE) for failure in before
        ]
        if after != before:
            campaign.keep_failures(name, after)
