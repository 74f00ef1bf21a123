"""From a lattice to a liquid: melt, cool, look whether it is one, and try again if not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ase import Atoms

from basinet.errors import InputError
from basinet.md.statistics import growth_exponent, travelled
from basinet.md.structure import CRYSTALLINE, lattice_order

MELTING_ATTEMPTS = 4

WINDOW = 20
"""Snapshots that are judged together."""

ARRESTED = 0.4
"""Exponent of the mean-square displacement's growth below which the atoms of a window count as bound to their places.

Krypton in a box of 32 atoms at 120 K, windows of 20 ps: crystals have -0.2 to 0.33, the liquid 0.55 to 1.1.
"""

LINEAR = 0.6
"""Mean exponent of all windows below which the displacement does not grow linearly; the same liquid has 0.85."""


class Dynamics(Protocol):
    """A molecular-dynamics run that can be melted and judged."""

    def advance(self, steps: int, temperature: float) -> None:
        """Run some steps at a temperature, K."""

    def watch(self, steps: int, temperature: float) -> list[Atoms]:
        """Run some steps and give snapshots of them, equally spaced, positions not wrapped into the box."""

    def expect(self, steps: int) -> None:
        """Be told that so many steps more than planned will follow."""


@dataclass(frozen=True)
class Schedule:
    """Steps and temperatures (K) on the way to a liquid.

    Attributes
    ----------
    melt_steps, melt_temperature
        Melting; no steps leave it out.
    settle_steps, check_steps, temperature
        What is run at the liquid's temperature before the liquid is judged, and while it is.
    """

    melt_steps: int
    melt_temperature: float
    settle_steps: int
    check_steps: int
    temperature: float

    @property
    def steps(self) -> int:
        """Steps of one attempt."""
        return self.melt_steps + self.settle_steps + self.check_steps


@dataclass(frozen=True)
class Judgement:
    """Whether a stretch of a run is liquid.

    Attributes
    ----------
    order
        `lattice_order`: S(k) / N of the strongest reflection, 0 to 1.
    exponent
        Growth of the mean-square displacement, 1 for a liquid, 0 for a crystal.
    """

    order: float
    exponent: float

    @property
    def fault(self) -> str | None:
        """Say why it is no liquid, or None if it is."""
        if self.order >= CRYSTALLINE:
            return f"a Bragg peak of {self.order:.2f} N survives (a liquid stays below {CRYSTALLINE} N)"
        if self.exponent < ARRESTED:
            return growth(self.exponent)
        return None


def judge(snapshots: Sequence[Atoms]) -> list[Judgement]:
    """Judge a run by windows of 20 snapshots, the last one flush with the end.

    Parameters
    ----------
    snapshots
        Equally spaced, positions not wrapped; 20 of them should span ten picoseconds or more.
    """
    windows = []
    for first in range(0, max(len(snapshots) - WINDOW, 0) + WINDOW, WINDOW):
        last = min(first + WINDOW, len(snapshots))
        window = snapshots[max(last - WINDOW, 0) : last]
        windows.append(Judgement(lattice_order(window), growth_exponent(travelled(window))))
    return windows


def fault_of(judgements: Sequence[Judgement]) -> str | None:
    """Name the first fault, or None where every window is liquid and the displacement grows linearly on the whole."""
    fault = next((judgement.fault for judgement in judgements if judgement.fault), None)
    mean = sum(judgement.exponent for judgement in judgements) / len(judgements)
    return growth(mean) if fault is None and mean < LINEAR else fault


def growth(exponent: float) -> str:
    """Say how the displacement grows."""
    return f"the mean-square displacement grows as t^{exponent:.2f} (a liquid's nearly as t)"


def melt_and_cool(run: Dynamics, schedule: Schedule) -> tuple[int, list[Judgement]]:
    """Melt, cool and judge; melt again as long as what comes out is no liquid.

    Returns
    -------
    attempts : int
        Meltings that it took.
    judgements : list of Judgement
        Of the liquid.

    Raises
    ------
    InputError
        It is no liquid after four attempts, or after one where nothing was to be melted.
    """
    attempts = MELTING_ATTEMPTS if schedule.melt_steps else 1
    fault: str | None = None
    for attempt in range(attempts):
        if attempt:
            run.expect(schedule.steps)
        run.advance(schedule.melt_steps, schedule.melt_temperature)
        run.advance(schedule.settle_steps, schedule.temperature)
        judgements = judge(run.watch(schedule.check_steps, schedule.temperature))
        fault = fault_of(judgements)
        if fault is None:
            return attempt + 1, judgements
    if not schedule.melt_steps:
        raise InputError(f"sampling: no liquid, and nothing was melted: {fault}; melt it, or raise the temperature")
    raise InputError(
        f"sampling: no liquid after {attempts} meltings at {schedule.melt_temperature:g} K: {fault}; "
        "raise melt_temperature, the time of melting or the temperature"
    )
