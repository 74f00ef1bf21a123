"""`basinet reproduce`: the whole study."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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
    _check_scheduler,
    option,
)

if TYPE_CHECKING:
    from basinet.study.settings import StudyConfig, TrainConfig


def _reproduce(  # noqa: PLR0917 - Typer calls it by keywords
    preset: Annotated[
        str, option("NAME", "Settings: smoke (a minute), quick (ten minutes), paper (hours) or as_published (an hour).")
    ] = "quick",
    config: Annotated[Path | None, option("FILE", "YAML file laid over the preset.")] = None,
    data: Annotated[list[str] | None, option("FILE...", "Extended XYZ files, 'reference' or 'synthetic'.")] = None,
    out: Annotated[Path, option("DIR", "Output directory.")] = Path("results"),
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

    changes = _given_options(data, seed, energy_key, forces_key)
    settings = load_study_config(preset, config, changes)

    from basinet.study.run import reproduce as run

    unchanged = preset if config is None and not changes else ""
    work = partial(run, out, settings, preset=unchanged, workers=workers, scheduler=scheduler)
    _echo_report(out, settings, work, scheduler, resume=resume, overwrite=overwrite)


def _echo_report(
    root: Path,
    config: StudyConfig | TrainConfig,
    work: Callable[..., Path],
    scheduler: str | None,
    *,
    resume: bool,
    overwrite: bool,
) -> None:
    """Print the path of the report that `work` writes, or that is there where a run to be resumed is complete."""
    from basinet.cli.output import CONFIG, results_directory
    from basinet.jobs.directory import refuse_other_config, refuse_running
    from basinet.jobs.progress import Progress
    from basinet.study.run import finished_report, load_data

    if resume and not overwrite:
        refuse_running(root)
        refuse_other_config(root / CONFIG, config)
        report = finished_report(root, config.data)
        if report is not None:
            typer.echo(f"{root} is complete; 'basinet report {root}' draws its figures anew", err=True)
            typer.echo(report)
            return
    _check_scheduler(scheduler)
    progress = Progress()
    load = partial(load_data, config, progress.note)
    with results_directory(root, config, load, resume=resume, overwrite=overwrite) as frames:
        report = work(progress=progress, data=frames)
    typer.echo(report)


def _given_options(data: list[str] | None, seed: int | None, energy_key: str, forces_key: str) -> dict[str, Any]:
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


def _train(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="YAML file, see 'basinet config schema --kind train'.")
    ],
    out: Annotated[Path, option("DIR", "Output directory.")] = Path("results"),
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

    from basinet.study.run import train_grid

    work = partial(train_grid, out, settings, workers=workers, scheduler=scheduler)
    _echo_report(out, settings, work, scheduler, resume=resume, overwrite=overwrite)
