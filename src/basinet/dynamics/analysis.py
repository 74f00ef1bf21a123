"""What a run shows: read from its log and its trajectory, into a summary, a table of g(r) and a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from basinet.dynamics.diffusion import self_diffusion, travelled
from basinet.dynamics.energies import Drift, drift, mean
from basinet.dynamics.files import LOG, TRAJECTORY
from basinet.dynamics.run import Ending
from basinet.dynamics.settings import DynamicsConfig
from basinet.dynamics.structure import Structure, number_density, structures
from basinet.io.frames import read_frames
from basinet.io.tables import read_table, write_table

FloatArray = NDArray[np.float64]

RDF = "rdf.csv"
SUMMARY = "summary.json"
LONGEST_LAG = 10.0
"""ps, between which diffusion is measured; a run shorter than twice that gives none."""


@dataclass(frozen=True)
class RunResults:
    """What was written, and what follows from it.

    Attributes
    ----------
    log
        Columns of the log after the equilibration, NaN where a value is missing.
    frames
        Of the trajectory, after the equilibration.
    energy
        Drift and fluctuation of the conserved energy per atom, meV, meV/ns; None where too little was written.
    structures
        g(r) of every pair.
    densities
        Atoms per A^3 of the run and of the reference, as far as there are any.
    """

    config: DynamicsConfig
    ending: Ending
    n_atoms: int
    log: Mapping[str, FloatArray]
    frames: list[Atoms]
    energy: Drift
    structures: list[Structure]
    densities: tuple[float, ...] = ()


def read_log(path: Path) -> dict[str, FloatArray]:
    """Columns of a log."""
    rows = read_table(path)
    columns = list(rows[0]) if rows else []
    return {name: np.array([np.nan if row[name] == "" else float(row[name]) for row in rows]) for name in columns}


def analyse(folder: Path, config: DynamicsConfig, ending: Ending, reference: Sequence[Atoms] = ()) -> RunResults:
    """Read log and trajectory of a run, and measure."""
    log = read_log(folder / LOG)
    kept = log["step"] >= config.equilibration
    log = {name: values[kept] for name, values in log.items()}
    every = read_frames(folder / TRAJECTORY)
    frames = [atoms for atoms in every if atoms.info["step"] >= config.equilibration]
    n_atoms = len(every[0])
    per_atom = 1000.0 * log["conserved_ev"] / n_atoms
    periodic = bool(frames) and bool(frames[0].pbc.all())
    return RunResults(
        config=config,
        ending=ending,
        n_atoms=n_atoms,
        log=log,
        frames=frames,
        energy=drift(log["time_ps"] / 1000.0, per_atom),
        structures=structures(frames, reference) if periodic else [],
        densities=tuple(number_density(some) for some in (frames, reference) if some) if periodic else (),
    )


def summary(results: RunResults) -> dict[str, Any]:
    """The measurements in one mapping."""
    config, ending, log = results.config, results.ending, results.log
    found: dict[str, Any] = {
        "atoms": results.n_atoms,
        "ensemble": config.ensemble,
        "timestep_fs": config.timestep,
        "steps": ending.step,
        "time_ps": config.time(ending.step),
        "failure": ending.failure,
        "time_to_failure_ps": None if ending.failure is None else config.time(ending.step),
        "closest_angstrom": ending.guard.closest,
        "hottest_k": ending.guard.hottest,
        "measured_lines": len(log["step"]),
        "measured_frames": len(results.frames),
        "energy_drift_mev_per_atom_per_ns": vars(results.energy.slope),
        "energy_fluctuation_mev_per_atom": vars(results.energy.fluctuation),
    }
    for name, column, factor in (
        ("temperature_k", "temperature_k", 1.0),
        ("potential_energy_mev_per_atom", "potential_ev", 1000.0 / results.n_atoms),
        ("pressure_mpa", "pressure_mpa", 1.0),
    ):
        values = factor * log[column]
        if len(values) and np.isfinite(values).all():
            found[name] = vars(mean(values))
    for name, column in (("largest_spread_mev", "spread_ev"), ("extrapolating_most_atoms", "extrapolating")):
        values = log[column][np.isfinite(log[column])]
        if len(values):
            found[name] = 1000.0 * values.max() if column == "spread_ev" else int(values.max())
    extrapolating = log["extrapolating"][np.isfinite(log["extrapolating"])]
    if len(extrapolating):
        found["extrapolating_lines"] = int(np.count_nonzero(extrapolating))
    found |= dict(zip(("atoms_per_a3", "reference_atoms_per_a3"), results.densities, strict=False))
    found |= {"pair_distribution": peaks(results.structures), "diffusion_cm2_s": diffusion(results)}
    return found


def peaks(found: Sequence[Structure]) -> dict[str, Any]:
    """First peak of each g(r), and how far it is from the reference's."""
    described = {}
    for structure in found:
        position, height = structure.measured.first_peak()
        entry: dict[str, Any] = {"peak_angstrom": position, "height": height}
        if structure.reference is not None:
            position, height = structure.reference.first_peak()
            entry |= {"reference_peak_angstrom": position, "reference_height": height}
            entry |= {"difference": structure.difference, "noise": structure.noise}
        described["-".join(structure.pair)] = entry
    return described


def diffusion(results: RunResults) -> dict[str, Any]:
    """Self-diffusion of each element, where the run is long enough."""
    interval = results.config.time(results.config.every)
    if (len(results.frames) - 1) * interval < 2 * LONGEST_LAG or interval > 1.0:
        return {}
    positions = travelled(results.frames)
    symbols = np.array(results.frames[0].get_chemical_symbols())
    return {
        element: vars(self_diffusion(positions[:, symbols == element], interval, last=LONGEST_LAG))
        for element in np.unique(symbols)
    }


def write_rdf(path: Path, found: Sequence[Structure]) -> None:
    """Write g(r) of every pair as a table, the reference's beside it."""
    rows: list[dict[str, Any]] = []
    for structure in found:
        measured, other = structure.measured, structure.reference
        for k, distance in enumerate(measured.distances):
            row = {"pair": "-".join(structure.pair), "distance_angstrom": distance}
            row |= {"g": measured.values[k], "error": measured.errors[k]}
            if other is not None:
                row |= {"reference_g": other.values[k], "reference_error": other.errors[k]}
            rows.append(row)
    write_table(path, rows, ["pair", "distance_angstrom", "g", "error", "reference_g", "reference_error"])
