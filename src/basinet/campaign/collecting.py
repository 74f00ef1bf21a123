"""Finished frames in one file, and beside it where they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from basinet.campaign.campaign import CONFIG, FRAMES, Campaign
from basinet.campaign.frames import said_of
from basinet.campaign.ledger import ledger
from basinet.campaign.store import Result
from basinet.campaign.units import Unit
from basinet.errors import InputError
from basinet.io.files import atomic_write, write_json
from basinet.io.frames import format_frame, parse_frames, system_of
from basinet.io.provenance import provenance


def finished_units(campaign: Campaign) -> Iterator[tuple[Unit, Result]]:
    """Units that are done with their results, one at a time: by frame, and of a trajectory by time."""
    for unit in sorted(campaign.units.values(), key=lambda unit: (unit.frame, unit.start)):
        result = campaign.store.read(unit.name)
        if result is not None and result.key == campaign.keys[unit.name]:
            yield unit, result


def finished_frames(campaign: Campaign) -> Iterator[Atoms]:
    """Labelled frames in order, with what the configurations' file says of them, and numbers."""
    aimd, numbered = campaign.config.aimd, well_numbered(campaign.frames)
    for unit, result in finished_units(campaign):
        start = campaign.frames[unit.frame]
        for text in result.frames:
            (atoms,) = parse_frames(text, str(campaign.store.path(unit.name)))
            atoms.info.update(said_of(start, unit))
            if unit.steps:
                first = unit.frame * (aimd.steps // aimd.density_every + 1)
                atoms.info["frame"] = first + int(atoms.info["step"]) // aimd.density_every
            elif not numbered:
                if "frame" in start.info:
                    atoms.info["source_frame"] = start.info["frame"]
                atoms.info["frame"] = unit.frame
            yield atoms


def well_numbered(frames: Sequence[Atoms]) -> bool:
    """Whether every frame has a number that no other frame of its system and size has."""
    if not all(isinstance(atoms.info.get("frame"), (int, np.integer)) for atoms in frames):
        return False
    known = {(system_of(atoms), len(atoms), atoms.info["frame"]) for atoms in frames}
    return len(known) == len(frames)


def collect(campaign: Campaign, out: Path) -> dict[str, Any]:
    """Write finished frames to a file, and their provenance to one beside it; tell what is there and what is not.

    Raises
    ------
    InputError
        Nothing is finished yet, or the file would replace one that the campaign is made from.
    """
    if out.suffix == ".json":
        raise InputError(f"{out}: frames are extended XYZ; name a file such as labelled.extxyz")
    made_from = [campaign.root / CONFIG, campaign.root / FRAMES, *map(Path, campaign.config.frames)]
    if out.resolve() in [path.resolve() for path in made_from]:
        raise InputError(f"{out}: the campaign is made from that file; name another, such as labelled.extxyz")
    book = ledger(campaign)
    if not book.done:
        raise InputError(f"{campaign.root}: no frame is finished yet; see 'basinet dft status {campaign.root}'")
    count = 0
    with atomic_write(out) as stream:
        for atoms in finished_frames(campaign):
            stream.write(format_frame(atoms))
            count += 1
    given_up = [name for name in campaign.units if book.given_up(name)]
    summary = {
        "frames": count,
        "calculations": len(campaign.units),
        "done": len(book.done),
        "failed": len(given_up),
        "missing": len(campaign.units) - len(book.done) - len(given_up),
    }
    write_json(out.with_suffix(".json"), summary | origin(campaign))
    return summary


def origin(campaign: Campaign) -> dict[str, Any]:
    """Settings, versions, checksums and costs of a campaign's frames."""
    found = list(finished_units(campaign))
    return {
        "config": campaign.config.model_dump(mode="json"),
        "template": None if campaign.template is None else campaign.template.text,
        "cp2k_versions": dict(Counter(result.cp2k_version for _, result in found)),
        "hosts": dict(Counter(result.host for _, result in found)),
        "seconds": sum(result.seconds for _, result in found),
        "inputs": {unit.name: result.input_sha256 for unit, result in found},
        "rescued": [unit.name for unit, result in found if result.report.get("rescued")],
        "provenance": provenance(),
    }
