"""Dynamics at constant temperature: ASE's Nose-Hoover chain, with the liquid's degrees of freedom."""

from __future__ import annotations

import numpy as np
from ase import Atoms, units
from ase.md.nose_hoover_chain import NoseHooverChainNVT, NoseHooverChainThermostat
from numpy.typing import NDArray


class ChainThermostat(NoseHooverChainThermostat):
    """The thermostats of a chain, whose state can be kept and put back."""

    @property
    def state(self) -> NDArray[np.float64]:
        """Positions and momenta of the thermostats: (2, length), in ASE's units."""
        return np.array([self._eta, self._p_eta])

    @state.setter
    def state(self, value: NDArray[np.float64]) -> None:
        self._eta, self._p_eta = np.array(value)


class NoseHooverChain(NoseHooverChainNVT):
    """Nose-Hoover chain for atoms whose centre of mass is at rest.

    Forces of pairs never move the centre of mass, so that N atoms have 3 N - 3 degrees of freedom. ASE counts 3 N,
    which would hold 32 atoms at N / (N - 1) = 1.032 times the temperature asked for: 124 K for 120 K. The chain is
    otherwise ASE's (G. J. Martyna, M. L. Klein and M. Tuckerman, J. Chem. Phys. 97, 2635 (1992)).

    Parameters
    ----------
    atoms
        With a calculator, and momenta that sum to zero.
    timestep
        fs.
    temperature
        K.
    damping
        Time scale of the chain, fs.
    length
        Thermostats in the chain.
    """

    def __init__(self, atoms: Atoms, timestep: float, temperature: float, damping: float, length: int = 3) -> None:
        super().__init__(atoms, timestep * units.fs, temperature_K=temperature, tdamp=damping * units.fs, tchain=length)
        self.temperature = temperature
        self.thermostat = ChainThermostat(
            # The number of atoms enters the thermostat as three degrees of freedom each, and nowhere else.
            num_atoms_global=len(atoms) - 1,
            masses=self.masses,
            temperature_K=temperature,
            tdamp=damping * units.fs,
            tchain=length,
        )
        self._thermostat = self.thermostat


def kinetic_temperature(atoms: Atoms) -> float:
    """Temperature in K of atoms whose centre of mass is at rest: ``2 E_kin / ((3 N - 3) k_B)``."""
    return float(2.0 * atoms.get_kinetic_energy() / (3.0 * (len(atoms) - 1) * units.kB))
