"""A campaign from its beginning to its end: which calculation is next, who does it, and how far it has come."""

import json
import re
import secrets
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from basinet.errors import InputError
from basinet.files import is_held
from basinet.jobs.progress import Progress, duration, seconds_left
from basinet.jobs.provenance import available_processors
from basinet.jobs.queues import QueueSettings, job_cluster
from basinet.jobs.workers import WorkerDiedError, Workers, open_workers
from basinet.labelling.campaign import Campaign, Unit
from basinet.labelling.settings import CampaignConfig, RetrySettings, RunSettings
from basinet.labelling.work import _LOST, Outcome, _record, run_unit

_OUTSIDE = ("killed", "out_of_disk")  # failures outside of the calculation: a resumed campaign tries these again
_LISTED = 20  # failures that are listed one by one


@dataclass
class Schedule:
    """The order of a campaign's units: which comes next, and which is given up.

    The units are in an order in which they can be done. Failures are the kinds that count against the retries,
    attempts the number of the last try, of each unit; retries how many more tries each kind is worth.
    """

    units: Mapping[str, Unit]
    done: set[str]
    failures: dict[str, Counter[str]]
    attempts: Counter[str]
    retries: RetrySettings
    running: set[str] = field(default_factory=set)

    def given_up(self, name: str) -> bool:
        """True of a unit that has failed more often than its retries allow, and is not done."""
        if name in self.done:
            return False
        counts = self.failures.get(name, Counter())
        return any(count > getattr(self.retries, kind) for kind, count in counts.items())

    def blocked(self, unit: Unit) -> bool:
        """True of a unit that can never be done: its trajectory was given up before it."""
        while unit.steps and unit.previous is not None and unit.name not in self.done:
            if self.given_up(unit.previous):
                return True
            unit = self.units[unit.previous]
        return False

    def startable(self, unit: Unit) -> bool:
        """True of a unit that can be done now: it waits for the one it begins with, unless that is given up."""
        if unit.name in self.done or unit.name in self.running or self.given_up(unit.name):
            return False
        previous = unit.previous
        return previous is None or previous in self.done or (not unit.steps and self.given_up(previous))

    def take(self) -> tuple[str, int] | None:
        """Name of the next unit to begin, now counted as running, and number of the try; None if none can begin."""
        for unit in self.units.values():
            if self.startable(unit):
                self.running.add(unit.name)
                self.attempts[unit.name] += 1
                return unit.name, self.attempts[unit.name]
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

    def concurrency(self) -> int:
        """How many of the remaining units could be done at the same time: each chain is one after the other."""
        left = self.remaining()
        names = {unit.name for unit in left}
        return sum(unit.previous not in names for unit in left)


def _schedule_of(campaign: Campaign) -> Schedule:
    tries = {name: found for name in campaign.units if (found := campaign.failures(name))}
    return Schedule(
        units=campaign.units,
        done=set(campaign.done()),
        failures={
            name: Counter(failure.kind for failure in found if not failure.forgiven) for name, found in tries.items()
        },
        attempts=Counter({name: max(failure.attempt for failure in found) for name, found in tries.items()}),
        retries=campaign.config.run.retries,
    )


def forgive(campaign: Campaign, *, everything: bool) -> None:
    """Let failures no longer count: those from outside, or all of them."""
    for name in campaign.units:
        before = campaign.failures(name)
        after = [
            replace(failure, forgiven=failure.forgiven or everything or failure.kind in _OUTSIDE) for failure in before
        ]
        if after != before:
            campaign.keep_failures(name, after)


def workers_of(campaign: Campaign, scheduler: str | None) -> AbstractContextManager[Workers]:
    """Open workers that do the units: of a scheduler, of the config's queue, or of this machine."""
    config = campaign.config
    return open_workers(_local_workers(config), scheduler, _queue_of(config))


def _queue_of(config: CampaignConfig) -> QueueSettings | None:
    """The config's queue, with as many cores for each job as a calculation takes."""
    if config.cluster is None:
        return None
    return config.cluster.model_copy(update={"cores": config.cluster.cores or _processors(config.run)})


def job_script(config: CampaignConfig) -> str:
    """The script of one job, as it goes to the queue; InputError if the config has none, or as of `job_cluster`."""
    queue = _queue_of(config)
    if queue is None:
        raise InputError("cluster: the config has no such section; see docs/campaigns.md")
    with job_cluster(queue) as cluster:
        text: str = cluster.job_script()
    return text


_RANKS = re.compile(r"\s(?:-n|--?np|--ntasks)(?: +|=)(\d+)(?!\S)")
"""How mpirun, mpiexec and srun are told the number of processes."""


def _processors(run: RunSettings) -> int:
    """Processors of one calculation: the MPI ranks that its command names, times their threads.

    >>> _processors(RunSettings(command="mpirun -np 8 cp2k.psmp", threads=2))
    16
    """
    ranks = _RANKS.search(run.command or "")
    return int(ranks[1] if ranks else 1) * run.threads


def _local_workers(config: CampaignConfig) -> int:
    return config.run.workers or max(1, (available_processors() or 1) // _processors(config.run))


def run_campaign(campaign: Campaign, workers: Workers, progress: Progress) -> Schedule:
    """Do all units that are not done, telling failures as they happen; gives back what is done, and what was given up.

    InputError: there is no CP2K where the workers are, or too many calculations failed in a row.
    """
    schedule = _schedule_of(campaign)
    kept = campaign.done()
    progress.spent = sum(kept.values())
    sizes = {name: _size(campaign, unit) for name, unit in campaign.units.items()}
    progress.start("dft run", list(sizes.values()), [sizes[name] for name in kept])
    others = sum(campaign.results.path(name).exists() for name in campaign.units) - len(kept)
    if others:
        progress.note(f"  {others} results are of other steps or of another version of basinet; they are done again")
    given_up = [name for name in campaign.units if schedule.given_up(name)]
    if given_up:
        progress.note(f"  {len(given_up)} failed before and are left; --retry-failed tries them again")
    function = partial(_run_try, root=str(campaign.root.resolve()), session=secrets.token_hex(4))
    in_a_row = 0
    with closing(workers.run(function, schedule.take, progress)) as outcomes:
        for (name, attempt), found in outcomes:
            outcome = found if isinstance(found, Outcome) else Outcome(name, 0.0, "killed", _LOST)
            if isinstance(found, WorkerDiedError):
                _record(campaign, name, attempt, "killed", _LOST)
            elif isinstance(found, InputError):
                raise found
            settled = schedule.settle(outcome)
            progress.workers = min(workers.count(), schedule.concurrency())
            _tell(campaign, outcome, progress, settled=settled)
            in_a_row = 0 if outcome.kind is None else in_a_row + settled
            if in_a_row >= campaign.config.run.stop_after:
                where = "" if outcome.log is None else f"; see {campaign.root / outcome.log}"
                raise InputError(
                    f"{campaign.root}: {in_a_row} calculations in a row were given up, the last, {outcome.unit}, for "
                    f"{outcome.kind}: {outcome.message}{where}; mend that and go on with --resume --retry-failed"
                )
    progress.finish()
    return schedule


def _run_try(task: tuple[str, int], *, root: str, session: str) -> Outcome:
    return run_unit(root, *task, session)


def _size(campaign: Campaign, unit: Unit) -> float:
    """Atoms times evaluations: what the cost of a unit is in proportion to."""
    return float(len(campaign.frames[unit.frame]) * max(unit.steps, 1))


def _tell(campaign: Campaign, outcome: Outcome, progress: Progress, *, settled: bool) -> None:
    progress.spent = (progress.spent or 0.0) + outcome.seconds
    for note in outcome.notes:
        progress.note(f"  {outcome.unit}: note: {note}")
    if outcome.kind is not None:
        where = "" if outcome.log is None else f" ({campaign.root / outcome.log})"
        then = "given up" if settled else "tried again"
        progress.note(f"  {outcome.unit}: {outcome.kind}, {then}: {outcome.message}{where}")
    else:
        progress.advance(_size(campaign, campaign.units[outcome.unit]), outcome.unit)


def survey(campaign: Campaign) -> dict[str, Any]:
    """The state of a campaign in types of JSON."""
    schedule = _schedule_of(campaign)
    seconds = campaign.done()
    units = campaign.units
    failures = {name: campaign.failures(name) for name in units}
    tries = [failure for found in failures.values() for failure in found]
    given_up = [name for name in units if schedule.given_up(name)]
    blocked = [name for name, unit in units.items() if schedule.blocked(unit)]
    working = [item for item in _running_units(campaign.root) if item["unit"] not in seconds]
    sizes = {name: _size(campaign, unit) for name, unit in units.items()}
    left = sum(sizes[unit.name] for unit in schedule.remaining())
    spent = sum(seconds.values()) + sum(failure.seconds for failure in tries)
    workers = min(len(working) or _local_workers(campaign.config), max(schedule.concurrency(), 1))
    return {
        "directory": str(campaign.root),
        "mode": campaign.config.mode,
        "calculations": len(units),
        "done": len(seconds),
        "running": working,
        "failed": len(given_up),
        "blocked": len(blocked),
        "waiting": len(schedule.remaining()) - len(working),
        "mean_seconds": sum(seconds.values()) / len(seconds) if seconds else None,
        "workers": workers,
        "seconds_left": seconds_left(spent, sum(sizes[name] for name in seconds), left, workers) if left else 0.0,
        "tries_failed": dict(Counter(failure.kind for failure in tries)),
        "failures": [
            {
                "unit": name,
                "tries": schedule.attempts[name],
                "kind": last.kind,
                "message": last.message,
                "log": None if last.log is None else str(campaign.root / last.log),
            }
            for name in given_up
            for last in failures[name][-1:]
        ],
    }


def _running_units(root: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted((root / "running").glob("*.json")):
        if not is_held(path):
            continue  # of a worker that was killed
        with suppress(OSError, ValueError, KeyError):
            values = json.loads(path.read_text(encoding="utf-8"))
            found.append({"unit": path.stem, "owner": values["owner"], "seconds": time.time() - values["since"]})
    return found


def status_lines(found: dict[str, Any]) -> list[str]:
    """Spell a state, line by line."""
    names = ("done", "failed", "blocked", "waiting")
    counts = ", ".join(f"{found[name]} {name}" for name in names if found[name] or name == "done")
    said = [f"{found['directory']}: {found['calculations']} calculations ({found['mode']}): {counts}"]
    if found["running"]:
        busy = ", ".join(f"{item['unit']} ({duration(item['seconds'])}, {item['owner']})" for item in found["running"])
        said.append(f"running: {busy}")
    if found["mean_seconds"] is not None:
        left = duration(found["seconds_left"])
        said.append(f"mean {found['mean_seconds']:.1f} s; about {left} left with {found['workers']} at a time")
    if found["tries_failed"]:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(found["tries_failed"].items()))
        said.append(f"tries that failed: {kinds}")
    for item in found["failures"][:_LISTED]:
        log = "" if item["log"] is None else f"; log: {item['log']}"
        said.append(f"  {item['unit']}: {item['kind']}, {item['tries']} tries: {item['message']}{log}")
    if len(found["failures"]) > _LISTED:
        said.append(f"  ... {len(found['failures']) - _LISTED} more (--json lists all)")
    return said
