"""Where a process can be talked to by others."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import psutil
import pytest

_OTHER_ACCOUNT = 65534


def _family(number: int) -> list[psutil.Process]:
    """A process and its children."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(number)
        return [process, *process.children(recursive=True)]
    return []


def listening(number: int) -> list[Any]:
    """Ports and named sockets that a process and its children listen at."""
    found: list[Any] = []
    for each in _family(number):
        with suppress(psutil.NoSuchProcess):
            connections = each.net_connections("all")
            found += [one.laddr for one in connections if one.status == psutil.CONN_LISTEN or one.laddr]
    return found


def refuse_other_account(number: int) -> None:
    """Let another account try every port, socket and pipe of a process and its children: it is to be refused."""
    if os.getuid() != 0:
        pytest.skip("only root can act as another account")
    done = subprocess.run([sys.executable, __file__, str(number)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _as_another_account(number: int) -> bool:
    """Become another account (Python itself may lie where only root can read), and tell if anything lets it in."""
    addresses, processes = listening(number), [each.pid for each in _family(number)]
    os.setgroups([])
    os.setgid(_OTHER_ACCOUNT)
    os.setuid(_OTHER_ACCOUNT)
    return any(map(_connects, addresses)) or _opens(processes)


def _connects(address: Any) -> bool:
    """Tell if a socket takes a connection."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as found:
        found.settimeout(3)
        return found.connect_ex(address if isinstance(address, str) else tuple(address)) == 0


def _opens(processes: Iterable[int]) -> bool:
    """Tell if something can be opened that processes have open; pipes have no other name than this."""
    for path in (f"/proc/{process}/fd/{number}" for process in processes for number in range(64)):
        with suppress(PermissionError, FileNotFoundError, ProcessLookupError):
            os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
            return True
    return False


if __name__ == "__main__":
    sys.exit(_as_another_account(int(sys.argv[1])))
