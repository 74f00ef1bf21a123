"""Ends of commands: exit codes and errors, and the output directory, cleared away if nothing came of it.

Exit codes are 0 for success, 2 with one line for a user's mistake, and 130 where a command was interrupted.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from typer.core import TyperGroup

from basinet.errors import InputError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from basinet.jobs.progress import Progress

CONFIG = "config.yaml"
_TASKS = "work/results/*.json"  # files of a study or a grid that are there once something was computed
_Loaded = TypeVar("_Loaded")


class _Interrupted(typer.TyperException):
    exit_code = 130


class _Commands(TyperGroup):
    def main(self, *args: Any, **options: Any) -> Any:
        """Run, and turn what is raised into a line on standard error and an exit code."""
        try:
            code = super().main(*args, **options | {"standalone_mode": False})
            if code == _Interrupted.exit_code:
                _complain("interrupted", code, kind="")
        except InputError as error:
            code = _complain(str(error), 2)
        except _Interrupted as error:
            code = _complain(error.message, error.exit_code, kind="")
        except typer.TyperException as error:
            context = getattr(error, "ctx", None)
            hint = "" if context is None else f" (see '{context.command_path} --help')"
            code = _complain(error.format_message() + hint, 2)
        except typer.Abort:
            code = 1
        except MemoryError as error:
            code = _complain(f"not enough memory ({error}); give less at a time", 2)
        except OSError as error:
            code = _complain(f"{error.filename or 'output'}: {error.strerror or error}; write elsewhere", 2)
            _let_go_of_output()
        if options.get("standalone_mode", True):
            sys.exit(code if isinstance(code, int) else 0)
        return code


def _complain(message: str, code: int, kind: str = "error: ") -> int:
    """Write one line; whatever line breaks a message brings along are spaces."""
    typer.echo(f"basinet: {kind}{' '.join(message.split())}", err=True)
    return code


def _let_go_of_output() -> None:
    """Drop what standard output does not take, which Python would try to write once more at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def results_directory(
    root: Path,
    config: BaseModel,
    load: Callable[[], _Loaded],
    *,
    resume: bool,
    overwrite: bool,
    computed: str = _TASKS,
    free: Collection[str] = (),
) -> Iterator[_Loaded]:
    """Prepare and lock a results directory, write its config, and yield what `load` returns.

    What is there is deleted only once `load` has found the input good. Where the input proves bad before anything was
    computed (no file matches the pattern `computed`), a directory that was new or empty is left as it was. Keys of the
    config in `free` may change when a run goes on. Refused is a directory where another process works, whose content
    is in the way, or that was begun with another config.
    """
    from basinet.files import write_yaml
    from basinet.jobs.directory import prepared, refuse_other_config, refuse_running

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
            raise _interruption(root) from None


def _interruption(root: Path) -> _Interrupted:
    return _Interrupted(f"interrupted; what is done is kept in {root}, the same command with --resume goes on")


def _clear_away(root: Path, *, existed: bool) -> None:
    for entry in list(root.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    if not existed:
        root.rmdir()


class _Parts:
    """Progress of a run in equal parts, which its reports reach or overtake."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.what, self.shown = progress, "", 0

    def begin(self, what: str, parts: int, unit: str, shown: int = 0) -> None:
        self.finish()
        self.what, self.shown = what, shown
        self.progress.start(what, [1.0] * parts, [1.0] * shown, unit=unit)

    def reach(self, part: int, text: str) -> None:
        while self.shown < part:
            self.shown += 1
            self.progress.advance(1.0, text)

    def finish(self) -> None:
        if self.what:
            self.progress.finish()
            self.what = ""
