"""From densities to labelled frames: one input, or many at a time.

What is not known of a frame is left out, never written as zero.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from pydantic.dataclasses import dataclass as checked_dataclass

from basinet.arrays import FloatArray
from basinet.cp2k.run_directory import DENSITY
from basinet.density.basins import Basins
from basinet.density.divisions import divided_energies, hirshfeld_weights, voronoi_weights
from basinet.density.files import read_cube
from basinet.density.local_energies import DIRECT, ELECTRONIC, LAPLACIAN, TOTAL, LocalEnergies, local_hartree_energies
from basinet.density.potential import cross_check
from basinet.errors import InputError
from basinet.files import atomic_write, free_memory, plain
from basinet.frames.reading import format_frame, system_of
from basinet.jobs.progress import Progress
from basinet.jobs.provenance import PACKAGE, available_processors, version
from basinet.jobs.store import WITH_ATOMS, Results, fingerprint
from basinet.jobs.workers import ThisProcess, open_workers
from basinet.labelling.partition_settings import PartitionInput, PartitionSettings, _named
from basinet.labelling.sources import (
    LOCAL_DISPERSION,
    DensitySource,
    Stamp,
    _density_errors,
    _file_stamp,
    _files_beside,
    _read_fields,
    _read_isolated,
    _read_reference,
    _read_source,
)
from basinet.units import Bohr

_ARRAYS = {TOTAL: "REF_local_hartree_energy", ELECTRONIC: "REF_local_hartree_energy_electronic"}
"""Arrays of the integrals, eV, and below of their error bars."""
_ERRORS = {name: f"local_{name}_error" for name in _ARRAYS} | {DIRECT: "direct_energy_error"}
_ARRAYS[LAPLACIAN], _ERRORS[LAPLACIAN] = LAPLACIAN, f"{LAPLACIAN}_error"
_MAX_CLOSURE_ERROR = 0.05  # eV per atom by which local energies may miss the printed Hartree energy
_RESULT_VERSION = 7  # of what is kept of an input; results of another version are computed anew


def _labelled_atoms(source: DensitySource, local: LocalEnergies, settings: PartitionSettings) -> Atoms:
    """The frame with all labels that its source allows.

    In ``info`` ``system``, ``closure_error``, ``direct_closure_error`` with its standard deviation by the digits of the
    energy density (``direct_rounding_error``), and what belongs to no atom; in ``arrays`` local Hartree and direct
    energies (eV), ``bader_population`` (electrons), ``bader_charge`` (e, where cores are known), ``bader_volume``
    (A^3), ``bader_maximum_distance`` (A), and error bars.
    """
    atoms: Atoms = source.atoms.copy()
    basins, errors = local.basins, local.errors
    atoms.info["system"] = settings.system or system_of(atoms)
    if source.cores_from:
        atoms.info["cores_from"] = source.cores_from
    if settings.config_type is not None:
        atoms.info["config_type"] = settings.config_type
    atoms.arrays["bader_population"] = basins.population
    atoms.arrays["bader_volume"] = basins.volume
    for name, values in basins.integrals.items():
        if name != DIRECT:
            atoms.arrays[_ARRAYS.get(name, f"bader_{name}")] = values
    if errors is not None:
        atoms.arrays["bader_population_error"] = errors.population
        atoms.arrays["bader_volume_error"] = errors.volume
        for name, values in errors.integrals.items():
            atoms.arrays[_ERRORS.get(name, f"bader_{name}_error")] = values
    atoms.arrays["bader_maximum_distance"] = basins.maximum_distance
    _label_cores(atoms, local)
    _label_the_rest(atoms, basins)
    return atoms


def _label_cores(atoms: Atoms, local: LocalEnergies) -> None:
    """Add what needs cores: net charges, core energies where no program printed them, and the closure."""
    if local.core_self_energy is None or local.core_overlap_energy is None or local.hartree_energy is None:
        return
    atoms.arrays["bader_charge"] = np.array(local.net_charge)
    if local.direct_energy is not None:
        direct = local.direct_energy + atoms.arrays.get(LOCAL_DISPERSION, 0.0)
        atoms.arrays["REF_direct_energy"] = direct
        if local.rounding_error is not None:
            atoms.info["direct_rounding_error"] = float(np.linalg.norm(local.rounding_error))
        if "REF_energy" in atoms.info:
            atoms.info["direct_closure_error"] = float(direct.sum() - atoms.info["REF_energy"])
    atoms.info["bader_renormalisation"] = local.renormalisation - 1.0
    if "REF_hartree_energy" in atoms.info:
        atoms.info["closure_error"] = float(local.hartree_energy.sum() - atoms.info["REF_hartree_energy"])
        return
    own, overlap = float(local.core_self_energy.sum()), float(local.core_overlap_energy.sum())
    atoms.info.setdefault("REF_core_self_energy", own)
    atoms.info.setdefault("REF_core_overlap_energy", overlap)
    atoms.info.setdefault("REF_electrostatic_energy", (local.total_energy or 0.0) + own + overlap)


def _label_the_rest(atoms: Atoms, basins: Basins) -> None:
    """Note in ``info`` what belongs to no atom: non-nuclear maxima and vacuum."""
    alone = basins.non_nuclear
    atoms.info["bader_non_nuclear_maxima"] = len(alone)
    if basins.maxima.tied.any():
        atoms.info["bader_shared_maxima"] = int(basins.maxima.tied.sum())
    if len(alone):
        atoms.info["bader_non_nuclear_population"] = float(alone.population.sum())
        atoms.info["bader_non_nuclear_volume"] = float(alone.volume.sum())
    if basins.vacuum is not None:
        atoms.info["bader_vacuum_population"] = basins.vacuum.population
        atoms.info["bader_vacuum_volume"] = basins.vacuum.volume


def _label_divisions(
    atoms: Atoms, source: DensitySource, settings: PartitionSettings, tables: Sequence[FloatArray]
) -> None:
    """Add electrons, volumes and direct energies of both kinetic forms by further divisions of space."""
    density, energy_density, cores = source.volume.values, source.energy_density, source.cores
    if energy_density is None or cores is None:
        return
    cell, positions = source.cell, source.atoms.positions
    for division in settings.divisions:
        shares = hirshfeld_weights(density.shape, cell, positions, tables)
        weights = shares if division == "hirshfeld" else voronoi_weights(density.shape, cell, positions)
        found = divided_energies(weights, density, energy_density, cell, positions, cores, charge=source.charge)
        atoms.arrays |= {f"{division}_{name}": values for name, values in vars(found).items()}
        for form in ("direct_energy", "direct_energy_positive"):
            atoms.arrays[f"{division}_{form}"] += atoms.arrays.get(LOCAL_DISPERSION, 0.0)


def _report(source: DensitySource, local: LocalEnergies, atoms: Atoms, settings: PartitionSettings) -> dict[str, Any]:
    basins, alone = local.basins, local.basins.non_nuclear
    cores = source.cores and {
        symbol: {"charge": core.charge, "rloc": core.radius, "rloc_bohr": core.radius / Bohr}
        for symbol, core in zip(source.atoms.get_chemical_symbols(), source.cores, strict=True)
    }
    described: dict[str, Any] = plain(
        {
            "kind": source.kind,
            "density": source.volume.path,
            "formula": atoms.get_chemical_formula(),
            "grid": source.volume.values.shape,
            "electrons": source.electrons,
            "cores": cores,
            "cores_from": source.cores_from or None,
            "maxima": len(basins.maxima),
            "non_nuclear": {name: values for name, values in vars(alone).items() if name != "integrals"},
            "vacuum": basins.vacuum,
            "closure_error": atoms.info.get("closure_error"),
            "residuals": basins.residuals,
            "notes": _notes(source, local, atoms, settings),
        }
    )
    return described


def _notes(source: DensitySource, local: LocalEnergies, atoms: Atoms, settings: PartitionSettings) -> list[str]:
    basins = local.basins
    said = list(source.notes)
    if settings.cross_check and (source.total_density is None or source.hartree_potential is None):
        said.append("not cross-checked: there are no cubes of CP2K's total density and Hartree potential")
    if len(basins.non_nuclear):
        alone = basins.non_nuclear
        held, volume = float(alone.population.sum()), float(alone.volume.sum())
        said.append(
            f"{len(alone)} non-nuclear maxima hold {held:.6g} electrons and {volume:.6g} A^3 "
            f"({100 * volume / atoms.get_volume():.2g} % of the cell) that belong to no atom"
        )
    if basins.maxima.tied.any():
        said.append(
            f"{int(basins.maxima.tied.sum())} maxima between atoms are shared in equal parts, as bonds of valence "
            "densities have them; --reference takes the basins of an all-electron density"
        )
    if settings.error_bars and local.errors is None:
        said.append(
            "no error bars: on blocks of 2 x 2 x 2 points an atom has no basin of its own, or an axis has fewer than "
            "eight points"
        )
    return said


@checked_dataclass(frozen=True, config=WITH_ATOMS)
class Partitioned:
    """A finished input: the labelled frame, and all that it cannot hold: totals, residuals, maxima, notes, seconds.

    The stamps are size and time of change of each file that it was made from.
    """

    atoms: Atoms
    report: dict[str, Any]
    stamps: dict[str, Stamp | None]


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the input in errors of rooms that know arrays only, and in those of the machine."""
    try:
        yield
    except InputError as error:
        raise type(error)(_named(path, str(error))) from error
    except MemoryError as error:
        raise InputError(f"{path}: not enough memory; use fewer --workers") from error
    except OSError as error:
        raise InputError(_named(path, f"{error}; check the file and the disk")) from error
    except Exception as error:
        error.add_note(f"while {path} was partitioned")
        raise


def partition_input(item: PartitionInput, settings: PartitionSettings) -> Partitioned:
    """Partition one input. InputError: one line that names the file, the cause and the remedy."""
    with _naming(item.path):
        begun = time.perf_counter()
        source = _read_source(item, settings)
        source = replace(source, reference=_read_reference(item, settings, source))
        fields = _read_fields(item, settings, source)
        _refuse_undivided(source, settings)
        tables = _read_isolated(settings, source)
        reading = time.perf_counter() - begun
        beside = _files_beside(item, [*settings.fields.values(), *settings.reference])
        files = (*source.files, *beside, *settings.isolated)
        stamps = {str(path.resolve()): _file_stamp(path) for path in files}
        checks: dict[str, Any] = {}
        with _density_errors():
            local = _source_energies(source, fields, settings, checks)
            _refuse_empty(local.basins, source)
        atoms = _labelled_atoms(source, local, settings)
        _label_divisions(atoms, source, settings, tables)
        if not settings.allow_open:
            _refuse_open(atoms, local.basins)
    known = {"renormalisation": local.renormalisation - 1.0, "hartree_energy": local.total_energy}
    report = checks if source.cores is None else known | checks
    report |= _report(source, local, atoms, settings)
    return Partitioned(atoms, report | {"seconds": {"read": reading} | local.seconds}, stamps)


def _refuse_empty(basins: Basins, source: DensitySource) -> None:
    """Refuse a partition in which an atom has no basin: its numbers and its neighbours' would mean nothing."""
    if not basins.empty_atoms.size:
        return
    symbols = source.atoms.symbols
    names = ", ".join(f"{index} ({symbols[index]})" for index in basins.empty_atoms[:5])
    tied = int(basins.maxima.tied.sum())
    others = {"maxima are far from all nuclei": len(basins.non_nuclear), "lie between atoms": tied}
    told = "".join(f"; {count} {where}" for where, count in others.items() if count)
    raise InputError(
        f"{source.volume.path}: {basins.empty_atoms.size} of {len(symbols)} atoms have no maximum of the density: "
        f"{names}{told}; a valence density need not have one, so give the all-electron density, --reference FILE..."
    )


def _refuse_undivided(source: DensitySource, settings: PartitionSettings) -> None:
    """Refuse further divisions of a source that has no direct energies to divide."""
    if settings.divisions and (source.energy_density is None or source.cores is None):
        why = [note for note in source.notes if note.startswith("no direct energies")]
        remedy = "there is no energy density; print LOCAL_ENERGY_CUBE with STRIDE 1 1 1 beside the density"
        raise InputError(f"{source.volume.path}: --divisions: {why[0] if why else remedy}")


def _refuse_open(atoms: Atoms, basins: Basins) -> None:
    """Refuse local energies that do not sum to the printed energy, as where maxima far from nuclei hold electrons."""
    missed = atoms.info.get("closure_error", 0.0)
    if abs(missed) > _MAX_CLOSURE_ERROR * len(atoms):
        alone = basins.non_nuclear
        held = f"{len(alone)} maxima far from nuclei hold {alone.population.sum():.3g} electrons; " * bool(len(alone))
        raise InputError(
            f"local energies miss the printed Hartree energy by {missed:.4g} eV; {held}widen --nuclear-radius, give "
            "--reference, or take it with --allow-open"
        )


def _source_energies(
    source: DensitySource, fields: dict[str, FloatArray], settings: PartitionSettings, checks: dict[str, Any]
) -> LocalEnergies:
    """Energies, charges and volumes of the atoms, as far as the source allows; a cross-check goes into `checks`."""

    def compare(rho: FloatArray, v_h: FloatArray) -> None:
        if source.total_density is not None and source.hartree_potential is not None and settings.cross_check:
            theirs = read_cube(source.total_density), read_cube(source.hartree_potential)
            check = cross_check(rho, v_h, source.cell, *theirs)
            checks["cross_check"] = asdict(check) | {"energy_difference": check.energy_difference}

    cores = source.cores
    return local_hartree_energies(
        source.volume.values,
        source.cell,
        source.atoms.positions,
        cores,
        potential=source.potential,
        energy_density=source.energy_density,
        energy_density_error=source.energy_density_error,
        fields=fields,
        reference=source.reference,
        charge=source.charge,
        nuclear_radius=settings.nuclear_radius,
        vacuum=settings.vacuum,
        error_bars=settings.error_bars,
        threads=settings.threads,
        overwrite_density=True,
        inspect=compare,
    )


@dataclass
class PartitionBatch:
    """Inputs being partitioned, in the order of the output, and the messages of those that failed, by their place.

    Finished inputs are kept in the folder; without one in memory alone.
    """

    inputs: Sequence[PartitionInput]
    settings: PartitionSettings
    folder: Path | None = None
    failures: dict[int, str] = field(default_factory=dict)
    _finished: dict[int, Partitioned] = field(default_factory=dict)

    def compute(self, workers: int | None, progress: Progress | None) -> None:
        """Do all that is not done; failures are told as they happen, and kept."""
        pending = [index for index, item in enumerate(self.inputs) if _kept(self.folder, item, self.settings) is None]
        count = min(workers or _choose_workers([self.inputs[index].path for index in pending]), max(len(pending), 1))
        threads = self.settings.threads or max(1, (available_processors() or 1) // count)
        function = partial(_finish, settings=replace(self.settings, threads=threads), folder=self.folder)
        if progress is not None:
            progress.start("partition", [1.0] * len(self.inputs), [1.0] * (len(self.inputs) - len(pending)))
        tasks = iter([(index, self.inputs[index]) for index in pending])
        with (
            nullcontext(ThisProcess()) if count == 1 else open_workers(count) as pool,
            closing(pool.run(function, partial(next, tasks, None), progress)) as outcomes,
        ):
            for (index, item), outcome in outcomes:
                if isinstance(outcome, InputError):
                    self.failures[index] = _named(item.path, str(outcome))
                elif outcome is not None:
                    self._finished[index] = outcome
                if progress is not None:
                    if index in self.failures:
                        progress.note(f"basinet: error: {self.failures[index]}")
                    progress.advance(1.0, str(item.path))
        if progress is not None:
            progress.finish()

    def results(self) -> Iterator[Partitioned]:
        """Finished inputs in their order, one at a time; ``info`` has the place among the inputs, and the input.

        InputError: a result that was there is gone or out of date: its input changed while others were computed.
        """
        for index, item in enumerate(self.inputs):
            if index in self.failures:
                continue
            done = self._finished[index] if self.folder is None else _kept(self.folder, item, self.settings)
            if done is None:
                raise InputError(f"{item.path}: has changed since it was computed; run again with --resume")
            done.atoms.info |= {"frame": index, "source": str(item.path)}
            yield done

    def write(self, out: Path) -> None:
        """Write all finished frames to one file, which appears when it is whole."""
        with atomic_write(out) as stream:
            for done in self.results():
                stream.write(format_frame(done.atoms))


def _task(item: PartitionInput, settings: PartitionSettings) -> tuple[str, str]:
    """Key and fingerprint of an input's result; threads do not change it."""
    structure = None if item.structure is None else (item.structure.resolve(), item.index)
    steering = {key: value for key, value in vars(settings).items() if key != "threads"}
    whole = fingerprint(_RESULT_VERSION, version(PACKAGE), item.path.resolve(), structure, steering)
    return whole[:24], whole


def _kept(folder: Path | None, item: PartitionInput, settings: PartitionSettings) -> Partitioned | None:
    """Result of an input; None if there is none, or its files have changed since. They may be gone, though."""
    result = None if folder is None else Results(folder, Partitioned).get(*_task(item, settings))
    if result is None:
        return None
    now = {path: _file_stamp(path) for path in result.stamps}
    changed = any(now[path] is not None and now[path] != before for path, before in result.stamps.items())
    return None if changed else result


def _finish(
    task: tuple[int, PartitionInput], *, settings: PartitionSettings, folder: Path | None
) -> Partitioned | None:
    _, item = task
    done = partition_input(item, settings)
    if folder is None:
        return done
    Results(folder, Partitioned).put(*_task(item, settings), done)
    return None


_BYTES_PER_VALUE = 13  # of a cube's text; CHGCAR takes 18
_COMPRESSION = 4  # by gzip, at least as much as cubes shrink
_PEAK_ARRAYS = 8  # arrays of float64 on the grid that are alive at the peak: 7.2 by count, and some for further fields
_BASE = 250 << 20  # bytes of a worker without arrays: Python and compiled code
_SHARE = 0.8  # of the free memory that may be used


def _choose_workers(paths: Sequence[Path]) -> int:
    processors = available_processors() or 1
    peak = max((_peak_memory(path) for path in paths), default=_BASE)
    return max(1, min(processors, len(paths), int(_SHARE * free_memory() / peak)))


def _peak_memory(path: Path) -> int:
    """Bytes that an input takes at most, by the size of its density; nothing is opened."""
    size = _density_size(path)
    return _BASE + _PEAK_ARRAYS * 8 * size // _BYTES_PER_VALUE


def _density_size(path: Path) -> int:
    try:
        if path.is_dir():
            return max((_density_size(file) for file in path.glob(f"*{DENSITY}*.cube*")), default=0)
        return path.stat().st_size * (_COMPRESSION if path.suffix == ".gz" else 1)
    except OSError:
        return 0
