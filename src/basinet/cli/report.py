"""`basinet report`: figures and page from results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Output directory of 'basinet reproduce' or 'basinet train'.")
    ],
) -> None:
    """Draw the figures of a results directory and write its HTML report; prints the report's path."""
    from basinet.report import write_report

    typer.echo(write_report(directory))
