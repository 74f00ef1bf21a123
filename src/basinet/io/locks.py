"""Lock files: one process at a time, and no lock outlives its process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO


@contextmanager
def holding(path: Path, *, wait: bool) -> Iterator[TextIO]:
    """Hold a lock file and yield it, open for reading and writing: what is in it is from a process that was killed.

    The kernel lets go of the lock however the process ends; the file is removed only at a regular end. On a file
    system without locks there is no guard.

    Raises
    ------
    BlockingIOError
        Another process holds it, and nobody is to wait.
    """
    while True:
        with path.open("a+", encoding="utf-8", errors="replace") as stream:
            try:
                fcntl.flock(stream.fileno(), fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise
            except OSError:
                pass
            if not is_named(stream, path):
                continue  # whoever held it has removed it meanwhile: others would lock another file of that name
            try:
                stream.seek(0)
                yield stream
            finally:
                path.unlink(missing_ok=True)
            return


def is_named(stream: TextIO, path: Path) -> bool:
    """Whether an open file is still the one that has a name."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    return False


def is_held(path: Path) -> bool:
    """Whether some process holds a lock file."""
    try:
        with path.open("r", encoding="utf-8") as stream:
            fcntl.flock(stream.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
