"""A synthetic Lennard-Jones liquid whose local energies are known exactly.

ASE's Langevin dynamics melts a perturbed lattice far above the melting point, cools it and samples it. The
labels are the potential's own: half of each pair to each atom, so that whatever a network learns from the
totals can be checked against local energies without any density-functional theory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta

from basinet.errors import InputError
from basinet.md.liquids import starting_lattice
from basinet.md.melting import WINDOW, Schedule, melt_and_cool
from basinet.md.structure import CRYSTALLINE, lattice_order
from basinet.potentials.calculator import PairPotentialCalculator
from basinet.potentials.pair_potential import LITERATURE_CUTOFF, LennardJones, literature_lennard_jones

Progress = Callable[[int, int], None]
"""Called with the steps done and the steps in all."""


@dataclass(frozen=True)
class LiquidSettings:
    """How a liquid is melted, cooled and sampled.

    Attributes
    ----------
    temperature
        Temperature of the sampled liquid, K.
    timestep
        Time step, fs.
    friction
        Langevin friction, 1/fs.
    melt_temperature
        Temperature at which the lattice is melted, K. Krypton at 120 K is just above freezing and keeps its
        lattice for tens of picoseconds at 240 K.
    melt_steps, equilibration_steps, spacing_steps
        Steps of melting, of equilibration at `temperature`, and between two frames.
    cutoff
        Cutoff of the literature potential, A; not used where a potential is given.
    """

    temperature: float = 120.0
    timestep: float = 10.0
    friction: float = 0.001
    melt_temperature: float = 500.0
    melt_steps: int = 1500
    equilibration_steps: int = 2000
    spacing_steps: int = 300
    cutoff: float = LITERATURE_CUTOFF

    def __post_init__(self) -> None:
        """Refuse settings that are not positive."""
        for name, value in vars(self).items():
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"sampling: {name} is {value}; give a positive number")


DEFAULTS = LiquidSettings()


def synthetic_liquid(
    system: str,
    n_frames: int,
    *,
    n_atoms: int = 32,
    seed: int = 0,
    settings: LiquidSettings = DEFAULTS,
    potential: LennardJones | None = None,
    progress: Progress | None = None,
) -> list[Atoms]:
    """Frames of a Lennard-Jones liquid with exact total and local energies.

    Parameters
    ----------
    system
        ``ar``, ``kr`` or ``mix`` (half argon, half krypton).
    n_frames
        Number of frames.
    n_atoms
        Atoms in the cubic box, at the density of the reference frames.
    seed
        Determines the frames, together with the system and the settings.
    settings
        Temperatures, steps and spacing.
    potential
        Potential to sample and to label with; `literature_lennard_jones` unless given.
    progress
        Called with (steps done, steps in all) after each stretch of the run.

    Returns
    -------
    list of Atoms
        info: ``system``, ``frame``, ``REF_energy`` (eV, relative to isolated atoms); arrays:
        ``REF_local_energy`` (eV, sums to ``REF_energy``) and ``REF_forces`` (eV/A). There are no
        electrostatic labels.

    Raises
    ------
    InputError
        Unknown system, too few atoms or frames, or the liquid froze.
    """
    if n_frames < 1:
        raise InputError(f"sampling: {n_frames} frames asked for; give at least 1")
    # The system is part of the seed, or the three liquids would share their noise.
    entropy = [seed, *system.encode()]
    rng = np.random.default_rng(entropy)
    atoms = starting_lattice(system, n_atoms, rng)
    potential = potential or literature_lennard_jones(settings.cutoff)
    atoms.calc = PairPotentialCalculator(potential)
    run = Run(atoms, settings, rng, settings.spacing_steps * n_frames, progress)
    half = settings.equilibration_steps // 2
    melt_and_cool(
        run,
        Schedule(
            melt_steps=settings.melt_steps,
            melt_temperature=settings.melt_temperature,
            settle_steps=settings.equilibration_steps - half,
            check_steps=half,
            temperature=settings.temperature,
        ),
    )
    frames = []
    for index in range(n_frames):
        run.advance(settings.spacing_steps, settings.temperature)
        frames.append(labelled(atoms, potential, system, index))
    refuse_crystal(frames, system)
    return frames


class Run:
    """One run of Langevin dynamics: the integrator and its progress."""

    def __init__(
        self,
        atoms: Atoms,
        settings: LiquidSettings,
        rng: np.random.Generator,
        sampling_steps: int,
        progress: Progress | None,
    ) -> None:
        self.atoms, self.settings, self.progress = atoms, settings, progress
        self.done = 0
        self.total = settings.melt_steps + settings.equilibration_steps + sampling_steps
        thermalize_momenta(atoms, settings.melt_temperature, rng=rng)
        self.dynamics = Langevin(
            atoms,
            timestep=settings.timestep * units.fs,
            temperature_K=settings.melt_temperature,
            friction=settings.friction / units.fs,
            fixcm=False,
            rng=rng,
            logfile=None,
        )

    def advance(self, steps: int, temperature: float) -> None:
        """Run some steps at a temperature (K) and report them."""
        self.dynamics.set_temperature(temperature_K=temperature)
        self.dynamics.run(steps)
        self.done += steps
        if self.progress is not None:
            self.progress(min(self.done, self.total), self.total)

    def watch(self, steps: int, temperature: float) -> list[Atoms]:
        """Run some steps and give 20 snapshots of them."""
        snapshots = []
        for part in np.diff(np.linspace(0, steps, WINDOW + 1).astype(int)):
            self.advance(int(part), temperature)
            snapshots.append(self.atoms.copy())
        return snapshots

    def expect(self, steps: int) -> None:
        """Add steps to those in all."""
        self.total += steps


def labelled(atoms: Atoms, potential: LennardJones, system: str, index: int) -> Atoms:
    """Copy the atoms, wrapped into the box, with the potential's energies and forces as labels."""
    frame = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    frame.wrap()
    evaluation = potential.evaluate(frame)
    frame.info["system"] = system
    frame.info["frame"] = index
    frame.info["REF_energy"] = float(evaluation.local_energies.sum())
    frame.arrays["REF_forces"] = evaluation.forces
    frame.arrays["REF_local_energy"] = evaluation.local_energies
    return frame


def refuse_crystal(frames: list[Atoms], system: str) -> None:
    """Refuse frames of which a stretch is crystalline. Short runs average too little to tell."""
    for first in range(0, len(frames) - WINDOW + 1, WINDOW):
        if lattice_order(frames[first : first + WINDOW]) >= CRYSTALLINE:
            raise InputError(
                f"sampling {system}: the liquid froze between frames {first} and {first + WINDOW - 1}; "
                "raise the temperature or change the seed"
            )
