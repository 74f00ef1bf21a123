"""Where a result came from: versions, machine, revision, time."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGE = "basinet"
_REQUIREMENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def provenance() -> dict[str, Any]:
    """Collect versions of basinet and its dependencies, Python, platform, processors, git revision and time.

    Nothing is imported to find a version. What cannot be found out is null. Returns ``basinet``, ``dependencies`` (name
    to version), ``python``, ``platform``, ``machine``, ``cpu_count`` (processors this process may use),
    ``git_revision``, ``git_modified``, ``timestamp`` (UTC, ISO 8601).
    """
    revision, modified = _git_revision(Path(__file__).resolve().parents[1])
    return {
        "basinet": version(PACKAGE),
        "dependencies": _dependency_versions(),
        "python": platform.python_version(),
        "platform": " ".join(filter(None, (platform.system(), *platform.libc_ver()))),
        "machine": platform.machine(),
        "cpu_count": available_processors(),
        "git_revision": revision,
        "git_modified": modified,
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def version(distribution: str) -> str | None:
    """Look up the installed version of a distribution, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _dependency_versions() -> dict[str, str | None]:
    """Look up the versions of all that basinet requires, optional or not; empty if it is not installed."""
    try:
        requirements = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return {}
    names = sorted({match.group() for line in requirements if (match := _REQUIREMENT_NAME.match(line))})
    return {name: version(name) for name in names}


def available_processors() -> int | None:
    """Count the processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _git_revision(package: Path) -> tuple[str | None, bool | None]:
    """Find the commit of the checkout that holds the package, and whether its files differ from it.

    A package installed inside somebody else's repository (a virtual environment, say) is not a checkout of ours: only a
    working tree with the package at ``src/basinet`` counts. Otherwise, or without git, both are None.
    """
    root = package.parents[1]
    if package.parent.name != "src" or not (root / ".git").exists():
        return None, None
    revision = _git(root, "rev-parse", "HEAD")
    status = _git(root, "status", "--porcelain", "--untracked-files=no")
    return revision, None if revision is None or status is None else bool(status)


def _git(root: Path, *arguments: str) -> str | None:
    try:
        result = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return result.stdout.strip()
