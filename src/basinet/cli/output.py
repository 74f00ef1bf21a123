"""The output directory of a long command: prepared, and cleared away if nothing came of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from basinet.cli.group import Interrupted
from basinet.errors import InputError
from basinet.jobs.directory import prepared, refuse_other_config, refuse_running

if TYPE_CHECKING:
    from pydantic import BaseModel

    from basinet.study.settings import StudyConfig, TrainConfig

CONFIG = "config.yaml"
TASKS = "work/results/*.json"
"""Files of a study or a grid that are there once something was computed."""

Loaded = TypeVar("Loaded")


@contextmanager
def results_directory(
    root: Path,
    config: BaseModel,
    load: Callable[[], Loaded],
    *,
    resume: bool,
    overwrite: bool,
    computed: str = TASKS,
    free: Collection[str] = (),
) -> Iterator[Loaded]:
    """Prepare and lock a results directory, write its config, and yield what `load` returns.

    What is there is deleted only once `load` has found the input good. Where the input proves bad before anything was
    computed (no file matches the pattern `computed`), a directory that was new or empty is left as it was. Keys of the
    config in `free` may change when a run goes on.

    Raises
    ------
    InputError
        If another process works there, its content is in the way, or it was begun with another config.
    Interrupted
        In place of KeyboardInterrupt; says how to go on.
    """
    from basinet.files import write_yaml

    refuse_running(root)
    if resume and not overwrite:
        refuse_other_config(root / CONFIG, config, free)
    loaded = [load()] if overwrite and not resume else []
    existed, keep = root.exists(), resume and root.is_dir() and any(root.iterdir())
    with prepared(root, resume=resume, overwrite=overwrite):
        try:
            write_yaml(root / CONFIG, config.model_dump(mode="json"))
            yield loaded[0] if loaded else load()
        except InputError:
            if not keep and not any(root.glob(computed)):
                _clear_away(root, existed=existed)
            raise
        except KeyboardInterrupt:
            msg = f"interrupted; what is done is kept in {root}, the same command with --resume goes on"
            raise Interrupted(msg) from None


def finished(root: Path, config: StudyConfig | TrainConfig, *, resume: bool, overwrite: bool) -> Path | None:
    """Path of the report where a run that is to be resumed is complete already, or None.

    Raises
    ------
    InputError
        If the run was begun with another config or other data, or is going on.
    """
    from basinet.study.run import finished_report

    if not resume or overwrite:
        return None
    refuse_running(root)
    refuse_other_config(root / CONFIG, config)
    report = finished_report(root, config.data)
    if report is not None:
        typer.echo(f"{root} is complete; 'basinet report {root}' draws its figures anew", err=True)
    return report


def _clear_away(root: Path, *, existed: bool) -> None:
    """Take back a directory in which nothing was computed."""
    for entry in list(root.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    if not existed:
        root.rmdir()
