"""Reading an input: a CP2K run, a plain cube, or VASP's densities."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms

from basinet.dft import Cp2kRun
from basinet.electrostatics import Core, electron_count
from basinet.electrostatics.renormalise import TOLERANCE
from basinet.errors import InputError
from basinet.io.densities import read_cube, read_density, read_locpot, same_grid
from basinet.io.densities.density import CUBE
from basinet.partition.kinds import kind_of
from basinet.partition.plain_cores import default_cores, given_cores
from basinet.partition.runs import read_step, run_of_cube
from basinet.partition.settings import Job, PartitionSettings
from basinet.partition.source import FloatArray, Source, check_same_structure
from basinet.partition.structure import read_structure
from basinet.units import Bohr, Hartree

ONLY_POPULATIONS = "populations and volumes only"


def read_source(job: Job, settings: PartitionSettings) -> Source:
    """Read an input.

    Raises
    ------
    InputError
        It is missing, damaged, of unknown kind, or its files do not belong together.
    """
    kind = kind_of(job.path)
    plain = job.structure is not None or settings.cores or settings.potential_file or settings.potential
    if kind == "cube":
        run = None if plain else run_of_cube(job.path)
        return cube_source(job, settings) if run is None else cp2k_source(run, job.path, settings)
    if job.structure is not None:
        raise InputError(f"{job.path}: has its own cell and positions; --structure is for plain cubes")
    if kind == "vasp":
        return vasp_source(job, settings)
    if plain:
        raise InputError(f"{job.path}: a CP2K run has its own cores and potential; leave out the options for cubes")
    return cp2k_source(job.path, None, settings)


def cp2k_source(path: Path, density: Path | None, settings: PartitionSettings) -> Source:
    """A CP2K run: exact cell and positions from the input, cores from its pseudopotentials, labels from the output."""
    run, cube = read_step(path, density, allow_unconverged=settings.allow_unconverged)
    volume = read_density(cube)
    check_same_structure(volume, run.atoms, run.output)
    if run.grid is not None and volume.values.shape != run.grid:
        points = [" x ".join(map(str, shape)) for shape in (volume.values.shape, run.grid)]
        raise InputError(f"{cube}: {points[0]} points of the run's {points[1]}; print it with STRIDE 1 1 1")
    cubes = tuple(path for path in (run.total_density, run.hartree_potential) if settings.cross_check and path)
    return Source(
        kind="cp2k",
        atoms=labelled(run),
        volume=volume,
        files=(run.input, run.output, cube, *cubes),
        cores=tuple(Core(*core) for core in run.cores),
        cores_from="the run",
        electrons=run.electrons,
        total_density=run.total_density,
        hartree_potential=run.hartree_potential,
    )


def labelled(run: Cp2kRun) -> Atoms:
    """A run's atoms with the energies and forces that it printed."""
    atoms: Atoms = run.atoms.copy()
    atoms.info.update(run.labels)
    if run.step is not None:
        atoms.info["step"] = run.step
    if run.forces is not None:
        atoms.arrays["REF_forces"] = run.forces
    return atoms


def cube_source(job: Job, settings: PartitionSettings) -> Source:
    """A cube of any program, with the cores that are given, or GTH-PBE's if the electrons are as many."""
    volume = read_density(job.path)
    atoms, files = volume.atoms.copy(), [job.path]
    if job.structure is not None:
        atoms = read_structure(job.structure, job.index)
        check_same_structure(volume, atoms, job.structure)
        files.append(job.structure)
    atoms.arrays.pop("nuclear_charges", None)
    source = Source("cube", atoms, volume, tuple(files))
    symbols = atoms.get_chemical_symbols()
    given = given_cores(symbols, settings)
    if settings.potential_file is not None:
        source = replace(source, files=(*source.files, settings.potential_file))
    if given is not None:
        cores, origin = given
        return replace(source, cores=cores, cores_from=origin, electrons=sum(core.charge for core in cores))
    if settings.potential is not None:
        return with_potential(source, settings.potential)
    return assumed(source, default_cores(symbols))


def assumed(source: Source, cores: tuple[Core, ...] | None) -> Source:
    """Take GTH-PBE's cores if the electrons, and the charges of the header, are those of its valence."""
    if cores is None:
        why = "no cores are given (--cores, --potential-file)"
        return replace(source, notes=(f"{ONLY_POPULATIONS}: {why}",))
    charges = np.array([core.charge for core in cores])
    count = electron_count(source.volume.values, source.cell)
    header = source.volume.atoms.arrays.get("nuclear_charges", np.zeros(len(charges)))
    if abs(count - charges.sum()) > TOLERANCE * charges.sum() or (header.any() and not np.allclose(header, charges)):
        why = f"{count:.6g} electrons are not GTH-PBE's {charges.sum():g}, and no cores are given (--cores)"
        return replace(source, notes=(f"{ONLY_POPULATIONS}: {why}",))
    note = "cores are taken to be GTH-PBE's; give others with --cores or --potential-file"
    return replace(source, cores=cores, cores_from="GTH-PBE", electrons=float(charges.sum()), notes=(note,))


def vasp_source(job: Job, settings: PartitionSettings) -> Source:
    """VASP's density, with the LOCPOT that is given or lies beside it. PAW has no Gaussian cores."""
    if settings.cores or settings.potential_file:
        raise InputError(f"{job.path}: PAW has no Gaussian cores; leave out --cores and --potential-file")
    volume = read_density(job.path)
    source = Source("vasp", volume.atoms.copy(), volume, (job.path,))
    beside = job.path.with_name(job.path.name.replace("CHGCAR", "LOCPOT"))
    potential = settings.potential or beside
    if potential != job.path and (settings.potential is not None or potential.is_file()):
        return with_potential(source, potential)
    note = f"{ONLY_POPULATIONS}: no {beside.name} beside it (LVHAR = .TRUE.), no --potential"
    return replace(source, files=(job.path, beside), notes=(note,))


def with_potential(source: Source, path: Path) -> Source:
    """Add the Hartree potential of a file, in eV."""
    if CUBE.search(path.name):
        potential = read_cube(path)
        values: FloatArray = potential.values
        values *= Hartree
    else:
        potential = read_locpot(path)
        values = potential.values
    same_grid(source.volume, potential)
    return replace(source, potential=values, files=(*source.files, path))


def field_files(job: Job, settings: PartitionSettings) -> dict[str, Path]:
    """The further cubes of an input, by name."""
    place = job.path if job.path.is_dir() else job.path.parent
    return {name: place / file for name, file in settings.fields.items()}


def read_fields(job: Job, settings: PartitionSettings, source: Source) -> dict[str, FloatArray]:
    """The further cubes, in the file's unit times bohr^3 per A^3: integrals come out in atomic units of volume."""
    fields = {}
    for name, file in field_files(job, settings).items():
        cube = read_cube(file)
        same_grid(source.volume, cube)
        cube.values[...] /= Bohr**3
        fields[name] = cube.values
    return fields
