"""When a run is given up: numbers that are none, atoms too close, a temperature without bounds."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from basinet.dynamics.nose_hoover import kinetic_temperature
from basinet.errors import InputError
from basinet.models.pairs import half_list, neighbour_pairs

SHARE = 0.6
"""Of the shortest distance at the start: two atoms of a liquid at equilibrium never come that close."""

ALONE = 0.5
"""A: distance at which a run is given up where no two atoms are neighbours at the start."""

NEIGHBOURS = 6.0
"""A: how far neighbours are looked for at the start."""

HEATING = 10.0
"""Times the first temperature."""

HOT = 1000.0
"""K: what no run is given up below, so that a start at rest may warm up."""


class RunFailedError(Exception):
    """The run cannot go on; the message says why, without the step."""


def shortest_distance(atoms: Atoms, reach: float) -> float:
    """Shortest distance of two atoms, periodic images too, A; infinite where none are within reach."""
    *_, squared = neighbour_pairs(atoms, half_list(reach))
    return float(np.sqrt(squared.min())) if squared.size else np.inf


class Guard:
    """Looks after a run.

    Parameters
    ----------
    closest
        Distance of two atoms at which the run is given up, A.
    hottest
        Temperature at which it is, K.
    """

    def __init__(self, closest: float, hottest: float) -> None:
        self.closest, self.hottest = closest, hottest

    @classmethod
    def for_start(
        cls, atoms: Atoms, temperature: float | None, closest: float | None = None, hottest: float | None = None
    ) -> Guard:
        """Set the bounds that are not given by the start: its distances and its temperature, or the thermostat's."""
        if closest is None:
            shortest = shortest_distance(atoms, NEIGHBOURS)
            closest = SHARE * shortest if np.isfinite(shortest) else ALONE
        if hottest is None:
            hottest = max(HEATING * max(kinetic_temperature(atoms), temperature or 0.0), HOT)
        return cls(closest, hottest)

    def check(self, atoms: Atoms, *, distances: bool) -> None:
        """Look at the state after a step; at distances, which take longer, only if asked to.

        Raises
        ------
        RunFailedError
            It is out of bounds.
        """
        for name, values in (("position", atoms.positions), ("momentum", atoms.get_momenta())):
            if not np.isfinite(values).all():
                atom = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
                raise RunFailedError(f"the {name} of atom {atom} is no number")
        temperature = kinetic_temperature(atoms)
        if temperature > self.hottest:
            raise RunFailedError(f"the temperature is {temperature:.0f} K, above {self.hottest:.0f} K")
        if distances:
            self.check_distances(atoms)

    def check_distances(self, atoms: Atoms) -> None:
        """Look for two atoms that are too close."""
        try:
            first, second, _, squared = neighbour_pairs(atoms, half_list(self.closest))
        except InputError as error:
            raise RunFailedError(str(error)) from error
        if squared.size:
            k = int(np.argmin(squared))
            raise RunFailedError(
                f"atoms {first[k]} and {second[k]} are {np.sqrt(squared[k]):.2f} A apart, below {self.closest:.2f} A"
            )
