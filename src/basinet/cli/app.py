"""The commands under one roof. Nothing heavy is imported before a command runs."""

from typing import Annotated

import typer

from basinet.cli.config import config_commands
from basinet.cli.dft import dft_commands
from basinet.cli.frames import _describe, _relate, _select
from basinet.cli.md import _md, _sample
from basinet.cli.models import _evaluate, export_commands
from basinet.cli.options import _SeveralValues
from basinet.cli.output import _Commands
from basinet.cli.partition import partition
from basinet.cli.score import _score
from basinet.cli.study import _reproduce, _train, report

app = typer.Typer(
    name="basinet",
    cls=_Commands,
    help="Atomic energies from density-functional theory, and the potentials that should reproduce them.",
    epilog="Example: basinet reproduce --preset quick --out results/quick",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        from basinet.jobs.provenance import version

        typer.echo(f"basinet {version('basinet') or '(not installed)'}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that stand before a command."""


_EXAMPLES = {
    "reproduce": "basinet reproduce --preset quick --out results/quick",
    "partition": "basinet partition runs/* --out ar.extxyz",
    "relate": "basinet relate ar.extxyz --out ar_local.extxyz",
    "describe": "basinet describe ar.extxyz --out ar.npz --rcut 5.25 --twojmax 6 --weights Ar=1,Kr=1.3",
    "select": "basinet select ar.extxyz kr.extxyz --rcut 4.75,5.25,6.5 --twojmax 4,6,8",
    "train": "basinet train train.yaml --out results/ar",
    "evaluate": "basinet evaluate ar.basinet kr.basinet mix.extxyz --out scores.csv",
    "score": "basinet score gfn2-xtb ar.basinet --most 20 --out score",
    "report": "basinet report results/quick",
    "sample": "basinet sample ar24kr8.yaml --out ar24kr8.extxyz",
    "md": "basinet md ar.basinet liquid.extxyz --ensemble nvt --temperature 120 --steps 25000 --out md",
}

for command in (_reproduce, partition, _relate, _describe, _select, _train, _evaluate, _score, report, _sample, _md):
    name = command.__name__.removeprefix("_")
    kind = _SeveralValues if name in ("reproduce", "md", "partition") else None
    app.command(name, cls=kind, epilog=f"Example: {_EXAMPLES[name]}")(command)
app.add_typer(config_commands, name="config")
app.add_typer(dft_commands, name="dft")
app.add_typer(export_commands, name="export")
