"""Settings of `basinet md`: each with its default, its bounds and its meaning, as the command line shows them.

Imports nothing heavy, since the command line does so to explain itself. Types and bounds are checked where a config is
read (`basinet.config.loading.validated`), not where one is made in Python.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt
from typer import Option

_RESTART = 100  # steps from one restart point to the next, rounded up to whole trajectory intervals
_LOG = 10  # steps from one line of the log to the next: the largest divisor of the trajectory's interval up to this


@dataclass(frozen=True, kw_only=True)
class DynamicsConfig:
    """One run of molecular dynamics: what moves, by which forces, how long, and what is written.

    The extended XYZ file `start` moves with the forces of `models`, *.basinet files of which several compose, or of a
    `calculator`. `reference` are extended XYZ files with whose g(r) the run's is compared.
    """

    __pydantic_config__ = {"extra": "forbid", "allow_inf_nan": False}  # noqa: RUF012 - pydantic's name for it

    models: Sequence[str] = ()
    start: str
    ensemble: Annotated[Literal["nve", "nvt"], Option(help="Energy kept, or temperature by a Nose-Hoover chain.")] = (
        "nve"
    )
    engine: Annotated[Literal["ase", "lammps"], Option(help="What integrates; LAMMPS moves models alone.")] = "ase"
    temperature: Annotated[
        float | None, Gt(0), Option(metavar="K", help="Of new velocities and of the thermostat.")
    ] = None
    velocities: Annotated[
        Literal["auto", "new", "start"],
        Option(help="Drawn anew or those of START; auto: new where a temperature is given."),
    ] = "auto"
    timestep: Annotated[float, Gt(0), Option(metavar="FS", help="Time step, fs.")] = 2.0
    steps: Annotated[int, Ge(1), Option(metavar="N", help="Steps in all.")] = 5000
    every: Annotated[int, Ge(1), Option(metavar="N", help="Steps from frame to frame of the trajectory.")] = 50
    log_every: Annotated[
        int | None, Ge(1), Option(metavar="N", help="Steps from line to line of the log; divides --every.")
    ] = None
    equilibration: Annotated[int, Ge(0), Option(metavar="N", help="First steps, not measured.")] = 0
    reference: Sequence[str] = ()
    member: Annotated[int | None, Ge(0), Option(metavar="N", help="One network in place of the members' mean.")] = None
    calculator: Annotated[
        str | None, Option(metavar="MODULE:CALLABLE", help="Move by the ASE calculator that this call returns.")
    ] = None
    frame: Annotated[int, Option(metavar="N", help="Frame of START, from 0; -1 is the last.")] = -1
    damping: Annotated[float, Gt(0), Option(metavar="FS", help="Time scale of the thermostat, fs.")] = 100.0
    closest: Annotated[
        float | None, Gt(0), Option(metavar="A", help="Distance that ends a run; 0.6 of the shortest at its start.")
    ] = None
    hottest: Annotated[
        float | None, Gt(0), Option(metavar="K", help="Temperature that ends it; 10 times the first, 1000 at least.")
    ] = None
    results: Annotated[bool, Option("--results", help="Write forces, energies of atoms, spread.")] = False
    threads: Annotated[int, Ge(1), Option(metavar="N", min=1, help="Threads that share the atoms.")] = 1
    seed: Annotated[int, Ge(0), Option(metavar="N", min=0, help="Seed of new velocities.")] = 0

    def __post_init__(self) -> None:
        """Check that settings fit each other; ValueError where they do not."""
        if self.every % self.log_interval:
            raise ValueError(f"every ({self.every}) must be a multiple of log_every ({self.log_interval})")
        if self.equilibration >= self.steps:
            msg = f"equilibration ({self.equilibration} steps) leaves nothing of {self.steps} steps; run more steps"
            raise ValueError(msg)
        if self.engine == "lammps" and self.calculator is not None:
            raise ValueError("the engine lammps moves models alone; leave out the calculator, or use the engine ase")
        if self.temperature is None and self.ensemble == "nvt":
            raise ValueError("the ensemble nvt needs a temperature, K")
        if self.temperature is None and self.velocities == "new":
            raise ValueError("new velocities need a temperature, K")

    @property
    def draws_velocities(self) -> bool:
        """Velocities are drawn, not read."""
        return self.velocities == "new" or (self.velocities == "auto" and self.temperature is not None)

    @property
    def log_interval(self) -> int:
        """Steps from one line of the log to the next."""
        if self.log_every is not None:
            return self.log_every
        return max(n for n in range(1, _LOG + 1) if self.every % n == 0)

    @property
    def restart_interval(self) -> int:
        """Steps from one restart point to the next: whole intervals of the trajectory."""
        return self.every * -(-_RESTART // self.every)

    def time(self, step: int) -> float:
        """Time of a step, ps."""
        return step * self.timestep / 1000.0
