"""`basinet reproduce`, `train` and `report`: the whole study, ensembles alone, and the page of either."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from basinet.cli.options import (
    ENERGY_KEY,
    FORCES_KEY,
    EnergyKey,
    ForcesKey,
    OptionalSeed,
    Overwrite,
    Resume,
    Scheduler,
    Workers,
    check_scheduler,
)
from basinet.cli.output import finished, results_directory

if TYPE_CHECKING:
    from collections.abc import Callable

    from basinet.jobs.progress import Progress
    from basinet.study.settings import StudyConfig, TrainConfig


def reproduce(  # noqa: PLR0917 - Typer calls it by keywords
    preset: Annotated[
        str, typer.Option(metavar="NAME", help="Settings: smoke (a minute), quick (ten minutes) or paper (hours).")
    ] = "quick",
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML file laid over the preset.", show_default=False)
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE...", help="Extended XYZ files, 'reference' or 'synthetic'.", show_default=False),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output directory.")] = Path("results"),
    workers: Workers = None,
    scheduler: Scheduler = None,
    seed: OptionalSeed = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    energy_key: EnergyKey = ENERGY_KEY,
    forces_key: ForcesKey = FORCES_KEY,
) -> None:
    """Run the whole study: relation, sweep, local fidelity, transfer, figures and report.

    The last line printed is the path of the report.
    """
    from basinet.study.settings import load_study_config

    changes = _command_line_changes(data, seed, energy_key, forces_key)
    settings = load_study_config(preset, config, changes)

    def run(progress: Progress) -> Path:
        from basinet.study.run import load_study_data
        from basinet.study.run import reproduce as run_study

        unchanged = preset if config is None and not changes else ""
        with results_directory(
            out, settings, lambda: load_study_data(settings, progress), resume=resume, overwrite=overwrite
        ) as loaded:
            return run_study(
                out, settings, progress, preset=unchanged, workers=workers, scheduler=scheduler, data=loaded
            )

    _run(run, out, settings, scheduler, resume=resume, overwrite=overwrite)


def _command_line_changes(data: list[str] | None, seed: int | None, energy_key: str, forces_key: str) -> dict[str, Any]:
    """The part of a config that the options change; options that were not given change nothing."""
    section: dict[str, Any] = {}
    if data:
        section["frames"] = data[0] if data in (["reference"], ["synthetic"]) else data
    if energy_key != ENERGY_KEY:
        section["energy_key"] = energy_key
    if forces_key != FORCES_KEY:
        section["forces_key"] = forces_key
    return ({"data": section} if section else {}) | ({} if seed is None else {"seed": seed})


def report(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Output directory of 'basinet reproduce' or 'basinet train'.")
    ],
) -> None:
    """Draw the figures of a results directory and write its HTML report; prints the report's path."""
    from basinet.study.report.page import write_report

    typer.echo(write_report(directory))


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
    from basinet.study.settings import load_train_config

    settings = load_train_config(config, {} if seed is None else {"seed": seed})

    def run(progress: Progress) -> Path:
        from basinet.study.grid import load_grid_data, train_grid

        with results_directory(
            out, settings, lambda: load_grid_data(settings, progress), resume=resume, overwrite=overwrite
        ) as loaded:
            return train_grid(out, settings, progress, workers=workers, scheduler=scheduler, data=loaded)

    _run(run, out, settings, scheduler, resume=resume, overwrite=overwrite)


def _run(
    run: Callable[[Progress], Path],
    out: Path,
    settings: StudyConfig | TrainConfig,
    scheduler: str | None,
    *,
    resume: bool,
    overwrite: bool,
) -> None:
    """Run unless all is complete already; print the path of the report."""
    report = finished(out, settings, resume=resume, overwrite=overwrite)
    if report is None:
        from basinet.jobs.progress import Progress

        check_scheduler(scheduler)
        report = run(Progress())
    typer.echo(report)
