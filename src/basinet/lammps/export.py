"""Export of an ensemble: a folder from which LAMMPS runs, checked against our own energies and forces."""

import hashlib
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers, covalent_radii, vdw_radii

from basinet.errors import InputError
from basinet.files import FULL_DISK, explained, write_json
from basinet.jobs.directory import MARKER, MARKER_TEXT, refuse_foreign
from basinet.lammps.engine import (
    LammpsMissingError,
    _lammps_version,
    _run_potential,
    lammps_session,
    plain_path,
    quoted,
)
from basinet.lammps.files import (
    DESCRIPTOR,
    INPUT,
    START,
    ElementNetwork,
    _input_text,
    _refuse_what_lammps_gets_wrong,
    data_text,
    descriptor_text,
    mean_networks,
    member_networks,
    model_text,
    pair_commands,
)
from basinet.potentials.ensemble import Ensemble

CELLS = 3  # face-centred cubic cells along every edge: 108 atoms
SHAKE = 0.15  # standard deviation of the displacements, Angstrom


def _shaken_crystal(elements: Sequence[str], *, seed: int = 0) -> Atoms:
    """Build a face-centred cubic crystal of 108 atoms, equal shares of each element at random sites, shaken.

    Neighbours are two van der Waals radii apart (1.5 covalent ones where none is known), of the elements' mean volume,
    which is close to the equilibrium of noble gases.
    """
    rng = np.random.default_rng(seed)
    numbers = [atomic_numbers[element] for element in elements]
    radii = [vdw_radii[z] if np.isfinite(vdw_radii[z]) else 1.5 * covalent_radii[z] for z in numbers]
    distance = 2.0 * float(np.mean(np.power(radii, 3)) ** (1.0 / 3.0))
    atoms: Atoms = bulk(elements[0], "fcc", a=np.sqrt(2.0) * distance, cubic=True).repeat(CELLS)
    atoms.numbers = rng.permutation([numbers[i % len(numbers)] for i in range(len(atoms))])
    atoms.positions += rng.normal(scale=SHAKE, size=atoms.positions.shape)
    return atoms


CHECK = "check.json"
MEAN = "mean.nn"
ENERGY_TOLERANCE = 1e-9  # eV per atom, relative to E0
FORCE_TOLERANCE = 1e-8  # eV/A, every component


class _Potential(NamedTuple):
    """One thing that LAMMPS can run: the files of its networks, and the members whose mean it is."""

    name: str
    files: tuple[str, ...]
    members: tuple[int, ...]


def export_lammps(
    ensemble: Ensemble,
    folder: str | Path,
    *,
    start: Atoms | None = None,
    member: int | None = None,
    check: bool = True,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write an ensemble for ``pair_style mliap model nn ... descriptor sna ...``, and check it through LAMMPS.

    ``member_000.nn`` and so on: the members; ``mean.nn``: one network that is their mean, left out where evaluating the
    members in turn costs LAMMPS less, which ``in.lammps`` then does; ``model.descriptor``; ``in.lammps``, which runs as
    it is on ``start.data``; ``check.json``, which is returned: the largest deviations from our own energies and forces.
    The energies of the isolated atoms are inside, so that LAMMPS' ``pe`` compares with DFT's total energies.

    The folder, which may replace an earlier export, appears when it is complete and has passed the check. That is done
    on the start; a shaken crystal of all the model's elements unless given. One member may be exported alone.
    InputError: the model is one that LAMMPS would get wrong, LAMMPS is missing, its results deviate by more than 1e-9
    eV per atom or 1e-8 eV/A, or the folder is in the way.
    """
    if member is not None and not 0 <= member < ensemble.members:
        raise InputError(f"there is no member {member}: the model has members 0 to {ensemble.members - 1}")
    chosen = list(range(ensemble.members)) if member is None else [member]
    _refuse_what_lammps_gets_wrong(ensemble)
    atoms = _shaken_crystal(ensemble.elements) if start is None else start
    missing = sorted(set(atoms.get_chemical_symbols()) - set(ensemble.elements))
    if missing:
        msg = f"the start structure holds {', '.join(missing)}, the model {', '.join(ensemble.elements)}; give another"
        raise InputError(msg)
    with _replaced_folder(Path(folder), overwrite=overwrite) as place:
        potentials = _write_models(ensemble, chosen, place)
        title = f"{ensemble.architecture} for {', '.join(ensemble.elements)}, by basinet"
        (place / DESCRIPTOR).write_text(descriptor_text(ensemble.descriptor, ensemble.elements), encoding="utf-8")
        (place / START).write_text(data_text(atoms, ensemble.elements), encoding="utf-8")
        commands = _input_text(potentials[-1].files, ensemble.elements, atoms, title, ensemble.baseline)
        (place / INPUT).write_text(commands, encoding="utf-8")
        record = _check(ensemble, atoms, potentials, place) if check else _unchecked()
        record["sha256"] = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(place.glob("[!.]*"))
        }
        write_json(place / CHECK, record)
    return record


def _write_models(ensemble: Ensemble, members: Sequence[int], place: Path) -> list[_Potential]:
    def write(name: str, networks: Sequence[ElementNetwork], title: str) -> None:
        with (place / name).open("w", encoding="utf-8") as stream:
            stream.writelines(model_text(networks, ensemble.architecture.activation, title))

    potentials = []
    for index in members:
        name = f"member_{index:03d}.nn"
        write(name, member_networks(ensemble, index), f"{ensemble.architecture}, member {index}")
        potentials.append(_Potential(name, (name,), (index,)))
    if len(members) > 1:
        mean = mean_networks(ensemble)
        if mean is not None:
            write(MEAN, mean, f"{ensemble.architecture}, mean of {len(members)} members")
        files = (MEAN,) if mean is not None else tuple(potential.name for potential in potentials)
        potentials.append(_Potential("mean", files, tuple(members)))
    return potentials


def _check(ensemble: Ensemble, atoms: Atoms, potentials: Sequence[_Potential], place: Path) -> dict[str, Any]:
    frames = [atoms]
    if set(atoms.get_chemical_symbols()) != set(ensemble.elements):
        frames.append(_shaken_crystal(ensemble.elements))  # or networks of other elements would go unchecked
    by_frame = [_deviations_from_lammps(ensemble, frame, potentials, place) for frame in frames]
    deviations = np.max(by_frame, axis=0).tolist()
    for potential, (energy, force) in zip(potentials, deviations, strict=True):
        if not (energy <= ENERGY_TOLERANCE and force <= FORCE_TOLERANCE):
            raise InputError(
                f"LAMMPS deviates from the model by {energy:.1e} eV per atom and {force:.1e} eV/A "
                f"for {potential.name} (allowed: {ENERGY_TOLERANCE:g} and {FORCE_TOLERANCE:g}); nothing is exported"
            )
    return {
        "checked": True,
        "lammps": _lammps_version(),
        "frames": [frame.get_chemical_formula() for frame in frames],
        "max_energy_deviation_ev_per_atom": max(energy for energy, _ in deviations),
        "max_force_deviation_ev_per_angstrom": max(force for _, force in deviations),
        "potentials": [
            {
                "name": potential.name,
                "files": list(potential.files),
                "energy_deviation_ev_per_atom": energy,
                "force_deviation_ev_per_angstrom": force,
            }
            for potential, (energy, force) in zip(potentials, deviations, strict=True)
        ],
    }


def _deviations_from_lammps(
    ensemble: Ensemble, atoms: Atoms, potentials: Sequence[_Potential], place: Path
) -> list[tuple[float, float]]:
    # First: what LAMMPS may fall over, such as a cell in the wrong unit, our own engine refuses in words.
    ours = [ensemble.evaluate(atoms, mean_over=potential.members) for potential in potentials]
    with lammps_session() as engine, plain_path(place) as plain:
        descriptor = quoted(plain / DESCRIPTOR)
        files = [[quoted(plain / name) for name in potential.files] for potential in potentials]
        commands = [pair_commands(names, ensemble.elements, descriptor, ensemble.baseline) for names in files]
        theirs = _run_potential(engine, atoms, ensemble.elements, commands)
    result = []
    for potential, own, energies, forces in zip(potentials, ours, *theirs, strict=True):
        mean = own.local_energies[list(potential.members)].mean(axis=0)
        result.append((float(np.abs(energies - mean).max()), float(np.abs(forces - own.forces).max())))
    return result


def _unchecked() -> dict[str, Any]:
    """Record of an export that could not be checked, which is for machines without LAMMPS alone."""
    try:
        version = _lammps_version()
    except LammpsMissingError as error:
        return {"checked": False, "reason": f"exported without a check: {error}"}
    raise InputError(f"LAMMPS {version} is installed here, so that the export can be checked; leave out --no-check")


@contextmanager
def _replaced_folder(folder: Path, *, overwrite: bool) -> Iterator[Path]:
    with explained(folder):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: is a file; name a directory for the output")
        if folder.is_dir() and any(folder.iterdir()):
            if not overwrite:
                raise InputError(f"{folder}: is not empty; use --overwrite or another --out")
            refuse_foreign(folder)
        target = folder.resolve()
        if target == Path.cwd():
            raise InputError(f"{folder}: is the working directory; name a directory of its own for the output")
        target.parent.mkdir(parents=True, exist_ok=True)
        new, old = (target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.{word}") for word in ("tmp", "old"))
        new.mkdir()
    try:
        with explained(folder, only=FULL_DISK):
            (new / MARKER).write_text(MARKER_TEXT, encoding="utf-8")
            yield new
        with explained(folder):
            if target.exists():
                target.rename(old)
            new.rename(target)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        if old.exists() and not target.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
