"""The calculations of a campaign, each a unit with a result of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ase import Atoms

from basinet.config.campaign_settings import CampaignConfig


@dataclass(frozen=True)
class Unit:
    """One calculation.

    Attributes
    ----------
    name
        Of its files: ``00017``; of molecular dynamics with the segment, ``00002-0005``.
    frame
        Which of the frames given it calculates, or starts from.
    start, steps
        Of molecular dynamics: the step that it begins at, and the number of its steps; 0 and 0: a single point.
    previous
        Name of the unit whose last state it begins with; None: it begins from nothing.
    """

    name: str
    frame: int
    start: int = 0
    steps: int = 0
    previous: str | None = None


def plan(config: CampaignConfig, frames: Sequence[Atoms]) -> tuple[Unit, ...]:
    """All units of a campaign, in an order in which they can be done."""
    if config.mode == "aimd":
        segments = range(0, config.aimd.steps, config.aimd.segment)
        return tuple(segment(config, frame, start) for start in segments for frame in range(len(frames)))
    return tuple(
        Unit(name(index), index, previous=name(index - 1) if continues(config, frames, index) else None)
        for index in range(len(frames))
    )


def name(frame: int) -> str:
    """Name of a single point."""
    return f"{frame:05d}"


def segment(config: CampaignConfig, frame: int, start: int) -> Unit:
    """A stretch of a trajectory."""
    number = start // config.aimd.segment
    steps = min(config.aimd.segment, config.aimd.steps - start)
    previous = f"{name(frame)}-{number - 1:04d}" if number else None
    return Unit(f"{name(frame)}-{number:04d}", frame, start, steps, previous)


def continues(config: CampaignConfig, frames: Sequence[Atoms], index: int) -> bool:
    """Whether a single point starts from the wave functions of the frame before, which has the same atoms.

    Chains have a fixed length, so that a resumed campaign gives what an undisturbed one would have given.
    """
    length = config.wavefunction_chain
    if length < 2 or index % length == 0:
        return False
    symbols: list[str] = frames[index].get_chemical_symbols()
    before: list[str] = frames[index - 1].get_chemical_symbols()
    return symbols == before
