"""Settings of `basinet md`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from basinet.config.loading import Count, Positive, Section

RESTART = 100
"""Steps from one restart point to the next, rounded up to whole trajectory intervals."""

LOG = 10
"""Steps from one line of the log to the next: the largest divisor of the trajectory's interval up to this."""


class DynamicsConfig(Section):
    """One run of molecular dynamics: what moves, by which forces, how long, and what is written."""

    models: list[str] = Field([], description="*.basinet files; several compose")
    calculator: str | None = Field(None, description="module:callable that gives an ASE calculator")
    member: int | None = Field(None, ge=0, description="network of the ensemble; the members' mean unless given")
    start: str = Field(description="extended XYZ file")
    frame: int = Field(-1, description="frame of the file, counted from 0; -1 is the last")
    engine: Literal["ase", "lammps"] = Field("ase", description="what integrates; lammps moves models alone")
    ensemble: Literal["nve", "nvt"] = Field("nve", description="energy kept, or temperature by a Nose-Hoover chain")
    temperature: Positive | None = Field(None, description="K, of new velocities and of the thermostat")
    velocities: Literal["auto", "new", "start"] = Field(
        "auto", description="drawn anew, or those of the start; auto: new where a temperature is given"
    )
    timestep: Positive = Field(2.0, description="fs")
    steps: Count = Field(5000, description="steps in all")
    every: Count = Field(50, description="steps from one frame of the trajectory to the next")
    log_every: Count | None = Field(None, description="steps from one line of the log to the next; divides every")
    equilibration: int = Field(0, ge=0, description="steps at the beginning that no measurement uses")
    damping: Positive = Field(100.0, description="fs, time scale of the thermostat")
    results: bool = Field(False, description="write forces, energies of atoms and spread with each frame")
    threads: Count = Field(1, description="threads that share the atoms")
    closest: Positive | None = Field(
        None, description="A, distance of two atoms at which the run is given up; 0.6 of the shortest at the start"
    )
    hottest: Positive | None = Field(
        None, description="K, temperature at which the run is given up; 10 times the first, at least 1000"
    )
    reference: list[str] = Field([], description="extended XYZ files with whose g(r) the run's is compared")
    seed: int = Field(0, ge=0, description="seed of new velocities")

    @model_validator(mode="after")
    def _possible(self) -> DynamicsConfig:
        """Refuse intervals that do not fit, and a temperature that is missing."""
        if self.every % self.log_interval:
            msg = f"every ({self.every}) must be a multiple of log_every ({self.log_interval})"
            raise ValueError(msg)
        if self.equilibration >= self.steps:
            msg = f"equilibration ({self.equilibration} steps) leaves nothing of {self.steps} steps; run more steps"
            raise ValueError(msg)
        if self.engine == "lammps" and self.calculator is not None:
            msg = "the engine lammps moves models alone; leave out the calculator, or use the engine ase"
            raise ValueError(msg)
        if self.temperature is None and self.ensemble == "nvt":
            msg = "the ensemble nvt needs a temperature, K"
            raise ValueError(msg)
        if self.temperature is None and self.velocities == "new":
            msg = "new velocities need a temperature, K"
            raise ValueError(msg)
        return self

    @property
    def draws_velocities(self) -> bool:
        """Whether velocities are drawn, not read."""
        return self.velocities == "new" or (self.velocities == "auto" and self.temperature is not None)

    @property
    def log_interval(self) -> int:
        """Steps from one line of the log to the next."""
        if self.log_every is not None:
            return self.log_every
        return max(n for n in range(1, LOG + 1) if self.every % n == 0)

    @property
    def restart_interval(self) -> int:
        """Steps from one restart point to the next: whole intervals of the trajectory."""
        return self.every * -(-RESTART // self.every)

    def time(self, step: int) -> float:
        """Time of a step, ps."""
        return step * self.timestep / 1000.0
