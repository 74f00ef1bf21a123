"""The output directory of a long command: agreed to, locked, and cleared away if nothing came of it."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from basinet.cli.group import Interrupted
from basinet.errors import InputError
from basinet.files import LOCK

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


@contextmanager
def prepared(root: Path, *, resume: bool, overwrite: bool) -> Iterator[None]:
    """Hold an output directory, emptied where it is to be overwritten: not before it is ours alone.

    Raises
    ------
    InputError
        See `basinet.files.agree_to_output` and `locked`.
    """
    from basinet.files import agree_to_output, explained, prepare_output

    refuse_running(root)
    agree_to_output(root, resume=resume, overwrite=overwrite)
    with explained(root):
        root.mkdir(parents=True, exist_ok=True)
    with locked(root):
        prepare_output(root, resume=resume, overwrite=overwrite)
        yield


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


def refuse_other_config(path: Path, config: BaseModel, free: Collection[str] = ()) -> None:
    """Refuse to resume what was begun with another config; the message names the first key that differs.

    Keys in `free` may.
    """
    from basinet.config.loading import read_yaml

    if not path.exists():
        return
    before, now = flat(read_yaml(path)), flat(config.model_dump(mode="json"))
    for key in [*now, *before]:
        if key not in free and before.get(key) != now.get(key):
            msg = (
                f"{path}: begun with {key} = {before.get(key)}, now {now.get(key)}; "
                "resume with the same config, or use --overwrite or another --out"
            )
            raise InputError(msg)


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Give nested keys dotted names.

    >>> flat({"a": {"b": 1}, "c": [2]})
    {'a.b': 1, 'c': [2]}
    """
    result: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        result |= flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return result


def refuse_running(root: Path) -> None:
    """Refuse a directory in which a living process works."""
    from basinet.files import is_held

    if is_held(root / LOCK):
        raise working(root)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the lock file of a directory, which names this process.

    A file that a killed process left is taken over.

    Raises
    ------
    InputError
        Another process holds it.
    """
    from basinet.files import holding

    with ExitStack() as stack:
        try:
            stream = stack.enter_context(holding(root / LOCK, wait=False))
        except BlockingIOError:
            raise working(root) from None
        stream.truncate(0)
        stream.write(f"{os.getpid()} on {socket.gethostname()}\n")
        stream.flush()
        yield


def working(root: Path) -> InputError:
    """The error of a directory that another process works in."""
    owner = "unknown"
    with suppress(OSError):  # it may be gone by now
        owner = (root / LOCK).read_text(encoding="utf-8", errors="replace").strip() or owner
    return InputError(f"{root}: another basinet (process {owner}) works there; wait for it or choose another --out")
