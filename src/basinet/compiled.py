"""Compiled functions (numba), kept on disk under a digest of all the sources that they are made of.

numba by itself compiles again when the file of a function changes, but not when a constant or a function does that it
takes from another file. Here compiled code lies in a folder that is named by a digest of the function's file and every
file of its package that this one imports, directly or not, so that nothing out of date is ever run.
"""

import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])

_IMPORT = re.compile(r"^[ \t]*(?:from\s+(\S+)\s+import\s+(\([^)]*\)|.*)|import\s+(\S+))", flags=re.MULTILINE)


def jit(**options: Any) -> Callable[[F], F]:
    """Decorate a function that is to be compiled, to run without Python objects and without Python's lock.

    Compiled code lies in ``NUMBA_CACHE_DIR`` if that is set, else in ``__pycache__`` beside the source, else in the
    user's cache folder, else (an installation that cannot be written to, and no home) in a private temporary folder.
    The options are those of `numba.njit`, such as ``fastmath``.
    """

    def compiled(function: F) -> F:
        config: Any = numba.config
        source, chosen = Path(function.__code__.co_filename).resolve(), config.CACHE_DIR
        config.CACHE_DIR = str(_folder(source.parent) / _digest(source))
        try:
            kernel = numba.njit(nogil=True, cache=True, **options)(function)
        finally:
            config.CACHE_DIR = chosen
        save = kernel._cache.save_overload  # noqa: SLF001 - a full disk is to cost time, not the result

        def save_if_possible(*overload: Any) -> None:
            with suppress(OSError):
                save(*overload)

        kernel._cache.save_overload = save_if_possible  # noqa: SLF001
        return kernel  # type: ignore[no-any-return]

    return compiled


@cache
def _digest(path: Path) -> str:
    found, left = {path}, [path]
    while left:
        new = _imports(left.pop()) - found
        found |= new
        left.extend(new)
    return sha256(b"".join(source.read_bytes() for source in sorted(found))).hexdigest()[:16]


@cache
def _imports(path: Path) -> frozenset[Path]:
    top = path.parent
    while (top / "__init__.py").exists():
        top = top.parent
    found: set[Path] = set()
    for module, names, plain in _IMPORT.findall(path.read_text(encoding="utf-8")):
        stem = top / (module or plain).replace(".", "/")
        for place in (stem, *(stem / name for name in re.findall(r"\w+", names))):
            found.update(file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file())
    return frozenset(found)


@cache
def _folder(sources: Path) -> Path:
    for folder in _places(sources):
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
            return folder
    return Path(tempfile.mkdtemp(prefix="basinet-"))


def _places(sources: Path) -> Iterator[Path]:
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(chosen)
    yield sources / "__pycache__"
    home = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))  # noqa: PTH111 - Path raises without a home
    if home.is_absolute():
        yield home / "basinet"
    with suppress(OSError):
        private = Path(tempfile.gettempdir()) / f"basinet-{os.getuid()}"
        private.mkdir(mode=0o700, exist_ok=True)
        status = private.lstat()
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077:
            yield private  # code that another user could write is not to be run
