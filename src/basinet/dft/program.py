"""The CP2K that is installed: found, and recent enough."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

from basinet.errors import InputError

NAMES = ("cp2k", "cp2k.psmp", "cp2k.ssmp", "cp2k.popt")
OLDEST = (2023, 1)
"""The oldest version whose input and output basinet is tested with."""
INSTALL = "install it (Debian: apt-get install cp2k; conda: conda install -c conda-forge cp2k)"


class MissingProgramError(InputError):
    """There is no CP2K, or it is too old."""


def find_program(command: str) -> tuple[str, ...]:
    """The words of CP2K's command line; the first of its names on the PATH if none is given.

    Raises
    ------
    MissingProgramError
        There is none.
    """
    try:
        words = tuple(shlex.split(command)) if command else tuple(filter(None, (first_on_path(NAMES),)))
    except ValueError as error:
        raise MissingProgramError(f"run.command: {command}: {error}; spell it as in a shell") from error
    if not words:
        raise MissingProgramError(f"cp2k: not found on the PATH; {INSTALL}, or name it with run.command")
    if shutil.which(words[0]) is None:
        raise MissingProgramError(f"{words[0]}: not found; {INSTALL}, or correct run.command")
    # It runs in a directory of its own, where paths relative to this one lead nowhere.
    return tuple(str(Path(word).absolute()) if "/" in word and Path(word).exists() else word for word in words)


def first_on_path(names: tuple[str, ...]) -> str | None:
    """The first of some programs that is on the PATH."""
    return next((name for name in names if shutil.which(name)), None)


@lru_cache(maxsize=8)
def program_version(words: tuple[str, ...]) -> str:
    """Version of CP2K, such as ``2023.1``.

    Raises
    ------
    MissingProgramError
        It is older than `OLDEST`, or is not CP2K.
    """
    try:
        done = subprocess.run([*words, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingProgramError(f"{words[0]}: cannot be run ({error}); {INSTALL}") from error
    found = re.search(r"CP2K version (\d+)\.(\d+)", done.stdout)
    if found is None:
        reason = " ".join((done.stderr or done.stdout).split())[:200]
        raise MissingProgramError(
            f"{' '.join(words)} --version: not CP2K ({reason}); {INSTALL}, or correct run.command"
        )
    version = f"{found[1]}.{found[2]}"
    if (int(found[1]), int(found[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise MissingProgramError(f"{words[0]}: CP2K {version} is too old, basinet needs {oldest} or newer; {INSTALL}")
    return version
