"""Where a process can be talked to by others."""

from __future__ import annotations

from contextlib import suppress

import psutil


def listening(number: int) -> list[object]:
    """Ports and named sockets that a process and its children listen at."""
    found: list[object] = []
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(number)
        for each in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                connections = each.net_connections("all")
                found += [one.laddr for one in connections if one.status == psutil.CONN_LISTEN or one.laddr]
    return found
