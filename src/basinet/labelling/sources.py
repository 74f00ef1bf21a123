"""Densities to partition, from whichever program, with cell, positions, cores and labels."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.geometry import find_mic

from basinet.arrays import FloatArray
from basinet.cp2k.potentials import read_gth_potentials
from basinet.cp2k.run_directory import DENSITY, Cp2kRun, densities_of_steps, find_output, is_output, read_run
from basinet.density.cores import Core
from basinet.density.divisions import spherical_average, with_core
from basinet.density.files import CHGCAR, CUBE, NO_DENSITY, read_cube, read_density, read_locpot
from basinet.density.grid import HEADER_ROUNDING, TOLERANCE, Volume, electron_count, same_grid
from basinet.density.nonlocal_correlation import rvv10_correlation
from basinet.density.pair_dispersion import pair_dispersion_energies
from basinet.errors import DensityError, InputError
from basinet.files import read_text
from basinet.frames.reading import check_frame, parse_frames
from basinet.labelling.partition_settings import PartitionInput, PartitionSettings
from basinet.units import Bohr, Hartree

Stamp = list[int]  # size in bytes and time of change in nanoseconds
_COMPLETE = 1e-4 * Hartree
"""eV by which CP2K's two totals may differ, rVV10's part taken off; 4e-6 hartree were found for 32 argon atoms."""
_DISPERSION_SHARE = 5e-3
"""Of CP2K's dispersion energy, by which that of the atoms may differ before it is scaled to it: CP2K's coordination
numbers have a shorter range than D3's own, which was 2e-4 of the energy for water with argon, less for argon alone."""
LOCAL_DISPERSION = "REF_local_dispersion_energy"
_SAME_PLACE = 1e-3
"""Angstrom. Headers give positions with six decimals of a bohr; atoms of another frame are further away."""
_REMEDY = "give the directory of a CP2K run, a cube (*.cube) or a CHGCAR"
_NAME = "GTH-PBE"
_ONLY_POPULATIONS = "populations and volumes only"
_CUBE_DIGITS = 5  # of CP2K's cubes (E13.5)


@dataclass(frozen=True, eq=False)
class DensitySource:
    """A density (e/A^3) of the kind ``cp2k``, ``cube`` or ``vasp`` with all that is known of it.

    Atoms have cell and positions at the best precision to be had, and the labels of the calculation. Files are all that
    was read, or would have been: a change of one makes a result out of date. Valence electrons around Gaussian cores
    have one core per atom; the potential (eV) is by other means than cores. The energy density is that of Kohn and Sham
    (eV/A^3), cores left out, where CP2K wrote it and it is complete, its error the standard deviation from the digits
    of the cube. The reference is the density whose basins are taken, where it is another one; `total_density` and
    `hartree_potential` are CP2K's own cubes.
    """

    kind: str
    atoms: Atoms
    volume: Volume
    files: tuple[Path, ...]
    cores: tuple[Core, ...] | None = None
    cores_from: str = ""
    electrons: float | None = None
    potential: FloatArray | None = None
    energy_density: FloatArray | None = None
    energy_density_error: FloatArray | None = None
    reference: FloatArray | None = None
    total_density: Path | None = None
    hartree_potential: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def cell(self) -> FloatArray:
        """(3, 3), vectors as rows, Angstrom."""
        return np.asarray(self.atoms.cell.array, dtype=np.float64)

    @property
    def charge(self) -> float:
        """Of the cell, e: of the cores less the electrons; zero where either is not known."""
        return (
            0.0 if self.cores is None or self.electrons is None else sum(c.charge for c in self.cores) - self.electrons
        )


def _check_same_structure(volume: Volume, atoms: Atoms, other: Path) -> None:
    """Refuse a density whose header has another cell or other atoms than its calculation or structure.

    Atoms that differ by cell vectors are the same.
    """
    pair = f"{volume.path} and {other}"
    remedy = "give files of one calculation"
    if len(volume.atoms) != len(atoms):
        raise InputError(f"{pair}: {len(volume.atoms)} and {len(atoms)} atoms; {remedy}")
    rounding = HEADER_ROUNDING * np.array(volume.values.shape)[:, None]
    difference = np.abs(volume.cell - atoms.cell.array)
    if np.any(difference > rounding):
        raise InputError(f"{pair}: the cells differ (by {difference.max():.2g} Angstrom); {remedy}")
    known = volume.atoms.numbers > 0
    others = np.flatnonzero(known & (volume.atoms.numbers != atoms.numbers))
    if others.size:
        first = int(others[0])
        found = volume.atoms.symbols[first], atoms.symbols[first]
        raise InputError(f"{pair}: atom {first} is {found[0]} and {found[1]}; {remedy}, atoms in the same order")
    _, apart = find_mic(volume.atoms.positions - atoms.positions, atoms.cell.array, pbc=True)
    if apart.max(initial=0.0) > _SAME_PLACE:
        first = int(np.argmax(apart))
        raise InputError(f"{pair}: atom {first} is {apart[first]:.2g} Angstrom apart; {remedy}")


def _file_stamp(path: str | Path) -> Stamp | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _kind_of(path: Path) -> str:
    """Tell whether a path is a run of CP2K (``cp2k``), a ``cube``, or a density of VASP (``vasp``)."""
    if path.is_dir():
        entries = sorted(path.iterdir())
        densities = [entry for entry in entries if entry.is_file() and CHGCAR.search(entry.name)]
        if densities:
            raise InputError(f"{path}: a directory of VASP; name the file, {densities[0]}")
        if not any(entry.is_file() for entry in entries) and any(entry.is_dir() for entry in entries):
            raise InputError(f"{path}: holds directories, but is no CP2K run itself; name them, such as {path}/*")
        find_output(path)
        return "cp2k"
    if not path.exists():
        raise InputError(f"{path}: no such file or directory; {_REMEDY}")
    if CUBE.search(path.name):
        return "cube"
    if CHGCAR.search(path.name) and not NO_DENSITY.search(path.name):
        return "vasp"
    if is_output(path):
        return "cp2k"
    raise InputError(f"{path}: no density that is known by its name, and no output of CP2K; {_REMEDY}")


def _read_structure(path: Path, index: int) -> Atoms:
    found = read_all(path)[index]
    check_frame(found, str(path))
    if abs(np.linalg.det(found.cell.array)) < 1e-9:
        raise InputError(f"{path}: has no cell; give a structure with three cell vectors")
    atoms = Atoms(found.symbols, positions=found.positions, cell=found.cell, pbc=True)
    atoms.info.update({key: value for key, value in found.info.items() if str(key).startswith("REF_")})
    atoms.arrays.update({key: value for key, value in found.arrays.items() if key.startswith("REF_")})
    return atoms


def read_all(path: Path) -> list[Atoms]:
    """Read all structures of a file: extended XYZ as frames are read, other formats by ASE."""
    from ase.io import read

    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path of the structure")
    if path.suffix.lower() in (".xyz", ".extxyz"):
        return parse_frames(read_text(path), str(path))
    try:
        found = read(path, index=":")
    except Exception as error:
        # ASE meets malformed files with exceptions of many types.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: ASE reads no structure from it ({reason}); give another format") from error
    return [found] if isinstance(found, Atoms) else list(found)


_GTH_PBE: dict[str, tuple[int, float]] = {
    "H": (1, 0.2), "He": (2, 0.2), "Li": (3, 0.4), "Be": (4, 0.325), "B": (3, 0.41899145), "C": (4, 0.33847124),
    "N": (5, 0.28379051), "O": (6, 0.2445543), "F": (7, 0.21492959), "Ne": (8, 0.19), "Na": (9, 0.23652322),
    "Al": (3, 0.45), "Si": (4, 0.44), "P": (5, 0.43), "S": (6, 0.42), "Cl": (7, 0.41), "Ar": (8, 0.4), "K": (9, 0.4),
    "Ca": (10, 0.39), "Br": (7, 0.5), "Kr": (8, 0.5), "I": (7, 0.56), "Xe": (8, 0.56),
}  # fmt: skip
"""Charge (e) and rloc (bohr) of the pseudopotentials that CP2K's file GTH_POTENTIALS calls GTH-PBE (M. Krack, Theor.
Chem. Acc. 114, 145 (2005)). Elements whose choice of valence electrons is less plain are left out."""


def _given_cores(symbols: Sequence[str], settings: PartitionSettings) -> tuple[tuple[Core, ...], str] | None:
    """Cores that the user gave for every element, and where they come from; None if none were given."""
    if not settings.cores and settings.potential_file is None:
        return None
    file = settings.potential_file
    table = {} if file is None else _cores_of_file(file, sorted(set(symbols) - set(settings.cores)))
    table |= {element: Core(*core) for element, core in settings.cores.items()}
    missing = sorted(set(symbols) - set(table))
    if missing:
        raise InputError(f"no core of {missing[0]} is given; add it, --cores {missing[0]}=Z:RLOC (rloc in bohr)")
    return tuple(table[symbol] for symbol in symbols), "--cores" if file is None else str(file)


def _cores_of_file(file: Path, elements: Sequence[str]) -> dict[str, Core]:
    """Core of each element in a potential file: that of GTH-PBE, or the only one there is."""
    found: dict[str, Core] = {}
    entries = read_gth_potentials(file)
    for element in elements:
        own = {name: core for (symbol, name), core in entries.items() if symbol == element}
        if not own:
            raise InputError(f"{file}: no GTH pseudopotential of {element}; give its core, --cores {element}=Z:RLOC")
        if _NAME not in own and len(set(own.values())) > 1:
            names = ", ".join(sorted(own)[:4])
            msg = f"{file}: several pseudopotentials of {element} ({names}); choose its core, --cores {element}=Z:RLOC"
            raise InputError(msg)
        found[element] = Core(*own[_NAME] if _NAME in own else next(iter(own.values())))
    return found


def _default_cores(symbols: Sequence[str]) -> tuple[Core, ...] | None:
    """GTH-PBE's cores, if it is known for every element.

    >>> round(sum(core.charge for core in _default_cores(["Ar", "Kr"])), 6), _default_cores(["U"])
    (16.0, None)
    """
    if not set(symbols) <= set(_GTH_PBE):
        return None
    return tuple(Core(float(charge), radius * Bohr) for charge, radius in (_GTH_PBE[symbol] for symbol in symbols))


def expanded(inputs: Sequence[PartitionInput]) -> list[PartitionInput]:
    """Replace runs of molecular dynamics that wrote several densities by these, in the order of their steps.

    What is wrong with a step is told when its turn comes, and costs none of the others; what is wrong with a whole run
    is told once, of its directory.
    """
    found: list[PartitionInput] = []
    for item in inputs:
        found += [PartitionInput(density) for density in densities_of_steps(item.path)] or [item]
    return found


@contextmanager
def _density_errors() -> Iterator[None]:
    """Make what is wrong with a density an error of that type."""
    try:
        yield
    except InputError as error:
        raise DensityError(str(error)) from error


def _read_source(item: PartitionInput, settings: PartitionSettings) -> DensitySource:
    kind = _kind_of(item.path)
    plain = item.structure is not None or settings.cores or settings.potential_file or settings.potential
    if kind == "cube":
        run = None
        if not plain and f"-{DENSITY}-" in item.path.name:
            with suppress(InputError):  # the CP2K run that wrote the cube does not lie beside it
                run = find_output(item.path.parent).parent
        return _cube_source(item, settings) if run is None else _cp2k_source(run, item.path, settings)
    if kind == "vasp":
        return _vasp_source(item, settings)
    if item.structure is not None:
        raise InputError(f"{item.path}: has its own cell and positions; --structure is for cubes and VASP's files")
    if plain:
        raise InputError(f"{item.path}: a CP2K run has its own cores and potential; leave out the options for cubes")
    return _cp2k_source(item.path, None, settings)


def _cp2k_source(path: Path, density: Path | None, settings: PartitionSettings) -> DensitySource:
    """A CP2K run: exact cell and positions from the input, cores from its pseudopotentials, labels from the output."""
    run = read_run(path, density=density, allow_unconverged=settings.allow_unconverged)
    cube = run.density
    with _density_errors():
        volume = read_density(cube)
        _check_same_structure(volume, run.atoms, run.output)
    if run.grid is not None and volume.values.shape != run.grid:
        points = [" x ".join(map(str, shape)) for shape in (volume.values.shape, run.grid)]
        raise DensityError(f"{cube}: {points[0]} points of the run's {points[1]}; print it with STRIDE 1 1 1")
    cubes = tuple(path for path in (run.total_density, run.hartree_potential) if settings.cross_check and path)
    atoms: Atoms = run.atoms.copy()
    energy_density, energy_density_error, notes = _energy_density(run, volume, atoms)
    atoms.info |= run.labels if run.step is None else run.labels | {"step": run.step}
    if run.forces is not None:
        atoms.arrays["REF_forces"] = run.forces
    return DensitySource(
        kind="cp2k",
        atoms=atoms,
        volume=volume,
        files=(run.input, run.output, cube, *cubes, *([] if run.local_energy is None else [run.local_energy])),
        cores=tuple(Core(*core) for core in run.cores),
        cores_from="the run",
        electrons=run.electrons,
        energy_density=energy_density,
        energy_density_error=energy_density_error,
        notes=notes,
        total_density=run.total_density,
        hartree_potential=run.hartree_potential,
    )


def _rounding_error(values: FloatArray, digits: int) -> FloatArray:
    """Standard deviation of values that were rounded to a number of significant digits: a last digit, over root 12."""
    with np.errstate(divide="ignore"):
        last = 10.0 ** (np.floor(np.log10(np.abs(values))) + 1 - digits)
    return np.asarray(last / np.sqrt(12.0), dtype=np.float64)


def _share_dispersion(run: Cp2kRun, atoms: Atoms) -> None:
    """Add the dispersion energy of each atom; InputError where they cannot be had, or do not sum to CP2K's."""
    printed = run.labels.get("REF_dispersion_energy", 0.0)
    if run.pair_dispersion is not None:
        energies = pair_dispersion_energies(atoms, run.pair_dispersion)
        total = float(energies.sum())
        if abs(total - printed) > _DISPERSION_SHARE * abs(printed):
            raise InputError(
                f"pairs sum to {total:.6f} eV, CP2K's dispersion energy is {printed:.6f}, as with corrections "
                "that basinet does not know"
            )
        atoms.arrays[LOCAL_DISPERSION] = energies * (printed / total if total else 1.0)
    elif printed:
        raise InputError(f"{run.output.name} has a dispersion energy that is neither rVV10's nor that of D2 or D3")


def _energy_density(
    run: Cp2kRun, volume: Volume, atoms: Atoms
) -> tuple[FloatArray | None, FloatArray | None, tuple[str, ...]]:
    """Kohn-Sham energy density and its rounding, eV/A^3, of CP2K's cube and rVV10's part; None and a note without all.

    CP2K prints the total of its local energies beside the total energy. The first lacks nothing but the non-local
    potential of rVV10, ``int v_nl rho``; any further gap is of a functional whose energy density it does not know. A
    dispersion of pairs is in both totals, but in no density: it is shared out to the atoms.
    """
    if run.local_energy is None:
        return None, None, ()
    found = read_cube(run.local_energy)
    same_grid(volume, found)
    density, unit = found.values, Hartree / Bohr**3
    error = unit * _rounding_error(density, _CUBE_DIGITS)
    density *= unit
    gap = run.local_energy_gap
    if run.rvv10 is not None and gap is not None:
        b, c, cutoff = run.rvv10
        energy, potential = rvv10_correlation(volume.values, run.atoms.cell.array, b=b, c=c, cutoff=cutoff)
        potential *= volume.values
        gap -= float(potential.sum()) * run.atoms.get_volume() / potential.size
        density += energy
        density -= potential
    else:
        try:
            _share_dispersion(run, atoms)
        except InputError as error:
            return None, None, (f"no direct energies: {error}",)
    if gap is None or abs(gap) > _COMPLETE:
        lacks = "prints no total of it" if gap is None else f"lacks {abs(gap):.3g} eV"
        why = "the entropy of smearing" if run.labels.get("REF_entropic_energy") else "as with hybrids and meta-GGAs"
        return None, None, (f"no direct energies: CP2K's energy density {lacks}, {why}",)
    return density, error, ()


def _cube_source(item: PartitionInput, settings: PartitionSettings) -> DensitySource:
    """A cube of any program, with the cores that are given, or GTH-PBE's if the electrons are as many."""
    volume = read_density(item.path)
    atoms, files = _structure_of(volume, item)
    atoms.arrays.pop("nuclear_charges", None)
    source = DensitySource("cube", atoms, volume, tuple(files))
    symbols = atoms.get_chemical_symbols()
    given = _given_cores(symbols, settings)
    _check_electrons(volume, atoms, _default_cores(symbols) if given is None else given[0])
    if settings.potential_file is not None:
        source = replace(source, files=(*source.files, settings.potential_file))
    if given is not None:
        cores, origin = given
        return replace(source, cores=cores, cores_from=origin, electrons=sum(core.charge for core in cores))
    if settings.potential is not None:
        return _with_potential(source, settings.potential)
    return _assumed(source, _default_cores(symbols))


_UNITS = {  # factors by which the electrons are off where a cube is in other units
    Bohr**-3: "the values seem to be in e/A^3, where a cube's are in e/bohr^3; divide them by 6.748",
    Bohr**3: "lengths seem to be in Angstrom under positive voxel counts, which tell bohr; make these negative",
}
_FEWEST = 0.5  # electrons of a density for each atom; spin densities and single states have fewer


def _check_electrons(volume: Volume, atoms: Atoms, cores: tuple[Core, ...] | None) -> None:
    """Refuse a density that is off by a factor of units, or has no electrons, or more than there could be."""
    count, protons = electron_count(volume.values, atoms.cell.array), float(atoms.numbers.sum())
    charges = volume.atoms.arrays.get("nuclear_charges", np.zeros(1))
    for expected in (charges.sum(), protons, sum(core.charge for core in cores or ())):
        for factor, cause in _UNITS.items():
            if expected and abs(count / expected - factor) < 0.01 * factor:
                raise InputError(f"{volume.path}: {count:.6g} electrons are {factor:.4g} times {expected:g}: {cause}")
    if np.all(atoms.numbers > 0) and not _FEWEST * len(atoms) <= count < 1.5 * protons + 1:
        raise InputError(
            f"{volume.path}: {count:.6g} electrons, but the nuclei have {protons:g} protons; is it a density, in "
            "e/bohr^3?"
        )


def _assumed(source: DensitySource, cores: tuple[Core, ...] | None) -> DensitySource:
    """Take GTH-PBE's cores if the electrons, and the charges of the header, are those of its valence."""
    if cores is None:
        why = "no cores are given (--cores, --potential-file)"
        return replace(source, notes=(f"{_ONLY_POPULATIONS}: {why}",))
    charges = np.array([core.charge for core in cores])
    count = electron_count(source.volume.values, source.cell)
    header = source.volume.atoms.arrays.get("nuclear_charges", np.zeros(len(charges)))
    if abs(count - charges.sum()) > TOLERANCE * charges.sum() or (header.any() and not np.allclose(header, charges)):
        why = f"{count:.6g} electrons are not GTH-PBE's {charges.sum():g}, and no cores are given (--cores)"
        return replace(source, notes=(f"{_ONLY_POPULATIONS}: {why}",))
    note = "cores are taken to be GTH-PBE's; give others with --cores or --potential-file"
    return replace(source, cores=cores, cores_from="assumed: GTH-PBE", electrons=float(charges.sum()), notes=(note,))


def _vasp_source(item: PartitionInput, settings: PartitionSettings) -> DensitySource:
    """VASP's density, with the LOCPOT that is given or lies beside it. PAW has no Gaussian cores."""
    if settings.cores or settings.potential_file:
        raise InputError(f"{item.path}: PAW has no Gaussian cores; leave out --cores and --potential-file")
    volume = read_density(item.path)
    atoms, files = _structure_of(volume, item)
    notes = [] if np.all(atoms.numbers) else ["the header names no elements (X); --structure FILE tells them"]
    if not settings.reference and item.path.name.startswith("CHG"):
        notes.append("the basins are those of the valence density; give --reference AECCAR0 AECCAR2 (LAECHG = .TRUE.)")
    beside = item.path.with_name(re.sub("CHGCAR|AECCAR[0-9]|CHG", "LOCPOT", item.path.name, count=1))
    potential = settings.potential or beside
    if potential != item.path and (settings.potential is not None or potential.is_file()):
        return _with_potential(DensitySource("vasp", atoms, volume, tuple(files), notes=tuple(notes)), potential)
    notes.append(f"{_ONLY_POPULATIONS}: no {beside.name} beside it (LVHAR = .TRUE.), no --potential")
    return DensitySource("vasp", atoms, volume, (*files, beside), notes=tuple(notes))


def _structure_of(volume: Volume, item: PartitionInput) -> tuple[Atoms, list[Path]]:
    """Cell and atoms of a density, from the structure that is given where there is one, and the files read."""
    if item.structure is None:
        return volume.atoms.copy(), [item.path]
    atoms = _read_structure(item.structure, item.index)
    _check_same_structure(volume, atoms, item.structure)
    return atoms, [item.path, item.structure]


def _with_potential(source: DensitySource, path: Path) -> DensitySource:
    is_cube = CUBE.search(path.name) is not None
    potential = read_cube(path) if is_cube else read_locpot(path)
    same_grid(source.volume, potential)
    if is_cube:
        potential.values[...] *= Hartree
    return replace(source, potential=potential.values, files=(*source.files, path))


def _files_beside(item: PartitionInput, files: Iterable[Path]) -> list[Path]:
    place = item.path if item.path.is_dir() else item.path.parent
    return [place / file for file in files]


def _read_fields(item: PartitionInput, settings: PartitionSettings, source: DensitySource) -> dict[str, FloatArray]:
    """The further cubes, in the file's unit times bohr^3 per A^3: integrals come out in atomic units of volume."""
    fields = {}
    for name, file in zip(settings.fields, _files_beside(item, settings.fields.values()), strict=True):
        cube = read_cube(file)
        same_grid(source.volume, cube)
        cube.values[...] /= Bohr**3
        fields[name] = cube.values
    return fields


def _read_reference(item: PartitionInput, settings: PartitionSettings, source: DensitySource) -> FloatArray | None:
    """The density whose basins are taken, e/A^3: the sum of those given, or None."""
    total: FloatArray | None = None
    for file in _files_beside(item, settings.reference):
        found = read_density(file)
        same_grid(source.volume, found)
        total = found.values if total is None else total + found.values
    return total


def _read_isolated(settings: PartitionSettings, source: DensitySource) -> list[FloatArray]:
    """Density of the isolated atom with its core, of each atom; none where not asked for or without cores."""
    if "hirshfeld" not in settings.divisions or source.cores is None:
        return []
    symbols = source.atoms.get_chemical_symbols()
    tables = dict(_isolated_table(path, tuple(_file_stamp(path) or ())) for path in settings.isolated)
    missing = sorted(set(symbols) - set(tables))
    if missing:
        msg = (
            f"--divisions hirshfeld: there is no density of an isolated {missing[0]}; give its run or cube, --isolated"
        )
        raise InputError(msg)
    return [with_core(tables[symbol], core) for symbol, core in zip(symbols, source.cores, strict=True)]


@lru_cache(maxsize=32)
def _isolated_table(path: Path, _: tuple[int, ...]) -> tuple[str, FloatArray]:
    """Element and spherical density of the isolated atom of a CP2K run or a cube, once for all inputs."""
    volume = read_density(read_run(path).density if path.is_dir() else path)
    if len(volume.atoms) != 1:
        raise InputError(f"{path}: {len(volume.atoms)} atoms; --isolated takes the density of one atom in a large box")
    return volume.atoms.symbols[0], spherical_average(volume.values, volume.cell, volume.atoms.positions[0])
