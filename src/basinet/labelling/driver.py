"""How long a campaign will take: mean cost of what is finished, over the workers there are."""

from __future__ import annotations

import importlib
import json
import re
import secrets
import shutil
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from basinet.cp2k.program import CalculationFailed, FailureKind
from basinet.errors import InputError
from basinet.files import is_held
from basinet.jobs.progress import Progress
from basinet.jobs.provenance import available_processors
from basinet.jobs.workers import connect
from basinet.labelling.campaign import Campaign, Unit
from basinet.labelling.ledger import Ledger, ledger
from basinet.labelling.work import LOST, Outcome, failed_try, record, run_unit

if TYPE_CHECKING:
    from distributed import Client, Future

    from basinet.labelling.settings import CampaignConfig, ClusterSettings, RunSettings


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


CLASSES = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "lsf": "LSFCluster",
    "htcondor": "HTCondorCluster",
    "oar": "OARCluster",
    "moab": "MoabCluster",
}
"""Of dask-jobqueue."""
SUBMIT = {
    "slurm": "sbatch",
    "pbs": "qsub",
    "sge": "qsub",
    "lsf": "bsub",
    "htcondor": "condor_submit",
    "oar": "oarsub",
    "moab": "msub",
}
"""Commands that it calls."""
RANKS = re.compile(r"\s(?:-n|--?np|--ntasks)(?: +|=)(\d+)(?!\S)")
"""How mpirun, mpiexec and srun are told the number of processes."""


@contextmanager
def connected(campaign: Campaign, scheduler: str | None) -> Iterator[Client]:
    """Yield a client whose workers do the units.

    Raises
    ------
    InputError
        The scheduler does not answer, or dask-jobqueue is not installed.
    """
    from distributed import Client

    config = campaign.config
    if scheduler is None and config.cluster is not None:
        check_submission(config.cluster)
        with job_cluster(config) as cluster, Client(cluster) as client:
            replenish(client, config)
            yield client
        return
    with connect(local_workers(config), scheduler, campaign.root / "running") as client:
        yield client


def replenish(client: Client, config: CampaignConfig) -> None:
    """Submit as many jobs as are missing: the queueing system ends them when their time is over."""
    if config.cluster is not None and client.cluster is not None:
        client.cluster.scale(jobs=config.cluster.jobs)


def local_workers(config: CampaignConfig) -> int:
    """Calculations at a time on this machine."""
    return config.run.workers or max(1, (available_processors() or 1) // processors(config.run))


def processors(run: RunSettings) -> int:
    """Processors of one calculation: the MPI ranks that its command names, times their threads.

    >>> from basinet.labelling.settings import RunSettings
    >>> processors(RunSettings(command="mpirun -np 8 cp2k.psmp", threads=2))
    16
    """
    ranks = RANKS.search(run.command)
    return int(ranks[1] if ranks else 1) * run.threads


def job_cluster(config: CampaignConfig) -> Any:
    """A cluster of jobs, none of them in the queue yet.

    Raises
    ------
    InputError
        dask-jobqueue is not installed.
    """
    try:
        dask_jobqueue = importlib.import_module("dask_jobqueue")
    except ImportError as error:
        raise InputError("cluster: needs dask-jobqueue; pip install 'basinet[cluster]'") from error
    settings = config.cluster
    if settings is None:
        raise InputError("cluster: the config has no such section; see docs/campaigns.md")
    check_cluster(settings)
    options: dict[str, Any] = {
        "cores": settings.cores or processors(config.run),
        "processes": 1,
        "memory": settings.memory,
        "walltime": settings.walltime,
        "queue": settings.queue,
        "account": settings.account,
        "interface": settings.interface,
        "job_extra_directives": settings.directives,
        "job_script_prologue": settings.prologue,
        "scheduler_options": {"dashboard_address": ":0"},  # any port that is free
        # One calculation at a time in each job, whatever its cores.
        "worker_extra_args": ["--nthreads", "1"],
    }
    kind = getattr(dask_jobqueue, CLASSES[settings.system])
    return kind(**{key: value for key, value in options.items() if value is not None})


def check_cluster(settings: ClusterSettings) -> None:
    """Refuse what Dask would, in one line and before it has begun."""
    from dask.utils import parse_bytes

    try:
        parse_bytes(settings.memory)
    except ValueError as error:
        raise InputError(f"cluster.memory: {settings.memory}: {error}; give a size such as 16GB") from error
    known = sorted(name for _, name in socket.if_nameindex())
    if settings.interface is not None and settings.interface not in known:
        raise InputError(f"cluster.interface: {settings.interface} is not on this machine; it has {', '.join(known)}")


def check_submission(settings: ClusterSettings) -> None:
    """Refuse a machine from which no jobs can be submitted."""
    command = SUBMIT[settings.system]
    if shutil.which(command) is None:
        raise InputError(
            f"cluster.system: {command} of {settings.system} is not on this machine; run where jobs are submitted"
        )


def job_script(config: CampaignConfig) -> str:
    """The script of one job, as it goes to the queue.

    Raises
    ------
    InputError
        See `job_cluster`.
    """
    with job_cluster(config) as cluster:
        text: str = cluster.job_script()
    return text


EVERY = 2.0
"""Seconds after which the driver looks for new workers."""
IDLE = 120.0
"""Seconds without any worker after which the driver says so."""


def run_campaign(campaign: Campaign, client: Client, progress: CampaignProgress) -> Ledger:
    """Do all units that are not done; failures are told as they happen.

    Returns
    -------
    Ledger
        Final: what is done, and what was given up.

    Raises
    ------
    InputError
        There is no CP2K where the workers are, or too many calculations failed in a row.
    """
    book = ledger(campaign)
    begin(campaign, book, progress)
    futures: dict[Future[Any], Unit] = {}
    session, in_a_row, worked = secrets.token_hex(4), 0, time.monotonic()
    try:
        while book.remaining():
            replenish(client, campaign.config)
            workers = submit(campaign, client, book, futures, session)
            progress.workers = min(workers, book.abreast())
            if workers:
                worked = time.monotonic()
            elif time.monotonic() - worked > IDLE:
                progress.note(f"  no worker for {spoken(time.monotonic() - worked)}; waiting for one")
                worked = time.monotonic()
            for future in finished(futures):
                unit = futures.pop(future)
                outcome = outcome_of(campaign, future, unit, book.attempts[unit.name])
                future.release()
                settled = book.settle(outcome)
                tell(campaign, outcome, progress, settled=settled)
                in_a_row = 0 if outcome.kind is None else in_a_row + settled
                if in_a_row >= campaign.config.run.stop_after:
                    raise InputError(stopped(campaign, outcome, in_a_row))
    except CancelledError as error:
        raise InputError("--scheduler: is lost, and the calculations with it; go on with --resume") from error
    except BaseException:
        client.cancel(list(futures))
        raise
    progress.finish()
    return book


def begin(campaign: Campaign, book: Ledger, progress: CampaignProgress) -> None:
    """Tell what there is to do."""
    kept = campaign.done()
    progress.spent = sum(kept.values())
    sizes = {name: size(campaign, unit) for name, unit in campaign.units.items()}
    progress.start("dft run", list(sizes.values()), [sizes[name] for name in kept])
    others = sum(campaign.results.path(name).exists() for name in campaign.units) - len(kept)
    if others:
        progress.note(f"  {others} results are of other steps or of another version of basinet; they are done again")
    given_up = [name for name in campaign.units if book.given_up(name)]
    if given_up:
        progress.note(f"  {len(given_up)} failed before and are left; --retry-failed tries them again")


def size(campaign: Campaign, unit: Unit) -> float:
    """Atoms times evaluations: what the cost of a unit is in proportion to."""
    return float(len(campaign.frames[unit.frame]) * max(unit.steps, 1))


def submit(campaign: Campaign, client: Client, book: Ledger, futures: dict[Future[Any], Unit], session: str) -> int:
    """Give every idle worker a unit; tell how many workers there are."""
    slots = int(sum(client.nthreads().values()))
    while len(futures) < slots:
        unit = book.take()
        if unit is None:
            break
        attempt = book.attempts[unit.name]
        # The directory is part of the key: one scheduler may serve several campaigns.
        key = f"dft-{campaign.identity}-{unit.name}-{attempt}"
        future = client.submit(run_unit, str(campaign.root.resolve()), unit.name, attempt, session, key=key, pure=False)
        futures[future] = unit
    return slots


def finished(futures: dict[Future[Any], Unit]) -> list[Future[Any]]:
    """Futures that have ended, after a short wait for the first one."""
    from distributed import wait

    if not futures:
        time.sleep(EVERY)
        return []
    try:
        done, _ = wait(list(futures), timeout=EVERY, return_when="FIRST_COMPLETED")
    except TimeoutError:
        return []
    return list(done)


def outcome_of(campaign: Campaign, future: Future[Any], unit: Unit, attempt: int) -> Outcome:
    """What became of a unit; a worker's death is entered by the driver, since nobody else is left to do it."""
    from distributed import KilledWorker

    try:
        outcome: Outcome = future.result()
    except (KilledWorker, OSError) as error:
        message = LOST if isinstance(error, KilledWorker) else f"{LOST}: {error}"
        lost = CalculationFailed(FailureKind.killed, message)
        record(campaign, unit.name, failed_try(attempt, lost, message))
        return Outcome(unit.name, 0.0, FailureKind.killed, message)
    return outcome


def tell(campaign: Campaign, outcome: Outcome, progress: CampaignProgress, *, settled: bool) -> None:
    """Report an outcome."""
    progress.spent += outcome.seconds
    if outcome.kind is not None:
        where = "" if outcome.log is None else f" ({campaign.root / outcome.log})"
        then = "given up" if settled else "tried again"
        progress.note(f"  {outcome.unit}: {outcome.kind}, {then}: {outcome.message}{where}")
    else:
        progress.advance(size(campaign, campaign.units[outcome.unit]), outcome.unit)


def stopped(campaign: Campaign, outcome: Outcome, count: int) -> str:
    """Why a campaign goes no further."""
    where = "" if outcome.log is None else f"; see {campaign.root / outcome.log}"
    return (
        f"{campaign.root}: {count} calculations in a row were given up, the last, {outcome.unit}, for {outcome.kind}: "
        f"{outcome.message}{where}; mend that and go on with --resume --retry-failed"
    )


LISTED = 20
"""Failures that are listed one by one."""


def survey(campaign: Campaign) -> dict[str, Any]:
    """The state of a campaign in plain types."""
    book = ledger(campaign)
    seconds = campaign.done()
    units = campaign.units
    failures = {name: campaign.failures(name) for name in units}
    tries = [failure for found in failures.values() for failure in found]
    given_up = [name for name in units if book.given_up(name)]
    blocked = [name for name, unit in units.items() if book.blocked(unit)]
    working = [item for item in running(campaign.root) if item["unit"] not in seconds]
    sizes = {name: size(campaign, unit) for name, unit in units.items()}
    left = sum(sizes[unit.name] for unit in book.remaining())
    spent = sum(seconds.values()) + sum(failure.seconds for failure in tries)
    workers = min(len(working) or local_workers(campaign.config), max(book.abreast(), 1))
    return {
        "directory": str(campaign.root),
        "mode": campaign.config.mode,
        "calculations": len(units),
        "done": len(seconds),
        "running": working,
        "failed": len(given_up),
        "blocked": len(blocked),
        "waiting": len(book.remaining()) - len(working),
        "mean_seconds": sum(seconds.values()) / len(seconds) if seconds else None,
        "workers": workers,
        "seconds_left": seconds_left(spent, sum(sizes[name] for name in seconds), left, workers) if left else 0.0,
        "tries_failed": dict(Counter(failure.kind for failure in tries)),
        "failures": [
            {
                "unit": name,
                "tries": book.attempts[name],
                "kind": last.kind,
                "message": last.message,
                "log": None if last.log is None else str(campaign.root / last.log),
            }
            for name in given_up
            for last in failures[name][-1:]
        ],
    }


def running(root: Path) -> list[dict[str, Any]]:
    """Units that processes are working at, as far as their locks tell."""
    found = []
    for path in sorted((root / "running").glob("*.json")):
        if not is_held(path):
            continue  # of a worker that was killed
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            found.append({"unit": path.stem, "owner": values["owner"], "seconds": time.time() - values["since"]})
        except (OSError, ValueError, KeyError):
            continue
    return found


def lines(found: dict[str, Any]) -> list[str]:
    """Spell a state, line by line."""
    names = ("done", "failed", "blocked", "waiting")
    counts = ", ".join(f"{found[name]} {name}" for name in names if found[name] or name == "done")
    said = [f"{found['directory']}: {found['calculations']} calculations ({found['mode']}): {counts}"]
    if found["running"]:
        busy = ", ".join(f"{item['unit']} ({spoken(item['seconds'])}, {item['owner']})" for item in found["running"])
        said.append(f"running: {busy}")
    if found["mean_seconds"] is not None:
        left = spoken(found["seconds_left"])
        said.append(f"mean {found['mean_seconds']:.1f} s; about {left} left with {found['workers']} at a time")
    if found["tries_failed"]:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(found["tries_failed"].items()))
        said.append(f"tries that failed: {kinds}")
    for item in found["failures"][:LISTED]:
        log = "" if item["log"] is None else f"; log: {item['log']}"
        said.append(f"  {item['unit']}: {item['kind']}, {item['tries']} tries: {item['message']}{log}")
    if len(found["failures"]) > LISTED:
        said.append(f"  ... {len(found['failures']) - LISTED} more (--json lists all)")
    return said
