"""`basinet train`: one ensemble, or a grid of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from basinet.cli.options import OptionalSeed, Overwrite, Resume, Scheduler, Workers, check_scheduler


def train(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="YAML file, see 'basinet config schema --kind train'.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output directory.")] = Path("results"),
    workers: Workers = None,
    scheduler: Scheduler = None,
    seed: OptionalSeed = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Train one ensemble, or a grid wherever the config gives lists; the models lie in DIR/models.

    The last line printed is the path of the report.
    """
    from basinet.config import load_train_config

    settings = load_train_config(config, {} if seed is None else {"seed": seed})

    from basinet.cli.output import finished, results_directory

    report = finished(out, settings, resume=resume, overwrite=overwrite)
    if report is None:
        from basinet.execution.progress import Progress
        from basinet.study.grid import load_grid_data, train_grid

        progress = Progress()
        check_scheduler(scheduler)

        def load() -> Any:
            return load_grid_data(settings, progress)

        with results_directory(out, settings, load, resume=resume, overwrite=overwrite) as loaded:
            report = train_grid(out, settings, progress, workers=workers, scheduler=scheduler, data=loaded)
    typer.echo(report)
