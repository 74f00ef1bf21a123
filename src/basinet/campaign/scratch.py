"""Directories that calculations run in, and what is left of those that were killed."""

from __future__ import annotations

import json
import math
import os
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ase import Atoms

from basinet.dft.calculation import OWNER
from basinet.dft.failures import CalculationFailed, FailureKind
from basinet.io.locks import holding
from basinet.units import Bohr

BYTES_PER_VALUE = 13.5
"""Of a cube's text."""
MARGIN = 32 << 20
"""Bytes for everything else that CP2K writes, and for results."""


def owner() -> str:
    """Name of this process, which CP2K bears in its environment and its directory in its name."""
    return f"{socket.gethostname().replace('.', '_')}.{os.getpid()}"


@contextmanager
def running(root: Path, unit: str, token: str) -> Iterator[str | None]:
    """Hold the lock of a unit: a second process that wants it waits, and finds it done.

    Yields the owner of the process that died over the same try, known by its token, or None: Dask hands what a dead
    worker had to the next one, and does not tell.
    """
    path = root / "running" / f"{unit}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with holding(path, wait=True) as stream:
        left = stream.read()
        stream.truncate(0)
        stream.write(json.dumps({"owner": owner(), "since": time.time(), "token": token}))
        stream.flush()
        yield owner_of(left, token)


def owner_of(text: str, token: str) -> str | None:
    """Who left a lock file that belongs to a try."""
    try:
        values = json.loads(text)
        return str(values["owner"]) if values["token"] == token else None
    except (ValueError, TypeError, KeyError):
        return None


@contextmanager
def scratch_directory(scratch: Path, unit: str) -> Iterator[Path]:
    """Make a directory for a calculation, and remove it at the end, with what killed ones left."""
    scratch.mkdir(parents=True, exist_ok=True)
    sweep(scratch)
    directory = scratch / f"{unit}.{owner()}.{secrets.token_hex(3)}"
    directory.mkdir()
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def sweep(scratch: Path) -> None:
    """Remove directories of processes of this machine that are no more."""
    host = owner().partition(".")[0]
    for directory in scratch.glob(f"*.{host}.*.*"):
        number = directory.name.split(".")[-2]
        if number.isdecimal() and not alive(int(number)):
            shutil.rmtree(directory, ignore_errors=True)


def alive(number: int) -> bool:
    """Whether a process of this machine exists."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def end_orphans() -> int:
    """End CP2Ks of this user and machine whose worker is no more; give back how many there were.

    There are none where the guard can do its work (`basinet.dft.guard`). Looks at Linux's ``/proc``, elsewhere at
    nothing.
    """
    host = owner().partition(".")[0]
    count = 0
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            variables = (entry / "environ").read_bytes().split(b"\0")
            mine = next((item for item in variables if item.startswith(f"{OWNER}=".encode())), b"")
            whose, _, number = mine.decode(errors="replace").partition("=")[2].rpartition(".")
            if whose == host and number.isdecimal() and not alive(int(number)):
                os.kill(int(entry.name), signal.SIGKILL)
                count += 1
    return count


def check_space(directory: Path, atoms: Atoms, cutoff: float | None, cubes: int) -> None:
    """Refuse to begin a calculation whose densities will not fit the disk.

    Raises
    ------
    CalculationFailed
        Says how much is free, and how much is needed.
    """
    needed = MARGIN + (0 if cutoff is None else cubes * cube_bytes(atoms, cutoff))
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise CalculationFailed(
            FailureKind.out_of_disk,
            f"{directory}: {free / 1e6:.0f} MB free, about {needed / 1e6:.0f} MB needed; free some, or set run.scratch",
        )


def cube_bytes(atoms: Atoms, cutoff: float) -> int:
    r"""Size of a cube of the density.

    A grid for plane waves up to the cutoff E (Ry) has about :math:`V (2 E / \pi^2)^{3/2} / 2^{3/2}` points, V in
    bohr^3: each direction has :math:`L \sqrt{E} / \pi`.
    """
    points = atoms.get_volume() / Bohr**3 * (math.sqrt(cutoff) / math.pi) ** 3
    return int(BYTES_PER_VALUE * points)
