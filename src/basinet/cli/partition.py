"""`basinet partition`: densities to local energies, populations and volumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from basinet.cli.options import DefinitionOption, _text_table, _with_settings, flag, option
from basinet.cli.output import _Interrupted
from basinet.errors import InputError
from basinet.labelling.partition_settings import PartitionInput, PartitionSettings

if TYPE_CHECKING:
    from ase import Atoms

    from basinet.labelling.partition import PartitionBatch

_COLUMNS = {
    "atom": "d", "element": "", "population": ".6f", "charge": "+.6f", "volume": ".4f", "energy": ".6f", "+-": ".1e",
    "distance": ".3f",
}  # fmt: skip


@_with_settings(PartitionSettings)
def partition(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT...", help="CP2K run directories or outputs, cubes, CHGCARs.")
    ],
    *,
    cores: Annotated[
        str | None,
        option(
            "ELEMENT=Z:RLOC,...",
            "Gaussian cores of plain cubes, rloc in bohr as in files of pseudopotentials. Unless given: GTH-PBE's, if "
            "the electrons are as many.",
        ),
    ] = None,
    reference: Annotated[
        list[Path] | None,
        option(
            "FILE...",
            "Take the basins of this density beside each INPUT, or of the sum of several, such as AECCAR0 AECCAR2.",
        ),
    ] = None,
    field: Annotated[
        list[str] | None,
        option(
            "NAME=CUBE",
            "Integrate a further cube beside each INPUT too, in its unit times bohr^3, as bader_NAME. Repeatable.",
        ),
    ] = None,
    divisions: Annotated[
        list[str] | None,
        option(
            "NAME...", "Direct energies by these divisions of space too, in both kinetic forms: voronoi, hirshfeld."
        ),
    ] = None,
    isolated: Annotated[
        list[Path] | None,
        option("RUN...", "CP2K runs, or density cubes, of the isolated atoms that hirshfeld divides by."),
    ] = None,
    structure: Annotated[
        Path | None,
        option(
            "FILE", "Cell and positions of plain cubes at full precision, any format of ASE; one frame for each INPUT."
        ),
    ] = None,
    definition: DefinitionOption = "total",
    out: Annotated[Path | None, option("FILE.extxyz", "Write labelled frames, in place of tables.")] = None,
    as_json: Annotated[bool, flag("Print one JSON document, in place of tables.", "--json")] = False,
    workers: Annotated[
        int | None, option("N", "Inputs at a time. Unless given: as many as processors and free memory allow.", min=1)
    ] = None,
    resume: Annotated[bool, flag("Keep finished inputs that have not changed since.", "--resume")] = False,
    overwrite: Annotated[bool, flag("Compute all anew, and replace what is there.", "--overwrite")] = False,
    settings: dict[str, Any],
) -> None:
    """Partition densities into atoms: local Hartree energies, populations and volumes, with error bars.

    An input that cannot be used is reported in one line and passed over; the others are done, and the exit code is 2.
    With --out, finished inputs are kept in FILE.extxyz.work, so that a run that was interrupted can go on, and so that
    inputs can be added later.
    """
    from basinet.files import refuse_twice
    from basinet.jobs.directory import refuse_inputs_inside
    from basinet.labelling.partition import PartitionBatch

    refuse_twice(inputs)
    chosen = PartitionSettings(
        **settings,
        cores=_parse_cores(cores) if cores else {},
        fields=_parse_fields(field or ()),
        reference=tuple(reference or ()),
        divisions=tuple(divisions or ()),
        isolated=tuple(isolated or ()),
    )
    _refuse_misfits(chosen, len(inputs))
    if out is None and (resume or overwrite):
        raise InputError("--resume and --overwrite are for --out; name the file to write")
    if out is not None and out.is_dir():
        raise InputError(f"--out {out}: is a directory; name a file in it, such as {out / 'frames.extxyz'}")
    if out is not None:
        refuse_inputs_inside(out, [*inputs, *([] if structure is None else [structure])])
    run = PartitionBatch(_jobs(inputs, structure), chosen, None if out is None else out.with_name(f"{out.name}.work"))
    if out is None:
        _compute(run, workers)
        _show(run, definition, as_json=as_json)
    else:
        _write(run, out, workers, resume=resume, overwrite=overwrite)
        _show(run, definition, as_json=True) if as_json else _summarise(run, out)
    if run.failures and len(run.inputs) > 1:
        raise InputError(f"{len(run.failures)} of {len(run.inputs)} inputs failed, see above; mend or leave them out")


def _refuse_misfits(settings: PartitionSettings, n_inputs: int) -> None:
    """Refuse divisions that are none, or without the isolated atoms they need, and one potential for many inputs."""
    for name in set(settings.divisions) - {"voronoi", "hirshfeld"}:
        raise InputError(f"--divisions {name}: is none; choose voronoi, hirshfeld or both")
    if ("hirshfeld" in settings.divisions) != bool(settings.isolated):
        raise InputError("--divisions hirshfeld and --isolated RUN... belong together; give both")
    if settings.potential is not None and n_inputs > 1:
        msg = f"--potential {settings.potential}: belongs to one INPUT, not to {n_inputs}; give them one by one"
        raise InputError(msg)


def _parse_cores(text: str) -> dict[str, tuple[float, float]]:
    """Cores as the command line has them, with rloc in bohr as in files of pseudopotentials.

    >>> charge, radius = _parse_cores("Ar=8:0.4,Kr=8:0.5")["Ar"]
    >>> charge, round(radius, 6)
    (8.0, 0.211671)
    """
    from ase.data import atomic_numbers

    from basinet.density.cores import Core
    from basinet.units import Bohr

    found = {}
    for part in text.split(","):
        element, _, numbers = part.partition("=")
        charge, _, radius = numbers.partition(":")
        element = element.strip()
        if atomic_numbers.get(element, 0) == 0 or element in found:
            what = "stands twice" if element in found else "is no element"
            raise InputError(f"--cores {text}: {element!r} {what}; write such as Ar=8:0.4,Kr=8:0.5")
        try:
            core = Core(float(charge), float(radius) * Bohr)
        except InputError:
            raise
        except ValueError as error:
            raise InputError(f"--cores {part}: give the charge and rloc in bohr, such as Ar=8:0.4") from error
        found[element] = (core.charge, core.radius)
    return found


def _parse_fields(texts: Sequence[str]) -> dict[str, Path]:
    """Names of further cubes and their files, such as ``spin=run-SPIN_DENSITY-1_0.cube``."""
    found: dict[str, Path] = {}
    for text in texts:
        name, _, file = text.partition("=")
        if not (name.isidentifier() and file) or name in found:
            raise InputError(f"--field {text}: write a name of its own, and a cube, such as spin=run-SPIN.cube")
        found[name] = Path(file)
    return found


def _compute(run: PartitionBatch, workers: int | None) -> None:
    from basinet.jobs.progress import Progress

    alone = len(run.inputs) == 1
    run.compute(workers, None if alone else Progress())
    if alone and run.failures:
        raise InputError(run.failures[0])


def _write(run: PartitionBatch, out: Path, workers: int | None, *, resume: bool, overwrite: bool) -> None:
    from basinet.jobs.directory import prepared

    folder = run.folder
    assert folder is not None  # noqa: S101  (there is one wherever there is an output)
    if out.exists() and not (resume or overwrite):
        raise InputError(f"{out}: is there already; use --resume, --overwrite or another --out")
    try:
        with prepared(folder, resume=resume, overwrite=overwrite), _clear_away_if_empty(folder):
            _compute(run, workers)
            if len(run.failures) < len(run.inputs):
                run.write(out)
    except KeyboardInterrupt:
        raise _Interrupted(f"interrupted; finished inputs are kept in {folder}, --resume goes on") from None


@contextmanager
def _clear_away_if_empty(folder: Path) -> Iterator[None]:
    """Remove a folder in which nothing was kept; only who holds its lock may, or it would be another's."""
    import shutil

    try:
        yield
    finally:
        if not any(folder.glob("*.json")):
            shutil.rmtree(folder, ignore_errors=True)


def _show(run: PartitionBatch, definition: str, *, as_json: bool) -> None:
    if as_json:
        _print_json(run, definition)
        return
    for done in run.results():
        found = _document(done.atoms, done.report)
        # The other reading, if that is all there is.
        alone = _ENERGY[definition] not in found["atoms"] and _ENERGY["electronic"] in found["atoms"]
        reading = "electronic" if alone else definition
        table = _rows(found, _ENERGY[reading])
        typer.echo(_input_heading(done.atoms.info["source"], found))
        typer.echo(_text_table(table, {name: spec for name, spec in _COLUMNS.items() if name in table[0]}))
        typer.echo("\n".join(_totals(found, reading)) + "\n")


def _print_json(run: PartitionBatch, definition: str) -> None:
    """Print one document, a frame at a time, so that thousands need no memory."""
    import json

    typer.echo(f'{{"definition": "{definition}", "frames": [', nl=False)
    for count, done in enumerate(run.results()):
        text = json.dumps(_document(done.atoms, done.report), allow_nan=False)
        typer.echo((",\n" if count else "\n") + text, nl=False)
    failed = [
        {"frame": index, "input": str(run.inputs[index].path), "error": error}
        for index, error in sorted(run.failures.items())
    ]
    typer.echo(f'\n], "failed": {json.dumps(failed)}}}')


def _summarise(run: PartitionBatch, out: Path) -> None:
    closures, frames, notes = [], 0, set[str]()
    for done in run.results():
        frames += 1
        closures += [abs(done.report["closure_error"])] if done.report["closure_error"] is not None else []
        notes |= set(done.report["notes"])
    if frames:
        told = f"; atoms less printed Hartree energy: {max(closures):.1e} eV at most" if closures else ""
        typer.echo(f"{out}: {frames} frame{'s' if frames > 1 else ''}{told}")
    for note in sorted(notes):
        typer.echo(f"note: {note}")


_ARRAYS = {  # per-atom quantities of a document, and the arrays of the frame
    "population": "bader_population",
    "population_error": "bader_population_error",
    "charge": "bader_charge",
    "volume": "bader_volume",
    "volume_error": "bader_volume_error",
    "maximum_distance": "bader_maximum_distance",
    "hartree_energy": "REF_local_hartree_energy",
    "hartree_energy_error": "local_hartree_energy_error",
    "hartree_energy_electronic": "REF_local_hartree_energy_electronic",
    "hartree_energy_electronic_error": "local_hartree_energy_electronic_error",
    "direct_energy": "REF_direct_energy",
    "direct_energy_error": "direct_energy_error",
}
_ENERGY = {"direct": "direct_energy", "total": "hartree_energy", "electronic": "hartree_energy_electronic"}
_MEANING = {
    "direct": "direct DFT energy of the region",
    "total": "local Hartree energy, reading total",
    "electronic": "local Hartree energy, reading electronic",
}


def _document(atoms: Atoms, report: Mapping[str, Any]) -> dict[str, Any]:
    columns = {name: atoms.arrays[key] for name, key in _ARRAYS.items() if key in atoms.arrays}
    known = {*_ARRAYS.values(), "numbers", "positions", "REF_forces"}
    further = {name: values for name, values in atoms.arrays.items() if name not in known}
    per_atom = {"element": atoms.get_chemical_symbols(), "position": atoms.positions, **columns, **further}
    from basinet.files import plain

    value: dict[str, Any] = plain(
        {"info": dict(atoms.info), "cell": atoms.cell.array, "n_atoms": len(atoms), **report, "atoms": per_atom}
    )
    return value


def _rows(found: Mapping[str, Any], energy: str) -> list[dict[str, Any]]:
    atoms = found["atoms"]
    same = ("element", "population", "charge", "volume")
    sources = dict(zip(same, same, strict=True)) | {"energy": energy, "+-": f"{energy}_error"}
    sources |= {"distance": "maximum_distance"}
    columns = {name: atoms[key] for name, key in sources.items() if key in atoms}
    rows = [
        {"atom": index} | {name: values[index] for name, values in columns.items()} for index in range(found["n_atoms"])
    ]
    return [*rows, {"atom": "sum"} | {name: sum(columns[name]) for name in [*same[1:], "energy"] if name in columns}]


def _input_heading(name: str, found: Mapping[str, Any]) -> str:
    points = " x ".join(str(number) for number in found["grid"])
    electrons = "" if found["electrons"] is None else f", {found['electrons']:.10g} electrons"
    scaled = found.get("renormalisation")
    factor = "" if scaled is None else f" (density scaled by 1 {'+' if scaled >= 0 else '-'} {abs(scaled):.1e})"
    return f"{name}: {found['formula']}, {points} points, {found['maxima']} maxima{electrons}{factor}"


def _totals(found: Mapping[str, Any], definition: str) -> list[str]:
    lines = []
    info = found["info"]
    if _ENERGY[definition] in found["atoms"]:
        lines.append(f"energy: {_MEANING[definition]}, eV; +- from the grid, eV")
    if definition == "direct" and "direct_closure_error" in info:
        lines[-1] += f"; atoms less printed total energy: {info['direct_closure_error']:.1e}"
    if "hartree_energy" in found:
        lines.append(f"Hartree energy of the density: {found['hartree_energy']:.6f} eV")
    if "closure_error" in info:
        lines[-1] += f"; printed: {info['REF_hartree_energy']:.6f} eV; atoms less printed: {info['closure_error']:.1e}"
    if "bader_vacuum_population" in info:
        held = info["bader_vacuum_population"], info["bader_vacuum_volume"]
        lines.append(f"vacuum: {held[0]:.6g} electrons in {held[1]:.6g} A^3 that belong to no atom")
    check = found.get("cross_check")
    if check:
        lines.append(
            f"CP2K's own cubes: charge density within {check['charge_max']:.1e} e/A^3, potential within "
            f"{check['potential_max']:.1e} eV, Hartree energy off by {check['energy_difference']:.1e} eV"
        )
    return lines + [f"note: {note}" for note in found["notes"]]


def _jobs(inputs: Sequence[Path], structure: Path | None) -> list[PartitionInput]:
    from basinet.labelling.sources import expanded, read_all

    if structure is None:
        return expanded([PartitionInput(path) for path in inputs])
    count = len(read_all(structure))
    if count != len(inputs):
        raise InputError(f"--structure {structure}: {count} frames for {len(inputs)} inputs; give one for each")
    return [PartitionInput(path, structure, index) for index, path in enumerate(inputs)]
