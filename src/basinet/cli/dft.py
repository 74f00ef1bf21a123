"""`basinet dft`: campaigns of CP2K calculations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from basinet.cli.options import OptionalSeed, Overwrite, Resume, Scheduler, Seed, _check_scheduler, flag, option
from basinet.cli.output import _interruption
from basinet.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

    from basinet.labelling.campaign import Campaign
    from basinet.labelling.settings import CampaignConfig
    from basinet.labelling.verification import Change, Comparison

dft_commands = typer.Typer(
    help="CP2K calculations on many frames, resumable at any moment, to labelled frames.", rich_markup_mode=None
)

_Directory = Annotated[Path, typer.Argument(metavar="DIR", help="What 'basinet dft run' made.")]
_RunWorkers = Annotated[
    int | None, option("N", "Calculations at a time, in place of the config's run.workers.", "--workers", min=1)
]
_RunThreads = Annotated[
    int | None, option("N", "OpenMP threads of each, in place of the config's run.threads.", "--threads", min=1)
]
_LABELLED = "labelled.extxyz"


@dft_commands.command(epilog="Example: basinet dft run argon.yaml --workers 2")
def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file, see docs/campaigns.md.")],
    out: Annotated[Path | None, option("DIR", "Directory; CONFIG without its suffix unless given.")] = None,
    workers: _RunWorkers = None,
    threads: _RunThreads = None,
    scheduler: Scheduler = None,
    seed: OptionalSeed = None,
    show_job_script: Annotated[
        bool, flag("Print the script of the config's cluster, and stop.", "--show-job-script")
    ] = False,
    resume: Resume = False,
    overwrite: Overwrite = False,
    retry_failed: Annotated[bool, flag("With --resume: try given up calculations again.", "--retry-failed")] = False,
) -> None:
    """Calculate all frames of a config with CP2K, single points or molecular dynamics, and label them.

    Killed at any moment, it goes on with --resume: no finished frame is lost or done again. The last line printed is
    the file of labelled frames.
    """
    from basinet.labelling.settings import load_campaign_config, with_own_files

    changes = _run_changes(workers, threads) | ({} if seed is None else {"aimd": {"seed": seed}})
    settings = with_own_files(load_campaign_config(config, changes))
    if show_job_script:
        from basinet.labelling.driver import job_script

        typer.echo(job_script(settings))
        return
    root = config.with_suffix("") if out is None else out
    if root == config:
        raise InputError(f"{config}: has no suffix to leave out; name a directory with --out")
    with _campaign_directory(root, settings, scheduler, resume=resume, overwrite=overwrite) as campaign:
        failed = _run_and_collect(campaign, scheduler, retry_failed=retry_failed)
        if failed:
            raise InputError(
                f"{root}: {failed} of {len(campaign.units)} calculations failed; 'basinet dft status {root}' lists them"
            )
        campaign.clear()
    typer.echo(root / _LABELLED)


def _run_changes(workers: int | None, threads: int | None) -> dict[str, Any]:
    given = {"workers": workers, "threads": threads}
    return {"run": {key: value for key, value in given.items() if value is not None}}


@contextmanager
def _campaign_directory(
    root: Path, settings: CampaignConfig, scheduler: str | None, *, resume: bool, overwrite: bool
) -> Iterator[Campaign]:
    """Check everything, prepare and lock the directory, and yield the campaign."""
    from basinet.jobs.directory import prepared, refuse_inputs_inside, refuse_running
    from basinet.labelling.campaign import check_same, create_campaign, load_inputs

    refuse_running(root)
    refuse_inputs_inside(root, [*settings.frames, *([] if settings.template is None else [settings.template])])
    frames, template = load_inputs(settings)
    _check_program(settings, scheduler, frames)
    if resume and not overwrite:
        check_same(root, settings, frames, template)
    try:
        with prepared(root, resume=resume, overwrite=overwrite):
            yield create_campaign(root, settings, frames, template)
    except KeyboardInterrupt:
        raise _interruption(root) from None


def _check_program(settings: CampaignConfig, scheduler: str | None, frames: list[Atoms]) -> None:
    """Refuse to begin where nothing can calculate: no CP2K on this machine, or no scheduler that answers."""
    from basinet.cp2k.program import find_program, program_version
    from basinet.labelling.settings import check_kinds, unresolved_cores

    if scheduler is None and settings.cluster is None:
        program_version(find_program(settings.run.command))
        if settings.template is None:
            elements = {symbol for atoms in frames for symbol in atoms.symbols}
            check_kinds(settings.cp2k, elements)
            for note in unresolved_cores(settings.cp2k, elements):
                typer.echo(f"basinet: warning: {note}", err=True)
    _check_scheduler(scheduler)


def _run_and_collect(campaign: Campaign, scheduler: str | None, *, retry_failed: bool) -> int:
    from basinet.jobs.progress import Progress
    from basinet.labelling.driver import forgive, run_campaign, workers_of
    from basinet.labelling.verification import collect_frames
    from basinet.labelling.work import end_orphans, sweep

    progress = Progress()
    orphans = end_orphans()
    if orphans:
        progress.note(f"ended {orphans} processes that a killed campaign left behind")
    forgive(campaign, everything=retry_failed)
    stopped = None
    try:
        with workers_of(campaign, scheduler) as workers:
            run_campaign(campaign, workers, progress)
    except InputError as error:
        stopped = error
    sweep(campaign.scratch)
    done = len(campaign.done())
    if done:
        summary = collect_frames(campaign, campaign.root / _LABELLED)
        progress.note(f"{summary['frames']} labelled frames")
    if stopped is not None:
        raise stopped
    return len(campaign.units) - done


@dft_commands.command(epilog="Example: basinet dft collect argon --out argon_labelled.extxyz")
def collect(
    directory: _Directory,
    out: Annotated[Path | None, option("FILE.extxyz", "Frames; their provenance goes to FILE.json.")] = None,
) -> None:
    """Write what is finished as labelled frames, of a campaign that is still going on too.

    The last line printed is the file.
    """
    from basinet.labelling.campaign import open_campaign
    from basinet.labelling.verification import collect_frames as gather

    target = directory / _LABELLED if out is None else out
    summary = gather(open_campaign(directory), target)
    typer.echo(
        f"{summary['frames']} frames of {summary['done']} calculations; "
        f"{summary['failed']} failed, {summary['missing']} to do",
        err=True,
    )
    typer.echo(target)


@dft_commands.command(epilog="Example: basinet dft status argon")
def status(directory: _Directory, as_json: Annotated[bool, flag("Print one JSON document.", "--json")] = False) -> None:
    """Tell what is done, running, failed and waiting, and how long the rest will take."""
    import json

    from basinet.labelling.campaign import open_campaign
    from basinet.labelling.driver import status_lines, survey

    found = survey(open_campaign(directory))
    typer.echo(json.dumps(found, indent=2) if as_json else "\n".join(status_lines(found)))


@dft_commands.command(epilog="Example: basinet dft verify reference 2")
def verify(
    source: Annotated[
        str,
        typer.Argument(metavar="DIR|FILE", help="A campaign, labelled frames, or 'reference' for the shipped ones."),
    ],
    count: Annotated[int, typer.Argument(metavar="N", min=1, help="Frames to calculate again.")] = 2,
    config: Annotated[
        Path | None,
        option("CONFIG", "Settings in place of the stored ones; run, cluster and template come from here alone."),
    ] = None,
    atoms: Annotated[int | None, option("N", "Choose among frames of N atoms.", min=1)] = None,
    workers: _RunWorkers = None,
    threads: _RunThreads = None,
    scheduler: Scheduler = None,
    convergence: Annotated[
        bool, flag("With --config: compare apart from constants; see below.", "--convergence")
    ] = False,
    seed: Seed = 0,
    as_json: Annotated[bool, flag("Print one JSON document.", "--json")] = False,
) -> None:
    """Calculate frames chosen at random again from scratch, and compare energies and local energies with the stored.

    Exit code 1 where energies differ by more than 0.01 meV per atom, or local DFT energies by more than 0.1 meV.

    --convergence judges the settings of --config against the stored ones: total energies less their mean over the
    frames of the same system and size, and the root mean square of local DFT energies, less their mean over the
    element.
    """
    import shutil
    import tempfile

    from basinet.cp2k.writer import read_template
    from basinet.labelling.campaign import create_campaign
    from basinet.labelling.settings import load_campaign_config, with_own_files
    from basinet.labelling.verification import changes, choose, compare, finished_frames, single_points

    if convergence and config is None:
        raise InputError("--convergence: needs other settings; give them with --config")
    options = _run_changes(workers, threads)
    given = None if config is None else with_own_files(load_campaign_config(config, options | {"frames": [source]}))
    stored = choose(source, count, seed, given, atoms)
    settings = single_points(stored)
    settings = settings.model_copy(update={"run": settings.run.model_copy(update=options["run"])})
    template = None if settings.template is None else read_template(settings.template)
    _check_program(settings, scheduler, stored.frames)
    elsewhere = scheduler is not None or settings.cluster is not None
    # Workers of other machines share this directory, we hope; their /tmp they surely do not.
    place = Path(tempfile.mkdtemp(prefix="basinet-verify-", dir=Path.cwd() if elsewhere else None))
    campaign = create_campaign(place, settings, stored.frames, template)
    try:
        failed = _run_and_collect(campaign, scheduler, retry_failed=False)
    except InputError as error:
        raise InputError(f"{source}: cannot be calculated again; 'basinet dft status {place}' tells why") from error
    except KeyboardInterrupt:
        shutil.rmtree(place)
        raise
    if failed:
        raise InputError(f"{source}: {failed} calculations failed; 'basinet dft status {place}' lists them")
    frames = list(finished_frames(campaign))
    shutil.rmtree(place)
    found = changes(stored, frames) if convergence else compare(stored, frames)
    _show_comparisons(found, as_json=as_json)
    if not all(item.agrees for item in found):
        typer.echo(f"basinet: {sum(not item.agrees for item in found)} of {len(found)} frames differ", err=True)
        raise typer.Exit(1)


def _show_comparisons(found: Sequence[Comparison | Change], *, as_json: bool) -> None:
    import json
    from dataclasses import asdict

    from basinet.cli.options import _text_table

    rows = [asdict(item) | {"agrees": item.agrees} for item in found]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    spelled = {"number": "d", "system": "", "n_atoms": "d", "agrees": ""}
    typer.echo(_text_table(rows, {key: spelled.get(key, ".1e") for key in rows[0]}))
    typer.echo("calculated less stored: energies of frames in meV per atom, local DFT energies in meV, forces in meV/A")
