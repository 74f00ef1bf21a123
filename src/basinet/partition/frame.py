"""One input from its files to a labelled frame."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict

from ase import Atoms

from basinet.electrostatics import cross_check, hartree_energy, hartree_potential, renormalise
from basinet.errors import InputError
from basinet.io.densities import read_cube
from basinet.partition.description import describe
from basinet.partition.labels import label
from basinet.partition.readers import field_files, read_fields, read_source
from basinet.partition.settings import Job, PartitionSettings, named
from basinet.partition.source import FloatArray, Source, Stamp, stamp
from basinet.qtaim import integrate_basins
from basinet.qtaim.convergence import grid_errors
from basinet.qtaim.local_energies import ELECTRONIC, TOTAL


@dataclass(frozen=True)
class Partitioned:
    """A finished input.

    Attributes
    ----------
    atoms
        The labelled frame.
    report
        What the frame cannot hold: totals, residuals, maxima, notes, seconds of each step.
    stamps
        Size and time of change of each file that it was made from.
    """

    atoms: Atoms
    report: dict[str, Any]
    stamps: dict[str, Stamp | None]


class Stopwatch:
    """Seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add what happens inside to a step."""
        begun = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begun


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the input in errors of rooms that know arrays only."""
    try:
        yield
    except InputError as error:
        raise InputError(named(path, str(error))) from error


def partition_input(job: Job, settings: PartitionSettings) -> Partitioned:
    """Partition one input.

    Raises
    ------
    InputError
        One line that names the file, the cause and the remedy.
    """
    watch = Stopwatch()
    with naming(job.path):
        with watch.step("read"):
            source = read_source(job, settings)
            fields = read_fields(job, settings, source)
        files = (*source.files, *field_files(job, settings).values())
        stamps = {str(path.resolve()): stamp(path) for path in files}
        atoms, report = computed(source, fields, settings, watch)
    return Partitioned(atoms, report | {"seconds": watch.seconds}, stamps)


def computed(
    source: Source, fields: dict[str, FloatArray], settings: PartitionSettings, watch: Stopwatch
) -> tuple[Atoms, dict[str, Any]]:
    """Labelled frame and report: what the source allows of potential, basins and error bars."""
    density, report = source.volume.values, dict[str, Any]()
    if source.electrons is not None:
        with watch.step("renormalise"):
            scaled, factor = renormalise(density, source.cell, source.electrons)
            density[...] = scaled
            del scaled
        report["renormalisation"] = factor - 1.0
    with watch.step("electrostatics"):
        integrands = energy_densities(source, settings, report) | fields
    grid = (density, source.cell, source.atoms.positions, integrands)
    options = Options(nuclear_radius=settings.nuclear_radius, vacuum=settings.vacuum, threads=settings.threads)
    with watch.step("basins"):
        basins = integrate_basins(*grid, **options)
    errors = None
    if settings.error_bars:
        with watch.step("error bars"):
            errors = grid_errors(*grid, basins, **options)
    atoms = label(source, basins, errors, settings, report)
    return atoms, report | describe(source, basins, atoms, settings)


class Options(TypedDict):
    """What every integration over basins is told."""

    nuclear_radius: float
    vacuum: float | None
    threads: int | None


def energy_densities(source: Source, settings: PartitionSettings, report: dict[str, Any]) -> dict[str, FloatArray]:
    """Energy densities (eV/A^3) of the readings that the source allows."""
    density = source.volume.values
    if source.potential is not None:
        return {ELECTRONIC: 0.5 * density * source.potential}
    if source.cores is None or source.electrons is None:
        return {}
    charge = sum(core.charge for core in source.cores) - source.electrons
    rho, v_h = hartree_potential(
        density, source.cell, source.atoms.positions, source.cores, charge=charge, workers=settings.threads
    )
    report["hartree_energy"] = hartree_energy(rho, v_h, source.cell)
    if source.total_density is not None and source.hartree_potential is not None and settings.cross_check:
        theirs = read_cube(source.total_density), read_cube(source.hartree_potential)
        check = cross_check(rho, v_h, source.cell, *theirs)
        report["cross_check"] = asdict(check) | {"energy_difference": check.energy_difference}
    rho *= v_h
    rho *= 0.5  # what is integrated takes the place of what it is made of
    v_h *= density
    v_h *= 0.5
    return {TOTAL: rho, ELECTRONIC: v_h}
