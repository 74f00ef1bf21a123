"""What is done, running, failed and waiting, told by the campaign's files."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

from basinet.campaign.campaign import Campaign
from basinet.campaign.driver import size
from basinet.campaign.ledger import ledger
from basinet.campaign.pace import seconds_left, spoken
from basinet.campaign.workers import local_workers
from basinet.io.locks import is_held

LISTED = 20
"""Failures that are listed one by one."""


def survey(campaign: Campaign) -> dict[str, Any]:
    """The state of a campaign in plain types."""
    book = ledger(campaign)
    seconds = campaign.done()
    failures = campaign.store.failures()
    units = campaign.units
    given_up = [name for name in units if book.given_up(name)]
    blocked = [name for name, unit in units.items() if book.blocked(unit)]
    working = [item for item in running(campaign.root) if item["unit"] not in seconds]
    sizes = {name: size(campaign, unit) for name, unit in units.items()}
    left = sum(sizes[unit.name] for unit in book.remaining())
    spent = sum(seconds.values()) + sum(failure.seconds for failure in failures)
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
        "tries_failed": dict(Counter(failure.kind for failure in failures)),
        "failures": [
            {
                "unit": name,
                "tries": book.attempts[name],
                "kind": last.kind,
                "message": last.message,
                "log": None if last.log is None else str(campaign.root / last.log),
            }
            for name in given_up
            for last in [failure for failure in failures if failure.unit == name][-1:]
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
