"""The output directory of long work: agreed to, marked as ours, locked, and gone on with by the same config alone."""

import os
import shutil
import socket
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from basinet.errors import InputError
from basinet.files import LOCK, atomic_write, explained, holding, is_held

MARKER = ".basinet"  # file that marks a directory as an output of ours, which ``--overwrite`` may delete
MARKER_TEXT = "Output of basinet; --overwrite may delete it. Without this file it will not.\n"


def _agree_to_output(directory: Path, *, resume: bool, overwrite: bool) -> None:
    """Agree to use a directory for output, or refuse it; nothing is changed.

    With `resume` what is there is kept, with `overwrite` deleted first, provided that it is an output of basinet.
    """
    if resume and overwrite:
        raise InputError(f"{directory}: --resume and --overwrite exclude each other; give one")
    with explained(directory):
        if directory.exists() and not directory.is_dir():
            raise InputError(f"{directory}: is a file; name a directory for the output")
        if not directory.is_dir() or not _content(directory):
            return
    if overwrite:
        refuse_foreign(directory)
    elif not resume:
        hint = "use --resume, --overwrite or another --out" if _is_ours(directory) else "choose another --out"
        raise InputError(f"{directory}: is not empty; {hint}")
    elif not _is_ours(directory):
        raise InputError(f"{directory}: --resume goes on with outputs of basinet, this is none; choose another --out")


def _content(directory: Path) -> list[Path]:
    return [entry for entry in directory.iterdir() if entry.name != LOCK]


def _is_ours(directory: Path) -> bool:
    # Having just a config.yaml is no sign: project directories have one too.
    return (directory / MARKER).is_file() or (directory / "provenance.json").is_file()


def refuse_foreign(directory: Path) -> None:
    """Refuse to overwrite a directory that is no output of ours, a repository, or where the process works."""
    resolved = directory.resolve()
    inhabited = resolved in (Path.cwd(), *Path.cwd().parents, Path.home(), *Path.home().parents)
    if not _is_ours(directory) or inhabited or (directory / ".git").exists():
        raise InputError(
            f"{directory}: --overwrite deletes only outputs of basinet, and this does not look like one; "
            "delete it yourself or choose another --out"
        )


def refuse_inputs_inside(output: Path, inputs: Iterable[str | Path]) -> None:
    """Refuse an output that is an input, or a directory that holds one: the input would be lost."""
    for path in inputs:
        if output.resolve() == Path(path).resolve():
            raise InputError(f"{path}: is an input, which the output would replace; choose another --out")
        if output.resolve() in Path(path).resolve().parents:
            raise InputError(f"{path}: lies in the output directory {output}; choose another --out")


@contextmanager
def prepared(root: Path, *, resume: bool, overwrite: bool) -> Iterator[None]:
    """Hold an output directory, emptied where it is to be overwritten: not before it is ours alone.

    The lock file stays, so that who holds it goes on holding it. InputError: see `_agree_to_output` and `_locked`.
    """
    refuse_running(root)
    _agree_to_output(root, resume=resume, overwrite=overwrite)
    with explained(root):
        root.mkdir(parents=True, exist_ok=True)
    with _locked(root):
        _agree_to_output(root, resume=resume, overwrite=overwrite)
        with explained(root):
            for entry in _content(root) if overwrite else ():
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        with atomic_write(root / MARKER) as stream:
            stream.write(MARKER_TEXT)
        yield


def refuse_other_config(path: Path, config: BaseModel, free: Collection[str] = ()) -> None:
    """Refuse to resume what was begun with another config; the message names the first key that differs.

    Keys in `free` may.
    """
    from basinet.config.loading import read_yaml

    if not path.exists():
        return
    try:
        before, now = _flat(read_yaml(path)), _flat(config.model_dump(mode="json"))
        if not before.keys() & now.keys():
            raise InputError(f"{path}: holds no settings")
    except InputError as error:
        raise InputError(f"{error}; delete it and run again with --resume") from error
    for key in [*now, *before]:
        if key not in free and before.get(key) != now.get(key):
            msg = (
                f"{path}: begun with {key} = {before.get(key)}, now {now.get(key)}; "
                "resume with the same config, or use --overwrite or another --out"
            )
            raise InputError(msg)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Give nested keys dotted names.

    >>> _flat({"a": {"b": 1}, "c": [2]})
    {'a.b': 1, 'c': [2]}
    """
    result: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        result |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return result


def refuse_links(root: Path) -> None:
    """Refuse a directory in which a file is a link or a pipe: what goes on with it would write, or wait, elsewhere.

    Links to directories are left, and so is `scratch`, in whose directories nothing is gone on with.
    """
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name != "scratch"]
        for path in (Path(folder, name) for name in files):
            if path.is_symlink() or path.is_fifo():
                raise InputError(f"{path}: is a link or a pipe, as basinet makes none in its outputs; remove it")


def refuse_running(root: Path) -> None:
    """Refuse a directory in which a living process works, or as in `refuse_links`."""
    refuse_links(root)
    if is_held(root / LOCK):
        raise _working(root)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Hold the lock file of a directory, which names this process. A file that a killed process left is taken over."""
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(holding(root / LOCK, wait=False))
        except BlockingIOError:
            raise _working(root) from None
        stream.truncate(0)
        stream.write(f"{os.getpid()} on {socket.gethostname()}\n")
        stream.flush()
        yield


def _working(root: Path) -> InputError:
    owner = "unknown"
    with suppress(OSError):  # it may be gone by now
        owner = (root / LOCK).read_text(encoding="utf-8", errors="replace").strip() or owner
    return InputError(f"{root}: another basinet (process {owner}) works there; wait for it or choose another --out")
