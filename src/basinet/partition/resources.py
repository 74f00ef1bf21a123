"""How many inputs at a time: as many as processors and free memory allow."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from basinet.dft.run_files import DENSITY
from basinet.io.provenance import available_processors

BYTES_PER_VALUE = 13
"""Of a cube's text; CHGCAR takes 18."""
COMPRESSION = 4
"""By gzip, at least as much as cubes shrink."""
ARRAYS = 8
"""Arrays of float64 on the grid that are alive at the peak: 5.5 measured, and some for further fields."""
BASE = 250 << 20
"""Bytes of a worker without arrays: Python and compiled code."""
SHARE = 0.8
"""Of the free memory that may be used."""


def choose_workers(paths: Sequence[Path]) -> int:
    """Number of worker processes for some inputs, at least 1."""
    processors = available_processors() or 1
    peak = max((peak_memory(path) for path in paths), default=BASE)
    return max(1, min(processors, len(paths), int(SHARE * free_memory() / peak)))


def peak_memory(path: Path) -> int:
    """Bytes that an input takes at most, by the size of its density; nothing is opened."""
    size = density_size(path)
    return BASE + ARRAYS * 8 * size // BYTES_PER_VALUE


def density_size(path: Path) -> int:
    """Bytes of the density's text."""
    try:
        if path.is_dir():
            return max((density_size(file) for file in path.glob(f"*{DENSITY}*.cube*")), default=0)
        return path.stat().st_size * (COMPRESSION if path.suffix == ".gz" else 1)
    except OSError:
        return 0


def free_memory() -> int:
    """Bytes that can be had without swapping, within the limits of a control group."""
    limits = [available_to_machine()]
    group = Path("/sys/fs/cgroup")
    try:
        most = (group / "memory.max").read_text(encoding="ascii").strip()
        if most != "max":
            limits.append(int(most) - int((group / "memory.current").read_text(encoding="ascii")))
    except (OSError, ValueError):
        pass
    return max(min(limits), 0)


def available_to_machine() -> int:
    """Bytes that the machine has left; half of its memory where it does not tell."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError):
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
