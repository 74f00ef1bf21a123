"""`basinet reproduce`: the whole study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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
    from basinet.config import load_study_config

    changes = command_line_changes(data, seed, energy_key, forces_key)
    settings = load_study_config(preset, config, changes)

    from basinet.cli.output import finished, results_directory

    report = finished(out, settings, resume=resume, overwrite=overwrite)
    if report is None:
        from basinet.execution.progress import Progress
        from basinet.study.reproduce import load_study_data
        from basinet.study.reproduce import reproduce as run

        progress = Progress()
        check_scheduler(scheduler)

        def load() -> Any:
            return load_study_data(settings, progress)

        unchanged = preset if config is None and not changes else ""
        with results_directory(out, settings, load, resume=resume, overwrite=overwrite) as loaded:
            report = run(out, settings, progress, preset=unchanged, workers=workers, scheduler=scheduler, data=loaded)
    typer.echo(report)


def command_line_changes(data: list[str] | None, seed: int | None, energy_key: str, forces_key: str) -> dict[str, Any]:
    """What the options change in a config; options that were not given change nothing."""
    section: dict[str, Any] = {}
    if data:
        section["frames"] = data[0] if data in (["reference"], ["synthetic"]) else data
    if energy_key != ENERGY_KEY:
        section["energy_key"] = energy_key
    if forces_key != FORCES_KEY:
        section["forces_key"] = forces_key
    return ({"data": section} if section else {}) | ({} if seed is None else {"seed": seed})
