"""Keep workers busy with units until all are done or given up."""

from __future__ import annotations

import secrets
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from basinet.campaign.campaign import Campaign
from basinet.campaign.ledger import Ledger, ledger
from basinet.campaign.pace import CampaignProgress, spoken
from basinet.campaign.store import Failure
from basinet.campaign.units import Unit
from basinet.campaign.work import LOST, Outcome, now, run_unit
from basinet.campaign.workers import replenish
from basinet.dft.failures import FailureKind
from basinet.errors import InputError

if TYPE_CHECKING:
    from distributed import Client, Future

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
    others = sum(result is not None for result in map(campaign.store.read, campaign.units)) - len(kept)
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
        failure = Failure(
            unit=unit.name, key=campaign.keys[unit.name], attempt=attempt, kind=FailureKind.killed,
            message=LOST if isinstance(error, KilledWorker) else f"{LOST}: {error}", log=None, seconds=0.0, host="",
            time=now(),
        )  # fmt: skip
        campaign.store.record(failure)
        return Outcome(unit.name, 0.0, FailureKind.killed, failure.message)
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
